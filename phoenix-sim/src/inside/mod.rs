//! The inside of guests: what runs and exists within a container or VM, in virtual time.
//!
//! The node calls [`started`] and [`stopped`] when a guest's power changes, [`exec`] for a command in a guest or on the node, and
//! [`dial`] for a connection from the node. What is on a guest's disks are the file trees of its volumes ([`crate::storage`]), so
//! it travels with snapshots, rollbacks and clones by itself; [`State::root_volume`] and [`State::mounts`] say which trees a
//! guest sees.
//!
//! | module | holds |
//! | --- | --- |
//! | [`view`], [`base`], [`kernel`], [`facts`], [`identity`] | the files of a guest: disks, mounts, a fresh system, `/proc` |
//! //! | [`programs`] | the programs that scripts and probes use |
//! | [`machine`] | one machine: what a shell runs on |
//! | [`world`], [`services`] | what happens by itself: booting, services, ports, files that appear |

mod base;
mod cloud_config;
#[cfg(test)]
mod conformance;
mod facts;
mod identity;
mod kernel;
mod machine;
mod network;

mod programs;
mod real;
mod services;
mod shares;

#[cfg(test)]
mod tests;
mod transfer;
mod view;
pub(crate) mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use phoenix_host::{ByteStream, Stream as Channel};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::facts::Facts;
use self::machine::Machine;
use self::services::{Listening, Planned};
use self::world::{CloudInitResult, UnitState};
use crate::node::{Console, SimNode, State};
use crate::world::World;

pub(crate) use self::base::CLOUD_IMAGE;
pub(crate) use self::identity::{clear_machine_id, host_keys};
pub(crate) use self::kernel::names as kernel_names;
pub(crate) use self::transfer::{node_files, read_file, write_file};
use phoenix_sim_shell::files::FileTree;
pub(crate) use phoenix_sim_shell::files::{Follow, Offset};
use phoenix_sim_shell::process::{End, KILL, Processes};
use phoenix_sim_shell::streams::Stream;
use phoenix_sim_shell::system::{Invocation, Role};

/// What goes on inside of one running guest. It is gone when the guest stops.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Running {
    /// When it was started, on the node's clock.
    pub(crate) started: Duration,
    /// When it was started, in seconds since 1970 by its own clock.
    began: i64,
    pub(crate) is_vm: bool,
    /// By how many seconds a VM's own clock was moved.
    pub(crate) clock: i64,
    /// Its root disk, when the node knows of none.
    scratch: FileTree,
    /// Network shares that were mounted.
    shares: Vec<Share>,
    /// What will happen, by time.
    planned: Vec<Planned>,
    ports: BTreeMap<u16, Listening>,
    units: BTreeMap<String, UnitState>,
    /// Failed units whose main process was killed.
    #[serde(default)]
    killed: BTreeSet<String>,
    /// Services of the world that began and did not end.
    begun: BTreeSet<String>,
    journal: Vec<Line>,
    cloud_init: Option<CloudInitResult>,
    /// From when on the guest agent of a VM answers; never without it.
    agent: Option<Duration>,
    #[serde(skip)]
    facts: Facts,
    #[serde(skip)]
    processes: Arc<Processes>,
}

/// A network share that was mounted inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Share {
    at: String,
    /// As the mount was asked for: `10.0.0.2:/srv/shared`.
    device: String,
    /// The folder on the node.
    folder: String,
    kind: String,
    /// Further options, each after a comma.
    options: String,
    read_only: bool,
}

/// A line of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Seconds since 1970.
    at: i64,
    source: String,
    text: String,
}

/// A command in a guest, or on the node.
#[derive(Debug, Clone)]
pub(crate) struct Exec<'a> {
    /// The guest; `None` is the node itself.
    pub(crate) guest: Option<u32>,
    /// Program and arguments.
    pub(crate) argv: &'a [String],
    /// The environment it starts with.
    pub(crate) env: &'a [(String, String)],
    /// What it can read.
    pub(crate) stdin: &'a [u8],
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With a status.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// There is no such program.
    NotFound,
}

