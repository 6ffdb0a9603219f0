//! Snapshots of VMs: `qm snapshot`, `delsnapshot`, `rollback`, `listsnapshot`.
//!
//! Rules from `PVE::AbstractConfig` (`snapshot_create`, `snapshot_delete`, `snapshot_rollback`) and `PVE::QemuConfig`.

use std::collections::BTreeSet;
use std::time::Duration;

use phoenix_types::ConfSection;

use crate::node::{Call, Failure, Format, VolumeRef, Worker};
use crate::world::StorageKind;

use super::power::{Locks, Overdue, Way};
use super::saved_state::{RUNNING_CPU, disks, make_state_file, running_machine};
use super::volumes::{self, Feature};
use super::{drive, power, settings, vm};

/// Settings that a snapshot does not hold.
const NOT_KEPT: &[&str] = &["lock", "snaptime", "snapstate", "vmstate"];

/// The volumes of a section that a rollback looks at: the disks and the cloud-init drive.
fn drives(section: &ConfSection) -> Vec<(String, String)> {
    drive::drives(section)
        .into_iter()
        .filter(|(_, drive)| !drive.is_user_medium())
        .map(|(key, drive)| (key, drive.file().to_owned()))
        .collect()
}

/// `qm snapshot`.
pub(super) async fn create(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let name = call.param("snapname").unwrap_or_default().to_owned();
    if name == "current" || name.eq_ignore_ascii_case("pending") {
        let reserved = if name == "current" { "current" } else { "pending" };
        return Err(Failure::die(format!("unable to use snapshot name '{reserved}' (reserved name)")));
    }
    let conf = call.vm(id)?;
    let with_state = call.is_set("vmstate");
    if with_state {
        let blocker = ["virtiofs", "amd-sev", "intel-tdx"]
            .iter()
            .find(|family| conf.live.keys.keys().any(|key| key == *family || settings::number(key, family).is_some()));
        if let Some(blocker) = blocker {
            let reason = "Cannot live-migrate, snapshot (with RAM), or hibernate a VM with";
            return Err(Failure::die(format!("{reason}: {blocker}")));
        }
    }
    let comment = call.param("description").map(str::to_owned);
    call.begin(Worker::Checked, "qmsnapshot", id);
    prepare(call, id, &name, comment, with_state).await?;
    let conf = call.vm(id)?;
    let runs = call.runs(id);
    let section = conf.snapshots.get(&name).cloned().unwrap_or_default();
    if runs {
        show_freeze(call, &section);
    }
    let mut taken = Vec::new();
    let mut full = Ok(());
    for (key, volume) in disks(&section) {
        call.out(&format!("snapshotting 'drive-{key}' ({volume})\n"));
        full = call.state().can_hold_snapshot(&volume, &name);
        if full.is_err() {
            break;
        }
        if runs && volumes::format_of(&volume) == Format::Qcow2 {
            call.out("internal qemu snapshot\n");
        }
        call.state().snapshot_volume(&volume, &name);
        taken.push(volume);
    }
    call.work(Duration::from_millis(50)).await;
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    conf.live.keys.remove("lock");
    if full.is_err() {
        // What there is of it goes again (`snapshot_create` of pve-guest-common).
        call.err("snapshot create failed: starting cleanup\n");
        taken.iter().for_each(|volume| call.state().delete_volume_snapshot(volume, &name));
        conf.snapshots.remove(&name);
        call.save(id, &mut conf);
        return full;
    }
    if let Some(section) = conf.snapshots.get_mut(&name) {
        section.keys.remove("snapstate");
    }
    settings::put(&mut conf.live, "parent", name);
    call.save(id, &mut conf);
    Ok(())
}

/// What happens around the disks' snapshots when the VM runs.
fn show_freeze(call: &mut Call<'_>, section: &ConfSection) {
    if let Some(state_file) = section.get("vmstate") {
        let storage = state_file.split(':').next().unwrap_or_default().to_owned();
        call.out(&format!("saving VM state and RAM using storage '{storage}'\n"));
        call.out("1.0 MiB in 0s\ncompleted saving the VM state in 1s, saved 200.0 MiB\n");
    } else if settings::agent_enabled(section) != Some(true) {
        call.out("skipping guest filesystem freeze - disabled in VM options\n");
    }
}

