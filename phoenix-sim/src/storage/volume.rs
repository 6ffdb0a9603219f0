//! Volumes: their paths and life (pve-storage, `Plugin.pm` and the plugins by type).

use std::collections::{BTreeMap, BTreeSet};

use phoenix_sim_shell::files::FileTree;

use super::config::Storage;
use crate::grammar::parse_size;
use crate::node::{Failure, Format, Space, State, Volume, VolumeRef};
use crate::world::StorageKind;

impl Storage {
    /// The name of a guest's disk within this storage, from its plain name (`vm-100-disk-0`).
    pub(crate) fn volume_name(&self, vmid: u32, plain: &str, format: Format) -> String {
        if self.kind.is_folder() { format!("{vmid}/{plain}.{}", format.name()) } else { plain.to_owned() }
    }

    /// Where a volume is on the node.
    pub(crate) fn path(&self, name: &str, format: Option<Format>) -> String {
        let place = self.place();
        let file = name.rsplit('/').next().unwrap_or(name);
        let content = name.split_once('/').map(|(content, _)| content);
        let rest = content.map_or(name, |content| &name[content.len() + 1..]);
        match (self.kind, content) {
            (StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs | StorageKind::Btrfs, Some("vztmpl")) => {
                format!("{place}/template/cache/{rest}")
            }
            (StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs | StorageKind::Btrfs, Some("iso")) => {
                format!("{place}/template/iso/{rest}")
            }
            (StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs | StorageKind::Btrfs, Some("backup")) => {
                format!("{place}/dump/{rest}")
            }
            (
                StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs | StorageKind::Btrfs,
                Some(content @ ("snippets" | "import")),
            ) => format!("{place}/{content}/{rest}"),
            (StorageKind::Btrfs, _) if file.ends_with(".raw") => {
                let stem = file.trim_end_matches(".raw");
                format!("{place}/images/{}/{stem}/disk.raw", name.split('/').next().unwrap_or_default())
            }
            (StorageKind::Btrfs, _) if file.ends_with(".subvol") => {
                let stem = file.trim_end_matches(".subvol");
                format!("{place}/images/{}/{stem}", name.split('/').next().unwrap_or_default())
            }
            (StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs | StorageKind::Btrfs, _) => {
                let parts: Vec<&str> = name.split('/').collect();
                // A linked clone is named after its base, but lies in its own folder.
                let own = if parts.len() == 4 { parts[2..].join("/") } else { name.to_owned() };
                format!("{place}/images/{own}")
            }
            (StorageKind::Zfspool, _) if format == Some(Format::Subvol) || file.contains("vol-") => {
                format!("/{place}/{file}")
            }
            (StorageKind::Zfspool, _) => format!("/dev/zvol/{place}/{file}"),
            (StorageKind::Rbd, _) => format!("rbd:{place}/{file}"),
            (StorageKind::Lvm | StorageKind::Lvmthin, _) => format!("/dev/{place}/{file}"),
        }
    }

    /// The kind of content that a name within this storage is: `images`, `iso`, `snippets` … (`parse_volname`).
    ///
    /// # Errors
    /// In the plugin's words, when the storage has no such names.
    pub(crate) fn content_of(&self, name: &str) -> Result<&'static str, Failure> {
        let unparsed = |plugin: &str| Failure::with_exit(format!("unable to parse {plugin} volume name '{name}'"), 25);
        let is_id = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_disk = |file: &str| {
            ["vm-", "base-", "subvol-", "basevol-"].iter().any(|prefix| {
                let rest = file.strip_prefix(prefix).and_then(|rest| rest.split_once('-'));
                rest.is_some_and(|(id, rest)| is_id(id) && !rest.is_empty())
            })
        };
        let plugin = match self.kind {
            StorageKind::Zfspool => "zfs",
            StorageKind::Rbd => "rbd",
            StorageKind::Lvm | StorageKind::Lvmthin => "lvm",
            StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs | StorageKind::Btrfs => "directory",
        };
        if !self.kind.is_folder() {
            let file = name.rsplit('/').next().unwrap_or(name);
            let fits = is_disk(file) || (self.kind != StorageKind::Zfspool && !name.contains('/'));
            return if fits { Ok("images") } else { Err(unparsed(plugin)) };
        }
        let lower = name.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
        let parts: Vec<&str> = name.split('/').collect();
        let file = match parts.as_slice() {
            [id, file] if is_id(id) => file,
            [base, _, id, file] if is_id(base) && is_id(id) => file,
            ["iso", _] if ends(&[".iso", ".img"]) => return Ok("iso"),
            ["vztmpl", _] if ends(&[".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2"]) => return Ok("vztmpl"),
            ["backup", file] if is_backup(file) => return Ok("backup"),
            ["snippets", file] if !file.is_empty() => return Ok("snippets"),
            ["import", ..] if ends(&[".ova", ".ovf", ".qcow2", ".raw", ".vmdk"]) => return Ok("import"),
            _ => return Err(unparsed(plugin)),
        };
        let has_format = file.rsplit_once('.').is_some_and(|(_, format)| Format::from_name(format).is_some());
        if has_format && is_disk(file) && !file.contains(char::is_whitespace) {
            Ok("images")
        } else {
            Err(Failure::with_exit(format!("unable to parse volume filename '{file}'"), 25))
        }
    }

    /// Whether a volume of this form can be snapshotted here.
    pub(crate) fn can_snapshot(&self, format: Format) -> bool {
        match self.kind {
            StorageKind::Zfspool | StorageKind::Lvmthin | StorageKind::Rbd => true,
            StorageKind::Btrfs => matches!(format, Format::Raw | Format::Subvol | Format::Qcow2),
            StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs => format == Format::Qcow2,
            StorageKind::Lvm => false,
        }
    }
}

