//! Disks of VMs on the node's storages: making, copying, cloning and freeing them, with what the storage tools print.
//!
//! Rules from pve-storage: `Plugin.pm` and the plugins by type (names, features, sizes), and from `PVE::QemuServer`:
//! `clone_disk`, `PVE::QemuServer::ImportDisk::do_import`.

use phoenix_sim_guest::node_files;

use crate::grammar::format_size;
use crate::node::{Call, Failure, Format, State, VolumeRef};
use crate::storage::{Storage, created, formatting};
use crate::world::StorageKind;

/// The size of a cloud-init drive in bytes.
pub(super) const CLOUD_INIT_SIZE: u64 = 4 << 20;

/// The virtual size of a disk image that the world says nothing about.
const IMAGE_SIZE: u64 = 2 << 30;

/// What a storage must be able to do with a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    /// A full copy.
    Copy,
    /// A linked clone.
    Clone,
    /// A snapshot.
    Snapshot,
    /// A base volume.
    Template,
    /// Another owner.
    Rename,
}

/// The state in which a volume is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Base,
    Current,
    Snapshot,
}

/// Whether a storage can do something with a volume, or with one of its snapshots.
pub(super) fn has_feature(state: &mut State, volume: &str, snapshot: Option<&str>, feature: Feature) -> bool {
    let Some(parts) = VolumeRef::parse(volume) else { return false };
    let Ok(storage) = state.storage(parts.storage) else { return false };
    let format = format_of(parts.name);
    let used = match snapshot {
        Some(_) => Use::Snapshot,
        None if parts.is_base() => Use::Base,
        None => Use::Current,
    };
    let is_image = format != Format::Subvol;
    match (storage.kind, feature) {
        (StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs, feature) => match feature {
            Feature::Copy => is_image && (used != Use::Snapshot || format == Format::Qcow2),
            Feature::Clone => is_image && used == Use::Base,
            Feature::Snapshot => used != Use::Base && format == Format::Qcow2,
            Feature::Template | Feature::Rename => used == Use::Current,
        },
        (StorageKind::Btrfs, feature) => match feature {
            Feature::Copy => true,
            Feature::Clone => format == Format::Raw || used == Use::Base,
            Feature::Snapshot => used != Use::Base,
            Feature::Template | Feature::Rename => used == Use::Current,
        },
        (StorageKind::Zfspool, feature) => match feature {
            Feature::Copy => used != Use::Snapshot,
            Feature::Clone => used == Use::Base,
            Feature::Snapshot => used != Use::Base,
            Feature::Template | Feature::Rename => used == Use::Current,
        },
        (StorageKind::Lvmthin | StorageKind::Rbd, feature) => match feature {
            Feature::Copy => true,
            Feature::Clone => used != Use::Current,
            Feature::Snapshot => used != Use::Base,
            Feature::Template | Feature::Rename => used == Use::Current,
        },
        (StorageKind::Lvm, Feature::Copy) => used != Use::Snapshot,
        (StorageKind::Lvm, Feature::Rename) => used == Use::Current,
        (StorageKind::Lvm, _) => false,
    }
}

/// The format of a volume by its name; block devices are raw.
pub(super) fn format_of(name: &str) -> Format {
    name.rsplit_once('.').and_then(|(_, extension)| Format::from_name(extension)).unwrap_or(Format::Raw)
}

/// The size in bytes of an existing volume or file, `None` when there is none.
pub(super) fn size_of(state: &mut State, file: &str) -> Option<u64> {
    if let Some(volume) = state.volume(file) {
        return Some(volume.space.size);
    }
    let path = match VolumeRef::parse(file) {
        Some(parts) => state.storage_of(&parts).ok()?.path(parts.name, None),
        None => file.to_owned(),
    };
    if let Ok((_, size)) = node_files(state).head(&path) {
        return Some(size);
    }
    let is_disk =
        VolumeRef::parse(file).is_some_and(|parts| parts.owner().is_some() && !parts.name.starts_with("iso/"));
    (state.any_image && !is_disk && file.starts_with(|ch: char| ch == '/' || ch.is_ascii_alphanumeric()))
        .then_some(IMAGE_SIZE)
}

/// The virtual size of a disk image on the node, `None` when there is no such file.
pub(super) fn image_size(state: &mut State, path: &str) -> Option<u64> {
    match node_files(state).head(path) {
        Ok((head, size)) => Some(virtual_size(&head, size)),
        Err(_) => (state.any_image && path.starts_with('/')).then_some(IMAGE_SIZE),
    }
}

/// The size of the disk that an image holds: by its header when it is QEMU's own format (QEMU `docs/interop/qcow2.rst`), else
/// all of it. What is too small for a disk only stands for one.
fn virtual_size(head: &[u8], size: u64) -> u64 {
    const SMALLEST: u64 = 1 << 20;
    let header = head.strip_prefix(b"QFI\xfb").and_then(|rest| rest.get(20..28)?.try_into().ok());
    let size = header.map_or(size, u64::from_be_bytes);
    if size < SMALLEST { IMAGE_SIZE } else { size }
}

