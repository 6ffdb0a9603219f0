//! Volumes: disks of guests, and their names.

use std::collections::BTreeMap;
use std::fmt;

use phoenix_sim_shell::files::FileTree;
use serde::{Deserialize, Serialize};

/// The form of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// A block device or an image of one.
    Raw,
    /// QEMU's own image format.
    Qcow2,
    /// VMware's image format.
    Vmdk,
    /// A folder, dataset or btrfs subvolume.
    Subvol,
}

impl Format {
    /// The format's name, which is also the extension of its files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Subvol => "subvol",
        }
    }

    /// The format of a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Raw, Self::Qcow2, Self::Vmdk, Self::Subvol].into_iter().find(|format| format.name() == name)
    }
}

/// Size and content of a disk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Space {
    /// In bytes; 0 is a subvolume without limit.
    pub(crate) size: u64,
    /// The files on it.
    pub(crate) files: FileTree,
}

/// A disk of a guest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Volume {
    /// Its form.
    pub(crate) format: Format,
    /// What it is now.
    pub(crate) space: Space,
    /// What it was when snapshots were taken, by name.
    pub(crate) snapshots: BTreeMap<String, Space>,
    /// The names of its snapshots, oldest first.
    pub(crate) order: Vec<String>,
    /// The base volume that it is a linked clone of.
    pub(crate) base: Option<String>,
    /// When it was made, in seconds since 1970.
    pub(crate) made: i64,
}

/// A volume id in its parts: `STORAGE:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumeRef<'a> {
    /// The storage.
    pub(crate) storage: &'a str,
    /// The name within the storage.
    pub(crate) name: &'a str,
}

impl<'a> VolumeRef<'a> {
    /// Takes a volume id apart.
    pub(crate) fn parse(volid: &'a str) -> Option<Self> {
        let (storage, name) = volid.split_once(':')?;
        (storage.parse::<phoenix_types::StorageId>().is_ok() && !name.is_empty()).then_some(Self { storage, name })
    }

    /// The name without folders: `vm-100-disk-0.raw`.
    pub(crate) fn file(&self) -> &'a str {
        self.name.rsplit('/').next().unwrap_or(self.name)
    }

    /// The guest that owns a disk, by its name.
    pub(crate) fn owner(&self) -> Option<u32> {
        self.file().split('-').nth(1)?.parse().ok()
    }

    /// Whether it is the disk of a template.
    pub(crate) fn is_base(&self) -> bool {
        self.file().starts_with("base-") || self.file().starts_with("basevol-")
    }
}

impl fmt::Display for VolumeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.storage, self.name)
    }
}
