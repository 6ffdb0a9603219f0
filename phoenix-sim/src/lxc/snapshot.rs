//! Snapshots of containers (pve-guest-common `AbstractConfig.pm`).

use std::time::Duration;

use phoenix_types::{ConfSection, GuestConf};

use super::config::retire;
use super::power;
use super::set::check_lock;
use crate::node::mount_points::{self, MountSourceKind, indexed, mount_points};
use crate::node::{CT, Call, Failure, State, VolumeRef, Worker};
use crate::world::StorageKind;

/// `pct snapshot`.
pub(crate) async fn snapshot(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let name = call.param("snapname").unwrap_or_default().to_owned();
    if name == "current" || name == "vzdump" {
        return Err(Failure::die(format!("unable to use snapshot name '{name}' (reserved name)")));
    }
    let description = call.param("description").map(str::to_owned);
    call.begin(Worker::Checked, "vzsnapshot", vmid);
    let lock = call.lock_guest(CT, vmid).await?;
    let mut conf = call.state().conf(CT, vmid)?;
    if conf.is_template() {
        return Err(Failure::die("you can't take a snapshot if it's a template"));
    }
    check_lock(&conf)?;
    if conf.snapshots.contains_key(&name) {
        return Err(Failure::die(format!("snapshot name '{name}' already used")));
    }
    if !call.state().can_snapshot(&conf)? {
        return Err(Failure::die("snapshot feature is not available"));
    }
    for (child, section) in &mut conf.snapshots {
        if section.get("parent") == Some(name.as_str()) {
            call.err(&format!("deleting parent '{name}' reference from '{child}' to avoid bogus snapshot cycle.\n"));
            section.keys.remove("parent");
        }
    }
    let mut section = copied(&conf.live);
    section.description =
        description.map(|text| text.trim_end_matches('\n').to_owned()).filter(|text| !text.is_empty());
    section.keys.insert("snaptime".to_owned(), call.node.unix_time().to_string());
    section.keys.insert("snapstate".to_owned(), "prepare".to_owned());
    conf.snapshots.insert(name.clone(), section);
    conf.live.keys.insert("lock".to_owned(), "snapshot".to_owned());
    call.state().write_conf(CT, vmid, &conf);
    drop(lock);
    call.work(Duration::from_millis(80)).await;
    let mut state = call.state();
    for volid in State::container_volumes(&conf) {
        state.snapshot_volume(&volid, &name);
    }
    conf.live.keys.remove("lock");
    conf.live.keys.insert("parent".to_owned(), name.clone());
    if let Some(section) = conf.snapshots.get_mut(&name) {
        section.keys.remove("snapstate");
    }
    state.write_conf(CT, vmid, &conf);
    Ok(())
}

/// What a snapshot takes from a section.
fn copied(section: &ConfSection) -> ConfSection {
    let mut copy = section.clone();
    copy.description = None;
    copy.keys.retain(|key, _| {
        !indexed(key, "unused") && !["snapstate", "snaptime", "vmstate", "lock", "digest"].contains(&key.as_str())
    });
    copy
}

