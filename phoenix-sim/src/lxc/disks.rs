//! `pct resize` and `pct move-volume` (pve-container `API2/LXC.pm`).

use std::time::Duration;

use phoenix_types::GuestConf;

use super::CT;
use super::clone::RSYNC;
use super::config::retire;
use super::create::size_of;
use super::set::check_lock;
use super::volumes::{self, Behind, MountPoint};
use crate::grammar::{Reasons, parse_size};
use crate::node::{Call, Failure, Worker};
use crate::storage::{Ext4, Format, Storage, VolumeRef};
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
    if digest.is_some_and(|digest| digest != phoenix_types::conf_digest(&conf_text)) {
        return Err(Failure::die("detected modified configuration - file changed by other user? Try again."));
    }
    let running = call.state().is_running(vmid);
    let mount = mount_of(&conf, &key)?;
    let volid = mount.volume().to_owned();
    let volume = VolumeRef::parse(&volid)
        .filter(|_| mount.behind() == Behind::Volume)
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
    if let Some(volume) = call.state().volumes.get_mut(&volid) {
        volume.space.size = wanted;
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
        (None, None) => return Err(Failure::die("either storage or target-vmid parameter must be set")),
    };
    let lock = call.lock_guest(CT, vmid).await?;
    let conf = call.state().conf(CT, vmid)?;
    check_lock(&conf)?;
    if call.state().is_running(vmid) {
        return Err(Failure::die("cannot move volumes of a running container"));
    }
    let mount = if volumes::indexed(&key, "unused") {
        let volid = conf.live.get(&key).ok_or_else(|| Failure::die(format!("{key} does not exist")))?;
        MountPoint::parse("rootfs", volid)?
    } else {
        mount_of(&conf, &key)?
    };
    if mount.behind() != Behind::Volume {
        return Err(Failure::die(format!("can't move {} mount point", mount.behind().name())));
    }
    let old = mount.volume().to_owned();
    if call.is_set("delete") && conf.snapshots.values().any(|section| volumes::volumes(section).contains(&old)) {
        return Err(Failure::die("you can't move a volume with snapshots and delete the source"));
    }
    let storage = call.state().enabled_storage(&target)?;
    if !storage.holds("rootdir") {
        return Err(Failure::die(format!("storage '{target}' does not support container directories")));
    }
    call.state().edit_conf(CT, vmid, |conf| {
        conf.live.keys.insert("lock".to_owned(), "disk".to_owned());
    })?;
    drop(lock);
    call.begin(Worker::Checked, "move_volume", vmid);
    let made = volumes::make(call, &storage, vmid, size_of(&mount)).await;
    let new = match made {
        Ok(new) => new,
        Err(failure) => {
            call.state().edit_conf(CT, vmid, |conf| {
                conf.live.keys.remove("lock");
            })?;
            return Err(failure);
        }
    };
    call.work(Duration::from_millis(700)).await;
    call.state().copy_content(&old, None, &new);
    call.out(RSYNC);
    let size = size_of(&mount);
    let moved = mount.with_volume(&new, size).print();
    let delete = call.is_set("delete");
    let mut state = call.state();
    state.edit_conf(CT, vmid, |conf| {
        conf.live.keys.remove("lock");
        conf.live.keys.insert(key, moved);
        if !delete {
            retire(conf, &old);
        }
    })?;
    if delete {
        state.delete_owned_volume(vmid, &old);
    }
    Ok(())
}

/// Gives a volume to another container.
async fn reassign(call: &mut Call<'_>, vmid: u32, key: &str) -> Result<(), Failure> {
    let target: u32 = call.number("target-vmid").unwrap_or(0);
    let target_key = call.param("target-volume").unwrap_or(key).to_owned();
    if key == "rootfs" || target_key == "rootfs" {
        return Err(Failure::die("Cannot move to/from 'rootfs'"));
    }
    let _lock = call.lock_guest(CT, vmid).await?;
    let _other = call.lock_guest(CT, target).await?;
    let conf = call.state().conf(CT, vmid)?;
    let other = call.state().conf(CT, target)?;
    check_lock(&conf)?;
    check_lock(&other)?;
    if call.state().is_running(vmid) {
        return Err(Failure::die("Can't reassign volume of a running container"));
    }
    if other.live.get(&target_key).is_some() {
        return Err(Failure::die(format!(
            "Target volume key '{target_key}' is already in use for container '{target}'"
        )));
    }
    let mount = mount_of(&conf, key)?;
    let volid = mount.volume().to_owned();
    let volume =
        VolumeRef::parse(&volid).ok_or_else(|| Failure::die(format!("unable to parse volume ID '{volid}'")))?;
    call.begin(Worker::Checked, "move_volume", vmid);
    let mut state = call.state();
    let storage = state.enabled_storage(volume.storage)?;
    let format = state.volume(&volid).map_or(Format::Raw, |volume| volume.format);
    let prefix = if format == Format::Subvol { "subvol" } else { "vm" };
    let plain = state.free_disk_name(&storage, target, prefix);
    let new = format!("{}:{}", storage.id, storage.volume_name(target, &plain, format));
    state.rename_volume(&volid, &new);
    state.edit_conf(CT, vmid, |conf| {
        conf.live.keys.remove(key);
    })?;
    let size = size_of(&mount);
    let value = mount.with_volume(&new, size).print();
    state.edit_conf(CT, target, |conf| {
        conf.live.keys.insert(target_key, value);
    })
}
