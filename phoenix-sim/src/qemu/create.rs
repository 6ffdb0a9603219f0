//! `qm create`.

use phoenix_types::{GuestConf, GuestKind};

use crate::node::{Call, Failure, Worker, interruptible};

use super::disks::{self, Settings};
use super::{drive, power, settings, vm};

/// Parameters of `create` that are no settings.
const CONTROL: &[&str] = &[
    "node",
    "vmid",
    "archive",
    "bwlimit",
    "force",
    "ha-managed",
    "import-working-storage",
    "live-restore",
    "pool",
    "start",
    "storage",
    "unique",
];

/// Makes a VM.
pub(super) async fn create(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let mut settings = disks::settings_of(call, CONTROL);
    if let Some(keys) = settings.get("sshkeys") {
        disks::check_ssh_keys(keys)?;
    }
    let default = call.param("storage").map(str::to_owned);
    if let Some(archive) = call.param("archive").map(str::to_owned) {
        return restore(call, id, &settings, &archive);
    }
    disks::resolve_cdrom(&mut settings);
    disks::check_storages(call, &settings, default.as_deref())?;
    disks::check_drives(call, &mut settings)?;
    disks::complete(call, &mut settings);
    reserve(call, id, "create").await?;
    call.begin(Worker::Checked, "qmcreate", id);
    let (before, gone) = (call.state().disks_of(id), call.reader_gone());
    let made = interruptible(gone, make(call, id, settings, default.as_deref())).await;
    if let Err(failure) = made {
        let made: Vec<String> = call.state().disks_of(id).difference(&before).cloned().collect();
        call.free_disks(&made);
        call.state().forget_guest(GuestKind::Vm, id);
        return Err(Failure::die(format!("unable to create VM {id} - {}", failure.message())));
    }
    if call.is_set("start") {
        call.out("Execute autostart\n");
        power::start_inside(call, id).await;
    }
    Ok(())
}

/// Writes a configuration that holds nothing but a lock, if the id is free.
async fn reserve(call: &mut Call<'_>, id: u32, verb: &str) -> Result<(), Failure> {
    let refuse = |reason: &str| Failure::die(format!("unable to {verb} VM {id} - {reason}"));
    let _held = call.lock_vm(id).await.map_err(|failure| refuse(failure.message()))?;
    if let Some(reason) = call.state().taken(id) {
        return Err(refuse(&reason));
    }
    let mut conf = GuestConf::default();
    settings::put(&mut conf.live, "lock", "create");
    call.save(id, &mut conf);
    Ok(())
}

async fn make(call: &mut Call<'_>, id: u32, settings: Settings, default: Option<&str>) -> Result<(), Failure> {
    let _held = call.lock_vm(id).await?;
    let mut conf = GuestConf::default();
    for (key, value) in &settings {
        settings::put(&mut conf.live, key, value.as_str());
    }
    let (epoch, version) = (call.node.unix_time(), settings::QEMU_VERSION);
    settings::put(&mut conf.live, "meta", format!("creation-qemu={version},ctime={epoch}"));
    // The drives are not there yet, so none of them is one that the VM has already.
    let mut without_drives = conf.clone();
    without_drives.live.keys.retain(|key, _| !drive::is_drive(key));
    let created = disks::create(call, id, &without_drives, &settings, default).await?;
    conf.live.keys.extend(created);
    if conf.live.get("boot").is_none_or(str::is_empty) {
        let devices = drive::default_boot_devices(&conf.live);
        settings::put(&mut conf.live, "boot", drive::print_boot_order(&devices));
    }
    if let Some(tags) = conf.live.get("tags").map(settings::unique_tags) {
        settings::put(&mut conf.live, "tags", tags);
    }
    if conf.live.get("smbios1").is_none() {
        let uuid = call.state().random.uuid();
        settings::put(&mut conf.live, "smbios1", format!("uuid={uuid}"));
    }
    if conf.live.get("vmgenid").is_none_or(|id| id == "1") && conf.live.get("arch") != Some("aarch64") {
        let uuid = call.state().random.uuid();
        settings::put(&mut conf.live, "vmgenid", uuid);
    }
    let checked = conf.live.get("machine").map_or(Ok(()), disks::check_machine);
    if let Err(failure) = checked {
        let made: Vec<String> = settings::owned_volumes(&conf, id).into_iter().collect();
        call.free_disks(&made);
        return Err(failure);
    }
    if let Some((machine, kind)) = settings::pin_machine(conf.live.get("machine"), conf.live.get("ostype")) {
        call.out(&format!("pinning machine type to '{kind}' for Windows guest OS\n"));
        settings::put(&mut conf.live, "machine", machine);
    }
    call.save(id, &mut conf);
    Ok(())
}

/// Backups of VMs are not part of the simulated node, so none of them is there.
fn restore(call: &mut Call<'_>, id: u32, settings: &Settings, archive: &str) -> Result<(), Failure> {
    if let Some(key) = settings.keys().find(|key| drive::is_drive(key)) {
        return Err(call.bad_param(key, "option conflicts with option 'archive'"));
    }
    let taken = call.state().taken(id);
    match taken {
        Some(_) if call.is_set("force") => {
            let conf = call.vm(id)?;
            vm::check_protection(&conf, &format!("unable to restore VM {id} -"))?;
        }
        Some(reason) => return Err(Failure::die(format!("unable to restore VM {id} - {reason}"))),
        None => {}
    }
    call.begin(Worker::Checked, "qmrestore", id);
    Err(Failure::die(format!("volume '{archive}' does not exist")))
}
