//! The memory of a VM, as a snapshot or a suspended VM keeps it.

use std::collections::BTreeSet;

use phoenix_types::{ConfSection, GuestConf};

use super::{drive, settings};
use crate::node::{Call, Failure, Format};

/// The CPU options of QEMU that a saved state needs.
pub(super) const RUNNING_CPU: &str = "kvm64,enforce,+kvm_pv_eoi,+kvm_pv_unhalt,+lahf_lm,+sep";

/// The machine that a VM runs with now.
pub(super) fn running_machine(conf: &GuestConf) -> String {
    let machine = conf.live.get("machine").unwrap_or("pc");
    let version = settings::QEMU_VERSION.rsplit_once('.').map_or(settings::QEMU_VERSION, |(version, _)| version);
    match machine.split(',').next().unwrap_or(machine) {
        "pc" => format!("pc-i440fx-{version}+pve0"),
        "q35" => format!("pc-q35-{version}+pve0"),
        other => other.to_owned(),
    }
}

/// The disks of a section that snapshots are taken of, in the order of the real tools.
pub(super) fn disks(section: &ConfSection) -> Vec<(String, String)> {
    drive::drives(section)
        .into_iter()
        .filter(|(_, drive)| !drive.is_medium())
        .map(|(key, drive)| (key, drive.file().to_owned()))
        .collect()
}

/// Makes the volume that takes the memory of a VM.
pub(super) fn make_state_file(
    call: &mut Call<'_>,
    id: u32,
    conf: &GuestConf,
    wanted: Option<&str>,
    name: &str,
) -> Result<String, Failure> {
    const DRIVER_STATE_MIB: u64 = 500;
    let storage = wanted.or(conf.live.get("vmstatestorage")).map_or_else(|| state_storage(call, conf), str::to_owned);
    let storage = call.state().enabled_storage(&storage)?;
    let bytes = (settings::memory_mib(conf.live.get("memory")) * 2 + DRIVER_STATE_MIB) << 20;
    call.make_disk(&storage, id, Format::Raw, Some(&format!("vm-{id}-state-{name}")), bytes)
}

/// The storage for the memory of a VM: one that holds a disk of it, rather one with files (`find_vmstate_storage`).
fn state_storage(call: &Call<'_>, conf: &GuestConf) -> String {
    let storages: BTreeSet<String> = disks(&conf.live)
        .into_iter()
        .filter_map(|(_, volume)| Some(drive::split_volume(&volume)?.0.to_owned()))
        .collect();
    let mut state = call.state();
    let with_files = storages.iter().rev().find(|id| state.storage(id).is_ok_and(|storage| storage.kind.is_folder()));
    with_files.or(storages.first()).map_or_else(|| "local".to_owned(), Clone::clone)
}
