//! `pvesm`: storages (pve-storage `CLI/pvesm.pm`, `API2/Storage/*.pm`).

use std::fmt::Write as _;
use std::time::Duration;

use super::{Storage, created};
use crate::grammar::parse_size;
use crate::node::{Call, Failure, Format, VolumeRef, Worker};
use crate::world::StorageKind;

/// Runs a command of `pvesm`.
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    match call.inv.command.as_str() {
        "status" => status(call),
        "list" => list(call),
        "path" => path(call),
        "alloc" => alloc(call).await,
        "free" => free(call).await,
        "add" => add(call),
        "set" => set(call),
        "remove" => remove(call),
        "apiinfo" => {
            call.out("APIVER 13\nAPIAGE 4\n");
            Ok(())
        }
        "extractconfig" => {
            let volid = call.param("volume").unwrap_or_default().to_owned();
            volume_path(call, &volid)?;
            Err(Failure::die(format!("volume '{volid}' does not exist")))
        }
        "prune-backups" => Ok(()),
        other => Err(Failure::die(format!("`pvesm {other}` is not part of the simulated node"))),
    }
}

fn status(call: &mut Call<'_>) -> Result<(), Failure> {
    let mut storages = call.state().storages();
    if let Some(id) = call.param("storage") {
        if call.state().storage(id).is_err() {
            return Err(call.bad_param("storage", "No such storage."));
        }
        storages = call.state().storages();
        storages.retain(|storage| storage.id == id);
    }
    if let Some(content) = call.param("content") {
        storages.retain(|storage| content.split([',', ';', ' ']).any(|kind| storage.holds(kind)));
    }
    if call.is_set("enabled") {
        storages.retain(|storage| !storage.is_disabled());
    }
    storages.sort_by(|one, two| one.id.cmp(&two.id));
    let width = storages.iter().map(|storage| storage.id.len()).max().unwrap_or(0).max(4) + 1;
    let mut text = format!(
        "{:<width$} {:>10} {:>10} {:>15} {:>15} {:>15} {:>8}\n",
        "Name", "Type", "Status", "Total (KiB)", "Used (KiB)", "Available (KiB)", "%"
    );
    for storage in &storages {
        let (total, used) = call.node.storage_space(storage);
        let state = if storage.is_disabled() { "disabled" } else { "active" };
        #[expect(clippy::cast_precision_loss, reason = "a share with two decimals")]
        let share = if total == 0 { "N/A".to_owned() } else { format!("{:.2}%", used as f64 * 100.0 / total as f64) };
        let (total, used) = (total >> 10, used >> 10);
        let _ = writeln!(
            text,
            "{:<width$} {:>10} {state:>10} {total:>15} {used:>15} {:>15} {share:>8}",
            storage.id,
            storage.kind.name(),
            total - used
        );
    }
    call.out(&text);
    Ok(())
}

fn list(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.param("storage").unwrap_or_default().to_owned();
    let vmid = call.number::<u32>("vmid");
    let content = call.param("content").map(str::to_owned);
    let storage = call.state().enabled_storage(&id)?;
    let mut items = call.state().listing(&storage);
    items.retain(|item| vmid.is_none() || item.vmid == vmid);
    items.retain(|item| content.as_ref().is_none_or(|content| content.split(',').any(|kind| kind == item.content)));
    let width = items.iter().map(|item| item.volid.len()).max().unwrap_or(0).max(5);
    let digits = items.iter().map(|item| item.size.to_string().len()).max().unwrap_or(0).max(4);
    let mut text = format!("{:<width$} {:<7} {:<9} {:>digits$} {}\n", "Volid", "Format", "Type", "Size", "VMID");
    for item in items {
        let _ = write!(text, "{:<width$} {:<7} {:<9} {:>digits$}", item.volid, item.format, item.content, item.size);
        match item.vmid {
            Some(vmid) => {
                let _ = writeln!(text, " {vmid}");
            }
            None => text.push('\n'),
        }
    }
    call.out(&text);
    Ok(())
}

/// The path of a volume, which need not exist.
fn volume_path(call: &mut Call<'_>, volid: &str) -> Result<String, Failure> {
    let volume = VolumeRef::parse(volid).ok_or_else(|| Failure::die(format!("unable to parse volume ID '{volid}'")))?;
    let storage = call.state().enabled_storage(volume.storage)?;
    storage.content_of(volume.name)?;
    let format = call.state().volume(volid).map(|volume| volume.format);
    Ok(storage.path(volume.name, format))
}

fn path(call: &mut Call<'_>) -> Result<(), Failure> {
    let volid = call.param("volume").unwrap_or_default().to_owned();
    let path = volume_path(call, &volid)?;
    call.out(&format!("{path}\n"));
    Ok(())
}

async fn alloc(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.param("storage").unwrap_or_default().to_owned();
    let vmid = call.vmid();
    let name = call.param("filename").unwrap_or_default().to_owned();
    let size = call.param("size").unwrap_or_default().to_owned();
    // Without a unit it is KiB.
    let bytes = if size.ends_with(|ch: char| ch.is_ascii_digit()) {
        size.parse::<u64>().unwrap_or(0) << 10
    } else {
        parse_size(&size).unwrap_or(0)
    };
    let given = call.param("format").map(str::to_owned);
    let by_name = name.rsplit_once('.').map(|(_, end)| end).filter(|end| ["raw", "qcow2", "vmdk"].contains(end));
    if let (Some(given), Some(named)) = (&given, by_name)
        && given != named
    {
        return Err(call.bad_param("format", format!("different storage formats ({given} != {named})")));
    }
    let storage = call.state().enabled_storage(&id)?;
    let format = by_name.or(given.as_deref()).and_then(Format::from_name).unwrap_or(Format::Raw);
    check_new_name(&storage, vmid, &name, format)?;
    let plain = name.trim_end_matches(&format!(".{}", format.name())).to_owned();
    let _lock = call.lock_file(&format!("/var/lock/pve-manager/pve-storage-{id}"), Duration::from_secs(10)).await?;
    let plain = (!plain.is_empty()).then_some(plain.as_str());
    let volid = call.state().allocate(&storage, vmid, format, plain, bytes)?;
    call.out(&created(&storage, volid.split_once(':').map_or("", |(_, name)| name), format, bytes));
    call.out(&format!("successfully created '{volid}'\n"));
    Ok(())
}

