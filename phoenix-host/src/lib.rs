//! The one seam to the outside: [`Host`] runs programs (argv, never a shell string), reads and writes files and dials
//! sockets on a Proxmox VE node.
//!
//! [`Local`] is the machine itself; `phoenix-sim` brings a simulated node. [`Layered`] wraps any host to label commands with
//! their guest and stage, to record them, or to refuse the changing ones.
//!
//! What the programs mean is not known here: that is the adapters' business (`phoenix-pve`, `phoenix-lxc`, `phoenix-vm`).
//!
//! ```
//! use std::time::Duration;
//! use phoenix_host::{Command, Effect, Host as _, Local};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let output = Local.run(Command::new("echo", Effect::Read, Duration::from_secs(5)).arg("a b; c")).await?;
//! assert_eq!(output.stdout_text(), "a b; c\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;
mod digest;
mod error;
pub mod fake;
mod glance;
mod glanced;
mod host;
mod inside;
mod keeper;
mod layered;
mod local;
mod process;
mod secrets;
mod ssh;

pub use command::{Chunk, Command, Effect, Input, Output, Scope, Stream};
pub use digest::sha256;
pub use error::HostError;
pub use glance::{FileKind, FileStat, Glance, Wanted};
pub use glanced::Glanced;
pub use host::{ByteStream, Created, Host, ask_whole};
pub use inside::{Inside, InsideError, WAY, limited, ran_out};
pub use keeper::Keeper;
pub use layered::{Changes, CommandRecord, Layered, Recorder};
pub use local::Local;
pub use process::{Liveness, Process};
pub use secrets::{LocalSecrets, SecretError, Secrets};
pub use ssh::{InvalidSshAddress, Ssh};
