//! A simulated Proxmox VE node that answers `pct`, `qm`, `pvesm`, `pveam` and `pvesh` as the real tools do.
//!
//! [`grammar`] reads command lines as the real tools read them; [`check`] proves it against recorded verdicts.
//!
//! ```
//! use phoenix_sim::grammar::{Verdict, parse};
//!
//! let argv = ["pct", "set", "103", "--memory", "8"].map(str::to_owned);
//! let Verdict::Answered(answer) = parse(&argv) else { panic!("accepted") };
//! assert!(answer.stderr.starts_with("400 Parameter verification failed.\nmemory: value must have a minimum value of 16"));
//! ```

mod api;
pub mod check;
pub mod files;
pub mod grammar;
mod ha;
mod inside;
mod lxc;
mod node;
mod qemu;
pub mod replay;
mod storage;
pub mod world;

pub use self::node::{Between, Console, SimNode, StoreError};
pub use self::world::World;
