//! `qm set`, and what else changes settings: `qm disk unlink`.
//!
//! Rules from `PVE::API2::Qemu`, `$update_vm_api`.

use std::collections::{BTreeMap, BTreeSet};

use crate::grammar::{parse_property_string, split_list};
use crate::node::{Call, Failure};

use super::disks::{self, Settings};
use super::drive::{self, Drive};
use super::pending::{self, Effects};
use super::{cloud_init, settings, vm};

/// Parameters of `set` that are neither settings nor shown in its first line.
const CONTROL: &[&str] = &["node", "vmid", "digest", "background_delay", "import-working-storage", "skip_cloud_init"];

/// A change of a VM's settings.
#[derive(Debug, Default)]
struct Change {
    /// New values.
    set: Settings,
    /// Settings to delete, in the order in which they were named.
    delete: Vec<String>,
    /// Pending changes to take back.
    revert: BTreeSet<String>,
    /// Whether volumes go with their drives.
    force: bool,
    /// Whether a lock counts.
    skip_lock: bool,
    /// The first line of the output.
    line: String,
}

/// Changes settings.
pub(super) async fn set(call: &mut Call<'_>) -> Result<(), Failure> {
    let params = disks::settings_of(call, CONTROL);
    update(call, params).await
}

/// Takes drives from a VM.
pub(super) async fn unlink(call: &mut Call<'_>) -> Result<(), Failure> {
    let mut params = disks::settings_of(call, CONTROL);
    if let Some(list) = params.remove("idlist") {
        params.insert("delete".to_owned(), list);
    }
    update(call, params).await
}

/// Changes settings by the parameters of an API call.
pub(super) async fn update(call: &mut Call<'_>, params: Settings) -> Result<(), Failure> {
    let id = call.vmid();
    let mut change = read(call, params)?;
    disks::check_drives(call, &mut change.set)?;
    disks::complete(call, &mut change.set);
    if change.set.get("vmgenid").is_some_and(|value| value == "1") {
        let uuid = call.state().random.uuid();
        change.set.insert("vmgenid".to_owned(), uuid);
    }
    if let Some(script) = change.set.get("hookscript").cloned() {
        disks::check_hook_script(call, &script)?;
    }
    disks::check_storages(call, &change.set, None)?;

    let _held = call.lock_vm(id).await?;
    let conf = call.vm(id)?;
    vm::check_digest(call, id)?;
    if change.delete.iter().any(|key| key == "vmstate") {
        // What suspending to disk left goes with its state.
        let left = ["lock", "runningmachine", "runningcpu"];
        change.delete.extend(left.iter().filter(|key| conf.live.get(key).is_some()).map(|key| (*key).to_owned()));
    } else if !change.skip_lock {
        vm::check_lock(&conf)?;
    }
    for key in &change.revert {
        if let Some(value) = settings::value(&conf.live, key) {
            change.set.insert(key.clone(), value.to_owned());
        } else if conf.pending.as_ref().is_some_and(|pending| settings::value(pending, key).is_some()) {
            change.delete.push(key.clone());
        }
    }
    check_balloon(&conf, &change.set)?;
    let line = format!("update VM {id}: {}\n", change.line);
    call.out(&line);
    if line.contains(char::REPLACEMENT_CHARACTER) {
        // A damaged character is wider than what the real tool's output stream expects.
        call.err("Wide character in print at /usr/share/perl5/PVE/API2/Qemu.pm line 2259.\n");
    }
    call.flush().await?;
    let changed = write_pending(call, id, &change).await?;
    bring_into_force(call, id, &changed)
}

fn read(call: &Call<'_>, mut params: Settings) -> Result<Change, Failure> {
    let words: Vec<String> = params
        .iter()
        .map(|(key, value)| format!("-{key} {}", if key == "cipassword" { "<hidden>" } else { value }))
        .collect();
    let mut take = |key: &str| params.remove(key).unwrap_or_default();
    let (delete, revert) = (take("delete"), take("revert"));
    let (force, skip_lock) = (take("force") == "1", take("skiplock") == "1");
    if let Some(keys) = params.get("sshkeys") {
        disks::check_ssh_keys(keys)?;
    }
    if delete.is_empty() && revert.is_empty() && params.is_empty() {
        return Err(Failure::die("no options specified"));
    }
    disks::resolve_cdrom(&mut params);
    let mut change = Change { set: params, force, skip_lock, line: words.join(" "), ..Change::default() };
    for key in split_list(&revert) {
        if !settings::exists(key) {
            return Err(call.bad_param("revert", format!("unknown option '{key}'")));
        }
        if change.set.contains_key(key) {
            return Err(call.bad_param("delete", format!("you can't use '-{key}' and -revert {key}' at the same time")));
        }
        change.revert.insert(key.to_owned());
    }
    for key in split_list(&delete) {
        let key = if key == "cdrom" { "ide2" } else { key };
        if change.set.contains_key(key) {
            return Err(call.bad_param("delete", format!("you can't use '-{key}' and -delete {key}' at the same time")));
        }
        if change.revert.contains(key) {
            let reason = format!("you can't use '-delete {key}' and -revert {key}' at the same time");
            return Err(call.bad_param("revert", reason));
        }
        if !settings::exists(key) {
            return Err(call.bad_param("delete", format!("unknown option '{key}'")));
        }
        change.delete.push(key.to_owned());
    }
    Ok(change)
}

