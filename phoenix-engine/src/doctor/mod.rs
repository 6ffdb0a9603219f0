//! Whether a node has what a configuration needs, found out without changing anything: faults that would otherwise come to
//! light in the middle of a run.
//!
//! It costs a constant number of processes, whatever the size of the fleet; everything else is read from files.

mod examine;
mod features;
mod guests;
mod inspection;
mod node;
mod reader;
mod shares;
mod storages;

pub use examine::{examine, obstacles};
pub use inspection::{Examination, Finding};
