//! Containers as they are written.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use phoenix_types::{GuestId, Hostname, Mac, SnapshotName, StorageId, VolumeId, text_type};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::firewall::FirewallEntry;
use super::gate::GateEntries;
use super::list::Members;
use super::network::NetworkEntry;
use super::number::{Real, Whole};
use super::object::{Key, Opaque};
use super::service::{TestEntry, TraefikEntry};
use super::text::{AbsolutePath, FeatureName, Line, NodePath, Notes, PortMapping, Tag, WebAddress};
use crate::model::{IdMapKind, OnFailure, PctFeature, RawLine, State};

object! {
    /// One container, driven by `pct`.
    ContainerEntry {
        /// The host name.
        "name" => name: Hostname,
        /// Whether the node starts it when it boots. Default: false.
        "start_at_boot" => start_at_boot: Option<bool>,
        /// Its place in the node's own start order, the smallest first. Default: none.
        "boot_order" => boot_order: Option<Whole<0, 1_000_000>>,
        /// How long the node waits after starting and stopping it, in seconds. Default: none.
        "boot_delay" => boot_delay: Option<Whole<0, 86_400>>,
        /// Memory in MiB. Default: `proxmox_defaults.lxc.memory_mb` of the hypervisor file, else 512.
        "memory_mb" => memory_mb: Option<Whole<16, 67_108_864>>,
        /// Swap in MiB. Default: Proxmox's, 512.
        "swap_mb" => swap_mb: Option<Whole<0, 67_108_864>>,
        /// CPU cores. Default: `proxmox_defaults.lxc.cores` of the hypervisor file, else 1.
        "cores" => cores: Option<Whole<1, 8192>>,
        /// The template that it is made from: a volume such as `local:vztmpl/debian-12.tar.zst`, or a file on the node.
        "template" => template: Option<TemplateRef>,
        /// The container that it is cloned from, instead of `template`.
        "clone_from_ctid" => clone_from_ctid: Option<GuestId>,
        /// The storage of the root disk. Default for a clone: its source's.
        "storage_pool" => storage_pool: Option<StorageId>,
        /// The size of the root disk in GiB. It only ever grows. Default: 8; for a clone its source's.
        "storage_size_gb" => storage_size_gb: Option<Whole<1, 131_072>>,
        /// The network interface. Default: a container that is made from a template gets `eth0` on `vmbr0` with DHCP; a clone has its source's.
        "network_config" => network_config: Option<NetworkEntry>,
        /// The MAC address of the interface. Default: Proxmox makes one.
        "mac_address" => mac_address: Option<Mac>,
        /// The GPUs of the node that it sees: `none`, or numbers joined by commas.
        "gpu_assignment" => gpu_assignment: Option<GpuAssignment>,
        /// Whether root inside is nobody outside. Default: true; a clone is what its source is.
        "unprivileged" => unprivileged: Option<bool>,
        /// Provisioning scripts by name, in order.
        "features" => features: Option<Vec<FeatureName>>,
        /// The script that runs after all features.
        "application_script" => application_script: Option<FeatureName>,
        /// Features of `pct`, such as `nesting=1`.
        "pct_options" => pct_options: Option<Vec<PctOption>>,
        /// Raw `lxc.*` lines: `key=value`, `key: value` or `key:value`.
        "lxc_options" => lxc_options: Option<Vec<LxcOption>>,
        /// The AppArmor profile: `unconfined`, `generated` or a profile's name. Default: Proxmox's.
        "apparmor_profile" => apparmor_profile: Option<ProfileName>,
        /// Whether AppArmor allows nesting inside. Acts with a profile other than `unconfined`. Default: false.
        "apparmor_manages_nesting" => apparmor_manages_nesting: Option<bool>,
        /// Users and groups that are the same inside and on the node.
        "id_maps" => id_maps: Option<Vec<IdMapEntry>>,
        /// Directories of the node seen inside.
        "mount_points" => mount_points: Option<Vec<MountPointEntry>>,
        /// Volumes of their own, allocated on a storage.
        "zfs_volumes" => zfs_volumes: Option<Vec<VolumeEntry>>,
        /// The same as `zfs_volumes`, for any storage.
        "volumes" => volumes: Option<Vec<VolumeEntry>>,
        /// The firewall.
        "firewall" => firewall: Option<FirewallEntry>,
        /// Guests whose gates must have passed before this one's first step.
        "dependencies" => dependencies: Option<Vec<GuestId>>,
        /// What must pass before the container counts as done.
        "health_check" => health_check: Option<GateEntries>,
        /// The same as `health_check`.
        "health_checks" => health_checks: Option<GateEntries>,
        /// What must pass before its features run.
        "wait_for" => wait_for: Option<GateEntries>,
        /// Whether snapshots are taken before and after provisioning (`pre-configured`, `final-form`). Default: false.
        "enable_lifecycle_snapshots" => enable_lifecycle_snapshots: Option<bool>,
        /// The snapshot that clones of it are made from.
        "template_snapshot_name" => template_snapshot_name: Option<SnapshotName>,
        /// Whether it becomes a template. Default: false.
        "is_template" => is_template: Option<bool>,
        /// What it should be in the end. Default: `template` with `is_template`, `stopped` where `start_at_boot` is false, else `running`.
        "state" => state: Option<State>,
        /// What happens when a change fails. Default: `rollback` with `behavior.rollback_on_failure` in the hypervisor file, else `keep`.
        "on_failure" => on_failure: Option<OnFailure>,
        /// Whether Proxmox refuses to destroy it. Default: false.
        "protection" => protection: Option<bool>,
        /// Tags shown by Proxmox.
        "tags" => tags: Option<Vec<Tag>>,
        /// Notes shown by Proxmox.
        "description" => description: Option<Notes>,
        /// Published ports, `HOST:GUEST`. Handed to scripts.
        "ports" => ports: Option<Vec<PortMapping>>,
        /// How the gateway publishes its service. Handed to scripts.
        "traefik_service" => traefik_service: Option<TraefikEntry>,
        /// Its part in the Portainer setup. Handed to scripts.
        "portainer_role" => portainer_role: Option<Line>,
        /// Where the certificate authority answers. Handed to scripts.
        "bootstrap_ca_url" => bootstrap_ca_url: Option<WebAddress>,
        /// Settings of vLLM. Handed to scripts; `CacheConfig.gpu_memory_utilization` is also summed per GPU.
        "vllm_engine_config" => vllm_engine_config: Option<VllmEntry>,
        /// Whether a synchronisation of the stacks follows. Handed to scripts.
        "trigger_sync_on_completion" => trigger_sync_on_completion: Option<bool>,
        /// Test scripts by suite. Handed to scripts.
        "tests" => tests: Option<Members<Vec<TestEntry>>>,
    }
}

