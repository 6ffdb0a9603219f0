//! Commands on single disks: `qm disk resize`, `move`, `import`, `rescan`.
//!
//! Rules from `PVE::API2::Qemu` (`resize_vm`, `move_vm_disk`), `PVE::CLI::qm` (`importdisk`) and `PVE::QemuServer` (`rescan`).

use std::time::Duration;

use phoenix_types::GuestKind;

use crate::node::{Call, Failure, Format, Worker};
use crate::world::StorageKind;

use super::drive::{self, Drive, split_volume};
use super::volumes::{self, Feature};
use super::{life, settings, update, vm};

/// `qm disk resize`.
pub(super) async fn resize(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let key = call.param("disk").unwrap_or_default().to_owned();
    let wanted = call.param("size").unwrap_or_default().to_owned();
    call.begin(Worker::Unchecked, "resize", id);
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    vm::check_digest(call, id)?;
    if !call.is_set("skiplock") {
        vm::check_lock(&conf)?;
    }
    let Some(mut drive) = settings::drive_of(&conf.live, &key) else {
        return Err(Failure::die(format!("disk '{key}' does not exist")));
    };
    let volume = drive.file().to_owned();
    if drive.is_medium() {
        return Err(Failure::die("you can't resize a cdrom"));
    }
    let missing = || Failure::die(format!("volume '{volume}' does not exist"));
    let size = volumes::size_of(&mut call.state(), &volume).ok_or_else(missing)?;
    let new = new_size(&wanted, size).ok_or_else(|| Failure::die("internal error"))?;
    if new < size {
        return Err(Failure::die("shrinking disks is not supported"));
    }
    if new == size {
        return Ok(());
    }
    let text = {
        let mut state = call.state();
        let storage = state.storage(split_volume(&volume).map_or("", |(storage, _)| storage))?;
        state.grows(&storage, &volume, new)?;
        if let Some(volume) = state.volumes.get_mut(&volume) {
            volume.space.size = volumes::rounded(&storage, new);
        }
        let name = volume.rsplit([':', '/']).next().unwrap_or_default();
        match storage.kind {
            _ if state.is_running(id) => String::new(),
            StorageKind::Lvm | StorageKind::Lvmthin => {
                let place = storage.place();
                format!("  Logical volume {place}/{name} successfully resized.\n")
            }
            StorageKind::Rbd => "Resizing image: 100% complete...done.\n".to_owned(),
            StorageKind::Zfspool => String::new(),
            _ => "Image resized.\n".to_owned(),
        }
    };
    call.out(&text);
    drive.set("size", volumes::size_text(new));
    settings::put(&mut conf.live, &key, drive.print());
    call.save(id, &mut conf);
    call.work(Duration::from_millis(50)).await;
    Ok(())
}

/// The size in bytes that `+1G`, `10G` or `1.5T` asks for.
fn new_size(text: &str, now: u64) -> Option<u64> {
    let (grows, text) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
    let (number, shift) = match text.strip_suffix(['K', 'M', 'G', 'T']) {
        Some(number) => (number, 10 * (1 + "KMGT".find(&text[number.len()..])?)),
        None => (text, 0),
    };
    let number: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the real tool computes in floating point too"
    )]
    let bytes = (number * (1_u64 << shift) as f64 + if grows { now as f64 } else { 0.0 }) as u64;
    Some(bytes)
}

/// `qm disk move`.
pub(super) async fn relocate(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let key = call.param("disk").unwrap_or_default().to_owned();
    let storage = call.param("storage").map(str::to_owned);
    let target = call.number::<u32>("target-vmid");
    let refuse = |call: &Call<'_>, reason: &str| {
        let mut reasons = crate::grammar::Reasons::default();
        reasons.add("target-vmid", reason);
        reasons.add("storage", reason);
        Failure::Answer(call.inv.refuse(&reasons))
    };
    match (target, storage) {
        (Some(_), Some(_)) => Err(refuse(call, "either set 'storage' or 'target-vmid', but not both")),
        (None, None) => Err(refuse(call, "both 'storage' and 'target-vmid' missing, either needs to be set")),
        (Some(target), None) if target == id => {
            Err(call.bad_param("target-vmid", "must be different than source VMID to reassign disk"))
        }
        (Some(target), None) => reassign(call, id, &key, target).await,
        (None, Some(storage)) => move_to(call, id, &key, &storage).await,
    }
}