impl State {
    /// Whether all volumes of a container can be snapshotted. A bind mount makes it impossible.
    pub(crate) fn can_snapshot(&mut self, conf: &GuestConf) -> Result<bool, Failure> {
        for (_, mount) in mount_points(&conf.live) {
            if mount.source_kind() != MountSourceKind::Volume {
                return Ok(false);
            }
            let Some(volume) = VolumeRef::parse(mount.volume()) else { return Ok(false) };
            let storage = self.storage(volume.storage)?;
            let Some(known) = self.volume(mount.volume()) else { return Ok(false) };
            if !storage.can_snapshot(known.format) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// `pct delsnapshot`.
pub(crate) async fn delsnapshot(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let name = call.param("snapname").unwrap_or_default().to_owned();
    call.begin(Worker::Checked, "vzdelsnapshot", vmid);
    let lock = call.lock_guest(CT, vmid).await?;
    let mut conf = call.state().conf(CT, vmid)?;
    if !conf.snapshots.contains_key(&name) {
        return Err(Failure::die(format!("snapshot '{name}' does not exist")));
    }
    if conf.is_template() {
        return Err(Failure::die("you can't delete a snapshot if vm is a template"));
    }
    check_lock(&conf)?;
    conf.live.keys.insert("lock".to_owned(), "snapshot-delete".to_owned());
    if let Some(section) = conf.snapshots.get_mut(&name) {
        section.keys.insert("snapstate".to_owned(), "delete".to_owned());
    }
    call.state().write_conf(CT, vmid, &conf);
    drop(lock);
    call.work(Duration::from_millis(60)).await;
    let removed = conf.snapshots.remove(&name).unwrap_or_default();
    let parent = removed.get("parent").map(str::to_owned);
    for section in std::iter::once(&mut conf.live).chain(conf.snapshots.values_mut()) {
        if section.get("parent") == Some(name.as_str()) {
            match &parent {
                Some(parent) => section.keys.insert("parent".to_owned(), parent.clone()),
                None => section.keys.remove("parent"),
            };
        }
    }
    conf.live.keys.remove("lock");
    let mut state = call.state();
    for (_, mount) in mount_points(&removed) {
        state.delete_volume_snapshot(mount.volume(), &name);
        if mount.source_kind() == MountSourceKind::Volume {
            retire(&mut conf, mount.volume());
        }
    }
    state.write_conf(CT, vmid, &conf);
    Ok(())
}

/// `pct rollback`.
pub(crate) async fn rollback(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let name = call.param("snapname").unwrap_or_default().to_owned();
    call.begin(Worker::Checked, "vzrollback", vmid);
    let lock = call.lock_guest(CT, vmid).await?;
    let mut conf = call.state().conf(CT, vmid)?;
    if conf.is_template() {
        return Err(Failure::die("you can't rollback if vm is a template"));
    }
    let Some(section) = conf.snapshots.get(&name).cloned() else {
        return Err(Failure::die(format!("snapshot '{name}' does not exist")));
    };
    call.state().check_rollback(&section, &name)?;
    if let Some(state) = section.get("snapstate") {
        return Err(Failure::die(format!("unable to rollback to incomplete snapshot (snapstate = {state})")));
    }
    check_lock(&conf)?;
    if call.state().is_running(vmid) {
        call.node.sleep(Duration::from_secs(1)).await;
        power::switch_off(call, vmid).await;
        conf = call.state().conf(CT, vmid)?;
    }
    conf.live.keys.insert("lock".to_owned(), "rollback".to_owned());
    call.state().write_conf(CT, vmid, &conf);
    drop(lock);
    for (_, mount) in mount_points(&section) {
        call.state().rollback_volume(mount.volume(), &name);
    }
    call.work(Duration::from_millis(80)).await;
    taken_back(&mut conf, section, &name);
    call.state().write_conf(CT, vmid, &conf);
    if call.is_set("start")
        && let Err(failure) = power::start_worker(call, vmid).await
    {
        call.warn(failure.message());
    }
    Ok(())
}

impl State {
    /// ZFS goes back only to the newest snapshot.
    fn check_rollback(&mut self, section: &ConfSection, name: &str) -> Result<(), Failure> {
        for (_, mount) in mount_points(section) {
            let volid = mount.volume();
            let Some(volume) = VolumeRef::parse(volid) else { continue };
            let storage = self.storage(volume.storage)?;
            let newest = self.volume(volid).and_then(|known| known.order.last());
            if storage.kind == StorageKind::Zfspool && newest.is_some_and(|newest| newest != name) {
                return Err(Failure::die(format!("can't rollback, '{name}' is not most recent snapshot on '{volid}'")));
            }
        }
        Ok(())
    }
}

/// The live section after a rollback: the snapshot's settings, but the notes and unused volumes that it has now.
fn taken_back(conf: &mut GuestConf, section: ConfSection, name: &str) {
    let before = std::mem::replace(&mut conf.live, section);
    conf.live.description = before.description;
    conf.live.keys.remove("snaptime");
    conf.live.keys.insert("parent".to_owned(), name.to_owned());
    conf.live.keys.extend(
        before.keys.iter().filter(|(key, _)| indexed(key, "unused")).map(|(key, value)| (key.clone(), value.clone())),
    );
    conf.pending = None;
    let volumes: Vec<String> = before
        .keys
        .iter()
        .filter(|(key, _)| *key == "rootfs" || mount_points::is_mp(key))
        .filter_map(|(key, value)| mount_points::MountPoint::parse(key, value).ok())
        .filter(|mount| mount.source_kind() == MountSourceKind::Volume)
        .map(|mount| mount.volume().to_owned())
        .collect();
    for volid in volumes {
        retire(conf, &volid);
    }
    let used: Vec<String> = mount_points(&conf.live).iter().map(|(_, mount)| mount.volume().to_owned()).collect();
    conf.live.keys.retain(|key, value| !indexed(key, "unused") || !used.contains(value));
}
