//! Random fleets as configuration files, and random edits of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::random::Random;

/// Stands for every secret that a guest may see: in scripts, headers of probes, and what scripts are handed.
pub(crate) const SECRET: &str = "s3cr3t-hunter2";

/// Stands for every secret of the node, which no guest and no script may see either.
pub(crate) const HIDDEN: &str = "n0de-passw0rd-hunter3";

/// The port that every guest's service opens some time after it was started, and the file that appears a little later.
pub(crate) const PORT: u16 = 9000;
pub(crate) const READY: &str = "/run/app.ready";

/// The node's own address.
pub(crate) const NODE: &str = "10.20.0.2";

/// The features that scripts exist for.
pub(crate) const FEATURES: [&str; 4] = ["base_setup", "docker", "proxy", "tools"];

/// A random configuration: what is in the files, kept as JSON so that edits are edits of the files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fleet {
    pub(crate) guests: BTreeMap<u32, Entry>,
    /// The text of each script.
    pub(crate) scripts: BTreeMap<String, String>,
}

/// A guest as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) json: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    Vm,
}

/// What generated guests may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) guests: (u32, u32),
}

/// A script that leaves a trace and may be run twice, as all must.
fn script(name: &str, version: u32) -> String {
    format!(
        "#!/bin/sh\nset -eu\nTOKEN={SECRET}\nexport TOKEN\necho \"$PHOENIX_SCRIPT on $PHOENIX_GUEST_ID\"\necho {version} > /var/lib/{name}.version\n"
    )
}

impl Entry {
    fn text(&self, key: &str) -> Option<&str> {
        self.json.get(key).and_then(Value::as_str)
    }

    pub(crate) fn state(&self) -> &str {
        self.text("state").unwrap_or("stopped")
    }

    pub(super) fn disk_key(&self) -> &'static str {
        match self.kind {
            Kind::Container => "storage_size_gb",
            Kind::Vm => "disk_size_gb",
        }
    }

    pub(super) fn mounts_folders(&self) -> bool {
        self.json.get("mount_points").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    }

    pub(crate) fn clone_source(&self) -> Option<u32> {
        let value = self.json.get("clone_from_ctid").or_else(|| self.json.get("clone_from_vmid"))?;
        value.as_u64().and_then(|id| u32::try_from(id).ok())
    }

    pub(crate) fn dependencies(&self) -> BTreeSet<u32> {
        let list = self.json.get("dependencies").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok()).collect()
    }
}

impl Fleet {
    /// A fleet of these guests, with a script for every feature.
    pub(crate) fn of(guests: impl IntoIterator<Item = (u32, Kind, Value)>) -> Self {
        let scripts = FEATURES.iter().map(|name| ((*name).to_owned(), script(name, 1))).collect();
        let entry = |(id, kind, json): (u32, Kind, Value)| {
            let mut json = json.as_object().cloned().unwrap_or_default();
            json.insert("name".into(), json!(format!("guest-{id}")));
            if kind == Kind::Vm {
                json.insert("vmid".into(), json!(id));
            }
            (id, Entry { kind, json })
        };
        Self { guests: guests.into_iter().map(entry).collect(), scripts }
    }

    /// Gives a script another text.
    pub(crate) fn rewrite(&mut self, name: &str, version: u32) {
        self.scripts.insert(name.to_owned(), script(name, version));
    }

    pub(crate) fn random(random: &mut Random, size: Size) -> Self {
        let mut fleet = Self::of([]);
        for _ in 0..random.between(size.guests.0, size.guests.1) {
            fleet.add(random);
        }
        fleet
    }

    pub(super) fn add(&mut self, random: &mut Random) -> u32 {
        let kind = if random.once_in(3) { Kind::Vm } else { Kind::Container };
        let first = if kind == Kind::Vm { 200 } else { 100 };
        let id = (first..).find(|id| !self.guests.contains_key(id)).unwrap_or(999);
        let mut json = Map::new();
        json.insert("name".into(), json!(format!("guest-{id}")));
        if kind == Kind::Vm {
            json.insert("vmid".into(), json!(id));
        }
        let entry = Entry { kind, json };
        self.guests.insert(id, entry);
        self.origin(id, kind, random);
        self.state(id, random);
        self.settings(id, kind, random);
        self.needs(id, random);
        self.inside(id, random);
        id
    }

    pub(crate) fn set(&mut self, id: u32, key: &str, value: Value) {
        if let Some(entry) = self.guests.get_mut(&id) {
            entry.json.insert(key.to_owned(), value);
        }
    }

    pub(crate) fn unset(&mut self, id: u32, key: &str) {
        if let Some(entry) = self.guests.get_mut(&id) {
            entry.json.remove(key);
        }
    }