/// The format of new disks: the one asked for where the storage has it, else the storage's own.
pub(super) fn resolve_format(storage: &Storage, wanted: Option<Format>) -> Format {
    let own = storage.options.get("format").and_then(|name| Format::from_name(name)).unwrap_or(Format::Raw);
    match storage.kind {
        StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs => {
            wanted.filter(|format| *format != Format::Subvol).unwrap_or(own)
        }
        StorageKind::Btrfs => wanted.filter(|format| *format == Format::Raw).unwrap_or(Format::Raw),
        _ => Format::Raw,
    }
}

/// What a size becomes on a storage that allocates in steps.
pub(super) fn rounded(storage: &Storage, bytes: u64) -> u64 {
    let step = match storage.kind {
        StorageKind::Zfspool | StorageKind::Rbd => 1 << 20,
        StorageKind::Lvm | StorageKind::Lvmthin => 4 << 20,
        _ => 1,
    };
    bytes.next_multiple_of(step)
}

/// `2.0 GiB`, as `render_bytes` of `PVE::Format` prints sizes.
fn human(bytes: u64) -> String {
    let mut unit = 0;
    #[expect(clippy::cast_precision_loss, reason = "only one decimal is printed")]
    let mut size = bytes as f64;
    while size >= 1024.0 && unit < 5 {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][unit])
}

impl Call<'_> {
    /// Makes a disk for a VM and prints what the storage's tools print. Gives its volume id.
    pub(super) fn make_disk(
        &mut self,
        storage: &Storage,
        id: u32,
        format: Format,
        plain: Option<&str>,
        bytes: u64,
    ) -> Result<String, Failure> {
        let volume = {
            let bytes = rounded(storage, bytes);
            let mut state = self.state();
            match plain {
                Some(plain) if plain.ends_with("-cloudinit") => {
                    let name = storage.volume_name(id, plain, format);
                    if state.volume(&format!("{}:{name}", storage.id)).is_some() {
                        // What a clone or an earlier drive left behind is in the way.
                        return Err(Failure::die(format!(
                            "disk image '{}' already exists",
                            storage.path(&name, Some(format))
                        )));
                    }
                    state.allocate(storage, id, format, Some(plain), bytes)?
                }
                plain => state.allocate(storage, id, format, plain, bytes)?,
            }
        };
        let name = volume.split_once(':').map_or("", |(_, name)| name).to_owned();
        self.out(&created(storage, &name, format, bytes));
        Ok(volume)
    }

    /// The progress of a copy, as `qemu-img convert` shows it for a disk that is mostly empty.
    pub(super) async fn show_copy(&mut self, bytes: u64) {
        let size = human(bytes);
        self.out(&format!("transferred 0.0 B of {size} (0.00%)\ntransferred {size} of {size} (100.00%)\n"));
        // A worker whose output nobody reads is interrupted from outside.
        let _ = self.flush().await;
    }

    /// The progress of mirroring a disk of a VM that runs, until source and copy are the same.
    pub(super) async fn show_mirror(&mut self, key: &str, bytes: u64) {
        let size = human(bytes);
        self.out(&format!("drive mirror is starting for drive-{key}\n"));
        self.out(&format!("mirror-{key}: transferred 0.0 B of {size} (0.00%) in 0s\n"));
        self.node.sleep(std::time::Duration::from_secs(1)).await;
        self.out(&format!("mirror-{key}: transferred {size} of {size} (100.00%) in 1s, ready\n"));
        self.out("all 'mirror' jobs are ready\n");
    }

    /// Brings a disk image of the node onto a storage as a new disk of the VM, and gives its volume id.
    pub(super) async fn import_image(
        &mut self,
        path: &str,
        bytes: u64,
        storage: &Storage,
        id: u32,
        format: Option<Format>,
    ) -> Result<String, Failure> {
        let volume = self.make_disk(storage, id, resolve_format(storage, format), None, bytes)?;
        self.work(copy_time(bytes)).await;
        self.show_copy(bytes).await;
        super::guest::install_system(&mut self.state(), &volume, path);
        Ok(volume)
    }

    /// Makes a full copy of a disk, or of one of its snapshots, for a VM. `bytes` is the size of the copy.
    pub(super) async fn copy_disk(
        &mut self,
        source: &str,
        snapshot: Option<&str>,
        target: &Storage,
        id: u32,
        format: Option<Format>,
        bytes: u64,
    ) -> Result<String, Failure> {
        let wanted = format.or_else(|| source.split_once(':').map(|(_, name)| format_of(name)));
        let volume = self.make_disk(target, id, resolve_format(target, wanted), None, bytes)?;
        self.out(&format!("allocated target volume '{volume}'\n"));
        self.work(copy_time(bytes)).await;
        self.state().copy_content(source, snapshot, &volume);
        Ok(volume)
    }

    /// Makes a linked clone of a base volume, or of a snapshot, for a VM.
    pub(super) fn link_disk(&mut self, source: &str, snapshot: Option<&str>, id: u32) -> Result<String, Failure> {
        let parts =
            VolumeRef::parse(source).ok_or_else(|| Failure::die(format!("unable to parse volume ID '{source}'")))?;
        let mut state = self.state();
        let storage = state.storage(parts.storage)?;
        let plain = state.free_disk_name(&storage, id, "vm");
        let (size, format) = state.volume(source).map_or((0, Format::Raw), |volume| (volume.space.size, volume.format));
        let (name, text) = if storage.kind.is_folder() && storage.kind != StorageKind::Btrfs {
            let file = format!("{plain}.qcow2");
            let name = format!("{}/{id}/{file}", own_name(parts.name));
            let base = own_name(parts.name);
            let relative = format!("../{base}");
            let text = format!(
                "clone {}: images, {file}, {id} to {file} (base={relative})\n{}",
                parts.name,
                formatting(&storage, &name, Format::Qcow2, size, Some((&relative, format)))
            );
            (name, text)
        } else {
            match storage.kind {
                StorageKind::Lvmthin | StorageKind::Lvm => {
                    let text = format!("  Logical volume \"{plain}\" created.\n");
                    (plain, text)
                }
                StorageKind::Btrfs => (storage.volume_name(id, &plain, Format::Raw), String::new()),
                _ => (format!("{}/{plain}", own_name(parts.name)), String::new()),
            }
        };
        let volume = format!("{}:{name}", storage.id);
        let is_image = storage.kind.is_folder() && storage.kind != StorageKind::Btrfs;
        let mut clone = match state.volume(source) {
            Some(volume) => volume.clone(),
            None => return Err(Failure::die(format!("volume '{source}' does not exist"))),
        };
        if let Some(space) = snapshot.and_then(|name| clone.snapshots.get(name)) {
            clone.space = space.clone();
        }
        clone.snapshots.clear();
        clone.order.clear();
        clone.base = Some(source.to_owned());
        clone.format = if is_image { Format::Qcow2 } else { Format::Raw };
        clone.made = state.now;
        state.volumes.insert(volume.clone(), clone);
        drop(state);
        self.out(&text);
        Ok(volume)
    }
}