fn check_move(call: &Call<'_>, id: u32, key: &str, target: &str) -> Result<(phoenix_types::GuestConf, Drive), Failure> {
    let conf = call.vm(id)?;
    vm::check_lock(&conf)?;
    let Some(drive) = settings::drive_of(&conf.live, key) else {
        return Err(Failure::die(format!("disk '{key}' does not exist")));
    };
    if drive.is_user_medium() {
        return Err(Failure::die("you can't move a cdrom"));
    }
    let volume = drive.file().to_owned();
    let (storage, name) = split_volume(&volume).unwrap_or_default();
    let old = name.rsplit_once('.').map(|(_, extension)| extension).filter(|name| Format::from_name(name).is_some());
    let wanted = call.param("format");
    if storage == target && (wanted.is_none() || old.is_none() || old == wanted) {
        return Err(Failure::die("you can't move to the same storage with same format"));
    }
    let holds = call.state().enabled_storage(target)?.holds("images");
    if !holds {
        return Err(call.bad_param("storage", format!("storage '{target}' does not support vm images")));
    }
    if call.is_set("delete") && settings::volume_in_use(&conf, key, &volume) {
        return Err(Failure::die("you can't move a disk with snapshots and delete the source"));
    }
    Ok((conf, drive))
}

async fn move_to(call: &mut Call<'_>, id: u32, key: &str, target: &str) -> Result<(), Failure> {
    check_move(call, id, key, target)?;
    call.begin(Worker::Checked, "qmmove", id);
    let _held = call.lock_vm(id).await?;
    let (mut conf, mut drive) = check_move(call, id, key, target)?;
    let source = drive.file().to_owned();
    let old = split_volume(&source).map_or("", |(storage, _)| storage).to_owned();
    if settings::volume_in_use(&conf, key, &source) {
        call.err("moving disk with snapshots, snapshots will not be moved!\n");
    }
    call.out(&format!("copying volume '{source}' from current storage '{old}' to target storage '{target}'\n"));
    call.out(&format!("create full clone of drive {key} ({source})\n"));
    let storage = call.state().enabled_storage(target)?;
    let format = call.param("format").and_then(Format::from_name);
    let size = volumes::size_of(&mut call.state(), &source).or_else(|| drive.size()).unwrap_or(0);
    let failed = |failure: &Failure| Failure::die(format!("storage migration failed: {}", failure.message()));
    let volume = call.copy_disk(&source, None, &storage, id, format, size).await.map_err(|failure| failed(&failure))?;
    if call.runs(id) && !drive::is_unused(key) {
        call.show_mirror(key, size).await;
        call.out(&format!(
            "mirror-{key}: Completing block job...\nmirror-{key}: Completed successfully.\nmirror-{key}: mirror-job finished\n"
        ));
    } else {
        call.show_copy(size).await;
    }
    let volume = if conf.is_template() { life::make_base(&mut call.state(), &volume)? } else { volume };
    drive.set("file", volume);
    if !drive::is_unused(key) {
        drive.set("size", volumes::size_text(size));
    }
    drive.remove("format");
    settings::put(&mut conf.live, key, drive.print());
    if call.is_set("delete") {
        call.save(id, &mut conf);
        call.out(&format!("removing source volume '{source}' after successful copy\n"));
        call.free_disks(&[source]);
    } else {
        call.out(&format!("adding source volume '{source}' as '{}' to config\n", next_unused(&conf, &source)));
        settings::add_unused(&mut conf.live, &source);
        call.save(id, &mut conf);
    }
    Ok(())
}

/// The key under which a volume will be kept.
fn next_unused(conf: &phoenix_types::GuestConf, volume: &str) -> String {
    let mut section = conf.live.clone();
    settings::add_unused(&mut section, volume);
    let kept = |(key, value): &(&String, &String)| drive::is_unused(key) && *value == volume;
    section.keys.iter().find(kept).map_or_else(|| "unused0".to_owned(), |(key, _)| key.clone())
}

