//! The inside of a guest, as a place where programs run.

use std::fmt;

use async_trait::async_trait;
use phoenix_types::GuestId;

use crate::{Command, HostError, Output};

/// Runs programs inside one guest. Adapters make one for a container (`pct exec`) or a VM (the guest agent).
#[async_trait]
pub trait Inside: fmt::Debug + Send + Sync {
    /// Runs a command inside the guest to its end or its deadline. The command's own exit status is the output's status,
    /// whatever tool carried it there.
    ///
    /// Cancel safety: when the future is dropped, the tool on the node is killed; what it started inside may go on.
    ///
    /// # Errors
    /// When the guest does not run, does not answer, or the host fails. A non-zero status of the command is no error.
    async fn exec(&self, command: Command) -> Result<Output, InsideError>;
}

/// Why a command could not be run inside a guest.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    /// The guest is off.
    #[error("guest {0} does not run")]
    NotRunning(GuestId),
    /// The guest's agent does not answer (VMs only).
    #[error("the guest agent of {guest} does not answer: {reason}")]
    AgentSilent {
        /// The guest.
        guest: GuestId,
        /// The tool's words.
        reason: String,
    },
    /// The command did not end in its time. It may still run inside.
    #[error("`{command}` did not end within {seconds} s inside guest {guest}")]
    Deadline {
        /// The guest.
        guest: GuestId,
        /// The command line, secrets masked.
        command: String,
        /// Its time in seconds.
        seconds: f64,
        /// The last output.
        tail: String,
    },
    /// The guest's agent answers, but runs no programs (VMs only).
    #[error("the guest agent of {guest} refuses to run programs: {reason}")]
    ExecRefused {
        /// The guest.
        guest: GuestId,
        /// The agent's words.
        reason: String,
    },
    /// The tool that carries commands into the guest refused.
    #[error("guest {guest}: {reason}")]
    Refused {
        /// The guest.
        guest: GuestId,
        /// The tool's words.
        reason: String,
    },
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostError),
}
