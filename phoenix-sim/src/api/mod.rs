//! `pvesh`: the REST API on the command line (pve-manager `CLI/pvesh.pm`).
//!
//! What changes a guest is the same code that `pct` and `qm` run; what only reads is made here.

mod calls;
mod firewall;
mod guests;
mod output;
mod pools;
mod resources;
mod unanswered;

pub(crate) use self::calls::run;
