//! The inside of a guest, as a place where programs run.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use phoenix_types::GuestId;

use crate::{Command, HostError, Output};

/// Runs programs inside one guest. Adapters make one for a container (`pct exec`) or a VM (the guest agent).
#[async_trait]
pub trait Inside: fmt::Debug + Send + Sync {
    /// Runs a command inside the guest to its end or its deadline. The command's own exit status is the output's status,
    /// whatever tool carried it there.
    ///
    /// Cancel safety: when the future is dropped, the tool on the node is killed; what it started inside may continue.
    ///
    /// # Errors
    /// When the guest does not run, does not answer, or the host fails. A non-zero status of the command is no error.
    async fn exec(&self, command: Command) -> Result<Output, InsideError>;
}

/// How long the way into a guest and back may take, beyond the time of the command itself: the tools that carry commands take
/// seconds to start on a busy node.
pub const WAY: Duration = Duration::from_secs(30);

/// The program and its arguments with a limit that holds where it runs. Killing the tool that carried it there would not end it.
#[must_use]
pub fn limited(command: &Command) -> Vec<String> {
    let limit = command.deadline.as_secs() + u64::from(command.deadline.subsec_nanos() > 0);
    let limit = limit.max(1).to_string();
    let words = ["timeout", "-k", "2", &limit];
    words.into_iter().map(str::to_owned).chain(command.argv()).collect()
}

/// Whether the limit of [`limited`] ended a command: `timeout` says 124, that of BusyBox 143, or 137 when it had to kill.
#[must_use]
pub fn ran_out(output: &Output, deadline: Duration) -> bool {
    matches!(output.status, Some(124 | 137 | 143)) && output.elapsed >= deadline
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
    /// The tool that carries commands into the guest did not come back in time: nothing is known of the command.
    #[error("the node is too slow to ask guest {guest}: its tool did not come back within {seconds} s")]
    Slow {
        /// The guest.
        guest: GuestId,
        /// The time in seconds: that of the command, and that of the way.
        seconds: f64,
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
