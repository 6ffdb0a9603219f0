//! What is known of one guest that runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use phoenix_sim_shell::files::{Bytes, FileTree};
use phoenix_sim_shell::process::Processes;
use serde::{Deserialize, Serialize};

use crate::world::{CloudInitResult, Flapping, UnitState};

/// The unit of the guest agent.
pub(crate) const AGENT: &str = "qemu-guest-agent";

/// What continues inside of one running guest. It is gone when the guest stops.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Running {
    /// When it was started, on the node's clock.
    pub started: Duration,
    /// When it was started, in seconds since 1970 by its own clock.
    pub(crate) began: i64,
    /// Whether it is a VM.
    pub is_vm: bool,
    /// By how many seconds a VM's own clock was moved.
    pub clock: i64,
    /// Its root disk, when the node knows of none.
    pub(crate) scratch: FileTree,
    /// Network shares that were mounted.
    pub(crate) shares: Vec<Share>,
    /// What will happen, by time.
    pub(crate) planned: Vec<Planned>,
    pub(crate) ports: BTreeMap<u16, Listening>,
    pub(crate) units: BTreeMap<String, UnitState>,
    /// Failed units whose main process was killed.
    #[serde(default)]
    pub(crate) killed: BTreeSet<String>,
    /// Services of the world that began and did not end.
    pub(crate) begun: BTreeSet<String>,
    pub(crate) journal: Vec<Line>,
    pub(crate) cloud_init: Option<CloudInitResult>,
    /// From when on the guest agent of a VM answers; never without it.
    pub(crate) agent: Option<Duration>,
    #[serde(skip)]
    pub(crate) facts: Facts,
    /// What runs in it.
    #[serde(skip)]
    pub processes: Arc<Processes>,
}

/// What a guest's configuration means for its inside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The configuration file that this was read from.
    pub(crate) text: Option<Bytes>,
    /// The volume of its root file system.
    pub(crate) root: Option<String>,
    /// Mount points of a container.
    pub(crate) mounts: Vec<Mount>,
    /// Its addresses in the order of its interfaces.
    pub(crate) addresses: Vec<IpAddr>,
    /// Its name.
    pub(crate) hostname: String,
    /// What its init is given (`lxc.environment`).
    pub(crate) environment: Vec<(String, String)>,
}

/// A place in a guest's file tree that is not the guest's root disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted inside.
    pub(crate) at: String,
    /// What is mounted.
    pub(crate) source: MountSource,
    /// Whether it cannot be written.
    pub(crate) read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MountSource {
    /// A volume's own tree.
    Volume(String),
    /// A folder of the node.
    Host(String),
}

/// A network share that was mounted inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) at: String,
    /// As the mount was asked for: `10.0.0.2:/srv/shared`.
    pub(crate) device: String,
    /// The folder on the node.
    pub(crate) folder: String,
    pub(crate) kind: String,
    /// Further options, each after a comma.
    pub(crate) options: String,
    pub(crate) read_only: bool,
}

/// A line of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) source: String,
    pub(crate) text: String,
}

/// Something that will happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// When, on the node's clock.
    pub(crate) at: Duration,
    /// The service that it belongs to; empty for booting itself.
    pub(crate) service: String,
    pub(crate) effect: Effect,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Effect {
    Open {
        port: u16,
        flapping: Option<Flapping>,
    },
    Close(u16),
    File {
        path: String,
        text: String,
    },
    Remove(String),
    Log(String),
    State(UnitState),
    /// The clock jumps by so many seconds.
    Clock(i64),
    CloudInit(CloudInitResult),
    /// Cloud-init installs packages.
    Packages(Vec<String>),
    /// Cloud-init runs commands.
    Commands(Vec<String>),
    /// What is in `/etc/fstab` is mounted.
    Mounts,
}

/// A port that someone listens at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) service: String,
    pub(crate) since: Duration,
    pub(crate) flapping: Option<Flapping>,
}

impl Listening {
    pub(crate) fn is_open(&self, now: Duration) -> bool {
        let Some(Flapping { open, closed }) = self.flapping else { return true };
        let (open, closed) = (open.get().as_millis(), closed.get().as_millis());
        let passed = now.saturating_sub(self.since).as_millis();
        open + closed == 0 || passed % (open + closed) < open
    }
}