object! {
    /// A directory of the node seen inside.
    MountPointEntry {
        /// The directory on the node; it is made when it is not there.
        "host_path" => host_path: NodePath,
        /// Where it is seen inside.
        "container_path" => container_path: AbsolutePath,
        /// The owner's number, as the container counts. Default: ownership is left alone; with `owner_gid` alone 0.
        "owner_uid" => owner_uid: Option<Whole<0, 4_294_967_294>>,
        /// The group's number, as the container counts. Default: ownership is left alone; with `owner_uid` alone 0.
        "owner_gid" => owner_gid: Option<Whole<0, 4_294_967_294>>,
        /// Whether it cannot be written from inside. Default: false.
        "read_only" => read_only: Option<bool>,
    }
}

object! {
    /// A volume of its own, allocated on a storage.
    VolumeEntry {
        /// What people call it. Handed to scripts.
        "name" => name: Option<Line>,
        /// The storage.
        "pool" => pool: StorageId,
        /// Its size in GiB.
        "size_gb" => size_gb: Whole<1, 131_072>,
        /// Where it is seen inside.
        "mount_point" => mount_point: AbsolutePath,
        /// Whether backups include it. Default: false.
        "backup" => backup: Option<bool>,
    }
}

object! {
    /// A range of users or groups that are the same inside and on the node.
    IdMapEntry {
        /// `uid`, `gid` or `both`.
        "type" => kind: IdMapKind,
        /// The first number on the node.
        "host_id" => host_id: Whole<0, 4_294_967_294>,
        /// The first number inside.
        "container_id" => container_id: Whole<0, 4_294_967_294>,
        /// How many. Default: 1.
        "size" => size: Option<Whole<1, 65536>>,
    }
}

