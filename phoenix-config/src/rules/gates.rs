//! Gates that can pass.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_types::GuestId;
use phoenix_types::gate::{Gate, Place, Probe};

use super::storage::plain_path;
use crate::diagnostic::{Code, Finding, Target};
use crate::model::{Guest, Kind};
use crate::rules::{Rule, View};

/// What gates wait for can come.
#[derive(Debug)]
pub(super) struct Gates;

impl Rule for Gates {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let mut sharers: Option<Sharers> = None;
        for guest in view.guests.values() {
            for (key, gates) in [("health_check", &guest.health), ("wait_for", &guest.wait_for)] {
                for (index, gate) in gates.iter().enumerate() {
                    if guest.container().is_some() && gate.probe.needs_vm() {
                        findings.push(
                            Finding::error(
                                Code::VmOnlyProbe,
                                Target::Guest(guest.id),
                                "a container has no guest agent",
                            )
                            .at([if key == "wait_for" { key } else { super::health_key(guest) }])
                            .nth(index)
                            .help("use `command` or `tcp`"),
                        );
                    }
                }
            }
            for (index, gate) in guest.wait_for.iter().enumerate() {
                for path in files(gate) {
                    let sharers = sharers.get_or_insert_with(|| Sharers::new(view));
                    findings.extend(sharers.finding(view, guest, index, &path));
                }
            }
        }
    }
}

/// The files in the guest that a gate waits for.
fn files(gate: &Gate) -> Vec<Utf8PathBuf> {
    let mut files = Vec::new();
    gate.probe.each(&mut |probe| {
        if let Probe::File(file) = probe
            && file.place == Place::Guest
        {
            files.push(file.path.clone());
        }
    });
    files
}

/// Which guests can write to which directories of the node.
struct Sharers(BTreeMap<Utf8PathBuf, Vec<GuestId>>);

impl Sharers {
    fn new(view: &View<'_>) -> Self {
        let mut sharers: BTreeMap<Utf8PathBuf, Vec<GuestId>> = BTreeMap::new();
        for guest in view.guests.values() {
            let directories: Vec<&Utf8Path> = match &guest.kind {
                Kind::Container(container) => container
                    .mount_points
                    .iter()
                    .filter(|mount| !mount.read_only)
                    .map(|mount| mount.host_path.as_path())
                    .collect(),
                Kind::Vm(vm) => {
                    let writable =
                        vm.volumes.iter().filter(|volume| !volume.options.split(',').any(|word| word == "ro"));
                    writable.map(|volume| volume.path.as_path()).collect()
                }
            };
            for directory in directories {
                sharers.entry(plain_path(directory)).or_default().push(guest.id);
            }
        }
        Self(sharers)
    }

    /// Who can write this file of the node, but for one guest.
    fn writers(&self, file: &Utf8Path, reader: GuestId) -> BTreeSet<GuestId> {
        let all = file.ancestors().skip(1).filter_map(|directory| self.0.get(directory)).flatten();
        all.copied().filter(|id| *id != reader).collect()
    }

    fn finding(&self, view: &View<'_>, guest: &Guest, index: usize, path: &Utf8Path) -> Option<Finding> {
        let file = behind(guest, path)?;
        // Another mount of this guest may lie nearer, and every guest may be the one that writes, or lead to it.
        let mounts = ["mount_points", "volumes", "zfs_volumes"];
        let needs = ["dependencies", "clone_from_ctid", "clone_from_vmid"];
        let everything = view.reads_all(&mounts) && view.reads_node(&["shared_volumes"]);
        if !everything || !view.reads_all(&needs) {
            return None;
        }
        let target = Target::Guest(guest.id);
        let writers = self.writers(&file, guest.id);
        let finding = |finding: Finding| Some(finding.at(["wait_for"]).nth(index).at(["file"]));
        if writers.is_empty() {
            return finding(
                Finding::warning(
                    Code::NobodyWrites,
                    target,
                    format!("no guest in the configuration writes `{file}`, which is `{path}` in this guest"),
                )
                .help("also mount the directory in the guest that writes the file"),
            );
        }
        // Of several guests that see the directory, the one whose number is in its path is the one it belongs to.
        let owner = writers.iter().find(|id| file.components().any(|part| part.as_str() == id.to_string()));
        let wanted: BTreeSet<GuestId> = owner.map_or_else(|| writers.clone(), |id| BTreeSet::from([*id]));
        let needed = view.graph?.closure([guest.id]);
        if wanted.iter().any(|id| needed.contains(id)) {
            return None;
        }
        let names: Vec<String> = wanted
            .iter()
            .map(|id| view.guests.get(id).map_or_else(|| id.to_string(), |writer| format!("{id} (`{}`)", writer.name)))
            .collect();
        finding(
            Finding::error(
                Code::WriterNotDependency,
                target,
                format!("`{path}` is written by {}, which this guest does not depend on", names.join(" or ")),
            )
            .help(format!("add `\"{}\"` to `dependencies`", wanted.first()?)),
        )
    }
}

/// The file of the node behind a path in the guest, when it is below a mount.
fn behind(guest: &Guest, path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mounts: Vec<(&Utf8Path, &Utf8Path)> = match &guest.kind {
        Kind::Container(container) => container
            .mount_points
            .iter()
            .map(|mount| (mount.container_path.as_path(), mount.host_path.as_path()))
            .collect(),
        Kind::Vm(vm) => vm.volumes.iter().map(|volume| (volume.mount_point.as_path(), volume.path.as_path())).collect(),
    };
    let (inside, outside) = mounts
        .into_iter()
        .filter(|(inside, _)| path.starts_with(inside))
        .max_by_key(|(inside, _)| inside.components().count())?;
    Some(plain_path(&outside.join(path.strip_prefix(inside).ok()?)))
}