/// Runs a command in a guest or on the node, in virtual time. Its output appears on the console as it is made.
///
/// Cancel safety: a dropped future is a command that was killed; what it started in the background goes on.
pub(crate) async fn exec(node: &SimNode, exec: Exec<'_>, console: &mut Console) -> Ended {
    let processes = match exec.guest {
        None => Arc::default(),
        Some(vmid) => match node.state().inside.get(&vmid) {
            Some(running) => Arc::clone(&running.processes),
            None => return Ended::Signal(KILL),
        },
    };
    let machine = Machine::new(node, exec.guest, processes);
    let Some(program) = exec.argv.first() else { return Ended::NotFound };
    if !programs::is_there(&machine, program) {
        return Ended::NotFound;
    }
    let is_vm = exec.guest.is_some_and(|vmid| node.state().inside.get(&vmid).is_some_and(|running| running.is_vm));
    // What reaches a VM is started by its agent, and is part of that service.
    let process = machine.processes.start_unit(&exec.argv.join(" "), if is_vm { services::AGENT } else { "" });
    let (out, mut out_chunks) = mpsc::unbounded_channel();
    let (err, mut err_chunks) = mpsc::unbounded_channel();
    let files = BTreeMap::from([
        (0, Stream::text(exec.stdin)),
        (1, Arc::new(Stream::Console(out))),
        (2, Arc::new(Stream::Console(err))),
    ]);
    let invocation = Invocation {
        argv: exec.argv.to_vec(),
        environment: exec.env.to_vec(),
        files,
        folder: if exec.guest.is_some() { "/".to_owned() } else { "/root".to_owned() },
        umask: 0o022,
        nesting: 0,
        parent: Arc::clone(&process),
        role: Role::Replacement,
    };
    let mut work = Box::pin(machine.processes.run(&process, programs::run(machine.clone(), invocation)));
    let end = loop {
        tokio::select! {
            biased;
            Some(bytes) = out_chunks.recv() => console.write(Channel::Stdout, &bytes),
            Some(bytes) = err_chunks.recv() => console.write(Channel::Stderr, &bytes),
            end = &mut work => break end,
        }
    };
    drop(work);
    while let Ok(bytes) = out_chunks.try_recv() {
        console.write(Channel::Stdout, &bytes);
    }
    while let Ok(bytes) = err_chunks.try_recv() {
        console.write(Channel::Stderr, &bytes);
    }
    match end {
        End::Exit(status) => Ended::Exit(status),
        End::Signal(signal) => Ended::Signal(signal),
    }
}

/// A guest was started: its boot begins.
pub(crate) fn started(state: &mut State, node: &SimNode, vmid: u32) {
    services::boot(state, node.world(), vmid, node.clock().now());
}

/// A guest stopped, in whatever way: its processes end, what was mounted is gone.
pub(crate) fn stopped(state: &mut State, vmid: u32) {
    if let Some(running) = state.inside.remove(&vmid) {
        running.processes.kill_all();
        services::keep_journal(state, vmid, running.journal);
    }
}

/// Takes over what runs in this process into a state that another process has written. Guests that were stopped or started anew
/// meanwhile have lost their processes.
pub(crate) fn carry_over(before: State, now: &mut State) {
    (now.real_files, now.now, now.sizes) = (before.real_files, before.now, before.sizes);
    for (vmid, old) in before.inside {
        match now.inside.get_mut(&vmid) {
            Some(running) if running.started == old.started => running.processes = old.processes,
            _ => old.processes.kill_all(),
        }
    }
}

impl SimNode {
    /// Waits until what was started in the background inside of guests has ended, at most `limit` on the node's clock. A process
    /// that is about to end calls it, since nothing of that outlives it. A kept node stays locked meanwhile, and is kept as it is
    /// then.
    ///
    /// Cancel safety: nothing is lost; call it again.
    pub async fn settle(&self, limit: Duration) {
        if self.busy().is_none() {
            return;
        }
        let _session = self.enter();
        let end = self.clock().now() + limit;
        while let Some(busy) = self.busy() {
            let left = end.saturating_sub(self.clock().now());
            if left.is_zero() {
                return;
            }
            let changed = busy.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !busy.list().is_empty() {
                // Running out of time is no error here.
                let _ = tokio::time::timeout(left, changed).await;
            }
        }
    }

    /// The processes of a guest in which some run.
    fn busy(&self) -> Option<Arc<Processes>> {
        let state = self.state();
        state.inside.values().map(|running| &running.processes).find(|processes| !processes.list().is_empty()).cloned()
    }
}

/// Lets happen inside of all guests what is due by now.
pub(crate) fn catch_up(state: &mut State, world: &World, now: Duration) {
    services::catch_up(state, world, now);
}

/// Whether a VM's guest agent answers by now.
pub(crate) fn agent_answers(node: &SimNode, vmid: u32) -> bool {
    let since = node.state().inside.get(&vmid).and_then(|running| running.agent);
    since.is_some_and(|since| node.clock().now() >= since)
}

/// The addresses of a running guest, in the order of its interfaces.
pub(crate) fn addresses(node: &SimNode, vmid: u32) -> Vec<IpAddr> {
    facts::addresses_of(&mut node.state(), node.world(), vmid)
}

/// The name that a running guest has for itself.
pub(crate) fn host_name(node: &SimNode, vmid: u32) -> String {
    Machine::new(node, Some(vmid), Arc::default()).hostname()
}

/// How long a guest takes to shut down when it is asked to; `None` when it never does.
pub(crate) fn shutdown_time(_node: &SimNode, _vmid: u32) -> Option<Duration> {
    Some(Duration::from_millis(1100))
}

/// What a connection attempt meets.
#[derive(Debug)]
pub(crate) enum Dialled {
    /// Someone listens.
    Open(Box<dyn ByteStream>),
    /// The machine is up, and no one listens.
    Refused,
    /// There is no machine at the address, or it is off.
    NoAnswer,
}

/// Connects to an address and port on the node's network, from the node's side.
#[expect(clippy::unused_async, reason = "a connection is something to wait for")]
pub(crate) async fn dial(node: &SimNode, address: IpAddr, port: u16) -> Dialled {
    match network::reach(node, None, &address.to_string(), port) {
        network::Reached::Open(listener) => Dialled::Open(network::converse(node, listener)),
        network::Reached::Refused => Dialled::Refused,
        network::Reached::NoAnswer | network::Reached::NoName => Dialled::NoAnswer,
    }
}