/// What a container is made from.
#[derive(Debug, Clone)]
pub(crate) enum TemplateRef {
    Path(AbsolutePath),
    Volume(VolumeId),
}

impl<'de> Deserialize<'de> for TemplateRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text.starts_with('/') {
            text.parse().map(Self::Path).map_err(de::Error::custom)
        } else {
            text.parse().map(Self::Volume).map_err(de::Error::custom)
        }
    }
}

impl schemars::JsonSchema for TemplateRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TemplateRef".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let path = generator.subschema_for::<AbsolutePath>();
        let volume = generator.subschema_for::<VolumeId>();
        schemars::json_schema!({
            "description": "A template: a volume `STORAGE:vztmpl/FILE`, or the absolute path of a file on the node.",
            "errorMessage": "a volume such as `local:vztmpl/debian-12.tar.zst`, or the absolute path of a file on the node",
            "anyOf": [path, volume],
            "examples": ["local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"],
        })
    }
}

text_type! {
    /// GPUs as they are written.
    GpuText, InvalidGpuText, |text: &str| text == "none" || text.split(',').all(|part| gpu(part).is_some()),
    "`none`, or GPU numbers joined by commas", "^(none| *[0-9]{1,2} *(, *[0-9]{1,2} *)*)$"
}

fn gpu(text: &str) -> Option<u32> {
    let text = text.trim_matches(' ');
    if (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The GPUs of the node that a container sees.
#[derive(Debug, Clone)]
pub(crate) struct GpuAssignment(pub(crate) BTreeSet<u32>);

impl<'de> Deserialize<'de> for GpuAssignment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = GpuText::deserialize(deserializer)?;
        Ok(Self(text.as_str().split(',').filter_map(gpu).collect()))
    }
}

impl schemars::JsonSchema for GpuAssignment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GpuAssignment".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = generator.subschema_for::<GpuText>();
        schema.insert("examples".into(), serde_json::json!(["none", "0", "0, 1"]));
        schema
    }
}

text_type! {
    /// The name of an AppArmor profile.
    ProfileName, InvalidProfileName, |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b))
    }, "an AppArmor profile's name: `unconfined`, `generated` or another", "^[A-Za-z0-9_.:/-]+$"
}

text_type! {
    /// A feature of `pct` as it is written.
    PctText, InvalidPctText, |text: &str| {
        text.split_once('=').is_some_and(|(key, value)| match key {
            "mount" => value
                .split(';')
                .all(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')),
            "fuse" | "keyctl" | "nesting" | "mknod" | "force_rw_sys" => value == "0" || value == "1",
            _ => false,
        })
    }, "a feature of `pct`: `nesting=1`, `keyctl=1`, `fuse=1`, `mknod=1`, `force_rw_sys=1` or `mount=nfs;cifs`",
    "^((fuse|keyctl|nesting|mknod|force_rw_sys)=[01]|mount=[A-Za-z0-9_]+(;[A-Za-z0-9_]+)*)$"
}

/// A feature of `pct` with its value.
#[derive(Debug, Clone)]
pub(crate) struct PctOption(pub(crate) PctFeature, pub(crate) String);

impl<'de> Deserialize<'de> for PctOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = PctText::deserialize(deserializer)?;
        let (key, value) = text.as_str().split_once('=').unwrap_or((text.as_str(), ""));
        let feature = PctFeature::WORDS.iter().find(|(_, word)| *word == key).map(|(feature, _)| *feature);
        feature
            .map(|feature| Self(feature, value.to_owned()))
            .ok_or_else(|| de::Error::custom(InvalidPctText(text.to_string())))
    }
}

impl schemars::JsonSchema for PctOption {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PctOption".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = generator.subschema_for::<PctText>();
        schema.insert("examples".into(), serde_json::json!(["nesting=1"]));
        schema
    }
}

/// Splits `key=value`, `key: value` or `key:value`, whichever sign comes first. A value may be empty: `lxc.cap.drop:` drops none.
fn raw_line(text: &str) -> Option<RawLine> {
    let sign = text.find([':', '='])?;
    let key = text.get(..sign)?.trim_matches(' ');
    let value = text.get(sign + 1..)?.trim_matches(' ');
    let good_key = key
        .strip_prefix("lxc.")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)));
    let good_value = !value.chars().any(|c| c.is_ascii_control());
    (good_key && good_value).then(|| RawLine { key: key.to_owned(), value: value.to_owned() })
}

