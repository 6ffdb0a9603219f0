//! What only a VM has.

use camino::Utf8PathBuf;
use phoenix_types::VolumeId;
use serde::Serialize;

/// What only a VM has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vm {
    /// What it is made from.
    pub source: VmSource,
    /// NFS volumes that it mounts itself.
    pub volumes: Vec<NfsVolume>,
    /// The user that cloud-init makes. Absent: the source's, or the image's own.
    pub user: Option<CloudUser>,
    /// What its guest agent does. Absent: what the VM has.
    pub agent: Option<AgentUse>,
    /// Whether it has cloud-init. Absent: it is waited for where it is installed.
    pub cloud_init: Option<bool>,
}

/// What the guest agent of a VM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentUse {
    /// There is none.
    Absent,
    /// It answers, and runs no programs.
    Ping,
    /// It answers and runs programs.
    Exec,
}

/// What a VM is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmSource {
    /// A cloud image.
    Image(CloudImage),
    /// Another guest: see `clone_from`.
    Clone,
}

/// A cloud image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudImage {
    /// A volume that `pvesm` knows, such as `local:import/noble.qcow2`.
    Volume(VolumeId),
    /// A file on the node.
    Path(Utf8PathBuf),
    /// A file that is fetched when the node does not have it.
    Download {
        /// The name of the file on the node.
        name: String,
        /// Where it comes from.
        url: String,
    },
}

/// A directory that a VM mounts over NFS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NfsVolume {
    /// What people call it.
    pub name: Option<String>,
    /// The NFS server: an address or name. The hypervisor file's `network.nfs_server` unless written.
    pub server: String,
    /// The exported directory on the server.
    pub path: Utf8PathBuf,
    /// Where the VM sees it.
    pub mount_point: Utf8PathBuf,
    /// Mount options, `defaults,_netdev` unless written.
    pub options: String,
}

/// The user that cloud-init makes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloudUser {
    /// The user's name.
    pub name: Option<String>,
    /// Public ssh keys, one a line.
    pub ssh_keys: Vec<String>,
    /// A file of public ssh keys on the machine that Phoenix runs on.
    pub ssh_key_file: Option<KeyFile>,
}

/// A file of public ssh keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// The file.
    pub path: Utf8PathBuf,
    /// The keys in it.
    pub keys: Vec<String>,
}