async fn prepare(
    call: &mut Call<'_>,
    id: u32,
    name: &str,
    comment: Option<String>,
    with_state: bool,
) -> Result<(), Failure> {
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    if conf.is_template() {
        return Err(Failure::die("you can't take a snapshot if it's a template"));
    }
    vm::check_lock(&conf)?;
    if conf.snapshots.contains_key(name) {
        return Err(Failure::die(format!("snapshot name '{name}' already used")));
    }
    let possible = {
        let mut state = call.state();
        disks(&conf.live).iter().all(|(_, volume)| volumes::has_feature(&mut state, volume, None, Feature::Snapshot))
    };
    if !possible {
        return Err(Failure::die("snapshot feature is not available"));
    }
    for (other, section) in &mut conf.snapshots {
        if section.get("parent") == Some(name) {
            call.err(&format!("deleting parent '{name}' reference from '{other}' to avoid bogus snapshot cycle.\n"));
            section.keys.remove("parent");
        }
    }
    let mut section = ConfSection::default();
    let keys = conf.live.keys.iter().filter(|(key, _)| !NOT_KEPT.contains(&key.as_str()) && !drive::is_unused(key));
    section.keys.extend(keys.map(|(key, value)| (key.clone(), value.clone())));
    if with_state && call.runs(id) {
        let state_file = make_state_file(call, id, &conf, None, name)?;
        settings::put(&mut section, "vmstate", state_file);
        settings::put(&mut section, "runningmachine", running_machine(&conf));
        settings::put(&mut section, "runningcpu", RUNNING_CPU);
    }
    settings::put(&mut section, "snapstate", "prepare");
    settings::put(&mut section, "snaptime", call.node.unix_time().to_string());
    section.description = comment.filter(|text| !text.is_empty());
    conf.snapshots.insert(name.to_owned(), section);
    settings::put(&mut conf.live, "lock", "snapshot");
    call.save(id, &mut conf);
    Ok(())
}

fn missing(name: &str) -> Failure {
    Failure::die(format!("snapshot '{name}' does not exist"))
}

/// `qm delsnapshot`.
pub(super) async fn delete(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let name = call.param("snapname").unwrap_or_default().to_owned();
    call.begin(Worker::Checked, "qmdelsnapshot", id);
    let section = {
        let conf = call.vm(id)?;
        if !conf.snapshots.contains_key(&name) {
            return Err(missing(&name));
        }
        let _held = call.lock_vm(id).await?;
        let mut conf = call.vm(id)?;
        vm::check_lock(&conf)?;
        if conf.is_template() {
            return Err(Failure::die("you can't delete a snapshot if vm is a template"));
        }
        settings::put(&mut conf.live, "lock", "snapshot-delete");
        let section = conf.snapshots.entry(name.clone()).or_default();
        settings::put(section, "snapstate", "delete");
        let section = section.clone();
        call.save(id, &mut conf);
        section
    };
    if let Some(state_file) = section.get("vmstate").map(str::to_owned) {
        call.free_disks(&[state_file]);
    }
    let mut orphans = Vec::new();
    for (_, volume) in disks(&section) {
        call.state().delete_volume_snapshot(&volume, &name);
        orphans.push(volume);
    }
    call.work(Duration::from_millis(50)).await;
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    conf.snapshots.remove(&name);
    let parent = section.get("parent").map(str::to_owned);
    for section in std::iter::once(&mut conf.live).chain(conf.snapshots.values_mut()) {
        if section.get("parent") == Some(name.as_str()) {
            match &parent {
                Some(parent) => settings::put(section, "parent", parent.as_str()),
                None => {
                    section.keys.remove("parent");
                }
            }
        }
    }
    for volume in orphans {
        // Those that the VM uses are dropped again when its configuration is written.
        settings::add_unused(&mut conf.live, &volume);
    }
    conf.live.keys.remove("lock");
    call.save(id, &mut conf);
    Ok(())
}

