//! VMs as they are written.

use std::borrow::Cow;
use std::fmt;

use phoenix_types::{BridgeName, GuestId, Hostname, Mac, SnapshotName, StorageId, VolumeId, text_type};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::firewall::FirewallEntry;
use super::gate::GateEntries;
use super::list::OneOrMany;
use super::network::VmNetworkEntry;
use super::number::Whole;
use super::object::{self, Opaque};
use super::secret::SecretEntry;
use super::service::TraefikEntry;
use super::text::{AbsolutePath, FeatureName, FileName, Line, Notes, Tag, UserName, WebAddress};
use crate::model::{AgentUse, OnFailure, State};

object! {
    /// One virtual machine, driven by `qm`.
    VmEntry {
        /// The VM's id: 100 to 999999999, in one space with the containers.
        "vmid" => vmid: GuestId,
        /// The host name.
        "name" => name: Hostname,
        /// Whether it becomes a template. Default: false.
        "is_template" => is_template: Option<bool>,
        /// The cloud image that it is made from: a file name of Ubuntu's or Debian's (its newest build is fetched when the node lacks it), a path on the node, a volume or a web address.
        "template_image" => template_image: Option<ImageRef>,
        /// The VM that it is cloned from, instead of `template_image`.
        "clone_from_vmid" => clone_from_vmid: Option<GuestId>,
        /// The snapshot that clones of it are made from.
        "template_snapshot_name" => template_snapshot_name: Option<SnapshotName>,
        /// CPU cores. Default: `vm_defaults.cores`, else 1.
        "cores" => cores: Option<Whole<1, 8192>>,
        /// Memory in MiB. Default: `vm_defaults.memory_mb`, else 512.
        "memory_mb" => memory_mb: Option<Whole<16, 67_108_864>>,
        /// The size of the root disk in GiB. It only ever grows. Default: `vm_defaults.disk_size_gb`, else its source's or its image's; a template keeps its image's.
        "disk_size_gb" => disk_size_gb: Option<Whole<1, 131_072>>,
        /// The storage of the root disk. Default: `vm_defaults.storage_pool`; for a clone its source's.
        "storage_pool" => storage_pool: Option<StorageId>,
        /// The bridge on the node. Default: `vm_defaults.network_bridge`, else `vmbr0`.
        "network_bridge" => network_bridge: Option<BridgeName>,
        /// The network interface.
        "network_config" => network_config: Option<VmNetworkEntry>,
        /// The MAC address of the interface. Default: Proxmox makes one.
        "mac_address" => mac_address: Option<Mac>,
        /// The user that cloud-init makes.
        "user_config" => user_config: Option<UserEntry>,
        /// Whether the node starts it when it boots. Default: false.
        "start_at_boot" => start_at_boot: Option<bool>,
        /// Its place in the node's own start order, the smallest first. Default: none.
        "boot_order" => boot_order: Option<Whole<0, 1_000_000>>,
        /// How long the node waits after starting and stopping it, in seconds. Default: none.
        "boot_delay" => boot_delay: Option<Whole<0, 86_400>>,
        /// Provisioning scripts by name, in order.
        "features" => features: Option<Vec<FeatureName>>,
        /// The script that runs after all features.
        "application_script" => application_script: Option<FeatureName>,
        /// Guests whose gates must have passed before this one's first step.
        "dependencies" => dependencies: Option<Vec<GuestId>>,
        /// Whether it has the QEMU guest agent: `true`, `false`, or `{"exec": false}` for one that runs no programs. Default: a VM that is made from an image has it, every other one has it when its settings on the node say so.
        "guest_agent" => guest_agent: Option<AgentEntry>,
        /// Whether it has cloud-init, which is waited for after a start. Default: it is waited for where it is installed.
        "cloud_init" => cloud_init: Option<bool>,
        /// NFS volumes that the VM mounts itself.
        "volumes" => volumes: Option<Vec<NfsVolumeEntry>>,
        /// The firewall.
        "firewall" => firewall: Option<FirewallEntry>,
        /// What must pass before the VM counts as done.
        "health_check" => health_check: Option<GateEntries>,
        /// The same as `health_check`.
        "health_checks" => health_checks: Option<GateEntries>,
        /// What must pass before its features run.
        "wait_for" => wait_for: Option<GateEntries>,
        /// Whether snapshots are taken before and after the features (`pre-features`, `post-features`). Default: false.
        "enable_lifecycle_snapshots" => enable_lifecycle_snapshots: Option<bool>,
        /// Names for the snapshots before and after the features; one that is named is taken.
        "snapshots" => snapshots: Option<SnapshotsEntry>,
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
        /// How the gateway publishes its service. Handed to scripts.
        "traefik_service" => traefik_service: Option<TraefikEntry>,
        /// Its part in the Portainer setup. Handed to scripts.
        "portainer_role" => portainer_role: Option<Line>,
        /// Its name in Portainer. Handed to scripts.
        "portainer_environment_name" => portainer_environment_name: Option<Line>,
        /// Where its Portainer agent answers. Handed to scripts.
        "portainer_agent_hostname" => portainer_agent_hostname: Option<Hostname>,
        /// Docker stacks that belong on it: names, or objects with a name. Handed to scripts.
        "docker_stacks" => docker_stacks: Option<Vec<StackEntry>>,
        /// DNS records of its services. Handed to scripts.
        "dns_records" => dns_records: Option<Vec<Opaque>>,
        /// Whether a synchronisation of the stacks follows. Handed to scripts.
        "trigger_sync_on_completion" => trigger_sync_on_completion: Option<bool>,
    }
}

