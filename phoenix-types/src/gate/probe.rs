//! Questions with a yes or no answer.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use camino::Utf8PathBuf;

use crate::{SecretSource, mask_secrets, redact};

/// Where a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Inside the guest.
    Guest,
    /// On the node.
    Host,
}

/// One question with a yes or no answer. [`Display`](fmt::Display) puts it in words.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// Does a command end with status 0?
    Command(CommandProbe),
    /// Does something accept connections on a TCP port?
    Tcp(TcpProbe),
    /// Does a name resolve?
    Dns(DnsProbe),
    /// Does an HTTP server answer as expected?
    Http(HttpProbe),
    /// Is a file there?
    File(FileProbe),
    /// Was a line logged since the guest's start?
    Log(LogProbe),
    /// Does the guest's agent answer? For a guest without an agent: can a program be run inside?
    Agent,
    /// Has cloud-init finished?
    CloudInit(CloudInitProbe),
    /// What a program that embeds Phoenix asks itself, by the name that it is registered under. No file can hold one.
    Custom(String),
    /// Do all of these pass? They are asked at the same time; the first no decides. An empty list passes.
    All(Vec<Self>),
    /// Does any of these pass? They are asked at the same time; the first yes decides. An empty list does not pass.
    Any(Vec<Self>),
}

/// A command whose exit status is the answer: 0 is yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandProbe {
    /// The command.
    pub command: CommandLine,
    /// Where it runs.
    pub place: Place,
}

/// A command as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// A line for the shell. `sh -c` gets it as one argument; nothing is added to it.
    Shell(String),
    /// Program and arguments.
    Argv(Vec<String>),
}

/// A TCP port that must accept a connection. The connection is closed at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpProbe {
    /// The port.
    pub port: u16,
    /// A name or an IP address. Default: the guest's own address, or `localhost` when asked from inside.
    pub address: Option<String>,
    /// From where. From the host it is a socket of the node; from inside it costs a process (`nc`, else bash).
    pub from: Place,
}

/// A name that must resolve, by what the asking side is set up with: its hosts file, its resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsProbe {
    /// The name.
    pub name: String,
    /// The address that must be among the answers. Default: any will do.
    pub address: Option<IpAddr>,
    /// From where. It costs a process (`getent`).
    pub from: Place,
}

/// A request, and what its answer must be. Redirections are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProbe {
    /// With or without TLS.
    pub scheme: Scheme,
    /// The method, such as `GET`.
    pub method: String,
    /// A name or an IP address. Default: the guest's own address, or `localhost` when asked from inside.
    pub address: Option<String>,
    /// The port.
    pub port: u16,
    /// Path and query. It begins with `/`.
    pub path: String,
    /// Headers to send. Their values may be secrets and are never shown.
    pub headers: BTreeMap<String, SecretSource>,
    /// Statuses that are a yes.
    pub status: Vec<RangeInclusive<u16>>,
    /// A text that must be in the first MiB of the body.
    pub body: Option<String>,
    /// From where. From the host it is a socket of the node; from inside it costs a process (`curl`).
    pub from: Place,
}

/// With or without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Without.
    Http,
    /// With; `phoenix-health` needs its feature `tls` for it.
    Https(Tls),
}

/// How a server proves itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Which certificates are accepted.
    pub trust: Trust,
    /// The name that the certificate must carry. Default: the address that is dialled.
    pub server_name: Option<String>,
}

/// Which certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those that an authority in this PEM file has signed. The file is on the side that asks and is read for each attempt.
    Bundle(Utf8PathBuf),
    /// Any certificate. A yes then says that something speaks TLS there, not who.
    Anyone,
}

impl Default for Trust {
    /// Debian's bundle of public authorities. Every Proxmox VE node has it, and most guests.
    fn default() -> Self {
        Self::Bundle("/etc/ssl/certs/ca-certificates.crt".into())
    }
}