/// Refuses a name that a new volume of a storage cannot have; without a name the storage makes one.
fn check_new_name(storage: &Storage, vmid: u32, name: &str, format: Format) -> Result<(), Failure> {
    let refused = |text: String| Err(Failure::with_exit(text, 25));
    if name.is_empty() {
        return Ok(());
    }
    if storage.kind.is_folder() {
        storage.content_of(&format!("{vmid}/{name}"))?;
        let own = name.rsplit_once('.').map_or("", |(_, end)| end);
        return match own == format.name() {
            true => Ok(()),
            false => {
                refused(format!("illegal name '{name}' - wrong extension for format ('{own} != '{}')", format.name()))
            }
        };
    }
    let prefix = if format == Format::Subvol { "subvol" } else { "vm" };
    match name.starts_with(&format!("{prefix}-{vmid}-")) {
        true => Ok(()),
        false => refused(format!("illegal name '{name}' - should be '{prefix}-{vmid}-*'")),
    }
}

/// The volume that a call is about: a whole id, or a name and the storage.
fn real_volume(call: &Call<'_>) -> Result<String, Failure> {
    let volume = call.param("volume").unwrap_or_default();
    let Some((storage, _)) = volume.split_once(':') else {
        return match call.param("storage") {
            Some(storage) => Ok(format!("{storage}:{volume}")),
            None => Err(call.bad_param("volume", "no storage speficied - incomplete volume ID")),
        };
    };
    match call.param("storage").filter(|given| *given != storage) {
        Some(given) => Err(call.bad_param("volume", format!("storage ID missmatch ({storage} != {given})\n"))),
        None => Ok(volume.to_owned()),
    }
}

async fn free(call: &mut Call<'_>) -> Result<(), Failure> {
    let volid = real_volume(call)?;
    let path = volume_path(call, &volid)?;
    call.begin(Worker::Unchecked, "imgdel", &volid);
    call.work(Duration::from_millis(10)).await;
    let is_file = volid.split_once(':').is_some_and(|(_, name)| {
        ["iso/", "vztmpl/", "backup/", "snippets/", "import/"].iter().any(|content| name.starts_with(content))
    });
    if !is_file {
        call.free_disks(std::slice::from_ref(&volid));
    } else if call.state().files.remove(&path).is_err() {
        call.out(&format!("disk image '{path}' does not exist\n"));
    }
    call.out(&format!("Removed volume '{volid}'\n"));
    Ok(())
}

/// Parameters that are no lines of a storage's section.
const NO_OPTIONS: [&str; 6] = ["storage", "type", "digest", "delete", "password", "node"];

fn options(call: &Call<'_>) -> std::collections::BTreeMap<String, String> {
    let given = call.inv.params.iter().filter(|(key, _)| !NO_OPTIONS.contains(key));
    given.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn add(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.param("storage").unwrap_or_default().to_owned();
    let kind = call.param("type").unwrap_or_default().to_owned();
    let mut storages = call.state().storages();
    if storages.iter().any(|storage| storage.id == id) {
        return Err(Failure::die(format!("create storage failed: storage ID '{id}' already defined")));
    }
    let kind = StorageKind::from_name(&kind).ok_or_else(|| {
        Failure::die(format!("create storage failed: the simulated node has no storages of type `{kind}`"))
    })?;
    let options = options(call);
    for key in options.keys() {
        let is_of_others = StorageKind::ALL.iter().any(|other| other.required().contains(&key.as_str()));
        if is_of_others && !kind.required().contains(&key.as_str()) && !(key == "path" && kind.is_folder()) {
            return Err(Failure::die(format!("unexpected property '{key}'")));
        }
    }
    if let Some(missing) = kind.required().iter().find(|key| !options.contains_key(**key)) {
        return Err(Failure::die(format!("missing value for required option '{missing}'")));
    }
    storages.push(Storage { id, kind, options });
    call.state().write_storages(&storages);
    Ok(())
}

fn set(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.param("storage").unwrap_or_default().to_owned();
    let deleted = call.param("delete").unwrap_or_default().to_owned();
    let changes = options(call);
    let mut storages = call.state().storages();
    let Some(storage) = storages.iter_mut().find(|storage| storage.id == id) else {
        return Err(Failure::die(format!("update storage failed: storage '{id}' does not exist")));
    };
    for key in deleted.split([',', ';', ' ']) {
        storage.options.remove(key);
    }
    for (key, value) in changes {
        if key == "disable" && value == "0" {
            storage.options.remove("disable");
        } else {
            storage.options.insert(key, value);
        }
    }
    call.state().write_storages(&storages);
    Ok(())
}

fn remove(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.param("storage").unwrap_or_default().to_owned();
    let mut storages = call.state().storages();
    let before = storages.len();
    storages.retain(|storage| storage.id != id);
    if storages.len() == before {
        return Err(Failure::die(format!("delete storage failed: storage '{id}' does not exist")));
    }
    call.state().write_storages(&storages);
    Ok(())
}
