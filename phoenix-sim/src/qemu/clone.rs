//! `qm clone`.

use std::time::Duration;

use phoenix_types::{GuestConf, GuestKind};

use crate::grammar::NODE;
use crate::node::{Call, Failure, Format, Worker, interruptible};

use super::drive::{self, Drive};
use super::volumes::{self, Feature};
use super::{guest, settings, vm};

/// How long a clone waits for the locks of its source and of itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a drive gets into the clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Copied,
    Linked,
}

/// What the clone is made of.
struct Draft {
    conf: GuestConf,
    drives: Vec<(String, Drive, Way)>,
    old: phoenix_types::ConfSection,
    pending: Vec<String>,
}

/// `qm clone`.
pub(super) async fn clone(call: &mut Call<'_>) -> Result<(), Failure> {
    let (id, new) = (call.vmid(), call.number::<u32>("newid").unwrap_or(0));
    let runs = call.runs_here(id)?;
    draft(call, id, new, runs)?;
    call.begin(Worker::Checked, "qmclone", id);
    // Clones of one template may run side by side: a source that is off is only locked against being changed.
    let _source = if runs { Some(call.lock_file(&lock_path(id), PATIENCE).await?) } else { None };
    let _target = call.lock_file(&lock_path(new), PATIENCE).await?;
    let draft = draft(call, id, new, runs)?;
    call.out(&format!("creating a clone of VM {id} with ID {new}\n"));
    let (before, gone) = (call.state().disks_of(new), call.reader_gone());
    if let Err(failure) = interruptible(gone, make(call, id, new, draft)).await {
        let made: Vec<String> = call.state().disks_of(new).difference(&before).cloned().collect();
        call.free_disks(&made);
        call.state().forget_guest(GuestKind::Vm, new);
        return Err(Failure::die(format!("clone failed: {}", failure.message())));
    }
    Ok(())
}

fn lock_path(id: u32) -> String {
    format!("/var/lock/qemu-server/lock-{id}.conf")
}

fn draft(call: &mut Call<'_>, id: u32, new: u32, runs: bool) -> Result<Draft, Failure> {
    if let Some(target) = call.param("target").filter(|target| *target != NODE && *target != "localhost") {
        return Err(Failure::die(format!("no such cluster node '{target}'")));
    }
    let storage = call.param("storage").map(str::to_owned);
    if let Some(storage) = &storage {
        let holds = call.state().enabled_storage(storage)?.holds("images");
        if !holds {
            return Err(call.bad_param("storage", format!("storage '{storage}' does not support vm images")));
        }
    }
    let conf = call.vm(id)?;
    vm::check_lock(&conf)?;
    let snapshot = call.param("snapname").filter(|name| !name.is_empty()).map(str::to_owned);
    let old = match &snapshot {
        // The status is the kernel's last error: the one that a VM which runs leaves, or that of a file that is not there.
        Some(name) => conf.snapshots.get(name).ok_or_else(|| {
            Failure::with_exit(format!("snapshot '{name}' does not exist"), if runs { 25 } else { 2 })
        })?,
        None => &conf.live,
    };
    let full = call.inv.params.flag("full").unwrap_or(!conf.is_template());
    for option in ["storage", "format"] {
        if call.param(option).is_some() && !full {
            return Err(Failure::die(format!("parameter '{option}' not allowed for linked clones")));
        }
    }
    for (_, drive) in drive::drives(old) {
        if let Some((storage, _)) = drive.volume() {
            call.state().storage(storage)?;
        }
    }
    if call.state().conf_text(GuestKind::Vm, new).is_some() {
        let reason = format!("unable to create VM {new}: config file already exists");
        return Err(Failure::with_exit(reason, if runs { 25 } else { 2 }));
    }
    let mut made = GuestConf::default();
    let mut drives = Vec::new();
    for (key, value) in settings::all(old) {
        let left = ["parent", "snaptime", "vmstate", "snapstate", "lock", "template"];
        if left.contains(&key.as_str()) || drive::is_unused(&key) {
            continue;
        }
        if key == "tpmstate0" && full && runs && snapshot.is_none() {
            return Err(Failure::die("cannot clone TPM state while VM is running"));
        }
        if settings::is_net(&key) {
            let net = settings::print_net(&value, &mut call.state().random, settings::Renew::Mac);
            settings::put(&mut made.live, &key, net.unwrap_or(value));
        } else if drive::is_drive(&key) {
            let Some(drive) = Drive::parse(&key, &value) else {
                return Err(Failure::die(format!("unable to parse drive options for '{key}'")));
            };
            if drive.is_user_medium() {
                settings::put(&mut made.live, &key, value);
                continue;
            }
            let copied = full || drive.is_cloud_init() || key == "tpmstate0";
            let (way, feature, word) =
                if copied { (Way::Copied, Feature::Copy, "Full") } else { (Way::Linked, Feature::Clone, "Linked") };
            let of = if snapshot.is_some() { " a snapshot of" } else { "" };
            let possible = volumes::has_feature(&mut call.state(), drive.file(), snapshot.as_deref(), feature);
            if !possible {
                let volume = drive.file();
                return Err(Failure::die(format!("{word} clone feature is not supported for{of} '{volume}' ({key})")));
            }
            drives.push((key, drive, way));
        } else {
            settings::put(&mut made.live, &key, value);
        }
    }
    let pending = match (&snapshot, &conf.pending) {
        (None, Some(pending)) => settings::all(pending).into_keys().collect(),
        _ => Vec::new(),
    };
    Ok(Draft { conf: made, drives, old: old.clone(), pending })
}

