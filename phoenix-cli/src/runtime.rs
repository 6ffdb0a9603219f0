//! The runtime that a verb runs on: real time for real nodes, virtual time for simulated ones.

use std::future::Future;

use tokio::runtime::Builder;

use crate::error::CliError;
use crate::simulated::Pace;

/// Whose time it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Time {
    /// Everybody's.
    Real,
    /// That of a simulated node.
    Simulated(Pace),
}

/// Runs a verb to its end.
pub(crate) fn block_on<F: Future>(time: Time, work: F) -> Result<F::Output, CliError> {
    let done = match time {
        Time::Real => Builder::new_multi_thread().enable_all().build().map(|runtime| runtime.block_on(work)),
        Time::Simulated(pace) => pace.block_on(work),
    };
    done.map_err(CliError::Start)
}
