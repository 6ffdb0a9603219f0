//! What can go wrong when a guest is changed.

use std::time::Duration;

use phoenix_host::{Command, HostError, InsideError, Output};
use phoenix_types::{GuestId, InvalidProperty};

use crate::words::reason;
use crate::{ErrorClass, classify};

/// A command of `pct` or `qm` that ran and failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: `{}` on {node} {} after {:.1} s", named(.guest), .reason, brief(.command), ended(.status), .elapsed.as_secs_f64())]
pub struct Failure {
    /// The host that it ran on.
    pub node: String,
    /// The guest that it was for.
    pub guest: Option<GuestId>,
    /// The command line, secrets masked.
    pub command: String,
    /// The exit status; `None` when a signal ended it. Its value says nothing: the tools leave an arbitrary error number.
    pub status: Option<i32>,
    /// The reason that the tool gave, in one line.
    pub reason: String,
    /// The last lines of its output: what it printed, then what it complained.
    pub tail: String,
    /// How long it took.
    pub elapsed: Duration,
    /// What it means.
    pub class: ErrorClass,
}

/// The most that an error repeats of a tool's output, in bytes.
const TAIL: usize = 2000;

fn tail(text: &str) -> String {
    let text = text.trim_end();
    let mut from = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

impl Failure {
    /// The failure that an output is.
    #[must_use]
    pub fn of(node: String, command: &Command, output: &Output) -> Self {
        let (stderr, stdout) = (output.stderr_text(), output.stdout_text());
        let reason = reason(&stdout, &stderr).unwrap_or_else(|| "no reason was given".to_owned());
        let all = format!("{}\n{}", stdout.trim_end(), stderr.trim_end());
        let words = if stderr.trim().is_empty() { stdout } else { stderr };
        Self {
            node,
            guest: command.scope.guest,
            command: command.display(),
            status: output.status,
            reason,
            tail: tail(all.trim()),
            elapsed: output.elapsed,
            class: if output.status.is_none() { ErrorClass::OutcomeUnknown } else { classify(&words) },
        }
    }
}

/// A command that ended with status 0, but whose effect is not there. Some commands of the tools (push, pull, resize,
/// template) do that when their task fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("guest {guest}: `{command}` ended with status 0, but {missing}: {tail}")]
pub struct Unverified {
    /// The guest.
    pub guest: GuestId,
    /// The command line, secrets masked.
    pub command: String,
    /// What should be there and is not.
    pub missing: String,
    /// The tool's last words.
    pub tail: String,
}

/// Settings that the tool would refuse, or worse, misread; they are not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// A value that cannot be written into a property string.
    #[error("`{key}` cannot be set")]
    Property {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: InvalidProperty,
    },
    /// A value that the tool would not take.
    #[error("`{key}` cannot be `{value}`: {rule}")]
    Value {
        /// The key.
        key: String,
        /// The value, shortened.
        value: String,
        /// The rule that it breaks.
        rule: String,
    },
    /// A key that does not exist, or that cannot be set this way.
    #[error("`{key}` cannot be set: {why}")]
    Key {
        /// The key.
        key: String,
        /// Why not.
        why: String,
    },
}

impl InvalidSettings {
    /// A value that breaks a rule.
    #[must_use]
    pub fn value(key: impl Into<String>, value: impl Into<String>, rule: impl Into<String>) -> Self {
        let value: String = value.into();
        let shown = if value.chars().count() > 80 { value.chars().take(80).chain(['…']).collect() } else { value };
        Self::Value { key: key.into(), value: shown, rule: rule.into() }
    }

    /// A value that no property string can hold.
    #[must_use]
    pub fn property(key: impl Into<String>, source: InvalidProperty) -> Self {
        Self::Property { key: key.into(), source }
    }
}

/// A command line in one line: arguments of several lines, such as notes, and long ones are cut.
fn brief(command: &str) -> String {
    const LONGEST: usize = 200;
    let mut line: String = command.lines().next().unwrap_or_default().chars().take(LONGEST).collect();
    if line.len() < command.len() {
        line.push('…');
    }
    line
}

fn named(guest: &Option<GuestId>) -> String {
    guest.map_or_else(String::new, |guest| format!("guest {guest}: "))
}

fn ended(status: &Option<i32>) -> String {
    status.map_or_else(|| "was killed by a signal".to_owned(), |status| format!("ended with status {status}"))
}

/// Why a guest could not be observed or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// The tool ran and failed.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// The tool said yes, but it is not so.
    #[error("{0}")]
    Unverified(Box<Unverified>),
    /// Not sent, because it could not have been right.
    #[error("guest {guest}: settings were not sent")]
    Invalid {
        /// The guest.
        guest: GuestId,
        /// What is wrong.
        #[source]
        source: InvalidSettings,
    },
    /// Not done, because of what is on the node.
    #[error("guest {guest}: {reason}")]
    Precondition {
        /// The guest.
        guest: GuestId,
        /// What stands against it, and what to do.
        reason: String,
        /// What it means.
        class: ErrorClass,
    },
    /// The tool's output is not what it should be.
    #[error("`{command}` on {node} printed unknown output: {line}")]
    Unreadable {
        /// The host.
        node: String,
        /// The command line.
        command: String,
        /// The line.
        line: String,
    },
    /// Running a command inside the guest failed.
    #[error(transparent)]
    Inside(#[from] InsideError),
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl GuestError {
    /// What the error means, and so what to do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Failed(failure) => failure.class,
            Self::Unverified(unverified) => match classify(&unverified.tail) {
                ErrorClass::AlreadyRunning | ErrorClass::AlreadyExists => ErrorClass::Failed,
                class => class,
            },
            Self::Invalid { .. } => ErrorClass::Refused,
            Self::Precondition { class, .. } => *class,
            Self::Unreadable { .. } => ErrorClass::Failed,
            Self::Inside(error) => match error {
                InsideError::NotRunning(_) => ErrorClass::NotRunning,
                InsideError::AgentSilent { .. } => ErrorClass::AgentSilent,
                InsideError::Deadline { .. } | InsideError::Slow { .. } => ErrorClass::TimedOut,
                InsideError::Refused { .. } | InsideError::ExecRefused { .. } => ErrorClass::Refused,
                InsideError::Host(error) => host_class(error),
            },
            Self::Host(error) => host_class(error),
        }
    }
}

fn host_class(error: &HostError) -> ErrorClass {
    match error {
        HostError::Unreachable { .. } | HostError::Dial { .. } => ErrorClass::Transport,
        HostError::OutcomeUnknown { .. } | HostError::Deadline { .. } => ErrorClass::OutcomeUnknown,
        HostError::File { .. } if error.is_not_found() => ErrorClass::NotFound,
        HostError::DryRun { .. } | HostError::NoSuchProgram { .. } => ErrorClass::Refused,
        HostError::File { .. } | HostError::Process { .. } | HostError::Cut { .. } => ErrorClass::Failed,
    }
}
