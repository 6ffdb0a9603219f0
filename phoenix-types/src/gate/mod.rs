//! The vocabulary of gates: a gate is a probe with a schedule, and it holds something back until it passes.
//!
//! Each kind of probe is declared here once. `phoenix-config` reads it from the files, `phoenix-health` asks it.

mod probe;
mod schedule;

pub use probe::*;
pub use schedule::{Backoff, Jitter, Schedule};

/// A probe with a schedule. It holds something back until it passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The name in plans, reports and messages.
    pub name: String,
    /// The question.
    pub probe: Probe,
    /// When it is asked.
    pub schedule: Schedule,
}
