//! Why a command ended early.

use crate::grammar::Answer;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A message on stderr and a status. The number means nothing (Perl's left-over `errno`), only that it is not 0.
    Die {
        /// The message; a newline is added when it has none.
        message: String,
        /// The status of a direct command.
        exit: i32,
    },
    /// A whole answer, such as a parameter error with its usage line.
    Answer(Answer),
    /// Nobody reads what it prints.
    BrokenPipe,
}

impl Failure {
    /// A message with status 255.
    pub(crate) fn die(message: impl Into<String>) -> Self {
        Self::Die { message: message.into(), exit: 255 }
    }

    /// A message with the status that the recordings show for it.
    pub(crate) fn with_exit(message: impl Into<String>, exit: i32) -> Self {
        Self::Die { message: message.into(), exit }
    }

    /// The message without newlines at its end.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Die { message, .. } => message.trim_end_matches('\n'),
            Self::Answer(answer) => answer.stderr.trim_end_matches('\n'),
            Self::BrokenPipe => "broken pipe",
        }
    }
}
