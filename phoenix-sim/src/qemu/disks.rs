//! Drives as parameters: what is checked before a command begins, and how new disks come into being.
//!
//! Rules from `PVE::API2::Qemu`: `$check_drive_param`, `$check_storage_access`, `create_disks`.

use std::collections::BTreeMap;

use phoenix_sim_guest::node_files;
use phoenix_sim_shell::files::Follow;
use phoenix_types::{ConfSection, GuestConf};

use crate::grammar::parse_property_string;
use crate::node::{Call, Failure, Format, VolumeRef};

use super::drive::{self, Drive, NewDisk, cloud_init_key, split_volume};
use super::settings;
use super::volumes;

/// The size of a cloud-init drive (`CLOUDINIT_DISK_SIZE`) and of a TPM's state (`TPMSTATE_DISK_SIZE`), in bytes.
const SMALL_DISK: u64 = 4 << 20;

/// The settings that a command was called with, drives in their canonical form.
pub(super) type Settings = BTreeMap<String, String>;

/// `cdrom` stands for `ide2`.
pub(super) fn resolve_cdrom(settings: &mut Settings) {
    if let Some(mut value) = settings.remove("cdrom").filter(|value| !value.is_empty()) {
        if !value.contains("media=") {
            value.push_str(",media=cdrom");
        }
        settings.insert("ide2".to_owned(), value);
    }
}

fn drives(settings: &Settings) -> Vec<(String, Drive)> {
    settings
        .iter()
        .filter(|(key, _)| drive::is_drive(key))
        .filter_map(|(key, text)| Some((key.clone(), Drive::parse(key, text)?)))
        .collect()
}

/// Brings the drives among the settings into their canonical form.
pub(super) fn check_drives(call: &mut Call<'_>, settings: &mut Settings) -> Result<(), Failure> {
    let keys: Vec<String> = settings.keys().filter(|key| drive::is_drive(key)).cloned().collect();
    for key in keys {
        let text = settings.get(&key).map_or("", String::as_str);
        let Some(drive) = Drive::parse(&key, text) else {
            return Err(call.bad_param(&key, "unable to parse drive options"));
        };
        if drive.get("import-from").is_some() {
            let new = NewDisk::parse(drive.file());
            if new.is_none_or(|disk| disk.size.parse::<f64>() != Ok(0.0)) {
                let reason = "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>";
                return Err(call.bad_param(&key, reason));
            }
            let required: &[&str] = match key.as_str() {
                "efidisk0" => &["efitype", "pre-enrolled-keys"],
                "tpmstate0" => &["version"],
                _ => &[],
            };
            if let Some(missing) = required.iter().find(|name| drive.get(name).is_none()) {
                return Err(call.bad_param(&key, format!("need to specify '{missing}' when using 'import-from'")));
            }
        }
        if let Some((storage, name)) = drive.volume()
            && NewDisk::parse(drive.file()).is_none()
            && name != "cloudinit"
        {
            let content = {
                let storage = call.state().storage_of(&VolumeRef { storage, name })?;
                storage.content_of(name)?
            };
            if content == "iso" && !drive.is_medium() {
                return Err(call.bad_param(&key, "explicit 'media=cdrom' is required for iso images"));
            }
        }
        settings.insert(key, drive.print());
    }
    Ok(())
}

/// Checks that the storages of the drives exist and may hold them.
pub(super) fn check_storages(call: &mut Call<'_>, settings: &Settings, default: Option<&str>) -> Result<(), Failure> {
    for (key, drive) in drives(settings) {
        let volume = drive.volume();
        let is_cloud_init = drive.file() == "cloudinit" || volume.is_some_and(|(_, name)| name == "cloudinit");
        if drive.file().is_empty() || drive.file() == "none" || is_cloud_init {
            // Nothing that a storage would have to hold.
        } else if drive.is_medium() && drive.file() == "cdrom" {
            // The node's own drive.
        } else if let Some(new) = NewDisk::parse(drive.file()).filter(|_| !drive.is_medium()) {
            let Some(id) = new.storage.as_deref().or(default) else {
                return Err(Failure::die("no storage ID specified (and no default storage)"));
            };
            let storage = call.state().storage(id)?;
            if !storage.holds("images") {
                return Err(call.bad_param("storage", format!("storage '{id}' does not support vm images")));
            }
        } else if let Some((id, name)) = volume {
            let content = {
                let storage = call.state().storage_of(&VolumeRef { storage: id, name })?;
                storage.content_of(name)?
            };
            if content != "images" && content != "iso" {
                return Err(call.bad_param(&key, "content type needs to be 'images' or 'iso'"));
            }
        }
        if let Some(source) = drive.get("import-from")
            && let Some((id, name)) = split_volume(source)
        {
            let content = {
                let storage = call.state().storage_of(&VolumeRef { storage: id, name })?;
                storage.content_of(name)?
            };
            if content != "images" && content != "import" {
                let reason = format!("{source} has wrong type '{content}' - needs to be 'images' or 'import'");
                return Err(call.bad_param(&key, reason));
            }
        }
    }
    Ok(())
}

