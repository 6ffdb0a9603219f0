//! Every setting of every guest with where it comes from: what `phoenix validate --show-defaults` prints.

use phoenix_types::gate::Gate;
use phoenix_types::{GuestId, Span};
use serde::Serialize;
use serde_json::{Value, json};

use crate::diagnostic::FileKind;
use crate::load::Loaded;
use crate::model::{CloudImage, ContainerSource, Guest, Kind, Limits, State, Vm, VmSource};
use crate::resolve::defaults::START;
use crate::source::{Location, Segment, Source, find};

/// One setting of a guest.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct Setting {
    /// The guest.
    pub guest: GuestId,
    /// The key, as a path joined by dots: `network_config.ip`, `health_check[0].retries`.
    pub key: String,
    /// The value; null where nobody says anything.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(tag = "from", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The guest's own object says so.
    Written {
        /// Where.
        at: Location,
    },
    /// A default in one of the files says so: `vm_defaults`, `proxmox_defaults`, …
    Shared {
        /// Which key.
        key: String,
        /// Where.
        at: Location,
    },
    /// The guest that it is cloned from has it so.
    CloneSource {
        /// That guest.
        guest: GuestId,
    },
    /// The image that it is made from has it so.
    Image,
    /// Phoenix's own default.
    Default,
    /// Nobody says anything: Proxmox's own default holds.
    Proxmox,
}

impl Loaded {
    /// Every setting of every guest with where it comes from; nothing when there is no fleet.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let hypervisor =
            self.sources.iter().find(|source| source.path().file_name() == Some(FileKind::Hypervisor.file_name()));
        let guests = self.fleet.iter().flat_map(|fleet| fleet.guests.values());
        guests
            .flat_map(|guest| {
                let mut table = Table { guest, hypervisor: hypervisor.map(AsRef::as_ref), settings: Vec::new() };
                table.common();
                match &guest.kind {
                    Kind::Container(_) => table.container(),
                    Kind::Vm(vm) => table.vm(vm),
                }
                table.settings
            })
            .collect()
    }
}

/// Where a value may come from when the guest does not write it.
#[derive(Clone, Copy)]
enum Fallback<'a> {
    /// The guest that it is cloned from, when it is a clone.
    Source,
    /// Nobody: where nothing is written there is none.
    Nobody,
    /// A key of the guest's own file.
    File(&'a [&'a str]),
    /// A key of the hypervisor file.
    Hypervisor(&'a [&'a str]),
}

struct Table<'a> {
    guest: &'a Guest,
    hypervisor: Option<&'a Source>,
    settings: Vec<Setting>,
}

