//! What the storages' own tools print when volumes come and go: `qemu-img`, `lvcreate`, `lvremove`, `rbd`.

use super::Storage;
use crate::node::{Call, Format, VolumeRef};
use crate::world::StorageKind;

/// How the space of an image is allocated beforehand (pve-storage `Plugin.pm`, `preallocation_cmd_opt`).
fn preallocation(storage: &Storage, format: Format) -> &str {
    let wanted = storage.options.get("preallocation").map(String::as_str);
    match format {
        Format::Qcow2 => wanted.unwrap_or("metadata"),
        _ => wanted.filter(|mode| *mode != "metadata").unwrap_or("off"),
    }
}

/// The options that `qemu-img` names for a new image. An image with a base is allocated as the format of its base says.
pub(crate) fn formatting(
    storage: &Storage,
    name: &str,
    format: Format,
    bytes: u64,
    base: Option<(&str, Format)>,
) -> String {
    let path = storage.path(name, Some(format));
    let preallocation = preallocation(storage, base.map_or(format, |(_, format)| format));
    match format {
        Format::Qcow2 => {
            let (cluster, extended) = if base.is_some() { (131_072, "on") } else { (65_536, "off") };
            let backing = base.map_or_else(String::new, |(file, format)| {
                format!(" backing_file={file} backing_fmt={}", format.name())
            });
            format!(
                "Formatting '{path}', fmt=qcow2 cluster_size={cluster} extended_l2={extended} \
                 preallocation={preallocation} compression_type=zlib size={bytes}{backing} lazy_refcounts=off refcount_bits=16\n"
            )
        }
        Format::Vmdk => format!("Formatting '{path}', fmt=vmdk size={bytes} compat6=off hwversion=undefined\n"),
        Format::Raw | Format::Subvol => {
            format!("Formatting '{path}', fmt=raw size={bytes} preallocation={preallocation}\n")
        }
    }
}

/// What the storage's tools print when a volume comes into being.
pub(crate) fn created(storage: &Storage, name: &str, format: Format, bytes: u64) -> String {
    match storage.kind {
        StorageKind::Lvm | StorageKind::Lvmthin => format!("  Logical volume \"{name}\" created.\n"),
        StorageKind::Zfspool | StorageKind::Rbd | StorageKind::Btrfs => String::new(),
        // A folder is only made.
        _ if format == Format::Subvol => String::new(),
        StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs => formatting(storage, name, format, bytes, None),
    }
}

impl Call<'_> {
    /// Frees volumes, with what the storage's tools print.
    pub(crate) fn free_disks(&mut self, volumes: &[String]) {
        for volume in volumes {
            let freed = {
                let mut state = self.state();
                let storage = volume.split_once(':').and_then(|(storage, _)| state.storage(storage).ok());
                let there = state.free(volume);
                storage.map(|storage| (storage, there))
            };
            let Some((storage, there)) = freed else { continue };
            let name = volume.rsplit([':', '/']).next().unwrap_or_default();
            match (storage.kind, there) {
                (StorageKind::Lvm | StorageKind::Lvmthin, true) => {
                    self.out(&format!("  Logical volume \"{name}\" successfully removed.\n"));
                }
                (StorageKind::Rbd, true) => self.out("Removing image: 100% complete...done.\n"),
                (kind, false) if kind.is_folder() => {
                    let path = storage.path(volume.split_once(':').map_or("", |(_, name)| name), None);
                    self.err(&format!("disk image '{path}' does not exist\n"));
                }
                _ => {}
            }
        }
    }

    /// Frees a volume of a container; one that belongs to another guest stays.
    pub(crate) fn free_owned(&mut self, vmid: u32, volid: &str) {
        if VolumeRef::parse(volid).and_then(|volume| volume.owner()) == Some(vmid) {
            self.free_disks(&[volid.to_owned()]);
        } else {
            self.err(&format!("ignore deletion of '{volid}', CT {vmid} isn't the owner!\n"));
        }
    }
}