/// The size of the EFI variables of a VM, in bytes.
fn efi_size(drive: &Drive) -> u64 {
    if drive.get("efitype") == Some("4m") { 528 << 10 } else { 128 << 10 }
}

/// Makes or attaches the drives among the settings, in the order of their names, and gives their texts.
/// What was made is freed again when one of them fails.
pub(super) async fn create(
    call: &mut Call<'_>,
    id: u32,
    conf: &GuestConf,
    settings: &Settings,
    default: Option<&str>,
) -> Result<Settings, Failure> {
    let mut made = Vec::new();
    let mut done = ConfSection::default();
    for (key, drive) in drives(settings) {
        match create_one(call, id, conf, &done, &key, drive, default, &mut made).await {
            Ok(text) => {
                done.keys.insert(key, text);
            }
            Err(failure) => {
                call.free_disks(&made);
                return Err(failure);
            }
        }
    }
    Ok(done.keys)
}

#[expect(clippy::too_many_arguments, reason = "one step of the loop above, which owns all of this")]
async fn create_one(
    call: &mut Call<'_>,
    id: u32,
    conf: &GuestConf,
    done: &ConfSection,
    key: &str,
    mut drive: Drive,
    default: Option<&str>,
    made: &mut Vec<String>,
) -> Result<String, Failure> {
    let no_storage = || Failure::die("no storage ID specified (and no default storage)");
    let check_single_cloud_init = || {
        let pending = conf.pending.as_ref().and_then(|pending| cloud_init_key(pending, key));
        match cloud_init_key(&conf.live, key).or(pending).or_else(|| cloud_init_key(done, key)) {
            Some(other) => Err(Failure::die(format!("{key} - cloud-init drive is already attached at '{other}'"))),
            None => Ok(()),
        }
    };
    let file = drive.file().to_owned();
    let volume = split_volume(&file);
    let wanted = drive.get("format").and_then(Format::from_name);
    if file.is_empty() || file == "none" || file == "cdrom" {
        drive.remove("size");
        return Ok(drive.print());
    }
    if file == "cloudinit" || volume.is_some_and(|(_, name)| name == "cloudinit") {
        let storage = volume.map(|(storage, _)| storage).or(default).ok_or_else(no_storage)?;
        check_single_cloud_init()?;
        let storage = call.state().enabled_storage(storage)?;
        let own = if storage.kind.is_folder() { Format::Qcow2 } else { Format::Raw };
        let plain = format!("vm-{id}-cloudinit");
        let volume = call.make_disk(&storage, id, wanted.unwrap_or(own), Some(&plain), SMALL_DISK)?;
        made.push(volume.clone());
        drive.set("file", volume);
        drive.set("media", "cdrom");
    } else if let Some(new) = NewDisk::parse(&file) {
        let storage = new.storage.as_deref().or(default).ok_or_else(no_storage)?.to_owned();
        let storage = call.state().enabled_storage(&storage)?;
        let (volume, bytes) = match drive.remove("import-from") {
            Some(source) => import(call, id, &storage, &source, wanted).await?,
            None if key == "efidisk0" => {
                let bytes = efi_size(&drive);
                let volume = call.make_disk(&storage, id, volumes::resolve_format(&storage, wanted), None, bytes)?;
                // `qemu-img convert` shows its progress, and then what it copied once more.
                call.show_copy(bytes).await;
                call.out(&volumes::copied(bytes));
                (volume, volumes::rounded(&storage, bytes))
            }
            None if key == "tpmstate0" => (call.make_disk(&storage, id, Format::Raw, None, SMALL_DISK)?, SMALL_DISK),
            None => {
                let format = volumes::resolve_format(&storage, wanted);
                (call.make_disk(&storage, id, format, None, new.kib() << 10)?, new.kib() << 10)
            }
        };
        let volume = if conf.is_template() { super::life::make_base(&mut call.state(), &volume)? } else { volume };
        made.push(volume.clone());
        drive.set("file", volume);
        drive.set("size", volumes::size_text(bytes));
        drive.remove("format");
    } else {
        if let Some((_, name)) = volume {
            let format = volumes::format_of(name);
            if let Some(wanted) = drive.get("format").filter(|wanted| *wanted != format.name()) {
                return Err(Failure::die(format!(
                    "drive '{key}' - volume '{file}' - 'format={wanted}' option different from storage format '{}'",
                    format.name()
                )));
            }
            if drive.is_cloud_init() {
                check_single_cloud_init()?;
            } else if key == "tpmstate0" && format != Format::Raw {
                let name = format.name();
                return Err(Failure::die(format!("tpmstate0: volume format is '{name}', only 'raw' is supported!")));
            }
        }
        let missing = if volume.is_some() {
            format!("volume '{file}' does not exist")
        } else {
            format!("volume {file} does not exist")
        };
        let size = volumes::size_of(&mut call.state(), &file).ok_or_else(|| Failure::die(missing))?;
        drive.set("size", volumes::size_text(size));
        return Ok(drive.print());
    }
    drive.remove("format");
    let text = drive.print();
    call.out(&format!("{key}: successfully created disk '{text}'\n"));
    Ok(text)
}

