//! The node's storages: `storage.cfg`, and what each storage can do.

use std::collections::BTreeMap;
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Host, HostError};
use phoenix_types::{GuestKind, VolumeId};

/// Where Proxmox keeps the list of storages.
const PATH: &str = "/etc/pve/storage.cfg";

/// The largest file that the cluster file system holds: 1 MiB (pmxcfs).
const LIMIT: u64 = 1 << 20;

/// The storages of a node, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storages(Vec<Storage>);

impl Storages {
    /// Where the list is.
    #[must_use]
    pub fn path() -> &'static Utf8Path {
        Utf8Path::new(PATH)
    }

    /// Reads the node's list. Without a file there are none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn read(host: &dyn Host) -> Result<Self, HostError> {
        match host.read(Utf8Path::new(PATH), LIMIT).await {
            Ok(bytes) => Ok(Self::parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.is_not_found() => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Parses `storage.cfg`: a line `type: name`, then indented options (pve-common `SectionConfig.pm`). An option without a
    /// value is a flag.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut storages: Vec<Storage> = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(option) = line.strip_prefix(['\t', ' ']) {
                let option = option.trim();
                let (key, value) = option.split_once(char::is_whitespace).unwrap_or((option, "1"));
                if let Some(storage) = storages.last_mut().filter(|_| !option.is_empty()) {
                    storage.options.insert(key.to_owned(), value.trim().to_owned());
                }
            } else if let Some((plugin, id)) = line.split_once(':') {
                let (plugin, id) = (Plugin::new(plugin.trim()), id.trim().to_owned());
                storages.push(Storage { id, plugin, options: BTreeMap::new() });
            }
        }
        Self(storages)
    }

    /// A storage by name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Storage> {
        self.0.iter().find(|storage| storage.id == id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Storage> {
        self.0.iter()
    }
}

/// A storage's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plugin {
    /// A directory.
    Dir,
    /// A Btrfs file system.
    Btrfs,
    /// A share that the node mounts: NFS, CIFS, or CephFS.
    Share,
    /// A ZFS pool of the node, or one over iSCSI.
    Zfs,
    /// Thick LVM.
    Lvm,
    /// Thin LVM.
    LvmThin,
    /// Ceph block devices.
    Rbd,
    /// A type that this crate knows nothing about.
    Other(String),
}

impl Plugin {
    fn new(name: &str) -> Self {
        match name {
            "dir" => Self::Dir,
            "btrfs" => Self::Btrfs,
            "nfs" | "cifs" | "cephfs" => Self::Share,
            "zfspool" | "zfs" => Self::Zfs,
            "lvm" => Self::Lvm,
            "lvmthin" => Self::LvmThin,
            "rbd" => Self::Rbd,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dir => "a directory",
            Self::Btrfs => "Btrfs",
            Self::Share => "a network share",
            Self::Zfs => "ZFS",
            Self::Lvm => "thick LVM",
            Self::LvmThin => "thin LVM",
            Self::Rbd => "Ceph RBD",
            Self::Other(name) => name,
        })
    }
}

/// How a disk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// Plain bytes: a file, a logical volume, a block device.
    Raw,
    /// QEMU's own format.
    Qcow2,
    /// VMware's format.
    Vmdk,
    /// A file system of its own: a ZFS dataset, a Btrfs subvolume, a directory.
    Subvolume,
}

impl DiskFormat {
    /// The format of an existing volume, by its name.
    #[must_use]
    pub fn of(volume: &VolumeId) -> Self {
        let name = volume.volume().rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("qcow2") => Self::Qcow2,
            Some("vmdk") => Self::Vmdk,
            Some("subvol") => Self::Subvolume,
            _ if name.starts_with("subvol-") || name.starts_with("basevol-") => Self::Subvolume,
            _ => Self::Raw,
        }
    }
}

impl fmt::Display for DiskFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Subvolume => "subvolume",
        })
    }
}

/// What can be done with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Taking a snapshot, and going back to it.
    Snapshot,
    /// Becoming the disk of a template.
    Template,
}

/// A storage as its section describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Its name.
    pub id: String,
    /// Its type.
    pub plugin: Plugin,
    options: BTreeMap<String, String>,
}