    /// Guests that something of this kind can be cloned from.
    fn sources(&self, kind: Kind) -> Vec<u32> {
        let can = |entry: &Entry| {
            entry.kind == kind
                && (entry.state() == "template"
                    || (entry.json.contains_key("template_snapshot_name") && !entry.mounts_folders()))
        };
        self.guests.iter().filter(|(_, entry)| can(entry)).map(|(id, _)| *id).collect()
    }

    fn origin(&mut self, id: u32, kind: Kind, random: &mut Random) {
        let source = if random.once_in(3) { None } else { random.pick_of(self.sources(kind)) };
        match (kind, source) {
            (Kind::Container, Some(source)) => self.set(id, "clone_from_ctid", json!(source)),
            (Kind::Vm, Some(source)) => self.set(id, "clone_from_vmid", json!(source)),
            (Kind::Container, None) => {
                self.set(id, "template", json!("local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"));
                self.set(id, "storage_pool", json!("tank"));
                self.set(id, "storage_size_gb", json!(random.between(2, 6)));
                self.set(id, "unprivileged", json!(!random.once_in(4)));
            }
            (Kind::Vm, None) => {
                self.set(id, "template_image", json!("/srv/images/debian-12.qcow2"));
                self.set(id, "storage_pool", json!("tank"));
                self.set(id, "disk_size_gb", json!(random.between(8, 12)));
            }
        }
    }

    fn state(&mut self, id: u32, random: &mut Random) {
        match random.below(8) {
            0 => self.set(id, "state", json!("stopped")),
            1 | 2 => {
                // A template with a snapshot is none that Proxmox converts.
                self.set(id, "state", json!("template"));
            }
            _ => self.set(id, "state", json!("running")),
        }
        // Proxmox makes no full clone of a VM's snapshot where its disks are on ZFS.
        let can = |entry: &Entry| entry.kind == Kind::Container && entry.state() != "template";
        if random.once_in(3) && self.guests.get(&id).is_some_and(can) {
            self.set(id, "template_snapshot_name", json!("golden"));
        }
    }

    fn settings(&mut self, id: u32, kind: Kind, random: &mut Random) {
        self.set(id, "memory_mb", json!(256 * random.between(1, 4)));
        self.set(id, "cores", json!(random.between(1, 4)));
        if random.once_in(2) && self.guests.get(&id).is_some_and(|entry| entry.state() == "running") {
            self.set(id, "start_at_boot", json!(random.once_in(2)));
        }
        if random.once_in(4) {
            self.set(id, "description", json!(format!("Notes of {id}: 100% mine, größer\nsecond line")));
        }
        if random.once_in(4) {
            self.set(id, "tags", json!(["lab", "phoenix"]));
        }
        if !random.once_in(3) {
            let mut network = json!({"bridge": "vmbr0", "ip": format!("10.20.0.{}/24", id - 90), "gw": "10.20.0.1"});
            if random.once_in(2) {
                network["nameservers"] = json!("10.20.0.1");
            }
            self.set(id, "network_config", network);
        }
        if random.once_in(2) {
            self.set(id, "mac_address", json!(format!("52:54:00:20:00:{:02X}", id % 256)));
        }
        if random.once_in(2) {
            let rules = self.rules(random);
            self.set(id, "firewall", rules);
        }
        if random.once_in(5) {
            self.set(id, "on_failure", json!("rollback"));
        }
        if random.once_in(12) {
            self.set(id, "protection", json!(true));
        }
        if random.once_in(4) && self.guests.get(&id).is_some_and(|entry| entry.state() != "template") {
            self.set(id, "enable_lifecycle_snapshots", json!(true));
        }
        if kind == Kind::Container {
            self.container(id, random);
        }
    }

    fn container(&mut self, id: u32, random: &mut Random) {
        if random.once_in(4) {
            self.set(id, "swap_mb", json!(128 * random.between(0, 4)));
        }
        let is_source = self
            .guests
            .get(&id)
            .is_some_and(|entry| entry.state() == "template" || entry.json.contains_key("template_snapshot_name"));
        if !is_source && random.once_in(4) {
            self.set(id, "mount_points", json!([{"host_path": format!("/srv/data/{id}"), "container_path": "/data"}]));
            self.unset(id, "enable_lifecycle_snapshots");
        }
        if random.once_in(5) {
            self.set(id, "volumes", json!([{"pool": "tank", "size_gb": 1, "mount_point": "/var/lib/app"}]));
        }
        if random.once_in(4) {
            self.set(id, "lxc_options", json!(["lxc.mount.auto=sys:rw"]));
        }
        if random.once_in(5) {
            self.set(id, "gpu_assignment", json!("0"));
        }
        if random.once_in(4) {
            self.set(id, "pct_options", json!(["nesting=1"]));
        }
    }