async fn make(call: &mut Call<'_>, id: u32, new: u32, draft: Draft) -> Result<(), Failure> {
    let Draft { mut conf, drives, old, pending } = draft;
    {
        let mut state = call.state();
        let uuid = state.random.uuid();
        let smbios = settings::with_uuid(conf.live.get("smbios1"), &uuid);
        settings::put(&mut conf.live, "smbios1", smbios);
        if conf.live.get("vmgenid").is_some() {
            let uuid = state.random.uuid();
            settings::put(&mut conf.live, "vmgenid", uuid);
        }
    }
    let name = call.param("name").filter(|name| !name.is_empty()).map(str::to_owned);
    let name =
        name.unwrap_or_else(|| format!("Copy-of-VM-{}", old.get("name").map_or_else(|| id.to_string(), str::to_owned)));
    settings::put(&mut conf.live, "name", name);
    if let Some(description) = call.param("description").filter(|text| !text.is_empty()) {
        settings::put(&mut conf.live, "description", description.to_owned());
    }
    if call.state().taken(new).is_some() {
        return Err(Failure::die(format!(
            "unable to open file '/etc/pve/nodes/{NODE}/qemu-server/{new}.conf' - File exists"
        )));
    }
    settings::put(&mut conf.live, "lock", "clone");
    call.save(new, &mut conf);
    let firewall = call.state().files.text(&format!("/etc/pve/firewall/{id}.fw"));
    if let Some(text) = firewall {
        call.state().write_file(&format!("/etc/pve/firewall/{new}.fw"), text.into_bytes());
    }
    let snapshot = call.param("snapname").filter(|name| !name.is_empty()).map(str::to_owned);
    let storage = call.param("storage").map(str::to_owned);
    let format = call.param("format").and_then(Format::from_name);
    let runs = call.runs(id);
    let mut mirrored = Vec::new();
    for (key, mut drive, way) in drives {
        let source = drive.file().to_owned();
        let own = drive::split_volume(&source).map(|(storage, _)| storage.to_owned()).unwrap_or_default();
        let size = volumes::size_of(&mut call.state(), &source).or_else(|| drive.size()).unwrap_or(0);
        let volume = match way {
            Way::Linked => {
                call.out(&format!("create linked clone of drive {key} ({source})\n"));
                call.link_disk(&source, snapshot.as_deref(), new)?
            }
            Way::Copied => {
                call.out(&format!("create full clone of drive {key} ({source})\n"));
                let target = call.state().enabled_storage(storage.as_deref().unwrap_or(&own))?;
                if drive.is_cloud_init() {
                    copy_cloud_init(call, &source, &target, new, format)?
                } else {
                    let volume = call.copy_disk(&source, snapshot.as_deref(), &target, new, format, size).await?;
                    if runs && snapshot.is_none() {
                        mirrored.push(key.clone());
                        call.show_mirror(&key, size).await;
                    } else if key != "efidisk0" {
                        call.show_copy(size).await;
                    }
                    volume
                }
            }
        };
        let size = volumes::size_of(&mut call.state(), &volume).unwrap_or(size);
        drive.set("file", volume);
        drive.set("size", volumes::size_text(size));
        drive.remove("format");
        settings::put(&mut conf.live, &key, drive.print());
        call.save(new, &mut conf);
    }
    if !mirrored.is_empty() {
        show_switch(call, id, &old, &mirrored);
    }
    conf.live.keys.remove("lock");
    if !pending.is_empty() {
        call.err(&format!("found pending changes for '{}', discarding for clone\n", pending.join(",")));
    }
    call.save(new, &mut conf);
    Ok(())
}

/// The end of mirroring the disks of a VM that runs: it stands still while the copies are let go.
fn show_switch(call: &mut Call<'_>, id: u32, old: &phoenix_types::ConfSection, mirrored: &[String]) {
    let freezes = old.get("agent").is_some() && guest::is_up(call.node, id);
    call.out(if freezes { "freeze filesystem\n" } else { "suspend vm\n" });
    for key in mirrored {
        call.out(&format!("mirror-{key}: Cancelling block job\n"));
    }
    for key in mirrored {
        call.out(&format!("mirror-{key}: Done.\n"));
    }
    call.out(if freezes { "unfreeze filesystem\n" } else { "resume vm\n" });
}

fn copy_cloud_init(
    call: &mut Call<'_>,
    source: &str,
    target: &crate::storage::Storage,
    id: u32,
    format: Option<Format>,
) -> Result<String, Failure> {
    let own = volumes::format_of(source);
    let format = if target.kind.is_folder() { format.unwrap_or(own) } else { Format::Raw };
    let plain = format!("vm-{id}-cloudinit");
    let volume = call.make_disk(target, id, format, Some(&plain), volumes::CLOUD_INIT_SIZE)?;
    call.out(&format!("allocated target volume '{volume}'\n"));
    Ok(volume)
}