fn check_balloon(conf: &phoenix_types::GuestConf, set: &Settings) -> Result<(), Failure> {
    if !set.contains_key("memory") && !set.contains_key("balloon") {
        return Ok(());
    }
    let current = |key: &str| {
        // To the real tool a pending 0 is no value.
        let pending = conf.pending.as_ref().and_then(|pending| pending.get(key)).filter(|value| *value != "0");
        set.get(key).map(String::as_str).or(pending).or(conf.live.get(key))
    };
    let balloon: u64 = current("balloon").and_then(|text| text.parse().ok()).unwrap_or(0);
    if balloon > settings::memory_mib(current("memory")) {
        return Err(Failure::die("balloon value too large (must be smaller than assigned memory)"));
    }
    Ok(())
}

/// Writes the change into the pending section, step by step as the real tool does: what was done before a step fails stays.
/// Gives the settings that it touched.
async fn write_pending(call: &mut Call<'_>, id: u32, change: &Change) -> Result<BTreeSet<String>, Failure> {
    let mut changed = BTreeSet::new();
    let mut conf = call.vm(id)?;
    let mut boot = drive::boot_order(&conf.live).unwrap_or_default();
    for key in &change.delete {
        let pending_value = conf.pending.as_ref().and_then(|pending| settings::value(pending, key)).map(str::to_owned);
        let Some(value) = settings::value(&conf.live, key).map(str::to_owned).or_else(|| pending_value.clone()) else {
            call.err(&format!("cannot delete '{key}' - not set in current configuration!\n"));
            continue;
        };
        changed.insert(key.clone());
        if let Some(pending) = &mut conf.pending {
            settings::take(pending, key);
        }
        if boot.contains(key) {
            boot.retain(|device| device != key);
            settings::put(settings::pending(&mut conf), "boot", drive::print_boot_order(&boot));
            changed.insert("boot".to_owned());
        }
        if drive::is_unused(key) || key == "vmstate" {
            let what = if key == "vmstate" { "vmstate" } else { "unused disk" };
            vm::check_protection(&conf, &format!("can't remove {what} '{value}'"))?;
            let mut free = Vec::new();
            pending::deallocate(&conf, id, key, &Drive::of_volume(&value), &mut free).map_err(Failure::die)?;
            call.free_disks(&free);
            conf.live.keys.remove(key);
        } else if key == "tags" {
            conf.live.keys.remove(key);
        } else {
            if drive::is_drive(key) {
                vm::check_protection(&conf, &format!("can't remove drive '{key}'"))?;
                // The real tool looks at the value in force first, even when it only takes back a pending one.
                if pending_value.is_some()
                    && let Some(drive) = Drive::parse(key, &value)
                {
                    let mut free = Vec::new();
                    pending::detach(&mut conf, id, &drive, &mut free);
                    call.free_disks(&free);
                }
            }
            settings::mark_delete(&mut conf, key, Some(change.force));
        }
        call.save(id, &mut conf);
    }
    for (key, wanted) in &change.set {
        changed.insert(key.clone());
        if conf.pending.as_ref().is_some_and(|pending| settings::value(pending, key) == Some(wanted.as_str())) {
            continue;
        }
        if drive::is_drive(key) {
            put_drive(call, id, &mut conf, key, wanted, &mut boot, &mut changed).await?;
        } else {
            put_setting(call, &mut conf, key, wanted, change, &changed)?;
        }
        settings::mark_delete(&mut conf, key, None);
        call.save(id, &mut conf);
    }
    settings::clean_pending(&mut conf);
    call.save(id, &mut conf);
    Ok(changed)
}

