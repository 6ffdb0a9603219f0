//! What the hypervisor file says about the node.

use camino::Utf8PathBuf;
use ipnet::IpNet;
use phoenix_types::{BridgeName, Cidr, FleetName, Hostname, MemoryMib};

use crate::model::OnFailure;

/// What the hypervisor file says about the node. Without the file, everything is absent.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Hypervisor {
    /// The name of the fleet.
    pub fleet: FleetName,
    /// The DNS domain of the guests.
    pub domain: Option<Hostname>,
    /// The node's own interface.
    pub network: Option<NodeNetwork>,
    /// The network that guests live in.
    pub subnet: Option<IpNet>,
    /// The NFS server that VMs mount from.
    pub nfs_server: Option<String>,
    /// The directories that the node exports.
    pub exports: Vec<NfsExport>,
    /// The node's memory.
    pub memory: Option<MemoryMib>,
    /// What happens when a change fails, where the guest does not say.
    pub on_failure: OnFailure,
    /// The file as it is written, without its secrets: handed to scripts.
    pub context: serde_json::Value,
}

/// The node's own interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeNetwork {
    /// The bridge.
    pub bridge: BridgeName,
    /// The node's address on it.
    pub address: Option<Cidr>,
}

/// A directory that the node exports over NFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfsExport {
    /// The directory.
    pub path: Utf8PathBuf,
    /// Who may mount it: addresses, networks, names or `*`.
    pub clients: Vec<String>,
    /// Export options.
    pub options: Vec<String>,
}