/// Whether a file name is that of a backup: `.tgz`, `.tar` or `.vma`, the latter two compressed or not.
fn is_backup(file: &str) -> bool {
    let plain = [".gz", ".lzo", ".zst", ".bz2"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
    file.ends_with(".tgz") || plain.ends_with(".tar") || plain.ends_with(".vma")
}

impl State {
    /// A volume.
    pub(crate) fn volume(&self, volid: &str) -> Option<&Volume> {
        self.volumes.get(volid)
    }

    /// The lowest free plain name `PREFIX-ID-disk-N` of a storage.
    pub(crate) fn free_disk_name(&self, storage: &Storage, vmid: u32, prefix: &str) -> String {
        let infix = format!("-{vmid}-disk-");
        let taken: Vec<u32> = self
            .volumes
            .range(format!("{}:", storage.id)..)
            .take_while(|(volid, _)| volid.split(':').next() == Some(storage.id.as_str()))
            .filter_map(|(volid, _)| {
                let file = volid.rsplit('/').next().unwrap_or(volid);
                let rest = &file[file.find(&infix)? + infix.len()..];
                rest.split('.').next()?.parse().ok()
            })
            .collect();
        let number = (0..).find(|number| !taken.contains(number)).unwrap_or(0);
        format!("{prefix}{infix}{number}")
    }

    /// Makes a disk, where there is room for it, and gives its volume id. `plain` is its name without folder and extension; the
    /// lowest free one without it.
    pub(crate) fn allocate(
        &mut self,
        storage: &Storage,
        vmid: u32,
        format: Format,
        plain: Option<&str>,
        size: u64,
    ) -> Result<String, Failure> {
        let prefix = if format == Format::Subvol { "subvol" } else { "vm" };
        let plain = plain.map_or_else(|| self.free_disk_name(storage, vmid, prefix), str::to_owned);
        let name = storage.volume_name(vmid, &plain, format);
        let volid = format!("{}:{name}", storage.id);
        if self.volumes.contains_key(&volid) {
            let path = storage.path(&name, Some(format));
            return Err(Failure::with_exit(format!("disk image '{path}' already exists"), 25));
        }
        self.fits(storage, &name, format, size)?;
        let volume = Volume {
            format,
            space: Space { size, files: FileTree::default() },
            snapshots: BTreeMap::new(),
            order: Vec::new(),
            base: None,
            made: self.now,
        };
        self.volumes.insert(volid.clone(), volume);
        Ok(volid)
    }

    /// Removes a disk. Gives whether there was one.
    pub(crate) fn free(&mut self, volid: &str) -> bool {
        self.volumes.remove(volid).is_some()
    }

    /// The disks that bear a guest's id in their names.
    pub(crate) fn disks_of(&self, vmid: u32) -> BTreeSet<String> {
        let is_its = |volid: &&String| VolumeRef::parse(volid).and_then(|volume| volume.owner()) == Some(vmid);
        self.volumes.keys().filter(is_its).cloned().collect()
    }

    /// Makes the disks that a guest's configuration names and that do not exist.
    pub(crate) fn adopt_volumes(&mut self, vmid: u32, conf: &str) {
        for line in conf.lines().take_while(|line| !line.starts_with('[')) {
            let Some((_, value)) = line.split_once(": ") else { continue };
            let volid = value.split(',').next().unwrap_or_default();
            let Some(volume) = VolumeRef::parse(volid).filter(|volume| volume.owner() == Some(vmid)) else { continue };
            let Ok(storage) = self.storage(volume.storage) else { continue };
            if storage.content_of(volume.name).is_ok_and(|content| content == "images")
                && !self.volumes.contains_key(volid)
            {
                let size =
                    value.split(',').find_map(|item| item.strip_prefix("size=")).and_then(parse_size).unwrap_or(0);
                let (plain, format) = volume.file().rsplit_once('.').unwrap_or((volume.file(), ""));
                // Its name is not taken, and where disks are there already there is room for them.
                let _ =
                    self.allocate(&storage, vmid, Format::from_name(format).unwrap_or(Format::Raw), Some(plain), size);
            }
        }
    }

    /// Copies the content of a disk, or of one of its snapshots, into another.
    pub(crate) fn copy_content(&mut self, from: &str, snapshot: Option<&str>, to: &str) {
        let Some(source) = self.volumes.get(from) else { return };
        let space = snapshot.and_then(|name| source.snapshots.get(name)).unwrap_or(&source.space);
        let files = space.files.clone();
        if let Some(target) = self.volumes.get_mut(to) {
            target.space.files = files;
        }
    }

    /// Takes a snapshot of a disk.
    pub(crate) fn snapshot_volume(&mut self, volid: &str, name: &str) {
        if let Some(volume) = self.volumes.get_mut(volid) {
            volume.snapshots.insert(name.to_owned(), volume.space.clone());
            volume.order.push(name.to_owned());
        }
    }

    /// Takes a disk back to a snapshot. Newer snapshots stay.
    pub(crate) fn rollback_volume(&mut self, volid: &str, name: &str) {
        if let Some(volume) = self.volumes.get_mut(volid)
            && let Some(space) = volume.snapshots.get(name)
        {
            volume.space = space.clone();
        }
    }

    /// Removes a snapshot of a disk.
    pub(crate) fn delete_volume_snapshot(&mut self, volid: &str, name: &str) {
        if let Some(volume) = self.volumes.get_mut(volid) {
            volume.snapshots.remove(name);
            volume.order.retain(|known| known != name);
        }
    }

    /// Gives a disk another name within its storage.
    pub(crate) fn rename_volume(&mut self, from: &str, to: &str) {
        if let Some(volume) = self.volumes.remove(from) {
            self.volumes.insert(to.to_owned(), volume);
        }
    }
}
