//! Gates: a probe with a schedule that holds something back.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use phoenix_types::Span;
use serde::{Deserialize, Serialize};

use crate::model::SecretSource;

/// A probe with its schedule.
///
/// The first attempt is made at once, the next one `interval` after the end of the last. The gate passes after
/// `success_threshold` successes in a row; it fails when `retries` attempts were made or `deadline` has gone by since
/// it began, whichever comes first. One of the two is always set.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Gate {
    /// What it is called in plans and reports: written, or made from the probe.
    pub name: String,
    /// The question that it asks.
    pub probe: Probe,
    /// How many attempts are made at most. Absent: as many as fit before the deadline.
    pub retries: Option<u32>,
    /// The time from the end of one attempt to the start of the next.
    pub interval: Span,
    /// How long one attempt may take; then it has failed.
    pub timeout: Span,
    /// How long the gate may take in all.
    pub deadline: Option<Span>,
    /// Attempts that begin within this time are not counted against `retries`.
    pub start_period: Span,
    /// How many successes in a row it needs.
    pub success_threshold: u32,
    /// What the interval is multiplied by after each failure; 1 keeps it.
    pub backoff: f64,
    /// The longest interval that backoff may reach; one hour at most.
    pub max_interval: Option<Span>,
    /// By which share of itself each interval is made longer or shorter at random, from 0 to 1.
    pub jitter: f64,
}

/// How many attempts a gate makes: kept for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// At most so many.
    AtMost(u32),
    /// Until the deadline.
    UntilDeadline,
}

impl Gate {
    /// How many attempts it makes.
    #[must_use]
    pub fn attempts(&self) -> Attempts {
        self.retries.map_or(Attempts::UntilDeadline, Attempts::AtMost)
    }
}

/// A question with a yes or no answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Probe {
    /// A command inside the guest ends with 0.
    Command(Command),
    /// A command on the node ends with 0.
    HostCommand(Command),
    /// A port accepts connections.
    Tcp(TcpProbe),
    /// A web server answers as expected.
    Http(Box<HttpProbe>),
    /// A file is there.
    File(FileProbe),
    /// A line was logged since the guest's start.
    Log(LogProbe),
    /// The guest agent answers.
    Agent,
    /// cloud-init has finished.
    CloudInit,
    /// All of these.
    All(Vec<Self>),
    /// At least one of these.
    Any(Vec<Self>),
}

/// A command of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A text for `sh -c`.
    Shell(String),
    /// A program and its arguments.
    Argv(Vec<String>),
}

impl Command {
    /// The program and arguments to run.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Shell(text) => vec!["sh".into(), "-c".into(), text.clone()],
            Self::Argv(argv) => argv.clone(),
        }
    }
}

/// From where a network probe looks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    /// From the node, to the guest's address.
    #[default]
    Host,
    /// From inside the guest.
    Guest,
}

/// A port that must accept connections.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpProbe {
    /// The host to connect to. Absent: the guest's own address from the node, `localhost` from inside the guest.
    pub host: Option<String>,
    /// The port.
    pub port: u16,
    /// From where.
    pub from: Vantage,
}

/// `http` or `https`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain.
    #[default]
    Http,
    /// Over TLS.
    Https,
}

/// A range of status codes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusRange {
    /// The lowest.
    pub from: u16,
    /// The highest.
    pub to: u16,
}

/// A web server that must answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpProbe {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The host to connect to. Absent: as for [`TcpProbe`].
    pub host: Option<String>,
    /// The port: 80 or 443 unless written.
    pub port: u16,
    /// The path with its query, `/` unless written.
    pub path: String,
    /// The method, `GET` unless written.
    pub method: String,
    /// Request headers.
    pub headers: BTreeMap<String, SecretSource>,
    /// Which status codes pass: 200 to 399 unless written.
    pub status: Vec<StatusRange>,
    /// A text that the body must hold.
    pub body: Option<String>,
    /// The file of the authority that must have signed the server's certificate, on the node. Absent: the node's own set.
    pub ca_file: Option<Utf8PathBuf>,
    /// The name that the certificate must carry. Absent: the host.
    pub server_name: Option<String>,
    /// Whether any certificate will do.
    pub insecure: bool,
    /// From where.
    pub from: Vantage,
}

/// A file that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileProbe {
    /// Its absolute path.
    pub path: Utf8PathBuf,
    /// In the guest, or on the node.
    pub place: Vantage,
    /// Whether an empty file does not count.
    pub non_empty: bool,
    /// Whether a file from before the guest's start does not count.
    pub newer_than_start: bool,
    /// A text that it must hold.
    pub contains: Option<String>,
}

/// A line that must have been logged since the guest's start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogProbe {
    /// Where it is looked for.
    pub source: LogSource,
    /// A text that the line must hold.
    pub contains: String,
}

/// Where a log line is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// The guest's journal.
    Journal,
    /// One unit of the guest's journal.
    Unit(String),
    /// A file in the guest.
    File(Utf8PathBuf),
}

impl Probe {
    /// What it asks, in a few words: the name of a gate that has none.
    #[must_use]
    pub fn words(&self) -> String {
        fn joined(probes: &[Probe], word: &str) -> String {
            probes.iter().map(Probe::words).collect::<Vec<_>>().join(word)
        }
        fn command(command: &Command) -> String {
            match command {
                Command::Shell(text) => text.clone(),
                Command::Argv(argv) => argv.join(" "),
            }
        }
        match self {
            Self::Command(text) => command(text),
            Self::HostCommand(text) => format!("{} (on the node)", command(text)),
            Self::Tcp(tcp) => match &tcp.host {
                Some(host) => format!("tcp {host}:{}", tcp.port),
                None => format!("tcp {}", tcp.port),
            },
            Self::Http(http) => {
                let scheme = match http.scheme {
                    Scheme::Http => "http",
                    Scheme::Https => "https",
                };
                format!("{scheme}://{}:{}{}", http.host.as_deref().unwrap_or("guest"), http.port, http.path)
            }
            Self::File(file) => format!("file {}", file.path),
            Self::Log(log) => format!("log line `{}`", log.contains),
            Self::Agent => "guest agent".into(),
            Self::CloudInit => "cloud-init".into(),
            Self::All(probes) => joined(probes, " and "),
            Self::Any(probes) => joined(probes, " or "),
        }
    }

    /// Whether it can only be asked of a VM.
    #[must_use]
    pub fn needs_vm(&self) -> bool {
        match self {
            Self::Agent => true,
            Self::All(probes) | Self::Any(probes) => probes.iter().any(Self::needs_vm),
            _ => false,
        }
    }

    /// The probe and all probes inside it.
    pub fn each(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        if let Self::All(probes) | Self::Any(probes) = self {
            for probe in probes {
                probe.each(visit);
            }
        }
    }
}
