//! The inside of guests: what runs and exists within a container or VM.
//!
//! The node calls [`started`] and [`stopped`] when a guest's power changes, [`exec`] for a command in a guest, [`shell`] for a
//! script on the node itself, and [`dial`] for a connection from the node. What is on a guest's disks are the file trees of its
//! volumes ([`crate::storage`]), so it travels with snapshots, rollbacks and clones by itself; [`State::root_volume`] and
//! [`State::mounts`] say which trees a guest sees.

mod transfer;
pub(crate) mod world;

use std::net::IpAddr;
use std::time::Duration;

use phoenix_host::ByteStream;
use serde::{Deserialize, Serialize};

use crate::node::{Console, SimNode, State};

pub(crate) use self::transfer::{read_file, write_file};

/// What goes on inside of one running guest. It is gone when the guest stops.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Running {}

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
/// Cancel safety: a dropped future is a command that was killed.
#[expect(clippy::unused_async, reason = "commands take time")]
pub(crate) async fn exec(_node: &SimNode, _exec: Exec<'_>, _console: &mut Console) -> Ended {
    Ended::Exit(0)
}

/// A guest was started: its boot begins.
pub(crate) fn started(state: &mut State, _node: &SimNode, vmid: u32) {
    state.inside.insert(vmid, Running::default());
}

/// A guest stopped, in whatever way.
pub(crate) fn stopped(state: &mut State, vmid: u32) {
    state.inside.remove(&vmid);
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
#[expect(clippy::unused_async, reason = "connections take time")]
pub(crate) async fn dial(_node: &SimNode, _address: IpAddr, _port: u16) -> Dialled {
    Dialled::NoAnswer
}
