//! The world of a simulated node: what cannot be derived from command lines. Read from `world.json`.

use std::collections::BTreeMap;

use phoenix_types::{GuestId, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::grammar::Locale;
use phoenix_sim_guest::ground::Worlds;
pub use phoenix_sim_guest::world::{
    AgentWorld, Begins, BootStep, BootWorld, CloudInitResult, CommandWorld, EventWorld, Flapping, GuestWorld,
    ImageWorld, PortState, ResponseWorld, ScriptWorld, ServiceWorld, UnitState,
};

/// What the simulated node is like. Everything has a default: an empty world boots any fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// Where every random value comes from. The same seed gives the same node.
    pub seed: u64,
    /// The node's clock when it comes up, in seconds since 1970.
    pub epoch: i64,
    /// How long every Proxmox tool takes to come up. Without it: 0.46 s for `pct` and `qm`, 0.31 s for `pvesm`, 0.55 s for `pvesh`.
    pub startup: Option<Span>,
    /// How long commands work, beyond coming up: `{"pct start": "2s"}`.
    pub durations: BTreeMap<String, Span>,
    /// The node's own addresses. Without the list those in its `/etc/hosts`, and it serves NFS at every address that no guest has.
    pub addresses: Option<Vec<std::net::IpAddr>>,
    /// Bridges that exist. Without the list every bridge that is asked for exists.
    pub bridges: Option<Vec<String>>,
    /// PCI devices that exist, such as `0000:01:00.0`. Without the list every device that is asked for exists.
    pub pci_devices: Option<Vec<String>>,
    /// Devices that exist on the node, besides the usual ones. Without the list every device that is asked for exists.
    pub devices: Option<Vec<String>>,
    /// The node's memory in MiB.
    pub memory_mib: u64,
    /// The node's processor cores.
    pub cores: u32,
    /// The storages. Without them every storage that is asked for exists and can do snapshots (type `zfspool`).
    pub storages: Option<BTreeMap<String, StorageWorld>>,
    /// Whether container templates and disk images exist that no one put there.
    pub images: Images,
    /// Files on the node, by path; a path that ends in `/` is a folder.
    pub files: BTreeMap<String, String>,
    /// Commands that fail.
    pub faults: Vec<Fault>,
    /// What all guests have in common.
    pub every_guest: GuestWorld,
    /// What single guests are like, by id.
    pub guests: BTreeMap<GuestId, GuestWorld>,
    /// The locale that the tools run in; no part of the file.
    #[serde(skip)]
    pub locale: Locale,
}

impl World {
    /// What the world says of guests and of the network around them.
    pub(crate) fn of_guests(&self) -> Worlds {
        Worlds {
            every_guest: self.every_guest.clone(),
            guests: self.guests.clone(),
            addresses: self.addresses.clone(),
            epoch: self.epoch,
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            seed: 1,
            // 2026-11-21 20:00:00 UTC
            epoch: 1_795_291_200,
            startup: None,
            durations: BTreeMap::new(),
            addresses: None,
            bridges: None,
            pci_devices: None,
            devices: None,
            memory_mib: 65_536,
            cores: 16,
            storages: None,
            images: Images::Any,
            files: BTreeMap::new(),
            faults: Vec::new(),
            every_guest: GuestWorld::default(),
            guests: BTreeMap::new(),
            locale: Locale::Utf8,
        }
    }
}

/// Which templates and disk images exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Images {
    /// Every one that is asked for.
    #[default]
    Any,
    /// Those among the node's files.
    Listed,
}

/// A storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageWorld {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: StorageKind,
    /// The folder of a `dir`, `btrfs`, `nfs` or `cifs` storage; the pool, volume group or dataset of others. `/srv/NAME` without it.
    #[serde(default)]
    pub path: Option<String>,
    /// What it may hold: `images`, `rootdir`, `vztmpl`, `iso`, `backup`, `snippets`, `import`. By type without it.
    #[serde(default)]
    pub content: Option<Vec<String>>,
    /// Its size in GiB: 1024. Volumes of `lvm`, and those of VMs on `zfspool` unless its options say `sparse`, take all of their size
    /// at once, all others a sixteenth of it. What does not fit is refused as the real tools refuse it.
    #[serde(default = "default_size")]
    pub size_gib: u64,
    /// Further lines of its section in `storage.cfg`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

fn default_size() -> u64 {
    1024
}

/// The types of storages that the node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// A folder.
    Dir,
    /// A folder on a btrfs file system.
    Btrfs,
    /// A folder of an NFS server.
    Nfs,
    /// A folder of an SMB server.
    Cifs,
    /// ZFS datasets and volumes.
    Zfspool,
    /// LVM logical volumes.
    Lvm,
    /// LVM thin volumes.
    Lvmthin,
    /// Ceph block devices.
    Rbd,
}

impl StorageKind {
    /// The type's name in `storage.cfg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::Btrfs => "btrfs",
            Self::Nfs => "nfs",
            Self::Cifs => "cifs",
            Self::Zfspool => "zfspool",
            Self::Lvm => "lvm",
            Self::Lvmthin => "lvmthin",
            Self::Rbd => "rbd",
        }
    }
}

/// A command that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The beginning of the command line, word by word; `*` stands for any word: `pct start 103`.
    pub when: String,
    /// Which of the commands that match fails, counted from 1. Without it all of them.
    #[serde(default)]
    pub nth: Option<u32>,
    /// How long the command runs before it fails.
    #[serde(default)]
    pub after: Span,
    /// What happens instead of the command.
    pub fail: Failing,
}

impl Fault {
    /// Whether a command line begins as the fault says.
    #[must_use]
    pub fn matches(&self, argv: &[String]) -> bool {
        let mut words = argv.iter();
        self.when.split_whitespace().all(|wanted| words.next().is_some_and(|word| wanted == "*" || wanted == word))
    }
}

/// How a command fails. It has no effect on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Failing {
    /// One of the usual ways.
    Named(NamedFault),
    /// A given end.
    Answer {
        /// The exit status.
        exit: i32,
        /// What it prints to standard output.
        #[serde(default)]
        stdout: String,
        /// What it prints to standard error.
        #[serde(default)]
        stderr: String,
    },
}

/// The usual ways for a command to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NamedFault {
    /// The guest's lock is held by another process for longer than the command waits.
    LockTimeout,
    /// The command never ends.
    Hang,
    /// The cluster has no quorum.
    NoQuorum,
}

/// The JSON Schema of `world.json`.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(World)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_world_is_the_default_and_unknown_keys_are_errors() {
        assert_eq!(serde_json::from_str::<World>("{}").unwrap(), World::default());
        assert!(serde_json::from_str::<World>(r#"{"sed": 1}"#).is_err());
    }

    #[test]
    fn faults_are_named_or_given() {
        let fault = |text: &str| serde_json::from_str::<Fault>(text).unwrap();
        let named = fault(r#"{"when": "pct start 103", "nth": 1, "fail": "lock-timeout"}"#);
        assert_eq!(named.fail, Failing::Named(NamedFault::LockTimeout));
        let given = fault(r#"{"when": "pct * 103", "fail": {"exit": 255, "stderr": "no\n"}}"#);
        let argv = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(given.matches(&argv("pct stop 103 --skiplock 1")));
        assert!(!given.matches(&argv("pct stop")));
    }
}