/// A disk's own name within its storage, without that of the base it is a clone of.
pub(super) fn own_name(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [_, _, id, file] => format!("{id}/{file}"),
        // `base-9000-disk-0/vm-101-disk-0` of block storages.
        [base, file] if base.starts_with("base-") => (*file).to_owned(),
        _ => name.to_owned(),
    }
}

/// The name of a disk once it is a base volume: `vm-` becomes `base-`.
pub(super) fn base_name(name: &str) -> String {
    let at = name.rfind('/').map_or(0, |at| at + 1);
    let (folder, file) = name.split_at(at);
    match file.strip_prefix("vm-") {
        Some(rest) => format!("{folder}base-{rest}"),
        None => name.to_owned(),
    }
}

/// How long a copy of so many bytes takes: the node's disks move 1 GiB in 2 s.
fn copy_time(bytes: u64) -> std::time::Duration {
    std::time::Duration::from_millis(bytes / (512 << 10))
}

/// What `qemu-img` shows once it has copied everything.
pub(super) fn copied(bytes: u64) -> String {
    let size = human(bytes);
    format!("transferred {size} of {size} (100.00%)\n")
}

/// A size as sizes are written into configurations.
pub(super) fn size_text(bytes: u64) -> String {
    format_size(bytes)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0, "0.0 B")]
    #[test_case(540_672, "528.0 KiB")]
    #[test_case(1536 << 20, "1.5 GiB")]
    fn sizes_for_people(bytes: u64, expected: &str) {
        assert_eq!(human(bytes), expected);
    }

    #[test]
    fn an_image_has_the_size_of_its_header() {
        let mut header = b"QFI\xfb\0\0\0\x03".to_vec();
        header.resize(24, 0);
        header.extend((10_u64 << 30).to_be_bytes());
        assert_eq!(virtual_size(&header, 1 << 20), 10 << 30);
        assert_eq!(virtual_size(&[0; 64], 3 << 20), 3 << 20);
        assert_eq!(virtual_size(b"stands for one", 14), IMAGE_SIZE);
    }

    #[test_case("8010/vm-8010-disk-0.qcow2", "8010/base-8010-disk-0.qcow2")]
    #[test_case("vm-9-disk-1", "base-9-disk-1")]
    #[test_case("base-9-disk-0/vm-10-disk-0", "base-9-disk-0/base-10-disk-0"; "linked clone")]
    fn base_names(name: &str, expected: &str) {
        assert_eq!(base_name(name), expected);
    }

    #[test_case("9/base-9-disk-0.qcow2/10/vm-10-disk-0.qcow2", "10/vm-10-disk-0.qcow2")]
    #[test_case("9/vm-9-disk-0.raw", "9/vm-9-disk-0.raw")]
    fn own_names(name: &str, expected: &str) {
        assert_eq!(own_name(name), expected);
    }
}
