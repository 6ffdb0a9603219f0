//! What the adapters for `pct` and `qm` have in common: running the tools and classing their errors, and the guests' files
//! below `/etc/pve`.
//!
//! ```
//! use phoenix_pve::{ErrorClass, classify};
//!
//! assert_eq!(classify("CT is locked (backup)\n"), ErrorClass::Busy);
//! assert_eq!(classify("VM 100 already running\n"), ErrorClass::AlreadyRunning);
//! ```

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod adapter;
mod class;
mod error;
mod fake;
mod files;
mod guests;
mod push;
mod reader;
mod storage;
mod tool;
mod values;
mod words;

pub use adapter::{Adapter, Dialect};
pub use class::{ErrorClass, classify};
pub use error::{Failure, GuestError, InvalidSettings, Unverified};
pub use fake::FakeGuests;
pub use files::{ConfEdit, ConfFile, FIREWALL, GuestFiles, firewall_path};
pub use guests::{CloneGuest, CloneMode, Guests, ObservedGuest, Purge};
pub use push::{Push, push};
pub use reader::{PropertyReader, PropertyWriter};
pub use storage::{DiskFormat, Feature, Plugin, Storage, Storages};
pub use tool::{Deadlines, Tool};
pub use values::{
    NOTES_LIMIT, blanks, check_item, check_net, check_notes, check_ssh_keys, check_value, index, list, tags, typed,
    within, yes_or_no,
};
pub use words::warnings;
