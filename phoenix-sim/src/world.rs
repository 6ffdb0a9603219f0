//! The world of a simulated node: what cannot be derived from command lines. Read from `world.json`.

#![cfg_attr(not(test), expect(clippy::disallowed_methods, reason = "`world.json` is read here"))]

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_types::{GuestId, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::grammar::{Locale, Tool, has_command};
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
    /// Whether a command line begins as the fault says. A tool that is called by its path is still that tool.
    #[must_use]
    pub fn matches(&self, argv: &[String]) -> bool {
        let tool = argv.first().map(|program| program.rsplit('/').next().unwrap_or(program));
        let mut words = tool.into_iter().chain(argv.iter().skip(1).map(String::as_str));
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

/// Why a file does not describe a world.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// It cannot be read.
    #[error("cannot read `{path}`")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("`{place}` does not describe a simulated node: {reason}")]
    Text {
        /// The file, with line and column where they are known.
        place: String,
        /// Why.
        reason: String,
    },
}

/// An entry of a world that can never act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` can never act: {reason}")]
pub struct IdleEntry {
    /// Where it is: `faults[0].when`.
    pub entry: String,
    /// Why.
    pub reason: String,
}

fn idle(entry: impl Into<String>, reason: impl Into<String>) -> Result<(), IdleEntry> {
    Err(IdleEntry { entry: entry.into(), reason: reason.into() })
}

impl World {
    /// Reads a `world.json` and checks it.
    ///
    /// # Errors
    /// When the file cannot be read, is not a world, or has an entry that can never act.
    pub fn load(path: impl AsRef<Utf8Path>) -> Result<Self, WorldError> {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).map_err(|source| WorldError::File { path: path.to_owned(), source })?;
        let world: Self = serde_json::from_str(&text).map_err(|error| {
            let place = match error.line() {
                0 => path.to_string(),
                line => format!("{path}:{line}:{}", error.column()),
            };
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or(&reason).to_owned();
            WorldError::Text { place, reason }
        })?;
        let idle = |idle: IdleEntry| WorldError::Text { place: path.to_string(), reason: idle.to_string() };
        world.check().map_err(idle)?;
        Ok(world)
    }

    /// Looks for entries that can never act.
    ///
    /// # Errors
    /// The first one.
    pub fn check(&self) -> Result<(), IdleEntry> {
        for (at, fault) in self.faults.iter().enumerate() {
            let entry = format!("faults[{at}]");
            check_line(&format!("{entry}.when"), &fault.when, Words::Pattern)?;
            if fault.nth == Some(0) {
                idle(format!("{entry}.nth"), "the first command that matches is number 1")?;
            }
        }
        for line in self.durations.keys() {
            check_line(&format!("durations.{line}"), line, Words::Whole)?;
        }
        let single = self.guests.iter().map(|(id, guest)| (format!("guests.{id}"), guest));
        for (entry, guest) in [("every_guest".to_owned(), &self.every_guest)].into_iter().chain(single) {
            check_guest(&entry, guest)?;
        }
        Ok(())
    }
}

/// How a text of the world names a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// Its first words, each of which may be `*`.
    Pattern,
    /// All of its words.
    Whole,
}

fn check_line(entry: &str, line: &str, words: Words) -> Result<(), IdleEntry> {
    let mut parts = line.split_whitespace();
    let Some(program) = parts.next() else { return idle(entry, "it names no command") };
    let any = words == Words::Pattern;
    if any && program == "*" {
        return Ok(());
    }
    let Some(tool) = Tool::from_program(program).filter(|tool| tool.to_string() == program) else {
        return idle(
            entry,
            format!("`{program}` is none of the node's tools pct, qm, pvesm, pveam, pvesh and ha-manager"),
        );
    };
    let rest: Vec<&str> = parts.collect();
    let is_known = match (rest.as_slice(), words) {
        ([] | ["*", ..], Words::Pattern) => true,
        ([first, ..], Words::Pattern) => has_command(tool, &[first]),
        (rest, Words::Whole) => has_command(tool, rest),
    };
    if is_known { Ok(()) } else { idle(entry, format!("`{tool}` has no command `{}`", rest.join(" "))) }
}

