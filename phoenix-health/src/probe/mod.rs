//! Questions with a yes/no answer.

mod agent;
mod answer;
mod cloud_init;
mod command;
mod curl;
mod file;
mod http;
mod log;
mod moment;
mod pattern;
mod start;
mod tcp;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde::Serialize;

use crate::{Surroundings, seconds};

pub use answer::{Answer, Verdict};
pub(crate) use answer::{chain, clean, last_line};
pub(crate) use cloud_init::errors;
pub use cloud_init::{CloudInitProbe, Recoverable};
pub use command::{CommandLine, CommandProbe};
pub use file::{Age, Contents, FileProbe};
pub use http::{HttpProbe, Scheme, StatusRange, Tls, Trust};
pub use log::{LogProbe, LogSource};
pub use pattern::{InvalidPattern, Pattern};
pub use tcp::TcpProbe;

/// How long past its time an attempt may go on while the host ends what it started. Hosts end their commands themselves
/// at the deadline; this bounds the wait even when one does not.
pub(crate) const BACKSTOP: Duration = Duration::from_secs(5);

/// Where a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Inside the guest.
    #[default]
    Guest,
    /// On the node.
    Host,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guest => "in the guest",
            Self::Host => "on the host",
        })
    }
}

/// One question with a yes/no answer. [`Display`](fmt::Display) puts it in words.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Probe {
    /// Does a command end with status 0?
    Command(CommandProbe),
    /// Does something accept connections on a TCP port?
    Tcp(TcpProbe),
    /// Does an HTTP server answer as expected?
    Http(HttpProbe),
    /// Is a file there?
    File(FileProbe),
    /// Has a line been logged since the guest's start?
    Log(LogProbe),
    /// Does the guest's agent answer? Of a guest without an agent: can a program be run inside?
    Agent,
    /// Has cloud-init finished?
    CloudInit(CloudInitProbe),
    /// Do all pass? They are asked at the same time; the first no decides. An empty list passes.
    All(Vec<Self>),
    /// Does any pass? They are asked at the same time; the first yes decides. An empty list does not pass.
    Any(Vec<Self>),
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
    pub fn file(path: impl Into<camino::Utf8PathBuf>) -> Self {
        Self::File(FileProbe { path: path.into(), place: Place::Guest, contents: Contents::Any, age: Age::Any })
    }

    /// Asks, and takes no longer than `limit` (and a few seconds to end what does not want to end).
    ///
    /// Cancel safety: a dropped future closes its sockets and has the host kill what it started.
    pub async fn ask(&self, around: &Surroundings, limit: Duration) -> Answer {
        match tokio::time::timeout(limit.saturating_add(BACKSTOP), self.ask_within(around, limit)).await {
            Ok(answer) => answer,
            Err(_) => Answer::no(format!("no answer within {}", seconds::display(limit))),
        }
    }

    /// Boxed, because lists of probes contain probes.
    fn ask_within<'a>(
        &'a self,
        around: &'a Surroundings,
        limit: Duration,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(async move {
            match self {
                Self::Command(probe) => probe.ask(around, limit).await,
                Self::Tcp(probe) => probe.ask(around, limit).await,
                Self::Http(probe) => probe.ask(around, limit).await,
                Self::File(probe) => probe.ask(around, limit).await,
                Self::Log(probe) => probe.ask(around, limit).await,
                Self::Agent => agent::ask(around, limit).await,
                Self::CloudInit(probe) => probe.ask(around, limit).await,
                Self::All(probes) => all(probes, around, limit).await,
                Self::Any(probes) => any(probes, around, limit).await,
            }
        })
    }
}

async fn all(probes: &[Probe], around: &Surroundings, limit: Duration) -> Answer {
    let mut asked: FuturesUnordered<_> =
        probes.iter().map(|probe| async move { (probe, probe.ask_within(around, limit).await) }).collect();
    while let Some((probe, answer)) = asked.next().await {
        if answer.verdict != Verdict::Yes {
            return Answer { said: format!("{probe}: {}", answer.said), ..answer };
        }
    }
    Answer::yes(format!("all {} passed", probes.len()))
}

async fn any(probes: &[Probe], around: &Surroundings, limit: Duration) -> Answer {
    let mut asked: FuturesUnordered<_> = probes
        .iter()
        .enumerate()
        .map(|(index, probe)| async move { (index, probe, probe.ask_within(around, limit).await) })
        .collect();
    let mut failed = Vec::new();
    while let Some((index, probe, answer)) = asked.next().await {
        if answer.verdict == Verdict::Yes {
            return Answer { said: format!("{probe}: {}", answer.said), ..answer };
        }
        failed.push((index, probe, answer));
    }
    failed.sort_by_key(|(index, ..)| *index);
    let said = failed.iter().map(|(_, probe, answer)| format!("{probe}: {}", answer.said)).collect::<Vec<_>>();
    let hopeless = !failed.is_empty() && failed.iter().all(|(.., answer)| answer.verdict == Verdict::Never);
    Answer {
        verdict: if hopeless { Verdict::Never } else { Verdict::No },
        said: if said.is_empty() { "nothing to ask".to_owned() } else { said.join("; ") },
        output: failed.into_iter().map(|(.., answer)| answer.output).find(|text| !text.is_empty()).unwrap_or_default(),
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
            Self::Http(probe) => probe.fmt(f),
            Self::File(probe) => probe.fmt(f),
            Self::Log(probe) => probe.fmt(f),
            Self::Agent => f.write_str("guest agent answers"),
            Self::CloudInit(_) => f.write_str("cloud-init finished"),
            Self::All(probes) => list(f, "all", probes),
            Self::Any(probes) => list(f, "any", probes),
        }
    }
}

#[cfg(test)]
mod tests;