    pub(super) fn rules(&self, random: &mut Random) -> Value {
        let rules: Vec<Value> = (0..random.between(1, 3))
            .map(|rule| json!({"type": "in", "action": "ACCEPT", "proto": "tcp", "port": (8000 + 10 * rule + random.between(0, 9)).to_string()}))
            .collect();
        json!({"enabled": !random.once_in(5), "rules": rules})
    }

    fn needs(&mut self, id: u32, random: &mut Random) {
        let running = self.guests.get(&id).is_some_and(|entry| entry.state() == "running");
        let candidates: Vec<u32> = self
            .guests
            .iter()
            .filter(|(other, entry)| {
                **other != id && if running { entry.state() == "running" } else { entry.state() != "template" }
            })
            // Guests are made one after the other; only earlier ones are there, so no ring can be.
            .map(|(other, _)| *other)
            .collect();
        let chosen: BTreeSet<u32> = (0..random.below(3)).filter_map(|_| random.pick_of(candidates.clone())).collect();
        if !chosen.is_empty() {
            self.set(id, "dependencies", json!(chosen));
        }
    }

    fn inside(&mut self, id: u32, random: &mut Random) {
        if random.once_in(3) {
            let gate = self.gate(id, random);
            self.set(id, "health_check", gate);
        }
        if random.once_in(2) {
            let chosen: Vec<&str> = FEATURES.into_iter().filter(|_| random.once_in(2)).collect();
            self.set(id, "features", json!(chosen));
        }
        if random.once_in(5) {
            self.set(id, "wait_for", json!({"file": READY, "timeout": 600, "interval": 5}));
        }
        if random.once_in(3) {
            self.set(id, "x-token", json!(SECRET));
        }
        if self.guests.get(&id).is_some_and(|entry| entry.kind == Kind::Vm) && random.once_in(3) {
            self.volumes(id, random);
        }
    }

    pub(super) fn volumes(&mut self, id: u32, random: &mut Random) {
        let all = [("/srv/nfs/data", "/data"), ("/srv/nfs/shared", "/etc/shared")];
        let volumes: Vec<Value> = all
            .iter()
            .filter(|_| random.once_in(2))
            .map(|(path, at)| json!({"type": "nfs", "server": NODE, "path": path, "mount_point": at}))
            .collect();
        self.set(id, "volumes", json!(volumes));
    }

    /// A gate that the worlds of this harness let pass in time.
    pub(super) fn gate(&self, id: u32, random: &mut Random) -> Value {
        let has_address = self.guests.get(&id).is_some_and(|entry| entry.json.contains_key("network_config"));
        let mut gate = match random.below(5) {
            0 => json!({"command": "test -e /etc/hostname"}),
            1 => json!({"command": format!("nc -z localhost {PORT}")}),
            2 if has_address => json!({"tcp": {"port": PORT}}),
            3 if has_address => {
                let from = *random.pick(&["host", "guest"]);
                let headers = json!({"Authorization": format!("Bearer {SECRET}")});
                json!({"http": {"port": PORT, "from": from, "headers": headers}})
            }
            _ => json!({"file": READY}),
        };
        gate["retries"] = json!(random.between(40, 60));
        gate["interval"] = json!(random.between(5, 10));
        if random.once_in(4) {
            gate["success_threshold"] = json!(2);
        }
        if random.once_in(4) {
            gate["start_period"] = json!(format!("{}s", random.between(1, 90)));
        }
        gate
    }

    /// Everybody who needs a guest, by dependency or as a clone source.
    pub(crate) fn needed_by(&self, id: u32) -> Vec<u32> {
        let needs = |entry: &Entry| entry.dependencies().contains(&id) || entry.clone_source() == Some(id);
        self.guests.iter().filter(|(_, entry)| needs(entry)).map(|(other, _)| *other).collect()
    }

    /// The texts of the three files.
    pub(crate) fn files(&self) -> [(&'static str, String); 3] {
        let hypervisor = json!({
            "network": {"interfaces": {"name": "vmbr0", "address": format!("{NODE}/24"), "gateway": "10.20.0.1"}, "nfs_server": NODE},
            "users": {"username": "admin", "password_hash": HIDDEN},
            "portainer_api": {"admin_user": "admin", "admin_password": HIDDEN},
            "nfs": {"exports": [{"path": "/srv/nfs", "clients": ["10.20.0.0/24"], "options": ["rw", "sync"]}]},
        });
        let mut containers = Map::new();
        let mut vms = Vec::new();
        for (id, entry) in &self.guests {
            match entry.kind {
                Kind::Container => {
                    containers.insert(id.to_string(), Value::Object(entry.json.clone()));
                }
                Kind::Vm => vms.push(Value::Object(entry.json.clone())),
            }
        }
        [
            ("phoenix_hypervisor_config.json", hypervisor.to_string()),
            ("phoenix_lxc_configs.json", json!({"lxc_configs": containers}).to_string()),
            ("phoenix_vm_configs.json", json!({"vms": vms}).to_string()),
        ]
    }
}