async fn reassign(call: &mut Call<'_>, id: u32, key: &str, target: u32) -> Result<(), Failure> {
    let to = call.param("target-disk").unwrap_or(key).to_owned();
    check_reassign(call, id, key, target, &to)?;
    call.begin(Worker::Checked, "qmmove", format!("{id}-{key}>{target}-{to}"));
    let _source = call.lock_vm(id).await?;
    let _target = call.lock_vm(target).await?;
    let mut drive = check_reassign(call, id, key, target, &to)?;
    call.out(&format!("moving disk '{key}' from VM '{id}' to '{target}'\n"));
    let old = drive.file().to_owned();
    let volume = {
        let mut state = call.state();
        let (storage, name) = split_volume(&old).unwrap_or_default();
        let storage = state.storage(storage)?;
        let plain = state.free_disk_name(&storage, target, "vm");
        let name = storage.volume_name(target, &plain, volumes::format_of(name));
        let volume = format!("{}:{name}", storage.id);
        state.rename_volume(&old, &volume);
        volume
    };
    drive.set("file", volume);
    let mut conf = call.vm(id)?;
    if let Some(order) = drive::boot_order(&conf.live).filter(|order| order.iter().any(|device| device == key)) {
        call.out(&format!("removing disk '{key}' from boot order config\n"));
        let rest: Vec<String> = order.into_iter().filter(|device| device != key).collect();
        settings::put(&mut conf.live, "boot", drive::print_boot_order(&rest));
    }
    conf.live.keys.remove(key);
    call.out(&format!("removing disk '{key}' from VM '{id}' config\n"));
    call.save(id, &mut conf);
    let mut conf = call.vm(target)?;
    let text = if drive::is_unused(&to) {
        drive.file().to_owned()
    } else {
        // The disk is attached as by `qm set`, which finds out its size.
        call.out(&format!("update VM {target}: -{to} {}\n", drive.print()));
        if let Some(size) = volumes::size_of(&mut call.state(), drive.file()) {
            drive.set("size", volumes::size_text(size));
        }
        drive.print()
    };
    settings::put(&mut conf.live, &to, text);
    call.save(target, &mut conf);
    Ok(())
}

fn check_reassign(call: &Call<'_>, id: u32, key: &str, target: u32, to: &str) -> Result<Drive, Failure> {
    for (id, what) in [(id, "VM"), (target, "target VM")] {
        if call.state().guest_kind(id) != Some(GuestKind::Vm) {
            return Err(Failure::die(format!("could not find {what} {id}")));
        }
    }
    let (from, into) = (call.vm(id)?, call.vm(target)?);
    vm::check_lock(&from)?;
    vm::check_lock(&into)?;
    if from.is_template() || into.is_template() {
        return Err(Failure::die("Can't move disks from or to template VMs"));
    }
    let Some(drive) = settings::drive_of(&from.live, key) else {
        return Err(Failure::die(format!("Disk '{key}' for VM '{id}' does not exist")));
    };
    if into.live.get(to).is_some() {
        return Err(Failure::die(format!("Target disk key '{to}' is already in use for VM '{target}'")));
    }
    let volume = drive.file();
    if drive.is_user_medium() {
        return Err(Failure::die("CD drive contents can't be moved to another VM"));
    }
    if split_volume(volume).is_none() {
        return Err(Failure::die(format!("Volume '{volume}' not managed by PVE")));
    }
    if settings::volume_in_use(&from, key, volume) {
        return Err(Failure::die("Can't move disk used by a snapshot to another VM"));
    }
    if !volumes::has_feature(&mut call.state(), volume, None, Feature::Rename) {
        return Err(Failure::die("Storage does not support moving of this disk to another VM"));
    }
    if call.runs(id) && !drive::is_unused(key) {
        return Err(Failure::die("Cannot move disk to another VM while the source VM is running - detach first"));
    }
    Ok(drive)
}