async fn put_drive(
    call: &mut Call<'_>,
    id: u32,
    conf: &mut phoenix_types::GuestConf,
    key: &str,
    wanted: &str,
    boot: &mut Vec<String>,
    changed: &mut BTreeSet<String>,
) -> Result<(), Failure> {
    if key == "tpmstate0"
        && let (Some(old), Some(new)) = (settings::drive_of(&conf.live, key), Drive::parse(key, wanted))
    {
        let version = |drive: &Drive| drive.get("version").unwrap_or("v1.2").to_owned();
        if old.file() == new.file() && version(&old) != version(&new) {
            return Err(Failure::die("cannot change TPM state version after creation"));
        }
    }
    if let Some(drive) = conf.pending.as_ref().and_then(|pending| settings::drive_of(pending, key)) {
        let mut free = Vec::new();
        pending::detach(conf, id, &drive, &mut free);
        call.free_disks(&free);
    }
    let one: Settings = BTreeMap::from([(key.to_owned(), wanted.to_owned())]);
    let created = disks::create(call, id, conf, &one, None).await?;
    settings::pending(conf).keys.extend(created);
    let is_new_medium = Drive::parse(key, wanted).is_some_and(|drive| drive.is_user_medium());
    if !boot.is_empty() && is_new_medium && !boot.iter().any(|device| device == key) {
        boot.push(key.to_owned());
        settings::put(settings::pending(conf), "boot", drive::print_boot_order(boot));
        changed.insert("boot".to_owned());
    }
    Ok(())
}

fn put_setting(
    call: &mut Call<'_>,
    conf: &mut phoenix_types::GuestConf,
    key: &str,
    wanted: &str,
    change: &Change,
    changed: &BTreeSet<String>,
) -> Result<(), Failure> {
    let mut value = wanted.to_owned();
    match key {
        "tags" => value = settings::unique_tags(wanted),
        "machine" => disks::check_machine(wanted)?,
        "ostype" => {
            let pending_machine = conf.pending.as_ref().is_some_and(|pending| pending.get("machine").is_some());
            let is_named = change.set.contains_key("machine") || pending_machine || changed.contains("machine");
            if !is_named && let Some((machine, kind)) = settings::pin_machine(conf.live.get("machine"), Some(wanted)) {
                call.out(&format!("pinning machine type to '{kind}' for Windows guest OS\n"));
                settings::put(settings::pending(conf), "machine", machine);
            }
        }
        "cipassword" => {
            if !settings::is_windows(conf.live.get("ostype")) && !cloud_init::is_hashed(wanted) {
                value = cloud_init::hash_password(&mut call.state().random, wanted);
            }
            settings::put(&mut conf.live, key, value);
            return Ok(());
        }
        "boot" => {
            let order = parse_property_string("pve-qm-boot", wanted).unwrap_or_default();
            if let Some(order) = order.get("order") {
                let devices: Vec<String> = split_list(order).into_iter().map(str::to_owned).collect();
                for device in &devices {
                    let has = |section: &phoenix_types::ConfSection| section.keys.contains_key(device);
                    let exists =
                        has(&conf.live) || conf.pending.as_ref().is_some_and(has) || change.set.contains_key(device);
                    if !exists || change.delete.contains(device) {
                        return Err(Failure::die(format!("invalid bootorder: device '{device}' does not exist'")));
                    }
                }
                value = drive::print_boot_order(&devices);
                if conf.live.get("bootdisk").is_some() {
                    settings::mark_delete(conf, "bootdisk", Some(false));
                }
            }
        }
        _ => {}
    }
    settings::put(settings::pending(conf), key, value);
    Ok(())
}

/// Brings what is pending into force as far as that is possible now.
fn bring_into_force(call: &mut Call<'_>, id: u32, changed: &BTreeSet<String>) -> Result<(), Failure> {
    let mut conf = call.vm(id)?;
    if !settings::has_pending(&conf) {
        return Ok(());
    }
    let effects = if call.runs(id) {
        let bridges = call.node.world().bridges.clone();
        let exists =
            move |bridge: &str| bridges.as_ref().is_none_or(|bridges| bridges.iter().any(|known| known == bridge));
        pending::hotplug(&mut conf, id, changed, &exists)
    } else {
        pending::apply(&mut conf, id)
    };
    conclude(call, id, &mut conf, &effects)
}

/// Does what bringing settings into force asked for, and writes the configuration.
pub(super) fn conclude(
    call: &mut Call<'_>,
    id: u32,
    conf: &mut phoenix_types::GuestConf,
    effects: &Effects,
) -> Result<(), Failure> {
    for warning in &effects.warnings {
        call.err(warning);
    }
    call.free_disks(&effects.free);
    if effects.write_cloud_init {
        cloud_init::write_drive(call, conf)?;
    }
    call.save(id, conf);
    if effects.errors.is_empty() { Ok(()) } else { Err(Failure::Answer(call.inv.refuse(&effects.errors))) }
}