/// A file that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProbe {
    /// Its absolute path.
    pub path: Utf8PathBuf,
    /// On which side.
    pub place: Place,
    /// What must be in it.
    pub contents: Contents,
    /// How old it may be.
    pub age: Age,
}

/// What must be in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Contents {
    /// Anything, or nothing.
    #[default]
    Any,
    /// Something.
    NonEmpty,
    /// This text, within the first MiB.
    Text(String),
}

/// How old a file may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Age {
    /// Any age.
    #[default]
    Any,
    /// Written since the guest started, to the second, by the clock of the side where the file is. When that clock was moved
    /// since the start, only a file that is newer in any case counts.
    SinceStart,
}

/// A line that must have been logged inside the guest since it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProbe {
    /// Where it is logged.
    pub source: LogSource,
    /// What the line contains.
    pub contains: String,
}

/// Where a line is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// The systemd journal, of one unit or as a whole. Lines from before the guest's start do not count.
    Journal {
        /// The unit, such as `step-ca.service`.
        unit: Option<String>,
    },
    /// A file. A line counts when its time is after the guest's start. A line without a time counts when the file was made
    /// after the guest's start.
    File(Utf8PathBuf),
}

/// Whether cloud-init has finished, by `cloud-init status --long`.
///
/// Its words and exit statuses (0 fine, 1 failed, 2 done with recoverable errors) are those of cloud-init's reference,
/// <https://docs.cloud-init.io/en/latest/explanation/return_codes.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CloudInitProbe {
    /// What "done, with recoverable errors" (exit status 2) means.
    pub recoverable: Recoverable,
    /// What a guest without cloud-init means.
    pub absent: Absence,
}

/// What a guest means in which cloud-init is not installed or disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absence {
    /// The gate never passes.
    #[default]
    Fails,
    /// There is nothing to wait for.
    Passes,
}

/// What exit status 2 of `cloud-init status` means for the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recoverable {
    /// It is done; the answer names the errors.
    #[default]
    Passes,
    /// The guest must be rebooted once and asked again.
    NeedsReboot,
}

impl HttpProbe {
    /// A plain GET of `/` from the node's side; 200 to 399 is a yes.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self {
            scheme: Scheme::Http,
            method: "GET".to_owned(),
            address: None,
            port,
            path: "/".to_owned(),
            headers: BTreeMap::new(),
            status: vec![200..=399],
            body: None,
            from: Place::Host,
        }
    }
}

impl Probe {
    /// A line for `sh -c` inside the guest.
    #[must_use]
    pub fn shell(line: impl Into<String>) -> Self {
        Self::Command(CommandProbe { command: CommandLine::Shell(line.into()), place: Place::Guest })
    }