object! {
    /// What the guest agent does.
    AgentObject {
        /// Whether it runs programs. Default: true.
        "exec" => exec: Option<bool>,
    }
}

/// The guest agent: whether it is there, or what it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AgentEntry(pub(crate) AgentUse);

impl<'de> Deserialize<'de> for AgentEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AgentVisitor;
        impl<'de> Visitor<'de> for AgentVisitor {
            type Value = AgentEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or an object with `exec`")
            }

            fn visit_bool<E: de::Error>(self, present: bool) -> Result<AgentEntry, E> {
                Ok(AgentEntry(if present { AgentUse::Exec } else { AgentUse::Absent }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AgentEntry, A::Error> {
                let object: AgentObject = object::from_map(map)?;
                Ok(AgentEntry(if object.exec == Some(false) { AgentUse::Ping } else { AgentUse::Exec }))
            }
        }
        deserializer.deserialize_any(AgentVisitor)
    }
}

impl schemars::JsonSchema for AgentEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AgentEntry".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let object = generator.subschema_for::<AgentObject>();
        schemars::json_schema!({"anyOf": [{"type": "boolean"}, object], "examples": [false, {"exec": false}]})
    }
}

object! {
    /// An NFS volume that the VM mounts itself.
    NfsVolumeEntry {
        /// The kind of volume: `nfs`. Handed to scripts.
        "type" => kind: Option<VolumeKind>,
        /// What people call it. Handed to scripts.
        "name" => name: Option<Line>,
        /// The NFS server. Default: `network.nfs_server` of the hypervisor file.
        "server" => server: Option<ServerName>,
        /// The exported directory on the server.
        "path" => path: MountPath,
        /// Where the VM sees it.
        "mount_point" => mount_point: MountPath,
        /// Mount options. Default: `defaults,_netdev`.
        "options" => options: Option<MountOptions>,
    }
}

object! {
    /// The user that cloud-init makes.
    UserEntry {
        /// The user's name. Default: the image's own.
        "username" => username: Option<UserName>,
        /// The user's password. Refused: `qm` would show it to everybody on the node. Give the user an ssh key.
        "password" => password: Option<SecretEntry>,
        /// Public ssh keys: one, or a list.
        "ssh_public_key" => ssh_public_key: Option<OneOrMany<Line>>,
        /// A file of public ssh keys, beside the configuration or absolute.
        "ssh_key_file" => ssh_key_file: Option<Line>,
    }
}

