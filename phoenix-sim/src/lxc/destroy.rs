//! `pct destroy` and `pct template` (pve-container `API2/LXC.pm`).

use std::collections::BTreeSet;
use std::time::Duration;

use phoenix_types::GuestConf;

use super::config::check_protection;
use super::power;
use super::set::check_lock;
use crate::node::mount_points::{self, MountSourceKind, mount_points};
use crate::node::{CT, Call, Failure, Format, State, VolumeRef, Worker};
use crate::world::StorageKind;

/// `pct destroy`.
pub(crate) async fn destroy(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let early = |conf: &GuestConf| {
        check_protection(conf, &format!("can't remove CT {vmid}"))?;
        check_lock(conf)
    };
    early(&call.state().conf(CT, vmid)?)?;
    if crate::ha::manages(&call.state(), vmid) && !call.is_set("purge") {
        let text = format!("unable to remove CT {vmid} - used in HA resources and purge parameter not set.");
        return Err(Failure::die(text));
    }
    let running = || Failure::die(format!("unable to destroy CT {vmid} - container is running"));
    if call.state().is_running(vmid) && !call.is_set("force") {
        return Err(running());
    }
    call.begin(Worker::Checked, "vzdestroy", vmid);
    let _lock = call.lock_guest(CT, vmid).await?;
    let conf = call.state().conf(CT, vmid)?;
    early(&conf)?;
    if call.state().is_running(vmid) {
        if !call.is_set("force") {
            return Err(running());
        }
        call.out(&format!("forced to stop CT {vmid} before destroying!\n"));
        call.node.sleep(Duration::from_secs(1)).await;
        power::switch_off(call, vmid).await;
    }
    let conf = call.state().conf(CT, vmid).unwrap_or(conf);
    call.state().check_bases(&conf)?;
    let mut destroyed = GuestConf::default();
    destroyed.live.keys.insert("lock".to_owned(), "destroyed".to_owned());
    call.state().write_conf(CT, vmid, &destroyed);
    call.work(Duration::from_millis(100)).await;
    // What only a snapshot still refers to stays behind.
    let sections = std::iter::once(&conf.live).chain(conf.pending.as_ref());
    let mut freed = BTreeSet::new();
    for volid in sections.flat_map(mount_points::volumes) {
        if freed.insert(volid.clone()) {
            call.free_owned(vmid, &volid);
        }
    }
    if call.is_set("destroy-unreferenced-disks") {
        let owner = |volid: &String| VolumeRef::parse(volid).and_then(|volume| volume.owner());
        let orphans: Vec<String> =
            call.state().volumes.keys().filter(|volid| owner(volid) == Some(vmid)).cloned().collect();
        call.free_disks(&orphans);
    }
    if call.is_set("purge") {
        call.out(&format!("purging CT {vmid} from related configurations..\n"));
        if crate::ha::manages(&call.state(), vmid) {
            call.out(&format!("NOTE: removed CT {vmid} from HA resource configuration.\n"));
        }
        crate::ha::forget(&mut call.state(), vmid);
    }
    call.state().forget_guest(CT, vmid);
    Ok(())
}

impl State {
    /// Refuses to destroy a base volume that linked clones depend on.
    fn check_bases(&self, conf: &GuestConf) -> Result<(), Failure> {
        for volid in Self::container_volumes(conf) {
            let Some(volume) = VolumeRef::parse(&volid).filter(VolumeRef::is_base) else { continue };
            // A btrfs clone shares blocks with its base, but is independent.
            let shares = self.storages().iter().any(|storage| {
                storage.id == volume.storage
                    && matches!(storage.kind, StorageKind::Zfspool | StorageKind::Lvmthin | StorageKind::Rbd)
            });
            let used = self.volumes.values().any(|other| other.base.as_deref() == Some(volid.as_str()));
            if shares && used {
                return Err(Failure::die(format!("base volume '{}' is still in use by linked clones", volume.name)));
            }
        }
        Ok(())
    }
}

/// `pct template`.
pub(crate) async fn template(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let lock = call.lock_guest(CT, vmid).await?;
    let conf = call.state().conf(CT, vmid)?;
    check_lock(&conf)?;
    if !conf.snapshots.is_empty() {
        return Err(Failure::die("unable to create template, because CT contains snapshots"));
    }
    if conf.is_template() {
        return Err(Failure::die("you can't convert a template to a template"));
    }
    if call.state().is_running(vmid) {
        return Err(Failure::die("you can't convert a CT to template if the CT is running"));
    }
    drop(lock);
    call.begin(Worker::Unchecked, "vztemplate", vmid);
    let _lock = call.lock_guest(CT, vmid).await?;
    let mut conf = call.state().conf(CT, vmid)?;
    for (_, mount) in mount_points(&conf.live) {
        if mount.source_kind() != MountSourceKind::Volume || call.state().is_lvm(mount.volume()) {
            let text = format!("Template feature is not available for '{}'", mount.volume());
            return Err(Failure::die(text));
        }
    }
    call.work(Duration::from_millis(60)).await;
    let mut state = call.state();
    for (key, mount) in mount_points(&conf.live) {
        let volid = mount.volume().to_owned();
        let base = base_name(&volid, state.volume(&volid).map(|volume| volume.format));
        state.rename_volume(&volid, &base);
        let size = super::create::size_of(&mount);
        conf.live.keys.insert(key, mount.with_volume(&base, size).print());
    }
    conf.live.keys.insert("template".to_owned(), "1".to_owned());
    state.write_conf(CT, vmid, &conf);
    Ok(())
}

/// The name of a volume once it is a base.
fn base_name(volid: &str, format: Option<Format>) -> String {
    let at = volid.rfind(['/', ':']).map_or(0, |at| at + 1);
    let (front, file) = volid.split_at(at);
    let file = match format {
        Some(Format::Subvol) => file.replacen("subvol-", "basevol-", 1),
        _ => file.replacen("vm-", "base-", 1),
    };
    // On a folder, a subvolume's base keeps the extension.
    format!("{front}{file}")
}

impl State {
    fn is_lvm(&self, volid: &str) -> bool {
        let Some(volume) = VolumeRef::parse(volid) else { return false };
        self.storages().iter().any(|storage| storage.id == volume.storage && storage.kind == StorageKind::Lvm)
    }
}
