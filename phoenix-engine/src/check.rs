//! What is looked at.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Something that is looked at, by a name that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// See [`Check::meaning`].
    Programs,
    /// See [`Check::meaning`].
    Version,
    /// See [`Check::meaning`].
    User,
    /// See [`Check::meaning`].
    Quorum,
    /// See [`Check::meaning`].
    NodeName,
    /// See [`Check::meaning`].
    Clock,
    /// See [`Check::meaning`].
    Lock,
    /// See [`Check::meaning`].
    Memory,
    /// See [`Check::meaning`].
    Kvm,
    /// See [`Check::meaning`].
    Storage,
    /// See [`Check::meaning`].
    StorageContent,
    /// See [`Check::meaning`].
    StorageFeature,
    /// See [`Check::meaning`].
    StorageSpace,
    /// See [`Check::meaning`].
    Template,
    /// See [`Check::meaning`].
    Image,
    /// See [`Check::meaning`].
    Snippets,
    /// See [`Check::meaning`].
    Ownership,
    /// See [`Check::meaning`].
    Bridge,
    /// See [`Check::meaning`].
    Firewall,
    /// See [`Check::meaning`].
    Address,
    /// See [`Check::meaning`].
    MountPoint,
    /// See [`Check::meaning`].
    IdMap,
    /// See [`Check::meaning`].
    Gpu,
    /// See [`Check::meaning`].
    NfsServer,
    /// See [`Check::meaning`].
    NfsExport,
}

impl Check {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 25] = [
        Self::Programs,
        Self::Version,
        Self::User,
        Self::Quorum,
        Self::NodeName,
        Self::Clock,
        Self::Lock,
        Self::Memory,
        Self::Kvm,
        Self::Storage,
        Self::StorageContent,
        Self::StorageFeature,
        Self::StorageSpace,
        Self::Template,
        Self::Image,
        Self::Snippets,
        Self::Ownership,
        Self::Bridge,
        Self::Firewall,
        Self::Address,
        Self::MountPoint,
        Self::IdMap,
        Self::Gpu,
        Self::NfsServer,
        Self::NfsExport,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// What it is about, as a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Programs => ("programs", "The node has the programs that Phoenix runs."),
            Self::Version => ("version", "Phoenix supports the node's version of Proxmox VE."),
            Self::User => ("user", "The user is root. The tools of Proxmox VE require root."),
            Self::Quorum => ("quorum", "The cluster has a quorum. Without it `/etc/pve` cannot be written."),
            Self::NodeName => ("node-name", "The node's own name is in its `/etc/hosts`."),
            Self::Clock => ("clock", "The node's clock is synchronised. Certificates and cloud-init depend on it."),
            Self::Lock => ("lock", "No other run is in progress, and the lock can be written."),
            Self::Memory => ("memory", "The guests that run at the same time fit into the node's memory."),
            Self::Kvm => ("kvm", "VMs have hardware virtualisation."),
            Self::Storage => ("storage", "Every storage exists, is enabled, and is active."),
            Self::StorageContent => ("storage-content", "Every storage allows the required content."),
            Self::StorageFeature => ("storage-feature", "Every storage supports the required snapshots and templates."),
            Self::StorageSpace => ("storage-space", "There is room for the disks of new guests."),
            Self::Template => ("template", "The templates of containers exist."),
            Self::Image => ("image", "The images of VMs exist, or can be downloaded."),
            Self::Snippets => {
                ("snippets", "A storage allows snippets. cloud-init needs one to install the guest agent.")
            }
            Self::Ownership => ("ownership", "No unmanaged guest has a configured id."),
            Self::Bridge => ("bridge", "Every bridge exists."),
            Self::Firewall => ("firewall", "The firewall of the datacenter is on when guests use theirs."),
            Self::Address => ("address", "No other guest on the node has a configured IP or MAC address."),
            Self::MountPoint => ("mount-point", "The directories that containers mount exist."),
            Self::IdMap => ("id-map", "`/etc/subuid` and `/etc/subgid` allow the mapped identities."),
            Self::Gpu => ("gpu", "The driver of the graphics cards is loaded, and the cards exist."),
            Self::NfsServer => ("nfs-server", "The node has an NFS server if VMs mount from it."),
            Self::NfsExport => ("nfs-export", "`/etc/exports` exports the volumes of VMs to them."),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no check has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no check `{0}`")]
pub struct UnknownCheck(pub String);

impl FromStr for Check {
    type Err = UnknownCheck;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|check| check.name() == text).ok_or_else(|| UnknownCheck(text.to_owned()))
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_listed_once_in_its_order_with_a_name_of_its_own() {
        assert!(Check::ALL.is_sorted_by(|a, b| a < b));
        let names: std::collections::BTreeSet<&str> = Check::ALL.iter().map(|check| check.name()).collect();
        assert_eq!(names.len(), Check::ALL.len());
        assert!(Check::ALL.iter().all(|check| check.name().parse() == Ok(*check)));
    }
}
