//! What a replay found.

use std::io;

use serde::Serialize;

/// The outcome of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// How many runs came out as recorded.
    pub matched: usize,
    /// How many did not.
    pub differing: usize,
    /// The latter.
    pub differences: Vec<Difference>,
    /// Runs that were not compared.
    pub excluded: Vec<Exclusion>,
}

/// A run that came out differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The line of the file, from 1.
    pub line: usize,
    /// The command line.
    pub argv: Vec<String>,
    /// What differs, as a diff from what was recorded to what the simulated node gave.
    pub diff: String,
}

/// A run that was not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exclusion {
    /// The line of the file, from 1.
    pub line: usize,
    /// The command line.
    pub argv: Vec<String>,
    /// Why.
    pub reason: String,
}

/// Why a session could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file could not be read.
    #[error("cannot read the recorded session")]
    Read(#[from] io::Error),
    /// A line is no record.
    #[error("line {line} is not a line of a recorded session")]
    Record {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}
