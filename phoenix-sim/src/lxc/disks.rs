//! `pct resize` and `pct move-volume` (pve-container `API2/LXC.pm`).

use std::time::Duration;

use phoenix_types::GuestConf;

use super::clone::RSYNC;
use super::config::retire;
use super::create::size_of;
use super::set::check_lock;
use super::volumes;
use crate::grammar::{Reasons, parse_size};
use crate::node::mount_points::{self, MountPoint, MountSourceKind};
use crate::node::{CT, Call, Failure, Format, VolumeRef, Worker};
use crate::storage::{Ext4, Storage};
use crate::world::StorageKind;

/// The mount point of a key, or the words in which the real tools miss it.
fn mount_of(conf: &GuestConf, key: &str) -> Result<MountPoint, Failure> {
    match conf.live.get(key) {
        Some(value) => MountPoint::parse(key, value),
        None => {
            let mut reasons = Reasons::default();
            let missing = "property is missing and it is not optional";
            if key != "rootfs" {
                reasons.add("mp", missing);
            }
            reasons.add("volume", missing);
            Err(Failure::die(format!("format error\n{reasons}")))
        }
    }
}

/// `pct resize`.
pub(crate) async fn resize(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let key = call.param("disk").unwrap_or_default().to_owned();
    let text = call.param("size").unwrap_or_default().to_owned();
    let digest = call.param("digest").map(str::to_owned);
    let lock = call.lock_guest(CT, vmid).await?;
    let conf_text = call.state().conf_text(CT, vmid).ok_or_else(|| crate::node::missing(CT, vmid))?;
    let conf = GuestConf::parse(&conf_text, CT);
    check_lock(&conf)?;
    check_digest(digest.as_deref(), &conf_text)?;
    let running = call.state().is_running(vmid);
    let mount = mount_of(&conf, &key)?;
    let volid = mount.volume().to_owned();
    let volume = VolumeRef::parse(&volid)
        .filter(|_| mount.source_kind() == MountSourceKind::Volume)
        .ok_or_else(|| Failure::die(format!("unable to parse volume ID '{volid}'")))?;
    if let Some(owner) = volume.owner().filter(|owner| *owner != vmid) {
        return Err(Failure::die(format!("can't resize mount point owned by another container ({owner})")));
    }
    let storage = call.state().enabled_storage(volume.storage)?;
    let (format, size) = call
        .state()
        .volume(&volid)
        .map(|volume| (volume.format, volume.space.size))
        .ok_or_else(|| Failure::die(format!("volume '{volid}' does not exist")))?;
    let wanted = parse_size(text.trim_start_matches('+')).unwrap_or(0);
    let wanted = if text.starts_with('+') { size + wanted } else { wanted };
    if wanted < size {
        return Err(Failure::die("unable to shrink disk size"));
    }
    if wanted == size {
        return Err(Failure::die("disk is already at specified size"));
    }
    drop(lock);
    call.begin(Worker::Unchecked, "resize", vmid);
    let _lock = call.lock_guest(CT, vmid).await?;
    let path = storage.path(volume.name, Some(format));
    check_resizable(call, &storage, &volume, format, &path, wanted)?;
    {
        let mut state = call.state();
        state.grows(&storage, &volid, wanted)?;
        if let Some(volume) = state.volumes.get_mut(&volid) {
            volume.space.size = wanted;
        }
    }
    let is_image = storage.kind.is_folder() && format == Format::Raw;
    if is_image {
        call.out("Image resized.\n");
    }
    let resized = mount.with_volume(&volid, wanted).print();
    call.state().edit_conf(CT, vmid, |conf| {
        conf.live.keys.insert(key, resized);
    })?;
    if format == Format::Raw {
        let (from, to) = (Ext4::new(size), Ext4::new(wanted));
        if running {
            call.out(&Ext4::resized_online("/dev/loop0", to));
            call.work(Duration::from_millis(200)).await;
        } else {
            call.out(&from.resized(&path, to));
            // Both checks wait for the multiple mount protection of ext4.
            call.work(Duration::from_secs(22)).await;
        }
    }
    Ok(())
}

