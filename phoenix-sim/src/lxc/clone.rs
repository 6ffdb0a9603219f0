//! `pct clone` (pve-container `API2/LXC.pm`, `clone_vm`).

use std::time::Duration;

use phoenix_sim_guest::disks::root_volume;
use phoenix_sim_guest::identity::clear_machine_id;
use phoenix_types::{ConfSection, GuestConf};

use super::config::printed_net;
use super::create::{check_unused, size_of};
use super::rootfs;
use super::set::check_lock;
use super::volumes;
use crate::node::mount_points::{MountPoint, MountSourceKind, indexed, mount_points};
use crate::node::{CT, Call, Failure, Format, State, VolumeRef, Worker, interruptible};
use crate::world::StorageKind;

/// Whether a clone is a copy or depends on its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Full,
    Linked,
}

/// `pct clone`, and `POST /nodes/N/lxc/ID/clone`.
pub(crate) async fn clone(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let newid: u32 = call.number("newid").unwrap_or(0);
    let snapshot = call.param("snapname").map(str::to_owned);
    let storage = call.param("storage").map(str::to_owned);
    call.state().check_pool(call.param("pool"))?;
    if let Some(target) =
        call.param("target").filter(|target| *target != crate::grammar::NODE && *target != "localhost")
    {
        return Err(Failure::die(format!("no such cluster node '{target}'")));
    }
    if let Some(storage) = &storage {
        call.state().enabled_storage(storage)?;
    }
    let lock = call.lock_guest(CT, vmid).await?;
    let source = call.state().conf(CT, vmid)?;
    check_lock(&source)?;
    check_unused(&call.state(), newid)?;
    let depth = match call.inv.params.flag("full") {
        Some(true) => Depth::Full,
        Some(false) => Depth::Linked,
        None if source.is_template() => Depth::Linked,
        None => Depth::Full,
    };
    if storage.is_some() && depth == Depth::Linked {
        return Err(Failure::die("parameter 'storage' not allowed for linked clones"));
    }
    let section = match &snapshot {
        Some(name) => source.snapshots.get(name).ok_or_else(|| missing_snapshot(name))?.clone(),
        None => source.live.clone(),
    };
    let mounts = check_mounts(call, vmid, &section, snapshot.as_deref(), depth)?;
    let new = new_section(call, &section);
    {
        let mut state = call.state();
        state.edit_conf(CT, vmid, |conf| {
            conf.live.keys.insert("lock".to_owned(), "disk".to_owned());
        })?;
        let mut reserved = GuestConf { live: new.clone(), ..GuestConf::default() };
        reserved.live.keys.insert("lock".to_owned(), "create".to_owned());
        state.write_conf(CT, newid, &reserved);
        let firewall = format!("/etc/pve/firewall/{vmid}.fw");
        if let Ok(text) = state.files.read(&firewall) {
            state.write_file(&format!("/etc/pve/firewall/{newid}.fw"), text.to_vec());
        }
    }
    drop(lock);
    call.begin(Worker::Checked, "vzclone", vmid);
    call.out(&format!("creating a clone of container {vmid} with ID {newid}\n"));
    let (before, gone) = (call.state().disks_of(newid), call.reader_gone());
    let work = copy(call, newid, &mounts, snapshot.as_deref(), storage.as_deref(), depth);
    let result = interruptible(gone, work).await;
    let mut conf = GuestConf { live: new, ..GuestConf::default() };
    match result {
        Ok(values) => {
            conf.live.keys.extend(values);
            {
                let mut state = call.state();
                state.write_conf(CT, newid, &conf);
                let (now, root) = (state.now, root_volume(&*state, newid));
                if let Some(volume) = root.and_then(|root| state.volumes.get_mut(&root)) {
                    clear_machine_id(&mut volume.space.files, now);
                }
            }
            unlock_source(call, vmid);
            if let Some(pool) = call.param("pool") {
                call.state().join_pool(pool, newid);
            }
            rootfs::warn_of_nesting(call, &conf);
            Ok(())
        }
        Err(failure) => {
            let mut state = call.state();
            for volid in state.disks_of(newid).difference(&before) {
                state.free(volid);
            }
            state.forget_guest(CT, newid);
            drop(state);
            unlock_source(call, vmid);
            Err(Failure::die(format!("clone failed: {}", failure.message())))
        }
    }
}

fn missing_snapshot(name: &str) -> Failure {
    Failure::with_exit(format!("snapshot '{name}' does not exist"), 2)
}

fn unlock_source(call: &Call<'_>, vmid: u32) {
    // A task that removed the source meanwhile has removed its lock too.
    let _ = call.state().edit_conf(CT, vmid, |conf| {
        conf.live.keys.remove("lock");
    });
}

/// The mount points that are to be copied.
fn check_mounts(
    call: &Call<'_>,
    vmid: u32,
    section: &ConfSection,
    snapshot: Option<&str>,
    depth: Depth,
) -> Result<Vec<(String, MountPoint)>, Failure> {
    let mut state = call.state();
    let running = state.is_running(vmid);
    let mut mounts = mount_points(section);
    mounts.sort_by(|(one, _), (two, _)| one.cmp(two));
    for (key, mount) in &mounts {
        if mount.source_kind() != MountSourceKind::Volume {
            let kind = mount.source_kind().name();
            return Err(Failure::with_exit(format!("unable to clone mountpoint '{key}' (type {kind})"), 2));
        }
        let volid = mount.volume();
        let volume =
            VolumeRef::parse(volid).ok_or_else(|| Failure::die(format!("unable to parse volume ID '{volid}'")))?;
        match depth {
            Depth::Full if running && snapshot.is_none() => {
                let text = "Full clone of a running container is only possible from a snapshot";
                return Err(Failure::with_exit(text, 2));
            }
            Depth::Full => {}
            Depth::Linked => {
                let kind = state.storage(volume.storage)?.kind;
                let is_base = volume.is_base();
                let possible = match kind {
                    StorageKind::Zfspool => is_base && snapshot.is_none(),
                    StorageKind::Btrfs | StorageKind::Lvmthin | StorageKind::Rbd => is_base || snapshot.is_some(),
                    StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs | StorageKind::Lvm => false,
                };
                if !possible {
                    return Err(Failure::with_exit(format!("Linked clone feature for '{volid}' is not available"), 2));
                }
            }
        }
    }
    Ok(mounts)
}