/// `qm rollback`.
pub(super) async fn rollback(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let name = call.param("snapname").unwrap_or_default().to_owned();
    let start = call.is_set("start");
    call.begin(Worker::Checked, "qmrollback", id);
    let section = {
        let _held = call.lock_vm(id).await?;
        let mut conf = call.vm(id)?;
        if conf.is_template() {
            return Err(Failure::die("you can't rollback if vm is a template"));
        }
        let section = conf.snapshots.get(&name).cloned().ok_or_else(|| missing(&name))?;
        for (_, volume) in disks(&section) {
            check_newest(call, &volume, &name)?;
        }
        if let Some(state) = section.get("snapstate") {
            return Err(Failure::die(format!("unable to rollback to incomplete snapshot (snapstate = {state})")));
        }
        vm::check_lock(&conf)?;
        power::stop_vm(call, id, Locks::Respected, Some(5), Way::Quit, Overdue::Terminate).await?;
        conf = call.vm(id)?;
        settings::put(&mut conf.live, "lock", "rollback");
        call.save(id, &mut conf);
        section
    };
    for (_, volume) in disks(&section) {
        call.state().rollback_volume(&volume, &name);
    }
    call.work(Duration::from_millis(50)).await;
    let with_state = apply(call, id, &name, &section).await?;
    if with_state {
        let now = call.node.clock().now();
        call.state().set_running(id, now);
        call.node.inside(id).started();
    } else if start && !call.runs(id) {
        power::start_inside(call, id).await;
    }
    Ok(())
}

/// ZFS goes back to the newest snapshot only.
fn check_newest(call: &Call<'_>, volume: &str, name: &str) -> Result<(), Failure> {
    let mut state = call.state();
    let Some(parts) = VolumeRef::parse(volume) else { return Ok(()) };
    if state.storage(parts.storage)?.kind != StorageKind::Zfspool {
        return Ok(());
    }
    let newest = state.volume(volume).and_then(|volume| volume.order.last());
    if newest.is_some_and(|newest| newest != name) {
        return Err(Failure::die(format!("can't rollback, '{name}' is not most recent snapshot on '{volume}'")));
    }
    Ok(())
}

/// Makes the snapshot's settings the VM's. Gives whether the snapshot holds the memory of a VM that ran.
async fn apply(call: &mut Call<'_>, id: u32, name: &str, section: &ConfSection) -> Result<bool, Failure> {
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    let mut before = std::mem::take(&mut conf.live);
    let kept: BTreeSet<String> = drives(section).into_iter().map(|(_, volume)| volume).collect();
    for (_, volume) in drives(&before) {
        if kept.contains(&volume) {
            continue;
        }
        if drive::is_cloud_init(&volume) {
            call.out(&format!("found unused cloudinit disk '{volume}', removing it\n"));
            call.free_disks(&[volume]);
        } else {
            settings::add_unused(&mut before, &volume);
        }
    }
    conf.live.description = before.description.take();
    conf.live.keys.extend(before.keys.into_iter().filter(|(key, _)| drive::is_unused(key)));
    for (key, value) in section.keys.iter().filter(|(key, _)| !NOT_KEPT.contains(&key.as_str())) {
        conf.live.keys.insert(key.clone(), value.clone());
    }
    for key in ["runningmachine", "runningcpu", "running-nets-host-mtu"] {
        conf.live.keys.remove(key);
    }
    settings::put(&mut conf.live, "parent", name);
    if conf.live.get("vmgenid").is_some() {
        let uuid = call.state().random.uuid();
        settings::put(&mut conf.live, "vmgenid", uuid);
    }
    conf.pending = None;
    conf.special.clear();
    call.save(id, &mut conf);
    Ok(section.get("vmstate").is_some())
}