    /// A TCP port of the guest, dialled from the node's side.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self::Tcp(TcpProbe { port, address: None, from: Place::Host })
    }

    /// A file inside the guest that only has to be there.
    #[must_use]
    pub fn file(path: impl Into<Utf8PathBuf>) -> Self {
        Self::File(FileProbe { path: path.into(), place: Place::Guest, contents: Contents::Any, age: Age::Any })
    }

    /// Whether it can only be asked of a VM.
    #[must_use]
    pub fn needs_vm(&self) -> bool {
        let mut needs = false;
        self.each(&mut |probe| needs |= matches!(probe, Self::Agent));
        needs
    }

    /// The secrets that asking it needs.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretSource> {
        let mut secrets = Vec::new();
        self.each(&mut |probe| {
            if let Self::Http(http) = probe {
                secrets.extend(http.headers.values());
            }
        });
        secrets
    }

    /// Visits the probe and all probes inside it.
    pub fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        if let Self::All(probes) | Self::Any(probes) = self {
            for probe in probes {
                probe.each(visit);
            }
        }
    }

    /// A short name for a gate that has none of its own.
    #[must_use]
    pub fn title(&self) -> String {
        let joined = |probes: &[Self], word: &str| probes.iter().map(Self::title).collect::<Vec<_>>().join(word);
        match self {
            Self::Command(probe) => match probe.place {
                Place::Guest => probe.command.to_string(),
                Place::Host => format!("{} (on the node)", probe.command),
            },
            Self::Tcp(tcp) => match &tcp.address {
                Some(address) => format!("tcp {address}:{}", tcp.port),
                None => format!("tcp {}", tcp.port),
            },
            Self::Dns(dns) => format!("dns {}", dns.name),
            Self::Http(http) => {
                let address = http.address.as_deref().unwrap_or("guest");
                format!("{}://{address}:{}{}", http.scheme, http.port, http.path)
            }
            Self::File(file) => format!("file {}", file.path),
            Self::Log(log) => format!("log line `{}`", log.contains),
            Self::Agent => "guest agent".to_owned(),
            Self::CloudInit(_) => "cloud-init".to_owned(),
            Self::Custom(name) => name.clone(),
            Self::All(probes) => joined(probes, " and "),
            Self::Any(probes) => joined(probes, " or "),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, word: &str, probes: &[Self]| {
            write!(f, "{word} of (")?;
            for (index, probe) in probes.iter().enumerate() {
                write!(f, "{}{probe}", if index == 0 { "" } else { ", " })?;
            }
            f.write_str(")")
        };
        match self {
            Self::Command(probe) => probe.fmt(f),
            Self::Tcp(probe) => probe.fmt(f),
            Self::Dns(probe) => probe.fmt(f),
            Self::Http(probe) => probe.fmt(f),
            Self::File(probe) => probe.fmt(f),
            Self::Log(probe) => write!(f, "line with `{}` in {}", probe.contains, probe.source),
            Self::Agent => f.write_str("guest agent answers"),
            Self::CloudInit(_) => f.write_str("cloud-init finished"),
            Self::Custom(name) => f.write_str(name),
            Self::All(probes) => list(f, "all", probes),
            Self::Any(probes) => list(f, "any", probes),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guest => "in the guest",
            Self::Host => "on the host",
        })
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(line) => f.write_str(line),
            Self::Argv(argv) => f.write_str(&argv.join(" ")),
        }
    }
}

impl fmt::Display for CommandProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match &self.command {
            CommandLine::Shell(line) => line,
            CommandLine::Argv(argv) => &redact(argv).join(" "),
        };
        write!(f, "`{}` {}", mask_secrets(line), self.place)
    }
}

impl fmt::Display for TcpProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tcp ")?;
        if let Some(address) = &self.address {
            write!(f, "{address}:")?;
        }
        write!(f, "{}", self.port)?;
        if self.from == Place::Guest { write!(f, " from inside") } else { Ok(()) }
    }
}

impl fmt::Display for DnsProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name {}", self.name)?;
        if let Some(address) = &self.address {
            write!(f, " is {address}")?;
        }
        if self.from == Place::Guest { f.write_str(" from inside") } else { Ok(()) }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https(_) => "https",
        })
    }
}

impl fmt::Display for HttpProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.as_deref().unwrap_or(match self.from {
            Place::Guest => "localhost",
            Place::Host => "guest",
        });
        write!(f, "{} {}://{address}:{}{}", self.method, self.scheme, self.port, mask_secrets(&self.path))?;
        if let Some(text) = &self.body {
            write!(f, " with `{text}`")?;
        }
        if self.from == Place::Guest { f.write_str(" from inside") } else { Ok(()) }
    }
}

impl fmt::Display for FileProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file `{}` {}", self.path, self.place)?;
        match &self.contents {
            Contents::Any => {}
            Contents::NonEmpty => f.write_str(", not empty")?,
            Contents::Text(text) => write!(f, ", with `{text}`")?,
        }
        if self.age == Age::SinceStart { f.write_str(", since start") } else { Ok(()) }
    }
}

impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal { unit: Some(unit) } => write!(f, "the journal of {unit}"),
            Self::Journal { unit: None } => f.write_str("the journal"),
            Self::File(path) => write!(f, "`{path}`"),
        }
    }
}
