//! The base of the guests of one node: the node's files, what runs, and the time.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phoenix_sim_shell::files::FileTree;
use phoenix_types::{GuestConf, GuestId, GuestKind};
use serde::{Deserialize, Serialize};

use crate::agent::AgentProcesses;
use crate::console::Console;
use crate::locks::Locks;
use crate::running::{Line, Running};
use crate::world::{GuestWorld, Merged};

/// The name of the simulated node; `pct` and `qm` set it as the parameter `node`.
pub const NODE: &str = "pve";

/// The base of the guests of one node.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ground {
    /// The node's own files. `/etc/pve` in it is the truth about guests and storages.
    pub files: FileTree,
    /// What continues inside of guests that run, by id.
    pub inside: BTreeMap<u32, Running>,
    /// How often scripts and commands were met that the world counts, by guest and name.
    pub met_inside: BTreeMap<String, u32>,
    /// What the journals of guests have from before their last start.
    pub journals: BTreeMap<u32, Vec<Line>>,
    /// Processes that guest agents started, by VM.
    pub agent: BTreeMap<u32, AgentProcesses>,
    /// By how many seconds someone has moved the node's clock.
    pub clock: i64,
    /// What the world says of guests.
    #[serde(skip)]
    pub worlds: Arc<Worlds>,
    /// Before this, nothing that is planned inside of any guest is due.
    #[serde(skip)]
    pub nothing_before: Duration,
    /// Seconds since 1970 now by the node's clock, for the times of files.
    #[serde(skip)]
    pub now: i64,
    /// Since the node came up.
    #[serde(skip)]
    pub elapsed: Duration,
    /// Whether what the node was not born with is a file of the machine that it runs on, as for a tool that is a program.
    #[serde(skip)]
    pub real_files: bool,
    /// Whether anything was written since the state was last kept.
    #[serde(skip)]
    pub changed: bool,
}

impl Ground {
    /// Goes to a time, counted from when the node came up.
    pub fn go_to(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
        self.now = self.worlds.epoch + i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX) + self.clock;
    }

    /// Seconds since 1970 by the clock of a guest, or of the node. Containers have the node's, each VM has its own.
    #[must_use]
    pub fn time_of(&self, guest: Option<u32>) -> i64 {
        let vm = guest.and_then(|vmid| self.inside.get(&vmid)).filter(|running| running.is_vm);
        vm.map_or(self.now, |running| self.now - self.clock + running.clock)
    }

    /// A guest's configuration.
    #[must_use]
    pub fn conf(&self, kind: GuestKind, vmid: u32) -> Option<GuestConf> {
        self.files.text(&conf_path(kind, vmid)).map(|text| GuestConf::parse(&text, kind))
    }

    /// The ids of all guests of a kind, ascending.
    #[must_use]
    pub fn guest_ids(&self, kind: GuestKind) -> Vec<u32> {
        self.ids_below(&format!("/etc/pve/{}", kind.conf_folder()))
    }

    /// The ids of the guests whose configuration files are in a folder, ascending.
    #[must_use]
    pub fn ids_below(&self, folder: &str) -> Vec<u32> {
        let names = self.files.list(folder).unwrap_or_default();
        let mut ids: Vec<u32> = names.iter().filter_map(|name| name.strip_suffix(".conf")?.parse().ok()).collect();
        ids.sort_unstable();
        ids
    }

    /// What kind of guest an id stands for, when there is one.
    #[must_use]
    pub fn guest_kind(&self, vmid: u32) -> Option<GuestKind> {
        [GuestKind::Container, GuestKind::Vm].into_iter().find(|kind| self.files.exists(&conf_path(*kind, vmid)))
    }

    /// Takes over what runs in this process into a ground that another process has written. Guests that were stopped or started
    /// again meanwhile have lost their processes.
    pub fn carry_over(&mut self, before: Self) {
        (self.real_files, self.now, self.worlds) = (before.real_files, before.now, before.worlds);
        for (vmid, old) in before.inside {
            match self.inside.get_mut(&vmid) {
                Some(running) if running.started == old.started => running.processes = old.processes,
                _ => old.processes.kill_all(),
            }
        }
    }
}

/// The path of a guest's configuration file.
#[must_use]
pub fn conf_path(kind: GuestKind, vmid: u32) -> String {
    format!("/etc/pve/{}/{vmid}.conf", kind.conf_folder())
}

/// What the world says of guests and of the network around them.
#[derive(Debug, Clone, Default)]
pub struct Worlds {
    /// What all guests have in common.
    pub every_guest: GuestWorld,
    /// What single guests are like, by id.
    pub guests: BTreeMap<GuestId, GuestWorld>,
    /// The node's own addresses, where the world lists them.
    pub addresses: Option<Vec<IpAddr>>,
    /// The node's clock when it comes up, in seconds since 1970.
    pub epoch: i64,
}

impl Worlds {
    pub(crate) fn of(&self, vmid: u32) -> Merged<'_> {
        let own = self.guests.iter().find(|(id, _)| id.get() == vmid).map(|(_, own)| own);
        Merged { every: &self.every_guest, own }
    }
}

/// The node under the guests while its state is held: nothing may wait meanwhile.
pub trait HeldNode {
    /// The base of the guests.
    fn ground(&self) -> &Ground;
    /// The same, to change it.
    fn ground_mut(&mut self) -> &mut Ground;
    /// The files on a disk, by volume id.
    fn disk(&self, volume: &str) -> Option<&FileTree>;
    /// The same, to change them.
    fn disk_mut(&mut self, volume: &str) -> Option<&mut FileTree>;
    /// Where on the node a file of a storage is, such as `local:snippets/a.yaml`.
    fn path_of(&mut self, volume: &str) -> Option<String>;
}

impl fmt::Debug for dyn HeldNode + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ground().fmt(f)
    }
}

impl Deref for dyn HeldNode + '_ {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        self.ground()
    }
}

impl DerefMut for dyn HeldNode + '_ {
    fn deref_mut(&mut self) -> &mut Ground {
        self.ground_mut()
    }
}

/// The node under the guests.
#[async_trait]
pub trait Node: fmt::Debug + Send + Sync {
    /// Its state, at this time. It must not be held across an `await`.
    fn state(&self) -> Box<dyn HeldNode + '_>;
    /// The same for who marks what it changes itself: see [`Ground::changed`].
    fn quiet_state(&self) -> Box<dyn HeldNode + '_>;
    /// How long it has been up.
    fn elapsed(&self) -> Duration;
    /// The locks that programs take on files.
    fn locks(&self) -> &Locks;
    /// Whether a program of the node is one of its tools, and whether that reads its input with these arguments.
    fn tool(&self, argv: &[String]) -> Option<Reads>;
    /// Runs one of its tools. Gives the exit status.
    async fn run_tool(&self, argv: &[String], stdin: &[u8], console: &mut Console) -> i32;
}

/// What a tool does with its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// It reads it.
    Input,
    /// It leaves it.
    Nothing,
}
