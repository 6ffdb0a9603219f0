//! Volumes, disks, mounts and snapshots.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use camino::{Utf8Path, Utf8PathBuf};
use ipnet::IpNet;
use phoenix_types::{DiskSize, GuestId};

use crate::diagnostic::{Code, FileKind, Finding, Severity, Target};
use crate::model::{Guest, Hypervisor, Kind, NfsExport, NfsVolume, Vm};
use crate::rules::{Rule, View, clone_key};
use crate::source::Segment;

/// Where Proxmox mounts storages: what is below it is also found without it on the predecessor's nodes.
const MOUNT_BASE: &str = "/mnt/pve";

/// A path of the node without the folder that storages are mounted in, and without a last slash.
pub(super) fn plain_path(path: &Utf8Path) -> Utf8PathBuf {
    let plain: Utf8PathBuf = path.components().collect();
    match plain.strip_prefix(MOUNT_BASE) {
        Ok(rest) if !rest.as_str().is_empty() => Utf8Path::new("/").join(rest),
        _ => plain,
    }
}

/// NFS volumes are exported to their VMs, and nothing is mounted over something else.
#[derive(Debug)]
pub(super) struct Volumes;

impl Rule for Volumes {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        for guest in view.guests.values() {
            match &guest.kind {
                Kind::Vm(vm) => {
                    for (index, volume) in vm.volumes.iter().enumerate() {
                        if view.reads_node(&["network"]) && view.reads_node(&["nfs", "exports"]) {
                            findings.extend(exported(guest, index, volume, view.hypervisor));
                        }
                    }
                    mounted_twice(guest, vm_mounts(vm), findings);
                }
                Kind::Container(container) => {
                    let mounts = container.mount_points.iter().enumerate();
                    let mounts = mounts.map(|(index, mount)| ("mount_points", index, mount.container_path.as_path()));
                    let volumes = container.volumes.iter().enumerate();
                    let volumes = volumes.map(|(index, volume)| ("zfs_volumes", index, volume.mount_point.as_path()));
                    mounted_twice(guest, mounts.chain(volumes), findings);
                }
            }
        }
    }
}

fn vm_mounts(vm: &Vm) -> impl Iterator<Item = (&'static str, usize, &Utf8Path)> {
    vm.volumes.iter().enumerate().map(|(index, volume)| ("volumes", index, volume.mount_point.as_path()))
}

fn mounted_twice<'a>(
    guest: &Guest,
    mounts: impl Iterator<Item = (&'static str, usize, &'a Utf8Path)>,
    findings: &mut Vec<Finding>,
) {
    let target = Target::Guest(guest.id);
    let mut seen: HashMap<&Utf8Path, (&'static str, usize)> = HashMap::new();
    let written = |key: &'static str, index: usize| {
        // The volumes of a container are those of `zfs_volumes` and then those of `volumes`.
        let first = crate::source::elements(guest.context.text(), &[key.into()]).len();
        match index.checked_sub(first) {
            Some(rest) if key == "zfs_volumes" => [Segment::from("volumes"), rest.into()],
            _ => [key.into(), index.into()],
        }
    };
    for (key, index, path) in mounts {
        let place = (key, index);
        // Paths are compared by their parts, so a last slash makes no difference.
        match seen.get(path) {
            Some(first) => findings.push(
                Finding::error(Code::MountTwice, target, format!("something else is mounted at `{path}` already"))
                    .at(written(key, index))
                    .label(target, written(first.0, first.1), "the other mount")
                    .help("choose another place"),
            ),
            None => {
                seen.insert(path, place);
            }
        }
    }
}

/// Whether the node is the server of a volume; when nothing is known about the node's addresses, it is.
fn is_node(server: &str, hypervisor: &Hypervisor) -> bool {
    let address = hypervisor.network.as_ref().and_then(|network| network.address).map(|own| own.address().to_string());
    let known: Vec<&str> = address.as_deref().into_iter().chain(hypervisor.nfs_server.as_deref()).collect();
    known.is_empty() || known.contains(&server)
}

