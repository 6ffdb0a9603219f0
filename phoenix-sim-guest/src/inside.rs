//! What a node's tools can do with the inside of a guest.

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use phoenix_host::ByteStream;
use phoenix_sim_shell::files::{Bytes, FileError};

use crate::console::Console;

/// The inside of one guest, as the node's tools reach it.
///
/// [`Simulated`](crate::Simulated) is made of simulated files and processes. A test can put a real system behind the same node.
#[async_trait]
pub trait Inside: fmt::Debug + Send + Sync {
    /// The guest was switched on: its boot begins. Nothing waits for it.
    fn started(&self);

    /// The guest is off, however that came about.
    fn stopped(&self);

    /// Whether the guest agent of a VM answers.
    fn agent_answers(&self) -> bool;

    /// The name that the guest has for itself.
    fn host_name(&self) -> String;

    /// The addresses of the guest, in the order of its interfaces.
    fn addresses(&self) -> Vec<IpAddr>;

    /// Runs a command to its end. Its output appears on the console as it is made.
    ///
    /// Cancel safety: a dropped future is a command that was killed; what it started in the background continues.
    async fn exec(&self, exec: Exec<'_>, console: &mut Console) -> Ended;

    /// The bytes of a file.
    async fn read(&self, path: &str) -> Result<Bytes, FileError>;

    /// Writes a file. What is not given stays as it is.
    async fn write(&self, path: &str, bytes: &[u8], given: Given) -> Result<(), FileError>;

    /// Connects to a TCP port, from the node's side.
    async fn dial(&self, port: u16) -> Dialled;
}

/// A command that runs in a guest or on the node.
#[derive(Debug, Clone, Copy)]
pub struct Exec<'a> {
    /// Program and arguments.
    pub argv: &'a [String],
    /// The environment it starts with.
    pub env: &'a [(String, String)],
    /// What it can read.
    pub stdin: &'a [u8],
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With a status.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// There is no such program.
    NotFound,
}

/// Mode and owner that a written file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Given {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// What a connection attempt meets.
#[derive(Debug)]
pub enum Dialled {
    /// Someone listens.
    Open(Box<dyn ByteStream>),
    /// The machine is up, and no one listens.
    Refused,
    /// There is no machine at the address, it is off, or its firewall drops the attempt.
    NoAnswer,
}
