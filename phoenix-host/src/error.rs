//! What can go wrong between us and the node.

use std::time::Duration;

use camino::Utf8PathBuf;

/// A failure of the host itself. A command that ran and ended with a status other than 0 is no such failure: that is an
/// [`Output`](crate::Output), and only the adapter knows what it means.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The program is not on the node.
    #[error("`{program}` is not on the path of {host}")]
    NoSuchProgram {
        /// The program's name.
        program: String,
        /// The host's name.
        host: String,
    },
    /// The command was still running at its deadline and was killed with everything that it started. What it did until then
    /// is unknown.
    #[error("`{command}` was still running after {} s and was killed", .deadline.as_secs_f64())]
    Deadline {
        /// The command line, secrets masked.
        command: String,
        /// The deadline that passed.
        deadline: Duration,
        /// The last output before the end.
        tail: String,
    },
    /// The way to the node broke before the command was sent: nothing happened there.
    #[error("cannot reach {host}: {reason}")]
    Unreachable {
        /// The host's name.
        host: String,
        /// Why.
        reason: String,
    },
    /// The way to the node broke while the command ran: it may have done all, some or nothing of its work.
    #[error("the connection to {host} broke while `{command}` ran, so its outcome is unknown")]
    OutcomeUnknown {
        /// The host's name.
        host: String,
        /// The command line, secrets masked.
        command: String,
    },
    /// A dry run does not run commands that change something.
    #[error("a dry run does not run `{command}`")]
    DryRun {
        /// The command line, or the file operation.
        command: String,
    },
    /// A file operation failed.
    #[error("cannot {action} `{path}`")]
    File {
        /// The operation: read, write, list, …
        action: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A connection could not be made.
    #[error("cannot connect to {address}: {reason}")]
    Dial {
        /// Where to.
        address: String,
        /// Why.
        reason: String,
    },
    /// A command printed more than was kept, and all of it is needed.
    #[error("`{command}` printed {dropped} bytes above the limit, so its output is incomplete")]
    Cut {
        /// The command line, secrets masked.
        command: String,
        /// How many bytes were lost.
        dropped: u64,
    },
    /// Starting a process or talking to it failed.
    #[error("cannot run `{command}`")]
    Process {
        /// The command line, secrets masked.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl HostError {
    /// Whether the file that was asked for does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}