/// `qm disk import`.
pub(super) async fn import(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let source = call.param("source").unwrap_or_default().to_owned();
    let storage = call.param("storage").unwrap_or_default().to_owned();
    let format = call.param("format").map(str::to_owned);
    let conf = call.vm(id)?;
    vm::check_lock(&conf)?;
    let missing = || Failure::with_exit(format!("{source}: non-existent or non-regular file"), 2);
    let bytes = volumes::image_size(&mut call.state(), &source).ok_or_else(missing)?;
    let target = call.state().enabled_storage(&storage)?;
    if !target.holds("images") {
        return Err(Failure::die(format!("storage {storage} does not support vm images")));
    }
    if let Some(key) = call.param("target-disk").map(str::to_owned) {
        if conf.live.get(&key).is_some() {
            return Err(Failure::die(format!("target disk '{key}' already exists")));
        }
        let format = format.map_or_else(String::new, |format| format!(",format={format}"));
        let text = format!("{storage}:0,import-from={source}{format}");
        return update::update(call, [(key, text)].into()).await;
    }
    call.out(&format!("importing disk '{source}' to VM {id} ...\n"));
    let format = format.as_deref().and_then(Format::from_name);
    let volume = call.import_image(&source, bytes, &target, id, format).await?;
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    let key = next_unused(&conf, &volume);
    settings::add_unused(&mut conf.live, &volume);
    call.save(id, &mut conf);
    call.out(&format!("{key}: successfully imported disk '{volume}'\n"));
    Ok(())
}

/// `qm disk rescan`.
pub(super) async fn rescan(call: &mut Call<'_>) -> Result<(), Failure> {
    let dry = call.is_set("dryrun");
    if dry {
        call.out("NOTE: running in dry-run mode, won't write changes out!\n");
    }
    call.out("rescan volumes...\n");
    let only = call.number::<u32>("vmid");
    let ids = only.map_or_else(|| call.state().guest_ids(GuestKind::Vm), |id| vec![id]);
    for id in ids {
        let _held = call.lock_vm(id).await?;
        rescan_one(call, id, dry)?;
    }
    Ok(())
}

fn rescan_one(call: &mut Call<'_>, id: u32, dry: bool) -> Result<(), Failure> {
    let mut conf = call.vm(id)?;
    vm::check_lock(&conf)?;
    let before = conf.clone();
    for (key, mut drive) in drive::drives(&conf.live) {
        let size = call.state().volume(drive.file()).map(|volume| volume.space.size);
        let (Some(size), Some(old)) = (size.filter(|_| !drive.is_medium()), drive.size()) else { continue };
        if size != old {
            let (volume, old, new) = (drive.file().to_owned(), volumes::size_text(old), volumes::size_text(size));
            call.out(&format!("VM {id} ({key}): size of disk '{volume}' updated from {old} to {new}\n"));
            drive.set("size", new);
            settings::put(&mut conf.live, &key, drive.print());
        }
    }
    let used = settings::owned_volumes(&conf, id);
    let own: Vec<String> = {
        let state = call.state();
        let is_own = |volume: &&String| settings::owner(volume) == Some(id);
        state
            .volumes
            .iter()
            .filter(|(_, disk)| disk.format != Format::Subvol)
            .map(|(volume, _)| volume)
            .filter(is_own)
            .cloned()
            .collect()
    };
    let made_here = |volume: &String| volume.contains(&format!("vm-{id}-state-")) || drive::is_cloud_init(volume);
    for volume in own.into_iter().filter(|volume| !used.contains(volume) && !made_here(volume)) {
        let key = next_unused(&conf, &volume);
        call.out(&format!("VM {id} add unreferenced volume '{volume}' as '{key}' to config\n"));
        settings::add_unused(&mut conf.live, &volume);
    }
    if conf != before && !dry {
        call.save(id, &mut conf);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("+1G", Some(3 << 30))]
    #[test_case("5G", Some(5 << 30))]
    #[test_case("+0.5G", Some(5 << 29))]
    #[test_case("1024", Some(1024); "bytes")]
    #[test_case("+10X", None)]
    fn sizes(text: &str, expected: Option<u64>) {
        assert_eq!(new_size(text, 2 << 30), expected);
    }
}
