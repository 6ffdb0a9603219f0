//! What is run: program, arguments, standard input, deadline.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use phoenix_types::{GuestId, Secret, redact};
use tokio::sync::mpsc;

/// Whether a command can change the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "CommandEffect")]
pub enum Effect {
    /// It only looks; running it twice, or not at all, changes nothing.
    Read,
    /// It may change the node or a guest. A dry run refuses it.
    Change,
}

/// What is written to a program's standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// Plain bytes.
    Bytes(Vec<u8>),
    /// A secret: this is the one way by which a secret reaches a program.
    Secret(Secret),
}

impl Input {
    /// The bytes to write.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Secret(secret) => secret.expose().as_bytes(),
        }
    }
}

/// Which stream a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output, as it appeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it came from.
    pub stream: Stream,
    /// The bytes, cut anywhere.
    pub bytes: Vec<u8>,
}

/// For whom and in which stage a command runs; it labels events and the command log and changes nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The guest that the command is about.
    pub guest: Option<GuestId>,
    /// The stage, such as `configure` or `gate`.
    pub stage: Option<Cow<'static, str>>,
}

/// A command for the node: a program and its arguments, never a shell string.
///
/// ```
/// use std::time::Duration;
/// use phoenix_host::{Command, Effect};
///
/// let start = Command::new("pct", Effect::Change, Duration::from_secs(120)).args(["start", "103"]);
/// assert_eq!(start.argv(), ["pct", "start", "103"]);
/// ```
#[derive(Debug, Clone)]
pub struct Command {
    /// The program's name, looked for on the node's path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What logs and messages show instead of program and arguments: an equivalent command line that says more.
    pub shown: Option<Vec<String>>,
    /// What it reads; without it, it reads the end of file at once.
    pub stdin: Option<Input>,
    /// How long it may take. At the deadline its whole process group is killed.
    pub deadline: Duration,
    /// How many bytes of each output stream are kept: the last ones. What came before is counted in [`Output::dropped`].
    pub output_limit: usize,
    /// Whether it can change the node.
    pub effect: Effect,
    /// Whom it is for.
    pub scope: Scope,
    /// Where its output is also sent as it appears. A receiver that is gone is passed over.
    pub tap: Option<mpsc::UnboundedSender<Chunk>>,
}

impl Command {
    /// How much of each stream is kept unless said otherwise: 256 KiB.
    pub const OUTPUT_LIMIT: usize = 256 * 1024;

    /// A command without arguments.
    #[must_use]
    pub fn new(program: impl Into<String>, effect: Effect, deadline: Duration) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            shown: None,
            stdin: None,
            deadline,
            output_limit: Self::OUTPUT_LIMIT,
            effect,
            scope: Scope::default(),
            tap: None,
        }
    }

    /// The same with one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl fmt::Display) -> Self {
        self.args.push(arg.to_string());
        self
    }

    /// The same with more arguments.
    #[must_use]
    pub fn args<T: fmt::Display>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.to_string()));
        self
    }

    /// The same with something to read.
    #[must_use]
    pub fn stdin(mut self, input: Input) -> Self {
        self.stdin = Some(input);
        self
    }

    /// The same with its output also sent to `tap`.
    #[must_use]
    pub fn tap(mut self, tap: mpsc::UnboundedSender<Chunk>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Program and arguments in one list.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        std::iter::once(&self.program).chain(&self.args).cloned().collect()
    }

    /// The same with this command line in logs and messages.
    #[must_use]
    pub fn shown_as(mut self, argv: Vec<String>) -> Self {
        self.shown = Some(argv);
        self
    }

    /// The command line for logs and messages, with the values of password options masked.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        match &self.shown {
            Some(argv) => redact(argv),
            None => redact(&self.argv()),
        }
    }

    /// The command line as a person would type it, with the values of password options masked.
    #[must_use]
    pub fn display(&self) -> String {
        shell_words::join(self.shown())
    }
}

/// What a finished command left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// The exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// The last bytes of its standard output.
    pub stdout: Vec<u8>,
    /// The last bytes of its standard error.
    pub stderr: Vec<u8>,
    /// Bytes of both streams that the limit dropped.
    pub dropped: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Output {
    /// Whether it ended with status 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }

    /// Standard output as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn stdout_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// Standard error as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn stderr_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }
}