/// Brings an existing volume or an image of the node onto a storage. Gives the new volume and its size in bytes.
async fn import(
    call: &mut Call<'_>,
    id: u32,
    storage: &crate::storage::Storage,
    source: &str,
    format: Option<Format>,
) -> Result<(String, u64), Failure> {
    if split_volume(source).is_none() {
        let bytes = volumes::image_size(&mut call.state(), source)
            .ok_or_else(|| Failure::die(format!("can't find file '{source}'")))?;
        return Ok((call.import_image(source, bytes, storage, id, format).await?, bytes));
    }
    let because = |reason: &str| Failure::die(format!("cannot import from '{source}' - {reason}"));
    if drive::is_cloud_init(source) {
        return Err(because("cannot import from cloudinit disk"));
    }
    let bytes = volumes::size_of(&mut call.state(), source)
        .ok_or_else(|| because(&format!("could not get size of {source}")))?;
    if call.state().volume(source).is_none() {
        let path = source.to_owned();
        return Ok((call.import_image(&path, bytes, storage, id, format).await?, bytes));
    }
    call.out(&format!("create full clone of drive ({source})\n"));
    let volume = call.copy_disk(source, None, storage, id, format, bytes).await?;
    call.show_copy(bytes).await;
    Ok((volume, bytes))
}

/// Checks a hook script's volume.
pub(super) fn check_hook_script(call: &mut Call<'_>, volume: &str) -> Result<(), Failure> {
    let Some((id, name)) = split_volume(volume) else {
        return Err(call.bad_param("hookscript", format!("unable to parse volume ID '{volume}'\n")));
    };
    let storage = call.state().storage_of(&VolumeRef { storage: id, name })?;
    let content = match storage.content_of(name) {
        Ok(content) => content,
        Err(failure) => return Err(call.bad_param("hookscript", format!("{}\n", failure.message()))),
    };
    if content != "snippets" {
        return Err(call.bad_param("hookscript", format!("'{volume}' is not in the snippets directory\n")));
    }
    let path = storage.path(name, None);
    let entry = node_files(&mut call.state()).entry(&path, Follow::Last);
    match entry.ok() {
        None if call.state().any_image => Ok(()),
        None => Err(call.bad_param("hookscript", format!("script '{volume}' does not exist\n"))),
        Some(entry) if entry.mode & 0o111 == 0 => {
            Err(call.bad_param("hookscript", format!("script '{volume}' is not executable\n")))
        }
        Some(_) => Ok(()),
    }
}

/// Checks what the tools check about ssh keys with `ssh-keygen`: every line is a key.
pub(super) fn check_ssh_keys(encoded: &str) -> Result<(), Failure> {
    crate::node::check_public_keys(&phoenix_types::percent_decode(encoded))
}

/// The parameters that are settings.
pub(super) fn settings_of(call: &Call<'_>, control: &[&str]) -> Settings {
    call.inv
        .params
        .iter()
        .filter(|(key, _)| !control.contains(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Settings that the node changes before they are stored: network devices, tags, CPU shares, generation ids.
pub(super) fn complete(call: &mut Call<'_>, settings: &mut Settings) {
    let mut state = call.state();
    for (key, value) in settings.iter_mut() {
        if settings::is_net(key) {
            if let Some(text) = settings::print_net(value, &mut state.random, settings::Renew::Nothing) {
                *value = text;
            }
        } else if key == "cpuunits"
            && let Ok(shares) = value.parse::<u64>()
        {
            *value = shares.clamp(1, 10_000).to_string();
        }
    }
}

/// Whether a machine has the devices that its settings ask for.
pub(super) fn check_machine(text: &str) -> Result<(), Failure> {
    let machine = parse_property_string("qm-machine", text).unwrap_or_default();
    let is_q35 = machine.get("type").is_some_and(|kind| kind.contains("q35"));
    if machine.get("viommu") == Some("intel") && !is_q35 {
        return Err(Failure::die("to use Intel vIOMMU please set the machine type to q35"));
    }
    Ok(())
}