impl Storage {
    /// An option of its section.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    fn is_set(&self, key: &str) -> bool {
        self.option(key).is_some_and(|value| value != "0")
    }

    /// Whether it is disabled.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.is_set("disable")
    }

    /// What it may hold, when the section says so.
    #[must_use]
    pub fn contents(&self) -> Option<Vec<&str>> {
        Some(self.option("content")?.split(',').map(str::trim).filter(|content| !content.is_empty()).collect())
    }

    /// Whether it may hold a type of content. A section that does not say so refuses nothing.
    #[must_use]
    pub fn holds(&self, content: &str) -> bool {
        self.contents().is_none_or(|contents| contents.contains(&content))
    }

    /// The folder for a type of content (pve-storage `Storage/Plugin.pm`, `get_subdir`). Storages without folders have none.
    #[must_use]
    pub fn folder(&self, content: &str) -> Option<Utf8PathBuf> {
        let root = match self.plugin {
            Plugin::Dir | Plugin::Btrfs => Utf8PathBuf::from(self.option("path")?),
            Plugin::Share => {
                self.option("path").map_or_else(|| Utf8Path::new("/mnt/pve").join(&self.id), Utf8PathBuf::from)
            }
            Plugin::Zfs | Plugin::Lvm | Plugin::LvmThin | Plugin::Rbd | Plugin::Other(_) => return None,
        };
        let usual = match content {
            "vztmpl" => "template/cache",
            "iso" => "template/iso",
            "backup" => "dump",
            "rootdir" => "private",
            other => other,
        };
        let moved = self.option("content-dirs").and_then(|dirs| {
            dirs.split(',').find_map(|dir| dir.trim().split_once('=').filter(|(key, _)| *key == content))
        });
        let below = moved.map_or(usual, |(_, folder)| folder);
        Some(root.join(below.trim_start_matches('/')))
    }

    /// The format of a new disk that names none. Containers have raw images, except where a disk is a file system.
    #[must_use]
    pub fn new_disk(&self, kind: GuestKind) -> DiskFormat {
        let named = match self.option("format") {
            Some("qcow2") => DiskFormat::Qcow2,
            Some("vmdk") => DiskFormat::Vmdk,
            _ => DiskFormat::Raw,
        };
        match (kind, &self.plugin) {
            (GuestKind::Container, Plugin::Zfs) => DiskFormat::Subvolume,
            (GuestKind::Container, Plugin::Btrfs) if !self.is_set("quotas") => DiskFormat::Subvolume,
            (GuestKind::Vm, Plugin::Dir | Plugin::Share) => named,
            (GuestKind::Vm, Plugin::Lvm) if self.is_set("snapshot-as-volume-chain") => DiskFormat::Qcow2,
            _ => DiskFormat::Raw,
        }
    }

    /// Whether its disks of a format can do this (pve-storage, `volume_has_feature` of each plugin). `None` for an unknown type.
    #[must_use]
    pub fn can(&self, feature: Feature, format: DiskFormat) -> Option<bool> {
        match (&self.plugin, feature) {
            (Plugin::Other(_), _) => None,
            (Plugin::Dir | Plugin::Share | Plugin::Lvm, Feature::Snapshot) => Some(format == DiskFormat::Qcow2),
            (Plugin::Lvm, Feature::Template) => Some(false),
            (Plugin::Btrfs, Feature::Snapshot) => Some(format != DiskFormat::Vmdk),
            (Plugin::Zfs | Plugin::LvmThin | Plugin::Rbd, Feature::Snapshot) | (_, Feature::Template) => Some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const TEXT: &str = "\
dir: local
\tpath /var/lib/vz
\tcontent iso,vztmpl, snippets

# a comment
nfs: nas
\tserver 10.0.0.9
\tdisable
\texport /x y
\tcontent-dirs iso=i,snippets=a/b

lvm: vg
\tvgname vg0

lvm: chain
\tvgname vg1
\tsnapshot-as-volume-chain 1

dir: images
\tpath /srv
\tformat qcow2

zfspool: tank
\tpool rpool

weird: x
broken
";

    #[test]
    fn sections_and_options() {
        let storages = Storages::parse(TEXT);
        assert_eq!(storages.iter().count(), 7);
        let (local, nas) = (storages.get("local").unwrap(), storages.get("nas").unwrap());
        assert!(local.holds("iso") && local.holds("snippets") && !local.holds("images") && nas.holds("images"));
        assert!(nas.is_disabled() && !local.is_disabled());
        assert_eq!(nas.option("export"), Some("/x y"));
        assert_eq!(local.folder("vztmpl").unwrap(), "/var/lib/vz/template/cache");
        assert_eq!(nas.folder("snippets").unwrap(), "/mnt/pve/nas/a/b");
        assert_eq!(storages.get("vg").unwrap().folder("snippets"), None);
        assert_eq!(storages.get("x").unwrap().can(Feature::Snapshot, DiskFormat::Raw), None);
    }

    #[test_case("local", GuestKind::Container, false, true; "an image in a directory")]
    #[test_case("images", GuestKind::Vm, true, true; "qcow2 by the storages own default")]
    #[test_case("images", GuestKind::Container, false, true; "a container is raw all the same")]
    #[test_case("vg", GuestKind::Vm, false, false)]
    #[test_case("chain", GuestKind::Vm, true, false)]
    #[test_case("chain", GuestKind::Container, false, false; "a chain is of no use to a container")]
    #[test_case("tank", GuestKind::Container, true, true)]
    fn what_new_disks_can_do(id: &str, kind: GuestKind, snapshot: bool, template: bool) {
        let storages = Storages::parse(TEXT);
        let storage = storages.get(id).unwrap();
        let format = storage.new_disk(kind);
        assert_eq!(storage.can(Feature::Snapshot, format), Some(snapshot));
        assert_eq!(storage.can(Feature::Template, format), Some(template));
    }

    #[test_case("nas:100/vm-100-disk-0.qcow2", DiskFormat::Qcow2)]
    #[test_case("nas:100/vm-100-disk-0.raw", DiskFormat::Raw)]
    #[test_case("tank:subvol-100-disk-0", DiskFormat::Subvolume)]
    #[test_case("tank:basevol-100-disk-0/subvol-101-disk-0", DiskFormat::Subvolume)]
    #[test_case("chain:vm-100-disk-0.qcow2", DiskFormat::Qcow2)]
    #[test_case("tank:vm-100-disk-0", DiskFormat::Raw)]
    fn formats_of_volumes(volume: &str, format: DiskFormat) {
        assert_eq!(DiskFormat::of(&volume.parse().unwrap()), format);
    }
}