fn check_guest(entry: &str, guest: &GuestWorld) -> Result<(), IdleEntry> {
    const NEVER: &str = "it would hold 0 times; leave it out, or give 1 or more";
    for (name, script) in &guest.scripts {
        if script.times == Some(0) {
            idle(format!("{entry}.scripts.{name}.times"), NEVER)?;
        }
        if script.times.is_some() && script.exit.is_none() {
            idle(format!("{entry}.scripts.{name}.times"), "it counts how often `exit` holds, and there is no `exit`")?;
        }
    }
    for (at, command) in guest.commands.iter().enumerate() {
        if command.when.trim().is_empty() {
            idle(format!("{entry}.commands[{at}].when"), "no command line is empty")?;
        }
        if command.times == Some(0) {
            idle(format!("{entry}.commands[{at}].times"), NEVER)?;
        }
    }
    for (name, service) in &guest.services {
        for (at, event) in service.events.iter().enumerate() {
            if event.flapping.is_some() && event.open.is_empty() {
                idle(format!("{entry}.services.{name}.events[{at}].flapping"), "the event opens no port")?;
            }
        }
    }
    Ok(())
}

/// The JSON Schema of `world.json`.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(World)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn an_empty_world_is_the_default_and_unknown_keys_are_errors() {
        assert_eq!(serde_json::from_str::<World>("{}").unwrap(), World::default());
        assert!(serde_json::from_str::<World>(r#"{"sed": 1}"#).is_err());
    }

    #[test_case(r#"{"faults": [{"when": "wget x", "fail": "hang"}]}"#, "faults[0].when", "none of the node's tools"; "not a tool")]
    #[test_case(r#"{"faults": [{"when": "pct strat 103", "fail": "hang"}]}"#, "faults[0].when", "no command `strat 103`"; "no command")]
    #[test_case(r#"{"faults": [{"when": "", "fail": "hang"}]}"#, "faults[0].when", "names no command"; "empty")]
    #[test_case(r#"{"faults": [{"when": "pct", "nth": 0, "fail": "hang"}]}"#, "faults[0].nth", "number 1"; "the 0th")]
    #[test_case(r#"{"durations": {"pct": "2s"}}"#, "durations.pct", "no command"; "duration of a tool")]
    #[test_case(r#"{"every_guest": {"scripts": {"a": {"exit": 1, "times": 0}}}}"#, "every_guest.scripts.a.times", "0 times"; "script")]
    #[test_case(r#"{"every_guest": {"scripts": {"a": {"times": 2}}}}"#, "every_guest.scripts.a.times", "no `exit`"; "times of nothing")]
    #[test_case(r#"{"guests": {"103": {"commands": [{"when": "x", "times": 0}]}}}"#, "guests.103.commands[0].times", "0 times"; "command")]
    #[test_case(r#"{"guests": {"103": {"services": {"a": {"events": [{"flapping": {"open": "1s", "closed": "1s"}}]}}}}}"#, "guests.103.services.a.events[0].flapping", "opens no port"; "flapping")]
    fn what_can_never_act_is_named(text: &str, entry: &str, reason: &str) {
        let error = serde_json::from_str::<World>(text).unwrap().check().unwrap_err();
        assert_eq!(error.entry, entry);
        assert!(error.reason.contains(reason), "{error}");
    }

    #[test_case(r#"{"faults": [{"when": "* start", "fail": "hang"}, {"when": "qm guest exec", "fail": "hang"}, {"when": "pvesh get", "fail": "hang"}]}"#)]
    #[test_case(r#"{"durations": {"qm guest exec": "2s", "pct start": "3s", "pvesh create": "1s"}}"#)]
    fn what_can_act_is_taken(text: &str) {
        assert_eq!(serde_json::from_str::<World>(text).unwrap().check(), Ok(()));
    }

    #[test_case("{\n  \"sed\": 1\n}", "world.json:2:7", "unknown field `sed`"; "unknown key")]
    #[test_case(r#"{"durations": {"pct": "2s"}}"#, "world.json", "can never act"; "idle entry")]
    fn a_file_that_is_no_world_is_named_with_the_place(text: &str, place: &str, reason: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("world.json");
        std::fs::write(&path, text).unwrap();
        let error = World::load(&path).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(reason), "{error}");
        assert!(matches!(World::load(path.join("x")), Err(WorldError::File { .. })));
    }

    #[test]
    fn a_tool_that_is_called_by_its_path_fails_too() {
        let fault: Fault = serde_json::from_str(r#"{"when": "pct start", "fail": "hang"}"#).unwrap();
        assert!(fault.matches(&["/usr/sbin/pct", "start", "103"].map(str::to_owned)));
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
