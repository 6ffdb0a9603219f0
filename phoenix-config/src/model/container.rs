//! What only a container has.

use std::collections::BTreeMap;
use std::fmt;

use camino::Utf8PathBuf;
use phoenix_types::{DiskSize, MemoryMib, StorageId, VolumeId};
use serde::{Deserialize, Serialize};

/// What only a container has.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Container {
    /// What it is made from.
    pub source: ContainerSource,
    /// Whether root inside is nobody outside. For a clone this is what its source is.
    pub unprivileged: bool,
    /// Swap. Absent: Proxmox's own 512 MiB, or the source's.
    pub swap: Option<MemoryMib>,
    /// `pct`'s `features`, such as `nesting`.
    pub features: BTreeMap<PctFeature, String>,
    /// Raw `lxc.*` lines in order: `lxc_options`, then what `apparmor_profile`, `gpu_assignment` and `id_maps` add.
    pub raw_lines: Vec<RawLine>,
    /// Directories of the node seen inside.
    pub mount_points: Vec<MountPoint>,
    /// Volumes of their own, allocated on a storage.
    pub volumes: Vec<Volume>,
    /// The GPUs of the node that it sees, by number.
    pub gpus: Vec<u32>,
    /// The share of each GPU's memory that its model server takes, 0 to 1, when written.
    pub gpu_memory_share: Option<f64>,
    /// Identities passed through from the node.
    pub id_maps: Vec<IdMap>,
}

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerSource {
    /// A template that `pvesm` knows, such as `local:vztmpl/debian-12.tar.zst`.
    Volume(VolumeId),
    /// A template file on the node.
    Path(Utf8PathBuf),
    /// Another guest: see `clone_from`.
    Clone,
}

/// A feature flag of `pct` (pve-container, `PVE/LXC/Config.pm`, `features`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PctFeature {
    /// Allows `mknod` of some devices.
    ForceRwSys,
    /// FUSE file systems.
    Fuse,
    /// The `keyctl` system call.
    Keyctl,
    /// Device nodes.
    Mknod,
    /// File systems that may be mounted, joined by `;`.
    Mount,
    /// Containers inside.
    Nesting,
}

impl PctFeature {
    /// All of them with the word that `pct` uses.
    pub const WORDS: [(Self, &'static str); 6] = [
        (Self::ForceRwSys, "force_rw_sys"),
        (Self::Fuse, "fuse"),
        (Self::Keyctl, "keyctl"),
        (Self::Mknod, "mknod"),
        (Self::Mount, "mount"),
        (Self::Nesting, "nesting"),
    ];

    /// The word that `pct` uses.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(feature, _)| *feature == self).map_or("", |(_, word)| word)
    }
}

/// One raw line of a container's configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawLine {
    /// `lxc.` and so on.
    pub key: String,
    /// What is after the colon.
    pub value: String,
}

impl fmt::Display for RawLine {
    /// As it is in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.value)
    }
}

/// A directory of the node seen inside a container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountPoint {
    /// The directory on the node, or a device below `/dev`.
    pub host_path: Utf8PathBuf,
    /// Where it is seen inside.
    pub container_path: Utf8PathBuf,
    /// Who owns it, in the container's own numbers. Absent: ownership is left alone.
    pub owner: Option<Owner>,
    /// Whether it cannot be written from inside.
    pub read_only: bool,
    /// Its further options.
    pub options: MountOptions,
}

impl MountPoint {
    /// Whether it is a device of the node with a file system, such as `/dev/disk/by-uuid/…`, and not a directory.
    #[must_use]
    pub fn is_device(&self) -> bool {
        self.host_path.starts_with("/dev")
    }
}

/// Options of a mount, as Proxmox has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MountOptions {
    /// Whether it has access control lists. Absent: as the storage has it.
    pub acl: Option<bool>,
    /// Whether it keeps its owner and mode when it is made.
    pub keep_attributes: bool,
    /// Options of `mount`, such as `noatime`.
    pub mount_options: Vec<&'static str>,
    /// Whether it has quotas for users.
    pub quota: bool,
    /// Whether replication leaves it out.
    pub no_replication: bool,
    /// Whether every node has it under the same path.
    pub shared: bool,
    /// Its own identity map.
    pub id_map: Option<String>,
}

/// An owner in a container's own numbers; in an unprivileged container the node sees them 100000 higher, unless mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// A volume of a container, allocated on a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Volume {
    /// What people call it.
    pub name: Option<String>,
    /// The storage.
    pub storage: StorageId,
    /// Its size.
    pub size: DiskSize,
    /// Where it is seen inside.
    pub mount_point: Utf8PathBuf,
    /// Whether backups include it.
    pub backup: bool,
    /// Whether it cannot be written from inside.
    pub read_only: bool,
    /// Its further options.
    pub options: MountOptions,
}

/// What an identity map is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdMapKind {
    /// Users.
    Uid,
    /// Groups.
    Gid,
    /// Users and groups alike.
    Both,
}

/// A range of identities that the container shares with the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMap {
    /// Users, groups or both.
    pub kind: IdMapKind,
    /// The first number inside.
    pub container_id: u32,
    /// The first number on the node.
    pub host_id: u32,
    /// How many.
    pub size: u32,
}