fn check_resizable(
    call: &mut Call<'_>,
    storage: &Storage,
    volume: &VolumeRef<'_>,
    format: Format,
    path: &str,
    wanted: u64,
) -> Result<(), Failure> {
    if storage.kind.is_folder() && format == Format::Subvol {
        return Err(Failure::die("can't resize this image format"));
    }
    let unwritable = match storage.kind {
        // The file of a base image is immutable, its btrfs subvolume read-only.
        StorageKind::Dir => Some("Operation not permitted"),
        StorageKind::Btrfs => Some("Read-only file system"),
        _ => None,
    };
    if let Some(reason) = unwritable.filter(|_| volume.is_base()) {
        call.out(&format!("qemu-img: Could not open '{path}': Could not open '{path}': {reason}\n"));
        let command = format!("/usr/bin/qemu-img resize '--preallocation=off' -f raw {path} {wanted}");
        return Err(Failure::die(format!("command '{command}' failed: exit code 1")));
    }
    Ok(())
}

/// `pct move-volume`.
pub(crate) async fn move_volume(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let key = call.param("volume").unwrap_or_default().to_owned();
    let target = match (call.param("storage"), call.param("target-vmid")) {
        (Some(_), Some(_)) => return Err(Failure::die("either set storage or target-vmid, but not both")),
        (Some(storage), None) => storage.to_owned(),
        (None, Some(_)) => return reassign(call, vmid, &key).await,
        (None, None) => {
            let reason = "both 'storage' and 'target-vmid' missing, either needs to be set";
            return Err(Failure::Answer(
                call.inv.refuse(&["storage", "target-vmid"].map(|key| (key, reason)).into_iter().collect()),
            ));
        }
    };
    let lock = call.lock_guest(CT, vmid).await?;
    let text = call.state().conf_text(CT, vmid).ok_or_else(|| crate::node::missing(CT, vmid))?;
    let conf = GuestConf::parse(&text, CT);
    check_lock(&conf)?;
    if call.state().is_running(vmid) {
        return Err(Failure::die("cannot move volumes of a running container"));
    }
    if mount_points::indexed(&key, "unused") {
        let text = format!("cannot move volume '{key}', only configured volumes can be moved to another storage");
        return Err(Failure::die(text));
    }
    let mount = mount_of(&conf, &key)?;
    let old = mount.volume().to_owned();
    if call.is_set("delete") && conf.snapshots.values().any(|section| mount_points::volumes(section).contains(&old)) {
        return Err(Failure::die("you can't move a volume with snapshots and delete the source"));
    }
    check_digest(call.param("digest"), &text)?;
    call.state().edit_conf(CT, vmid, |conf| {
        conf.live.keys.insert("lock".to_owned(), "disk".to_owned());
    })?;
    drop(lock);
    call.begin(Worker::Checked, "move_volume", vmid);
    let new = match copy(call, vmid, &mount, &target).await {
        Ok(new) => new,
        Err(failure) => {
            call.state().edit_conf(CT, vmid, |conf| {
                conf.live.keys.remove("lock");
            })?;
            return Err(failure);
        }
    };
    call.state().copy_content(&old, None, &new);
    call.out(RSYNC);
    let size = size_of(&mount);
    let moved = mount.with_volume(&new, size).print();
    let delete = call.is_set("delete");
    call.state().edit_conf(CT, vmid, |conf| {
        conf.live.keys.remove("lock");
        conf.live.keys.insert(key, moved);
        if !delete {
            retire(conf, &old);
        }
    })?;
    if delete {
        call.free_disks(&[old]);
    }
    Ok(())
}

/// Makes the volume that a mount point moves to.
async fn copy(call: &mut Call<'_>, vmid: u32, mount: &MountPoint, target: &str) -> Result<String, Failure> {
    if mount.source_kind() != MountSourceKind::Volume {
        return Err(Failure::die(format!("cannot copy volumes of type {}", mount.source_kind().name())));
    }
    let storage = call.state().enabled_storage(target)?;
    if !storage.holds("rootdir") {
        let text = format!("content type 'rootdir' is not available or configured on storage '{target}'");
        return Err(Failure::die(text));
    }
    let new = volumes::make(call, &storage, vmid, size_of(mount)).await?;
    call.work(Duration::from_millis(700)).await;
    Ok(new)
}

fn check_digest(digest: Option<&str>, text: &str) -> Result<(), Failure> {
    if digest.is_some_and(|digest| digest != phoenix_types::conf_digest(text)) {
        return Err(Failure::die("detected modified configuration - file changed by other user? Try again."));
    }
    Ok(())
}

/// What a container gives to another, once all checks have passed.
struct Reassignment {
    conf: GuestConf,
    other: GuestConf,
    mount: MountPoint,
}

