//! Proxmox's own keys: what `pct set` and `qm set` take, and which of them have a key of Phoenix.
//!
//! `data/proxmox-keys.json` holds the option tables of the tools (pve-container 6.1.10, qemu-server 9.2.6). The readers of the
//! configuration files, the JSON Schema and the reference are all made from it.

mod overview;
mod scalar;
mod table;
mod words;

pub use overview::{KeyRow, overview};
pub(crate) use scalar::Scalar;
pub(crate) use table::{Rule, RuleKind, find, is_drive, is_line, keys, scalar_schema};
pub use table::{takes, written};
pub use words::has_word;
pub(crate) use words::{Word, word};
