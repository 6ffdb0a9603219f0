//! The end of a VM's changes: `qm template` and `qm destroy`.

use std::time::Duration;

use phoenix_types::GuestKind;

use crate::node::{Call, Failure, State, VolumeRef, Worker};

use super::volumes::{self, Feature};
use super::{drive, settings, vm};

/// Makes a disk the base of linked clones, which gives it another name.
pub(super) fn make_base(state: &mut State, volume: &str) -> Result<String, Failure> {
    let parts =
        VolumeRef::parse(volume).ok_or_else(|| Failure::die(format!("unable to parse volume ID '{volume}'")))?;
    let base = format!("{}:{}", parts.storage, volumes::base_name(parts.name));
    state.rename_volume(volume, &base);
    Ok(base)
}

/// `qm template`.
pub(super) async fn template(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let only = call.param("disk").map(str::to_owned);
    check_template(call, id, only.as_deref())?;
    call.begin(Worker::Unchecked, "qmtemplate", id);
    let _held = call.lock_vm(id).await?;
    check_template(call, id, only.as_deref())?;
    let mut conf = call.vm(id)?;
    settings::put(&mut conf.live, "template", "1");
    call.save(id, &mut conf);
    for (key, mut drive) in drive::drives(&conf.live) {
        let is_meant = !drive.is_medium() && only.as_ref().is_none_or(|only| *only == key);
        if !is_meant || !volumes::has_feature(&mut call.state(), drive.file(), None, Feature::Template) {
            continue;
        }
        let base = make_base(&mut call.state(), drive.file())?;
        drive.set("file", base);
        settings::put(&mut conf.live, &key, drive.print());
        call.save(id, &mut conf);
    }
    call.work(Duration::from_millis(50)).await;
    Ok(())
}

fn check_template(call: &Call<'_>, id: u32, only: Option<&str>) -> Result<(), Failure> {
    let conf = call.vm(id)?;
    vm::check_lock(&conf)?;
    if !conf.snapshots.is_empty() {
        return Err(Failure::die("unable to create template, because VM contains snapshots"));
    }
    if conf.is_template() && only.is_none() {
        return Err(Failure::die("you can't convert a template to a template"));
    }
    if call.runs(id) {
        return Err(Failure::with_exit("you can't convert a VM to template if VM is running", 25));
    }
    Ok(())
}

/// `qm destroy`.
pub(super) async fn destroy(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let conf = call.vm(id)?;
    let protection = format!("can't remove VM {id}");
    vm::check_protection(&conf, &protection)?;
    let managed = is_managed(&call.state(), id);
    if managed && !call.is_set("purge") {
        let reason = format!("unable to remove VM {id} - used in HA resources and purge parameter not set.");
        return Err(Failure::die(reason));
    }
    if call.runs(id) {
        return Err(Failure::with_exit(format!("VM {id} is running - destroy failed"), 25));
    }
    call.begin(Worker::Checked, "qmdestroy", id);
    let _held = call.lock_vm(id).await?;
    let conf = call.vm(id)?;
    vm::check_protection(&conf, &protection)?;
    if !call.is_set("skiplock") {
        vm::check_lock(&conf)?;
    }
    if conf.is_template() {
        for (_, drive) in drive::drives(&conf.live) {
            let volume = drive.file();
            if call.state().volumes.values().any(|other| other.base.as_deref() == Some(volume)) {
                return Err(Failure::die(format!("base volume '{volume}' is still in use by linked cloned")));
            }
        }
    }
    let mut doomed = settings::owned_volumes(&conf, id);
    if call.is_set("destroy-unreferenced-disks") {
        let state = call.state();
        let owned = state.volumes.keys().filter(|volume| settings::owner(volume) == Some(id));
        doomed.extend(owned.cloned());
    }
    {
        let mut ruin = phoenix_types::GuestConf::default();
        settings::put(&mut ruin.live, "lock", "destroyed");
        call.save(id, &mut ruin);
    }
    call.free_disks(&doomed.into_iter().collect::<Vec<_>>());
    call.work(Duration::from_millis(50)).await;
    if call.is_set("purge") {
        call.out(&format!("purging VM {id} from related configurations..\n"));
        if managed {
            forget_resource(&mut call.state(), id);
            call.out(&format!("NOTE: removed VM {id} from HA resource configuration.\n"));
        }
    }
    call.state().forget_guest(GuestKind::Vm, id);
    Ok(())
}

/// Where high availability keeps its resources.
const RESOURCES: &str = "/etc/pve/ha/resources.cfg";

fn is_managed(state: &State, id: u32) -> bool {
    let text = state.files.text(RESOURCES).unwrap_or_default();
    text.lines().any(|line| line.trim_end() == format!("vm: {id}"))
}

fn forget_resource(state: &mut State, id: u32) {
    let text = state.files.text(RESOURCES).unwrap_or_default();
    let mut kept = String::new();
    let mut skips = false;
    for line in text.lines() {
        if !line.starts_with(['\t', ' ']) && !line.is_empty() {
            skips = line.trim_end() == format!("vm: {id}");
        }
        if !skips {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    state.write_file(RESOURCES, kept.into_bytes());
}