/// The clone's settings without its mount points.
fn new_section(call: &Call<'_>, source: &ConfSection) -> ConfSection {
    let mut section = source.clone();
    section.keys.retain(|key, _| {
        let key = key.as_str();
        !indexed(key, "unused")
            && !indexed(key, "mp")
            && !["rootfs", "snaptime", "snapstate", "parent", "lock", "template", "digest"].contains(&key)
    });
    let mut state = call.state();
    for (key, value) in &mut section.keys {
        if indexed(key, "net") {
            let kept: Vec<&str> = value.split(',').filter(|item| !item.starts_with("hwaddr=")).collect();
            if let Ok(net) = printed_net(&mut state, &kept.join(",")) {
                *value = net;
            }
        }
    }
    if let Some(hostname) = call.param("hostname") {
        section.keys.insert("hostname".to_owned(), hostname.to_owned());
    }
    if let Some(description) = call.param("description") {
        let text = description.trim_end_matches('\n');
        section.description = (!text.is_empty()).then(|| text.to_owned());
    }
    section
}

/// Copies the volumes, and gives the new values of the mount points.
async fn copy(
    call: &mut Call<'_>,
    newid: u32,
    mounts: &[(String, MountPoint)],
    snapshot: Option<&str>,
    storage: Option<&str>,
    depth: Depth,
) -> Result<Vec<(String, String)>, Failure> {
    let mut values = Vec::new();
    for (key, mount) in mounts {
        let volid = mount.volume().to_owned();
        let own = volid.split(':').next().unwrap_or_default().to_owned();
        // A copy is as large as its source is now, whatever the snapshot says.
        let size = match depth {
            Depth::Full => call.state().volume(&volid).map(|volume| volume.space.size),
            Depth::Linked => None,
        };
        let size = size.unwrap_or_else(|| size_of(mount));
        let new = match depth {
            Depth::Full => {
                call.out(&format!("create full clone of mountpoint {key} ({volid})\n"));
                let storage = call.state().enabled_storage(storage.unwrap_or(&own))?;
                let new = volumes::make(call, &storage, newid, size).await?;
                call.work(Duration::from_millis(1000)).await;
                call.state().copy_content(&volid, snapshot, &new);
                call.out(RSYNC);
                new
            }
            Depth::Linked => {
                call.out(&format!("create linked clone of mount point {key} ({volid})\n"));
                let new = call.state().link(&volid, &own, newid, snapshot)?;
                call.work(Duration::from_millis(150)).await;
                new
            }
        };
        values.push((key.clone(), mount.clone().with_volume(&new, size).print()));
    }
    Ok(values)
}

impl State {
    /// Makes a volume that depends on another.
    fn link(&mut self, volid: &str, storage: &str, newid: u32, snapshot: Option<&str>) -> Result<String, Failure> {
        let storage = self.enabled_storage(storage)?;
        let source = self.volume(volid).ok_or_else(|| Failure::die(format!("volume '{volid}' does not exist")))?;
        let space = snapshot.and_then(|name| source.snapshots.get(name)).unwrap_or(&source.space);
        let (format, size) = (source.format, space.size);
        let plain = self.free_disk_name(&storage, newid, if format == Format::Subvol { "subvol" } else { "vm" });
        let new = self.allocate(&storage, newid, format, Some(&plain), size)?;
        self.copy_content(volid, snapshot, &new);
        if let Some(volume) = self.volumes.get_mut(&new) {
            volume.base = Some(volid.to_owned());
        }
        if !matches!(storage.kind, StorageKind::Zfspool | StorageKind::Rbd) {
            return Ok(new);
        }
        // These name a linked clone after its base.
        let base = volid.split_once(':').map_or(volid, |(_, name)| name);
        let base = base.rsplit('/').next().unwrap_or(base);
        let named = format!("{}:{base}/{plain}", storage.id);
        self.rename_volume(&new, &named);
        Ok(named)
    }
}

/// What rsync says after copying an unpacked container.
pub(super) const RSYNC: &str = "\nNumber of files: 7,438 (reg: 5,836, dir: 727, link: 875)\n\
Number of created files: 7,436 (reg: 5,836, dir: 725, link: 875)\nNumber of deleted files: 0\n\
Number of regular files transferred: 5,834\nTotal file size: 128,133,472 bytes\n\
Total transferred file size: 124,312,806 bytes\nLiteral data: 124,312,806 bytes\nMatched data: 0 bytes\n\
File list size: 196,601\nFile list generation time: 0.001 seconds\nFile list transfer time: 0.000 seconds\n\
Total bytes sent: 124,782,074\nTotal bytes received: 117,252\n\n\
sent 124,782,074 bytes  received 117,252 bytes  83,266,217.33 bytes/sec\n\
total size is 128,133,472  speedup is 1.03\n";