/// The checks before a volume changes its container.
fn check_reassign(
    call: &Call<'_>,
    vmid: u32,
    key: &str,
    target: u32,
    target_key: &str,
) -> Result<Reassignment, Failure> {
    if key == "rootfs" || target_key == "rootfs" {
        return Err(Failure::die("Cannot move to/from 'rootfs'"));
    }
    let is_unused = |key: &str| mount_points::indexed(key, "unused");
    if is_unused(key) && !is_unused(target_key) {
        return Err(Failure::die("Moving an unused volume to a used one is not possible"));
    }
    let state = call.state();
    for id in [vmid, target] {
        if state.guest_kind(id).is_none() {
            return Err(Failure::die(format!("could not find CT {id}")));
        }
    }
    let load = |id: u32| -> Result<(GuestConf, String), Failure> {
        let text = state.conf_text(CT, id).ok_or_else(|| crate::node::missing(CT, id))?;
        let conf = GuestConf::parse(&text, CT);
        check_lock(&conf)?;
        Ok((conf, text))
    };
    let (conf, text) = load(vmid)?;
    let (other, other_text) = load(target)?;
    if conf.is_template() || other.is_template() {
        return Err(Failure::die("Can't move volumes from or to template CT"));
    }
    for (id, option, text) in [(vmid, "digest", &text), (target, "target-digest", &other_text)] {
        check_digest(call.param(option), text)
            .map_err(|failure| Failure::die(format!("Container {id}: {}", failure.message())))?;
    }
    let Some(value) = conf.live.get(key) else {
        return Err(Failure::die(format!("volume '{key}' for container '{vmid}' does not exist")));
    };
    if other.live.get(target_key).is_some() {
        let text = format!("Target volume key '{target_key}' is already in use for container '{target}'");
        return Err(Failure::die(text));
    }
    let mount = MountPoint::parse(if is_unused(key) { "rootfs" } else { key }, value)?;
    if conf.snapshots.values().any(|section| mount_points::volumes(section).iter().any(|used| used == mount.volume())) {
        return Err(Failure::die("Cannot move volume used by a snapshot to another container"));
    }
    if mount.source_kind() != MountSourceKind::Volume {
        return Err(Failure::die("Storage does not support moving of this disk to another container"));
    }
    if state.is_running(vmid) && !is_unused(key) {
        let text = "Cannot move in-use volume while the source CT is running - detach or shutdown first";
        return Err(Failure::die(text));
    }
    Ok(Reassignment { conf, other, mount })
}

/// Gives a volume to another container.
async fn reassign(call: &mut Call<'_>, vmid: u32, key: &str) -> Result<(), Failure> {
    let target: u32 = call.number("target-vmid").unwrap_or(0);
    let target_key = call.param("target-volume").unwrap_or(key).to_owned();
    check_reassign(call, vmid, key, target, &target_key)?;
    call.begin(Worker::Checked, "move_volume", format!("{vmid}-{key}>{target}-{target_key}"));
    let _lock = call.lock_guest(CT, vmid).await?;
    let _other = if target == vmid { None } else { Some(call.lock_guest(CT, target).await?) };
    let Reassignment { mut conf, mut other, mount } = check_reassign(call, vmid, key, target, &target_key)?;
    call.out(&format!("moving volume '{key}' from container '{vmid}' to '{target}'\n"));
    let volid = mount.volume().to_owned();
    let new = {
        let mut state = call.state();
        let id = volid.split(':').next().unwrap_or_default();
        let storage = state.enabled_storage(id)?;
        let format = state.volume(&volid).map_or(Format::Raw, |volume| volume.format);
        let prefix = if format == Format::Subvol { "subvol" } else { "vm" };
        let plain = state.free_disk_name(&storage, target, prefix);
        let new = format!("{}:{}", storage.id, storage.volume_name(target, &plain, format));
        state.rename_volume(&volid, &new);
        new
    };
    call.out(&format!("removing volume '{key}' from container '{vmid}' config\n"));
    conf.live.keys.remove(key);
    call.state().write_conf(CT, vmid, &conf);
    if target == vmid {
        other = conf;
    }
    let size = size_of(&mount);
    let value = match mount_points::indexed(&target_key, "unused") {
        true => new,
        false => mount.with_volume(&new, size).print(),
    };
    other.live.keys.insert(target_key.clone(), value);
    call.state().write_conf(CT, target, &other);
    call.out(&format!("target container '{target}' updated with '{target_key}'\n"));
    Ok(())
}