fn exported(guest: &Guest, index: usize, volume: &NfsVolume, hypervisor: &Hypervisor) -> Option<Finding> {
    if hypervisor.exports.is_empty() || !is_node(&volume.server, hypervisor) {
        return None;
    }
    let target = Target::Guest(guest.id);
    let directory = plain_path(&volume.path);
    let above = |export: &&NfsExport| directory.starts_with(plain_path(&export.path));
    let exports: Vec<&NfsExport> = hypervisor.exports.iter().filter(above).collect();
    if exports.is_empty() {
        let paths: Vec<String> = hypervisor.exports.iter().map(|export| format!("`{}`", export.path)).collect();
        let finding = Finding::error(Code::NotExported, target, format!("the node does not export `{}`", volume.path))
            .at(["volumes"])
            .nth(index)
            .at(["path"])
            .label(Target::File(FileKind::Hypervisor), ["nfs", "exports"], "the exports")
            .expected(format!("a directory below {}", paths.join(", ")))
            .help("choose such a directory, or export this one");
        return Some(finding);
    }
    let address = guest.network().and_then(crate::model::Network::address)?;
    if exports.iter().any(|export| lets_in(export, address, guest)) {
        return None;
    }
    let finding = Finding::error(
        Code::NotAClient,
        target,
        format!("the export `{}` does not name {address}, the address of this VM", exports.first()?.path),
    )
    .at(["volumes"])
    .nth(index)
    .label(Target::File(FileKind::Hypervisor), ["nfs", "exports"], "the exports")
    .help(format!("add `\"{address}\"` to its `clients`"));
    Some(finding)
}

/// Whether an export lets an address in. Names other than the guest's own cannot be judged, so they do.
fn lets_in(export: &NfsExport, address: IpAddr, guest: &Guest) -> bool {
    export.clients.is_empty()
        || export.clients.iter().any(|client| {
            // Options may be behind a client, as in `/etc/exports`.
            let client = client.split('(').next().unwrap_or(client).trim();
            if let Ok(one) = client.parse::<IpAddr>() {
                one == address
            } else if let Ok(net) = client.parse::<IpNet>() {
                net.contains(&address)
            } else {
                client.eq_ignore_ascii_case(guest.name.as_str()) || client.contains(['*', '?', '@', '.'])
            }
        })
}

/// Disks only grow.
#[derive(Debug)]
pub(super) struct Disks;

impl Rule for Disks {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let Some(graph) = view.graph else { return };
        let mut sizes: BTreeMap<GuestId, DiskSize> = BTreeMap::new();
        let key = |guest: &Guest| match guest.kind {
            Kind::Container(_) => "storage_size_gb",
            Kind::Vm(_) => "disk_size_gb",
        };
        for guest in graph.order().iter().filter_map(|id| view.guests.get(id)) {
            if !view.reads(guest.id, &[key(guest)]) || !view.reads(guest.id, &[clone_key(guest)]) {
                continue;
            }
            let source = guest.clone_from.as_ref().map(|source| source.id);
            let inherited = source.and_then(|source| sizes.get(&source).copied());
            if let (Some(own), Some(least), Some(source)) = (guest.disk, inherited, source)
                && own < least
            {
                let key = key(guest);
                findings.push(
                    Finding::error(
                        Code::DiskTooSmall,
                        Target::Guest(guest.id),
                        format!("the disk of {own} is smaller than the {least} of the clone source {source}"),
                    )
                    .at([key])
                    .label(Target::Guest(source), [key], "the clone source's disk")
                    .expected(format!("at least {least}"))
                    .help("disks cannot shrink: enlarge this disk, or reduce the disk of the source"),
                );
            }
            if let Some(size) = guest.first_disk().or(inherited) {
                sizes.insert(guest.id, size);
            }
        }
    }
}

/// Snapshots that are asked for can be taken.
#[derive(Debug)]
pub(super) struct Snapshots;