text_type! {
    /// A raw line as it is written.
    RawText, InvalidRawText, |text: &str| raw_line(text).is_some(),
    "a raw line: `lxc.` and a key, `=` or `:`, and a value", r"^ *lxc\.[A-Za-z0-9_.-]+ *[:=][^\x00-\x1f\x7f]*$"
}

/// One raw `lxc.*` line.
#[derive(Debug, Clone)]
pub(crate) struct LxcOption(pub(crate) RawLine);

impl<'de> Deserialize<'de> for LxcOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        raw_line(&text).map(Self).ok_or_else(|| de::Error::custom(InvalidRawText(text.into_owned())))
    }
}

impl schemars::JsonSchema for LxcOption {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LxcOption".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = generator.subschema_for::<RawText>();
        schema.insert(
            "examples".into(),
            serde_json::json!(["lxc.apparmor.profile=unconfined", "lxc.mount.auto: sys:rw"]),
        );
        schema
    }
}

/// Settings of vLLM: all of them belong to its script; one is looked at.
#[derive(Debug, Clone)]
pub(crate) struct VllmEntry {
    pub(crate) gpu_memory_utilization: Option<f64>,
}

struct CacheConfig(Option<f64>);

impl<'de> Deserialize<'de> for CacheConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        open_object(deserializer, "gpu_memory_utilization").map(|share: Option<Real<0, 1>>| Self(share.map(Real::get)))
    }
}

impl<'de> Deserialize<'de> for VllmEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        open_object(deserializer, "CacheConfig")
            .map(|cache: Option<CacheConfig>| Self { gpu_memory_utilization: cache.and_then(|cache| cache.0) })
    }
}

/// Reads one member of an object whose other members are somebody else's.
fn open_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    wanted: &'static str,
) -> Result<Option<T>, D::Error> {
    struct OpenVisitor<T>(&'static str, std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OpenVisitor<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
            let mut found = None;
            let mut keys = BTreeSet::new();
            while let Some(Key(key)) = map.next_key()? {
                if key == self.0 {
                    found = Some(map.next_value()?);
                } else {
                    map.next_value::<Opaque>()?;
                }
                if let Some(key) = keys.replace(key) {
                    return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
                }
            }
            Ok(found)
        }
    }
    deserializer.deserialize_map(OpenVisitor(wanted, std::marker::PhantomData))
}

impl schemars::JsonSchema for VllmEntry {
    fn schema_name() -> Cow<'static, str> {
        "VllmEngineConfig".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut share = generator.subschema_for::<Real<0, 1>>();
        share.insert("description".into(), "The share of a GPU's memory that the model server takes, 0 to 1.".into());
        schemars::json_schema!({
            "description": "Settings of vLLM, handed to its script.",
            "type": "object",
            "properties": {"CacheConfig": {"type": "object", "properties": {"gpu_memory_utilization": share}}},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("lxc.apparmor.profile=unconfined", "lxc.apparmor.profile: unconfined")]
    #[test_case("lxc.mount.auto:sys:rw", "lxc.mount.auto: sys:rw")]
    #[test_case("lxc.cgroup2.devices.allow: c 195:* rwm", "lxc.cgroup2.devices.allow: c 195:* rwm")]
    #[test_case("lxc.environment = A=B", "lxc.environment: A=B")]
    #[test_case("lxc.cap.drop:", "lxc.cap.drop: ")]
    fn raw_lines(text: &str, line: &str) {
        assert_eq!(serde_json::from_value::<LxcOption>(text.into()).unwrap().0.to_string(), line);
    }

    #[test_case("lxc.apparmor.profile")]
    #[test_case("memory=5")]
    #[test_case("lxc.=5")]
    #[test_case("lxc.a=b\nrootfs: x")]
    fn refused_raw_lines(text: &str) {
        assert!(serde_json::from_value::<LxcOption>(text.into()).is_err());
    }

    #[test_case("none", &[])]
    #[test_case("0, 1", &[0, 1])]
    #[test_case("1,0", &[0, 1])]
    fn gpus(text: &str, expected: &[u32]) {
        let gpus = serde_json::from_value::<GpuAssignment>(text.into()).unwrap().0;
        assert_eq!(gpus.into_iter().collect::<Vec<_>>(), expected);
    }
}