object! {
    /// Names of the snapshots around the features.
    SnapshotsEntry {
        /// Taken before the features run.
        "pre-features" => pre_features: Option<SnapshotName>,
        /// Taken when the VM is done.
        "post-features" => post_features: Option<SnapshotName>,
    }
}

object! {
    /// A Docker stack.
    StackObject {
        /// The stack's name.
        "name" => name: Line,
        /// Which of its environments.
        "environment" => environment: Option<Line>,
    }
}

text_type! {
    /// The kind of a volume.
    VolumeKind, InvalidVolumeKind, |text: &str| text == "nfs", "a kind of volume: `nfs`", "^nfs$"
}
text_type! {
    /// A server's address or name.
    ServerName, InvalidServerName, |text: &str| {
        !text.is_empty() && text.len() <= 255 && text.as_bytes()[0].is_ascii_alphanumeric() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    }, "an IPv4 address or a host name", r"^[A-Za-z0-9][A-Za-z0-9.-]{0,254}$"
}
text_type! {
    /// An absolute path that can stand in `/etc/fstab`.
    MountPath, InvalidMountPath, |text: &str| {
        text.parse::<AbsolutePath>().is_ok() && !text.contains(' ') && !text.contains('#')
    }, "an absolute path without commas, blanks, `#`, `.` and `..`",
    r"^(?!(.*/)?\.\.?(/|$))/[^,#\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$"
}
text_type! {
    /// Mount options as they stand in `/etc/fstab`.
    MountOptions, InvalidMountOptions, |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_,=.:/-".contains(&b)),
    "mount options joined by commas", "^[A-Za-z0-9_,=.:/-]+$"
}

/// A Docker stack: its name, or an object.
#[derive(Debug, Clone)]
pub(crate) struct StackEntry;

impl<'de> Deserialize<'de> for StackEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StackVisitor;
        impl<'de> Visitor<'de> for StackVisitor {
            type Value = StackEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a stack's name, or an object with `name`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StackEntry, E> {
                text.parse::<Line>().map(|_| StackEntry).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<StackEntry, A::Error> {
                object::from_map::<StackObject, A>(map).map(|_| StackEntry)
            }
        }
        deserializer.deserialize_any(StackVisitor)
    }
}

impl schemars::JsonSchema for StackEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Stack".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let name = generator.subschema_for::<Line>();
        let object = generator.subschema_for::<StackObject>();
        schemars::json_schema!({"anyOf": [name, object], "examples": ["qdrant_service"]})
    }
}

/// The cloud image that a VM is made from.
#[derive(Debug, Clone)]
pub(crate) enum ImageRef {
    Path(AbsolutePath),
    Web(WebAddress),
    Volume(VolumeId),
    Name(FileName),
}

impl<'de> Deserialize<'de> for ImageRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text.starts_with('/') {
            text.parse().map(Self::Path).map_err(de::Error::custom)
        } else if text.starts_with("http://") || text.starts_with("https://") {
            text.parse().map(Self::Web).map_err(de::Error::custom)
        } else if text.contains(':') {
            text.parse().map(Self::Volume).map_err(de::Error::custom)
        } else {
            text.parse().map(Self::Name).map_err(de::Error::custom)
        }
    }
}

impl schemars::JsonSchema for ImageRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ImageRef".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let any = [
            generator.subschema_for::<FileName>(),
            generator.subschema_for::<AbsolutePath>(),
            generator.subschema_for::<WebAddress>(),
            schemars::json_schema!({"allOf": [generator.subschema_for::<VolumeId>(), {"not": {"pattern": "^https?://"}}]}),
        ];
        schemars::json_schema!({
            "description": "A cloud image: a file name, an absolute path on the node, a volume, or a web address.",
            "errorMessage": "a file name, an absolute path on the node, a volume, or a web address",
            "anyOf": any,
            "examples": ["noble-server-cloudimg-amd64.img"],
        })
    }
}
