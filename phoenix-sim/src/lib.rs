//! A simulated Proxmox VE node: it interprets the command lines of `pct`, `qm`, `pvesm`, `pveam`, `pvesh` and `ha-manager` and
//! answers with the text, on the streams and with the exit status of the real tools, in virtual time.
//!
//! [`SimNode`] is a [`phoenix_host::Host`]: whatever drives a real node drives this one. Its state is files in the real formats,
//! in memory or kept in a folder ([`SimNode::persistent`]). A [`World`] says what cannot be derived: how long things take, what
//! appears when, what fails.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use camino::Utf8Path;
//! use phoenix_host::{Command, Effect, Host};
//! use phoenix_sim::{SimNode, World};
//!
//! let node: Box<dyn Host> = Box::new(SimNode::new(World::default()));
//! let pct = |words: &str| Command::new("pct", Effect::Change, Duration::from_secs(60)).args(words.split(' '));
//! node.run(pct("create 103 local:vztmpl/debian-12.tar.zst --rootfs tank:8 --hostname step-ca")).await?;
//! node.run(pct("start 103")).await?;
//! assert_eq!(node.run(pct("exec 103 -- hostname")).await?.stdout_text(), "step-ca\n");
//! let conf = node.read(Utf8Path::new("/etc/pve/lxc/103.conf"), 8192).await?;
//! assert!(String::from_utf8(conf)?.contains("rootfs: tank:subvol-103-disk-0,size=8G\n"));
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`grammar`] | command lines, read as the real tools read them, from their own option tables |
//! | `node` | the ground: the node's state, clock, locks and tasks, a command that runs |
//! | `lxc`, `qemu`, `storage`, `api`, `ha` | what the commands of the tools do |
//! | `entry` | the roof: command lines to commands, the node as a host, the folder that keeps it |
//! | [`VirtualTime`] | a runtime whose clock leaps, for nodes that need not pause the caller's |
//! | [`world`] | `world.json` |
//! | [`check`], [`replay`] | the proof: recorded verdicts and recorded sessions of the real tools |
//!
//! What this crate does not do: it knows no other node than the one, so nothing migrates; backups, terminals and the graphical
//! console are left out; packets are not simulated, only who listens where.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod api;
pub mod check;
mod entry;
pub mod grammar;
mod ha;
mod lxc;
mod node;
mod qemu;
pub mod replay;
mod storage;
mod virtual_time;
pub mod world;

pub use phoenix_sim_guest::{Console, Dialled, Ended, Exec, Given, Inside};
pub use phoenix_sim_shell::files::{Bytes, FileError};

pub use self::node::{Between, SimNode, StoreError};
pub use self::virtual_time::VirtualTime;
pub use self::world::{World, WorldError};
