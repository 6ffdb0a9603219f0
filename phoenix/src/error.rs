//! What can go wrong before guests are worked on. What goes wrong with a guest is in the summary of its run.

use std::fmt;
use std::io;

use phoenix_config::Diagnostic;
use phoenix_engine::{LockError, LowerError, ObserveError};
use phoenix_host::{HostError, InvalidSshAddress};
use phoenix_types::GuestId;

/// Why a fleet could not be read, planned or brought about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The files are not valid.
    #[error(transparent)]
    Configuration(#[from] InvalidConfiguration),
    /// A script has gone since the files were read.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// The fleet has no such guest.
    #[error("no guest {0} is configured")]
    NoGuest(GuestId),
    /// No address of a node.
    #[error(transparent)]
    Address(#[from] InvalidSshAddress),
    /// The node cannot be looked at.
    #[error("cannot look at the node")]
    Observe(#[from] ObserveError),
    /// The node's lock was not got.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The node's files cannot be reached.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The node or the configuration has changed since the plan was made.
    #[error("the plan is not what would be done now: make another one")]
    Drifted,
    /// The clock of a simulated node could not be started.
    #[error("cannot start the clock of a simulated node")]
    Clock(#[source] io::Error),
    /// A file does not describe a simulated node.
    #[cfg(feature = "sim")]
    #[error(transparent)]
    World(#[from] phoenix_sim::WorldError),
    /// The folder of a simulated node cannot be used.
    #[cfg(feature = "sim")]
    #[error(transparent)]
    Kept(#[from] phoenix_sim::StoreError),
}

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub struct InvalidConfiguration {
    /// What is wrong, ordered by file and place; warnings are among it.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for InvalidConfiguration {
    /// One line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid")?;
        self.diagnostics.iter().try_for_each(|diagnostic| write!(f, "\n{diagnostic}"))
    }
}

impl std::error::Error for InvalidConfiguration {}