impl Rule for Snapshots {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let sources: BTreeSet<GuestId> =
            view.guests.values().filter_map(|guest| guest.clone_from.as_ref()).map(|source| source.id).collect();
        for guest in view.guests.values() {
            let target = Target::Guest(guest.id);
            let lifecycle = &guest.lifecycle;
            if !view.reads(guest.id, &["snapshots"]) {
                continue;
            }
            if guest.template_snapshot.is_some() && guest.template_snapshot == lifecycle.before {
                findings.push(name_twice(guest, Severity::Error));
            } else if guest.template_snapshot.is_some() && guest.template_snapshot == lifecycle.after {
                findings.push(name_twice(guest, Severity::Warning));
            }
            let bound = guest.container().is_some_and(|container| !container.mount_points.is_empty());
            let asked = lifecycle.before.is_some() || lifecycle.after.is_some() || guest.template_snapshot.is_some();
            if !bound || !asked {
                continue;
            }
            // They are the guest's own, or the hypervisor file shares them with it.
            let (bind_target, bind_path) = if guest.context.to_value().get("mount_points").is_some() {
                (target, ["mount_points"])
            } else {
                (Target::File(FileKind::Hypervisor), ["shared_volumes"])
            };
            if lifecycle.before.is_some() || lifecycle.after.is_some() {
                findings.push(
                    Finding::warning(
                        Code::SnapshotWithBindMount,
                        target,
                        "lifecycle snapshots cannot be taken: a directory of the node is mounted in this guest",
                    )
                    .at(["enable_lifecycle_snapshots"])
                    .label(bind_target, bind_path, "Proxmox cannot take snapshots with these")
                    .help("remove `enable_lifecycle_snapshots`, or use volumes instead of directories"),
                );
            }
            let Some(snapshot) = &guest.template_snapshot else { continue };
            let cloned = sources.contains(&guest.id);
            let (severity, code) = if cloned {
                (Severity::Error, Code::CloneOfBindMount)
            } else {
                (Severity::Warning, Code::SnapshotWithBindMount)
            };
            let message =
                format!("the snapshot `{snapshot}` cannot be taken: a directory of the node is mounted in this guest");
            let finding = Finding::new(severity, code, target, message)
                .at(["template_snapshot_name"])
                .label(bind_target, bind_path, "Proxmox cannot take snapshots with these")
                .help("use volumes instead of directories, or do not clone it");
            let clone = view
                .guests
                .values()
                .filter(|_| cloned)
                .find(|other| other.clone_from.as_ref().is_some_and(|source| source.id == guest.id));
            findings.push(match clone {
                Some(clone) => finding.label(Target::Guest(clone.id), [clone_key(clone)], "cloned here"),
                None => finding,
            });
        }
    }
}

fn name_twice(guest: &Guest, severity: Severity) -> Finding {
    let target = Target::Guest(guest.id);
    let name = guest.template_snapshot.as_ref().map_or("", |name| name.as_str());
    let key = if guest.vm().is_some() && guest.context.text().contains("\"snapshots\"") {
        "snapshots"
    } else {
        "enable_lifecycle_snapshots"
    };
    Finding::new(
        severity,
        Code::SnapshotNameTwice,
        target,
        format!("`{name}` is the name of the template snapshot and of a lifecycle snapshot"),
    )
    .at(["template_snapshot_name"])
    .label(target, [key], "this takes a snapshot of that name")
    .help("give the template snapshot another name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("/mnt/pve/quickOS/103/ssl", "/quickOS/103/ssl")]
    #[test_case("/quickOS//103/ssl/", "/quickOS/103/ssl")]
    #[test_case("/mnt/pve", "/mnt/pve")]
    #[test_case("/mnt/pvextra/a", "/mnt/pvextra/a")]
    fn plain_paths(path: &str, plain: &str) {
        assert_eq!(plain_path(Utf8Path::new(path)), plain);
    }
}