impl Table<'_> {
    /// Adds a setting that is written at one of `paths`, or comes from a fallback.
    fn add(&mut self, key: impl Into<String>, value: Value, paths: &[&[Segment]], fallbacks: &[Fallback<'_>]) {
        let context = &self.guest.context;
        let written = paths.iter().find_map(|path| placed(context.source(), context.range().start, path));
        let shared = || {
            fallbacks.iter().find_map(|fallback| {
                let (source, keys) = match fallback {
                    Fallback::File(keys) => (Some(context.source().as_ref()), keys),
                    Fallback::Hypervisor(keys) => (self.hypervisor, keys),
                    Fallback::Source => {
                        return self.guest.clone_from.as_ref().map(|source| Origin::CloneSource { guest: source.id });
                    }
                    Fallback::Nobody => return Some(Origin::Default),
                };
                let path: Vec<Segment> = keys.iter().map(|key| Segment::from(*key)).collect();
                placed(source?, 0, &path).map(|at| Origin::Shared { key: keys.join("."), at })
            })
        };
        let unsaid = if value.is_null() { Origin::Proxmox } else { Origin::Default };
        let origin = match written {
            Some(at) => Origin::Written { at },
            None => shared().unwrap_or(unsaid),
        };
        self.settings.push(Setting { guest: self.guest.id, key: key.into(), value, origin });
    }

    /// Adds a setting with one key.
    fn plain(&mut self, key: &str, value: Value, fallbacks: &[Fallback<'_>]) {
        self.add(key, value, &[&[key.into()]], fallbacks);
    }

    fn limit(&mut self, key: &str, value: Value) {
        self.add(format!("limits.{key}"), value, &[&["limits".into(), key.into()]], &[Fallback::Nobody]);
    }

    fn common(&mut self) {
        let guest = self.guest;
        self.plain("name", json!(guest.name), &[]);
        let why = if guest.state == State::Template { "is_template" } else { "start_at_boot" };
        self.add("state", json!(guest.state), &[&["state".into()], &[why.into()]], &[]);
        self.plain("kind", json!(guest.role), &[]);
        self.plain("start_at_boot", json!(guest.start_at_boot), &[]);
        self.plain("boot_order", json!(guest.boot_order), &[Fallback::Source]);
        self.plain("boot_delay", json!(guest.boot_delay), &[Fallback::Source]);
        let Limits { start, shutdown, script, agent, cloud_init } = guest.limits;
        self.limit("start", json!(start.unwrap_or(START)));
        self.limit("shutdown", json!(shutdown));
        self.limit("script", json!(script));
        if guest.vm().is_some() {
            self.limit("agent", json!(agent));
            self.limit("cloud_init", json!(cloud_init));
        }
        let dependencies: Vec<Value> = guest.dependencies.iter().map(|(id, terms)| terms.written(*id)).collect();
        self.plain("dependencies", json!(dependencies), &[]);
        self.networks();
        self.proxmox();
        self.plain("features", json!(guest.features.iter().map(|script| &script.name).collect::<Vec<_>>()), &[]);
        self.plain(
            "application_script",
            json!(guest.application.as_ref().map(|script| &script.name)),
            &[Fallback::Nobody],
        );
        if let Some(firewall) = &guest.firewall {
            let at = |key: &str| ["firewall".into(), key.into()] as [Segment; 2];
            self.add("firewall.enabled", json!(firewall.enabled), &[&at("enabled")], &[]);
            let (input, output) = (json!(firewall.input_policy), json!(firewall.output_policy));
            self.add("firewall.default_input_policy", input, &[&at("default_input_policy")], &[]);
            self.add("firewall.default_output_policy", output, &[&at("default_output_policy")], &[]);
            let rules: Vec<String> = firewall.rules.iter().map(ToString::to_string).collect();
            self.add("firewall.rules", json!(rules), &[&at("rules")], &[]);
        }
        self.gates("health_check", &guest.health, &["health_check", "health_checks"]);
        self.gates("wait_for", &guest.wait_for, &["wait_for"]);
        self.plain("template_snapshot_name", json!(guest.template_snapshot), &[Fallback::Nobody]);
        let snapshots: Vec<_> = guest.lifecycle.before.iter().chain(&guest.lifecycle.after).collect();
        self.add(
            "enable_lifecycle_snapshots",
            json!(snapshots),
            &[&["snapshots".into()], &["enable_lifecycle_snapshots".into()]],
            &[],
        );
        self.plain(
            "on_failure",
            json!(guest.on_failure),
            &[Fallback::Hypervisor(&["behavior", "rollback_on_failure"])],
        );
        self.plain("protection", json!(guest.protection), &[]);
        self.plain("tags", json!(guest.tags), &[]);
        self.plain("description", json!(guest.description), &[Fallback::Nobody]);
    }

    fn networks(&mut self) {
        let guest = self.guest;
        for network in guest.networks.iter().flatten() {
            let is_first = guest.network() == Some(network);
            let name = |key: &str| dotted(&network.at(key));
            let is_vm = guest.vm().is_some();
            let usual = [Fallback::File(&["vm_defaults", "network_bridge"])];
            let fallbacks: &[Fallback<'_>] = if is_vm { &usual } else { &[] };
            let bridge = [network.at("bridge"), vec!["network_bridge".into()]];
            self.add(name("bridge"), json!(network.bridge), &[&bridge[0], &bridge[1]], fallbacks);
            let none = &[Fallback::Nobody];
            self.add(name("ip"), json!(network.ipv4), &[&network.at("ip")], &[]);
            self.add(name("gw"), json!(network.gateway), &[&network.at("gw")], none);
            self.add(name("ip6"), json!(network.ipv6), &[&network.at("ip6")], none);
            self.add(name("gw6"), json!(network.gateway6), &[&network.at("gw6")], none);
            self.add(name("vlan"), json!(network.vlan), &[&network.at("vlan")], none);
            let trunks: Vec<String> = network.trunks.iter().map(ToString::to_string).collect();
            self.add(name("trunks"), json!(trunks), &[&network.at("trunks")], &[]);
            self.add(name("mtu"), json!(network.mtu), &[&network.at("mtu")], &[]);
            self.add(name("rate"), json!(network.rate), &[&network.at("rate")], none);
            self.add(name("link_down"), json!(network.link_down), &[&network.at("link_down")], &[]);
            if is_vm {
                self.add(
                    name("model"),
                    json!(network.model.as_deref().unwrap_or("virtio")),
                    &[&network.at("model")],
                    &[],
                );
                self.add(name("queues"), json!(network.queues), &[&network.at("queues")], none);
            } else {
                self.add(name("host_managed"), json!(network.host_managed), &[&network.at("host_managed")], &[]);
            }
            let servers = if network.nameservers.is_empty() { Value::Null } else { json!(network.nameservers) };
            let places = [network.at("nameservers"), network.at("nameserver")];
            self.add(name("nameservers"), servers, &[&places[0], &places[1]], &[Fallback::Source]);
            // Only VMs take the hypervisor file's domain.
            let domain = match is_vm && network.search_domain.is_some() {
                true => Fallback::Hypervisor(&["domain_name"]),
                false => Fallback::Source,
            };
            self.add(name("searchdomain"), json!(network.search_domain), &[&network.at("searchdomain")], &[domain]);
            let places = [network.at("firewall"), vec!["firewall".into()]];
            self.add(name("firewall"), json!(network.firewall), &[&places[0], &places[1]], &[]);
            let mac = [network.at("mac_address"), vec!["mac_address".into()]];
            let (key, places) =
                if is_first { ("mac_address".to_owned(), &mac[..]) } else { (name("mac_address"), &mac[..1]) };
            let places: Vec<&[Segment]> = places.iter().map(Vec::as_slice).collect();
            self.add(key, json!(network.mac), &places, &[]);
        }
    }

    fn proxmox(&mut self) {
        let guest = self.guest;
        for (key, value) in &guest.proxmox {
            let (tool, usual) = match &guest.kind {
                Kind::Container(_) => ("pct", Fallback::Hypervisor(&["proxmox_defaults", "lxc", "pct"])),
                Kind::Vm(_) => ("qm", Fallback::File(&["vm_defaults", "qm"])),
            };
            self.add(format!("{tool}.{key}"), json!(value), &[&[tool.into(), key.as_str().into()]], &[usual]);
        }
    }

    fn container(&mut self) {
        let guest = self.guest;
        let Some(container) = guest.container() else { return };
        let source = match &container.source {
            ContainerSource::Volume(volume) => json!(volume),
            ContainerSource::Path(path) => json!(path),
            ContainerSource::Clone => json!(guest.clone_from.as_ref().map(|source| source.id)),
        };
        self.add("template", source, &[&["template".into()], &["clone_from_ctid".into()]], &[]);
        let cores = guest.cores.map_or_else(|| json!("all"), |cores| json!(cores));
        self.plain("cores", cores, &[Fallback::Hypervisor(&["proxmox_defaults", "lxc", "cores"])]);
        self.plain(
            "memory_mb",
            json!(guest.memory),
            &[Fallback::Hypervisor(&["proxmox_defaults", "lxc", "memory_mb"])],
        );
        self.plain("swap_mb", json!(container.swap), &[Fallback::Source]);
        self.plain("storage_pool", json!(guest.storage), &[Fallback::Source]);
        // A container from a template has a size of its own, a clone that of its source.
        self.plain("storage_size_gb", json!(guest.first_disk()), &[Fallback::Source]);
        self.plain("unprivileged", json!(container.unprivileged), &[Fallback::Source]);
        let options: Vec<String> =
            container.features.iter().map(|(key, value)| format!("{}={value}", key.word())).collect();
        self.plain("pct_options", json!(options), &[]);
        let raw: Vec<String> = container.raw_lines.iter().map(ToString::to_string).collect();
        let raw_paths: [&[Segment]; 4] =
            [&["lxc_options".into()], &["apparmor_profile".into()], &["gpu_assignment".into()], &["id_maps".into()]];
        self.add("lxc_options", json!(raw), &raw_paths, &[]);
        let own = crate::source::elements(guest.context.text(), &["zfs_volumes".into()]).len();
        for (index, volume) in container.volumes.iter().enumerate() {
            let (key, index) = if index < own { ("zfs_volumes", index) } else { ("volumes", index - own) };
            let value = format!("{} of {} → {}", volume.size, volume.storage, volume.mount_point);
            let path = [key.into(), index.into(), "mount_point".into()];
            self.add(format!("{key}[{index}]"), json!(value), &[&path], &[]);
        }
        for (index, mount) in container.mount_points.iter().enumerate() {
            let path = ["mount_points".into(), index.into(), "container_path".into()];
            let key = format!("mount_points[{index}]");
            self.add(
                key,
                json!(format!("{} → {}", mount.host_path, mount.container_path)),
                &[&path],
                &[Fallback::Hypervisor(&["shared_volumes"])],
            );
        }
    }

    fn vm(&mut self, vm: &Vm) {
        let guest = self.guest;
        let source = match &vm.source {
            VmSource::Image(CloudImage::Volume(volume)) => json!(volume),
            VmSource::Image(CloudImage::Path(path)) => json!(path),
            VmSource::Image(CloudImage::Download { url, .. }) => json!(url),
            VmSource::Clone => json!(guest.clone_from.as_ref().map(|source| source.id)),
        };
        self.add("template_image", source, &[&["template_image".into()], &["clone_from_vmid".into()]], &[]);
        self.plain("cores", json!(guest.cores), &[Fallback::File(&["vm_defaults", "cores"])]);
        self.plain("memory_mb", json!(guest.memory), &[Fallback::File(&["vm_defaults", "memory_mb"])]);
        let usual: &[Fallback<'_>] = &[Fallback::File(&["vm_defaults", "disk_size_gb"])];
        self.plain("disk_size_gb", json!(guest.disk), if guest.disk.is_some() { usual } else { &[Fallback::Source] });
        if let (None, None, Some(setting)) = (guest.disk, &guest.clone_from, self.settings.last_mut()) {
            setting.origin = Origin::Image;
        }
        let usual = [Fallback::File(&["vm_defaults", "storage_pool"]), Fallback::Source];
        self.plain("storage_pool", json!(guest.storage), &usual);
        self.plain("guest_agent", json!(vm.agent), &[Fallback::Source]);
        self.plain("cloud_init", json!(vm.cloud_init), &[Fallback::Source]);
        for (index, volume) in vm.volumes.iter().enumerate() {
            let at = |key: &str| ["volumes".into(), index.into(), key.into()] as [Segment; 3];
            self.add(format!("volumes[{index}].path"), json!(volume.path), &[&at("path")], &[]);
            self.add(format!("volumes[{index}].mount_point"), json!(volume.mount_point), &[&at("mount_point")], &[]);
            let server = [Fallback::Hypervisor(&["network", "nfs_server"])];
            self.add(format!("volumes[{index}].server"), json!(volume.server), &[&at("server")], &server);
            self.add(format!("volumes[{index}].options"), json!(volume.options), &[&at("options")], &[]);
        }
        if let Some(user) = &vm.user {
            let at = |key: &str| ["user_config".into(), key.into()] as [Segment; 2];
            self.add("user_config.username", json!(user.name), &[&at("username")], &[Fallback::Source]);
            self.add("user_config.ssh_public_key", json!(user.ssh_keys), &[&at("ssh_public_key")], &[]);
            self.add(
                "user_config.ssh_key_file",
                json!(user.ssh_key_file.as_ref().map(|file| &file.path)),
                &[&at("ssh_key_file")],
                &[Fallback::Nobody],
            );
        }
    }

    fn gates(&mut self, name: &str, gates: &[Gate], keys: &[&str]) {
        for (index, Gate { name: title, schedule, .. }) in gates.iter().enumerate() {
            let backoff = schedule.backoff.map_or(1.0, |backoff| backoff.factor);
            let max_interval = schedule.backoff.and_then(|backoff| backoff.max).map(Span::from);
            let values: [(&str, Value, &[&str]); 10] = [
                ("name", json!(title), &["name"]),
                ("retries", json!(schedule.attempts), &["retries"]),
                ("interval", json!(Span::from(schedule.interval)), &["interval"]),
                (
                    "attempt_timeout",
                    json!(Span::from(schedule.timeout)),
                    if name == "wait_for" { &["attempt_timeout"] } else { &["attempt_timeout", "timeout"] },
                ),
                (
                    "deadline",
                    json!(schedule.deadline.map(Span::from)),
                    if name == "wait_for" { &["deadline", "timeout"] } else { &["deadline"] },
                ),
                ("start_period", json!(Span::from(schedule.start_period)), &["start_period"]),
                ("success_threshold", json!(schedule.success_threshold), &["success_threshold"]),
                ("backoff", json!(backoff), &["backoff"]),
                ("max_interval", json!(max_interval), &["max_interval"]),
                ("jitter", json!(schedule.jitter.map_or(0.0, |jitter| jitter.share)), &["jitter"]),
            ];
            for (member, value, written) in values {
                // A gate without list is written as the one object.
                let mut paths: Vec<Vec<Segment>> = Vec::new();
                for key in keys {
                    for word in written {
                        paths.push(vec![(*key).into(), index.into(), (*word).into()]);
                        paths.push(vec![(*key).into(), (*word).into()]);
                    }
                }
                let paths: Vec<&[Segment]> = paths.iter().map(Vec::as_slice).collect();
                let unset = value.is_null();
                self.add(format!("{name}[{index}].{member}"), value, &paths, &[]);
                if let (true, Some(setting)) = (unset, self.settings.last_mut())
                    && !matches!(setting.origin, Origin::Written { .. })
                {
                    setting.origin = Origin::Default;
                }
            }
        }
    }
}

/// A path as people write it: `network_config[0].ip`.
fn dotted(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) => text.extend([".", key]),
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// Where the value at `path` stands, when it is there.
fn placed(source: &Source, base: usize, path: &[Segment]) -> Option<Location> {
    find(source.text(), base, path).map(|place| source.location(place.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_says_where_it_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let dir = camino::Utf8Path::from_path(folder.path()).unwrap();
        let write = |kind: FileKind, text: &str| std::fs::write(dir.join(kind.file_name()), text).unwrap();
        write(FileKind::Hypervisor, r#"{"domain_name": "internal.example", "network": {"nfs_server": "10.0.0.13"}}"#);
        write(
            FileKind::Vm,
            r#"{"vm_defaults": {"cores": 2}, "vms": [
                {"vmid": 9000, "name": "image", "is_template": true, "template_image": "noble-server-cloudimg-amd64.img"},
                {"vmid": 1001, "name": "docker", "clone_from_vmid": 9000, "memory_mb": 4096, "start_at_boot": true,
                 "volumes": [{"path": "/srv/1001", "mount_point": "/data"}],
                 "wait_for": {"file": "/data/ready", "timeout": "1m"}}]}"#,
        );
        let loaded = crate::load(dir);
        let settings = loaded.settings();
        let of = |key: &str| {
            let setting = settings.iter().find(|setting| setting.guest.get() == 1001 && setting.key == key).unwrap();
            let origin = match &setting.origin {
                Origin::Written { at } => format!("line {}", at.line),
                Origin::Shared { key, .. } => key.clone(),
                Origin::CloneSource { guest } => guest.to_string(),
                Origin::Image => "image".to_owned(),
                Origin::Default => "default".to_owned(),
                Origin::Proxmox => "proxmox".to_owned(),
            };
            (setting.value.to_string(), origin)
        };
        let expect =
            |key: &str, value: &str, origin: &str| assert_eq!(of(key), (value.to_owned(), origin.to_owned()), "{key}");
        expect("memory_mb", "4096", "line 3");
        expect("cores", "2", "vm_defaults.cores");
        expect("state", "\"running\"", "line 3");
        expect("disk_size_gb", "null", "9000");
        expect("network_config.searchdomain", "\"internal.example\"", "domain_name");
        expect("volumes[0].server", "\"10.0.0.13\"", "network.nfs_server");
        expect("network_config.bridge", "\"vmbr0\"", "default");
        expect("wait_for[0].deadline", "\"1m\"", "line 5");
        expect("wait_for[0].interval", "\"5s\"", "default");
        expect("wait_for[0].retries", "null", "default");
        expect("application_script", "null", "default");
        expect("template_snapshot_name", "null", "default");
        expect("mac_address", "null", "proxmox");
        expect("boot_order", "null", "9000");
        expect("network_config.gw", "null", "default");
        expect("network_config.nameservers", "null", "9000");
    }
}
