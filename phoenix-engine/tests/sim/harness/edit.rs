//! Random edits of the configuration files.

use serde_json::{Value, json};

use super::fleet::{Entry, FEATURES, Fleet, Kind};
use super::random::Random;

impl Fleet {
    /// One change of the files.
    pub(crate) fn edit(&mut self, random: &mut Random) {
        let Some(id) = random.pick_of(self.guests.keys().copied()) else { return };
        let Some(entry) = self.guests.get(&id).cloned() else { return };
        let template = entry.state() == "template";
        match random.below(19) {
            0 => self.set(id, "memory_mb", json!(256 * random.between(1, 6))),
            1 => self.set(id, "cores", json!(random.between(1, 6))),
            2 => self.grow(id, &entry, random),
            3 => {
                let rules = self.rules(random);
                self.set(id, "firewall", rules);
            }
            4 => self.unset(id, "firewall"),
            5 => self.set(id, "description", json!(format!("edited {}", random.below(100)))),
            6 if entry.kind == Kind::Container && !template && self.needed_by(id).is_empty() => {
                if entry.mounts_folders() {
                    self.unset(id, "mount_points");
                } else if !entry.json.contains_key("template_snapshot_name") {
                    self.set(
                        id,
                        "mount_points",
                        json!([{"host_path": format!("/srv/data/{id}"), "container_path": "/data"}]),
                    );
                    self.unset(id, "enable_lifecycle_snapshots");
                }
            }
            7 if entry.kind == Kind::Container => match entry.json.contains_key("lxc_options") {
                true => self.unset(id, "lxc_options"),
                false => self.set(id, "lxc_options", json!(["lxc.cap.drop=sys_time", "lxc.mount.auto=sys:rw"])),
            },
            8 if entry.kind == Kind::Container => match entry.json.contains_key("gpu_assignment") {
                true => self.unset(id, "gpu_assignment"),
                false => self.set(id, "gpu_assignment", json!("0, 1")),
            },
            9 => match entry.json.contains_key("tags") {
                true => self.unset(id, "tags"),
                false => self.set(id, "tags", json!(["edited"])),
            },
            10 if !template && self.needed_by(id).is_empty() && entry.dependencies().is_empty() => {
                let other = if entry.state() == "running" { "stopped" } else { "running" };
                self.unset(id, "start_at_boot");
                self.set(id, "state", json!(other));
            }
            11 if self.needed_by(id).is_empty() && self.guests.len() > 1 => {
                self.guests.remove(&id);
            }
            12 | 13 => {
                self.add(random);
            }
            14 => {
                let gate = self.gate(id, random);
                self.set(id, "health_check", gate);
            }
            16 => {
                let name = *random.pick(&FEATURES);
                self.rewrite(name, random.between(2, 99));
            }
            17 => {
                let chosen: Vec<&str> = FEATURES.into_iter().filter(|_| random.once_in(2)).collect();
                self.set(id, "features", json!(chosen));
            }
            18 if entry.kind == Kind::Vm => self.volumes(id, random),
            15 if entry.kind == Kind::Container && !template => match entry.json.contains_key("volumes") {
                true => self.unset(id, "volumes"),
                false => {
                    self.set(id, "volumes", json!([{"pool": "tank", "size_gb": 2, "mount_point": "/var/lib/more"}]));
                }
            },
            _ => self.set(id, "on_failure", json!("rollback")),
        }
    }

    fn grow(&mut self, id: u32, entry: &Entry, random: &mut Random) {
        let key = entry.disk_key();
        let Some(size) = entry.json.get(key).and_then(Value::as_u64) else { return };
        // Clones may not be smaller than what they are made from, so what is cloned stays as it is.
        if self.needed_by(id).iter().all(|other| self.guests.get(other).is_some_and(|e| e.clone_source() != Some(id))) {
            self.set(id, key, json!(size + u64::from(random.between(1, 3))));
        }
    }
}
