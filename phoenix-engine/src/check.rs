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
    /// All of them, in the order in which they are told.
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
            Self::Programs => ("programs", "The programs that Phoenix runs on the node are there."),
            Self::Version => ("version", "The node's version of Proxmox VE is one that Phoenix is made for."),
            Self::User => ("user", "The user is root: the tools of Proxmox VE work for nobody else."),
            Self::Quorum => ("quorum", "The cluster has a quorum, without which `/etc/pve` cannot be written."),
            Self::NodeName => ("node-name", "The node's own name is in its `/etc/hosts`."),
            Self::Clock => ("clock", "The node's clock is synchronised: certificates and cloud-init go by it."),
            Self::Lock => ("lock", "No other run is under way, and the lock of a run can be written."),
            Self::Memory => ("memory", "The guests that run at the same time fit into the node's memory."),
            Self::Kvm => ("kvm", "VMs have hardware virtualisation."),
            Self::Storage => ("storage", "Every storage exists, is enabled, and is active."),
            Self::StorageContent => ("storage-content", "Every storage may hold what is put there."),
            Self::StorageFeature => {
                ("storage-feature", "Every storage can take the snapshots and hold the templates that are asked of it.")
            }
            Self::StorageSpace => ("storage-space", "There is room for the disks of guests that are still to be made."),
            Self::Template => ("template", "The templates that containers are made from are there."),
            Self::Image => ("image", "The images that VMs are made from are there, or can be fetched."),
            Self::Snippets => ("snippets", "A storage holds snippets, with which cloud-init installs the guest agent."),
            Self::Ownership => ("ownership", "Nobody else has guests with the configured ids."),
            Self::Bridge => ("bridge", "Every bridge exists."),
            Self::Firewall => ("firewall", "The datacenter's firewall is on when guests have theirs on."),
            Self::Address => ("address", "No other guest of the node has a configured address or MAC address."),
            Self::MountPoint => ("mount-point", "The directories that containers see exist."),
            Self::IdMap => ("id-map", "`/etc/subuid` and `/etc/subgid` allow the identities that are passed through."),
            Self::Gpu => ("gpu", "The driver of the graphics cards is loaded, and the cards are there."),
            Self::NfsServer => ("nfs-server", "The node serves NFS where VMs mount from it."),
            Self::NfsExport => ("nfs-export", "`/etc/exports` exports what VMs mount, to them."),
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
