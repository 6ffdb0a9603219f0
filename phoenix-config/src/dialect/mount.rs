//! What a container mounts, as it is written.

use phoenix_types::{StorageId, text_type};
use serde::Deserialize;

use super::number::Whole;
use super::text::{AbsolutePath, Line, NodePath};

object! {
    /// A directory of the node that the container mounts.
    MountPointEntry {
        /// The directory on the node. Phoenix creates it if it does not exist. A device with a file system (`/dev/disk/by-uuid/…`) is mounted as such.
        "host_path" => host_path: NodePath,
        /// The path in the container.
        "container_path" => container_path: AbsolutePath,
        /// The uid of the owner in the container. Default: ownership is not changed; 0 with only `owner_gid`.
        "owner_uid" => owner_uid: Option<Whole<0, 4_294_967_294>>,
        /// The gid of the group in the container. Default: ownership is not changed; 0 with only `owner_uid`.
        "owner_gid" => owner_gid: Option<Whole<0, 4_294_967_294>>,
        /// Whether it is read-only in the container. Default: false.
        "read_only" => read_only: Option<bool>,
        /// Further options of the mount.
        "options" => options: Option<MountOptionsEntry>,
    }
}

object! {
    /// A volume of the container, allocated on a storage.
    VolumeEntry {
        /// A name for people. Handed to scripts.
        "name" => name: Option<Line>,
        /// The storage.
        "pool" => pool: StorageId,
        /// Its size in GiB.
        "size_gb" => size_gb: Whole<1, 131_072>,
        /// The path in the container.
        "mount_point" => mount_point: AbsolutePath,
        /// Whether backups include it. Default: false.
        "backup" => backup: Option<bool>,
        /// Whether it is read-only in the container. Default: false.
        "read_only" => read_only: Option<bool>,
        /// Further options of the mount.
        "options" => options: Option<MountOptionsEntry>,
    }
}

object! {
    /// Options of a mount, as Proxmox has them.
    MountOptionsEntry {
        /// Whether it has access control lists. Default: as the storage has it.
        "acl" => acl: Option<bool>,
        /// Whether it keeps its owner and mode when it is made. Default: false.
        "keepattrs" => keepattrs: Option<bool>,
        /// Options of `mount`: `discard`, `lazytime`, `noatime`, `nodev`, `noexec`, `nosuid`.
        "mountoptions" => mountoptions: Option<Vec<MountOption>>,
        /// Whether it has quotas for users. Default: false.
        "quota" => quota: Option<bool>,
        /// Whether replication includes it. Default: true.
        "replicate" => replicate: Option<bool>,
        /// Whether every node has it under the same path. Default: false.
        "shared" => shared: Option<bool>,
        /// Its own identity map (Proxmox VE 9.2): `passthrough`, or `u:0:100000:65536;g:0:100000:65536`.
        "idmap" => idmap: Option<MountIdMap>,
    }
}

/// An option of `mount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum MountOption {
    Discard,
    Lazytime,
    Noatime,
    Nodev,
    Noexec,
    Nosuid,
}

impl MountOption {
    /// As Proxmox writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Discard => "discard",
            Self::Lazytime => "lazytime",
            Self::Noatime => "noatime",
            Self::Nodev => "nodev",
            Self::Noexec => "noexec",
            Self::Nosuid => "nosuid",
        }
    }
}

/// The identity map of one mount (pve-container `LXC/Config.pm`, `idmap`).
fn is_mount_id_map(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let range = |part: &str| match part.split(':').collect::<Vec<_>>().as_slice() {
        ["u" | "g", inside, outside, size] => {
            number(inside) && number(outside) && number(size) && !size.starts_with('0')
        }
        _ => false,
    };
    text == "passthrough" || text.split(';').all(range)
}

text_type! {
    /// The identity map of one mount.
    MountIdMap, InvalidMountIdMap, is_mount_id_map,
    "`passthrough`, or ranges such as `u:0:100000:65536` joined by `;`",
    r"^(passthrough|[ug]:[0-9]+:[0-9]+:[1-9][0-9]*(;[ug]:[0-9]+:[0-9]+:[1-9][0-9]*)*)$"
}
