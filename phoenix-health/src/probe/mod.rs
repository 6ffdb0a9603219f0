//! Questions with a yes/no answer.

mod agent;
pub(crate) mod answer;
mod cloud_init;
mod command;
mod curl;
mod custom;
mod dns;
mod file;
mod http;
mod log;
mod moment;
mod response;
mod start;
mod tcp;
#[cfg(feature = "tls")]
mod tls;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use phoenix_host::WAY;
use phoenix_types::gate::Probe;

use crate::{ProbeContext, seconds};

pub use answer::{Answer, Verdict};
pub(crate) use answer::{chain, clean, last_line};
pub(crate) use cloud_init::{CLOUD_INIT, Report};

/// How long past its time an attempt may go on. The limit of an attempt holds where its probe runs; the way there has a limit of
/// its own, and hosts end their commands themselves. This bounds the wait even when one does not.
pub(crate) const BACKSTOP: Duration = WAY.saturating_add(Duration::from_secs(10));

/// Puts a question to a guest.
pub trait Ask {
    /// Asks once, and takes no longer than `limit` (and a few seconds to end what does not want to end).
    ///
    /// Cancel safety: a dropped future closes its sockets and has the host kill what it started.
    fn ask(&self, context: &ProbeContext, limit: Duration) -> impl Future<Output = Answer> + Send;
}

impl Ask for Probe {
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer {
        match tokio::time::timeout(limit.saturating_add(BACKSTOP), ask_within(self, context, limit)).await {
            Ok(answer) => answer,
            Err(_) => Answer::unanswered(format!(
                "the node is too slow to ask: nothing came back within {}",
                seconds::display(limit + BACKSTOP)
            )),
        }
    }
}

/// Boxed, because lists of probes contain probes.
fn ask_within<'a>(
    probe: &'a Probe,
    context: &'a ProbeContext,
    limit: Duration,
) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
    Box::pin(async move {
        match probe {
            Probe::Command(probe) => probe.ask(context, limit).await,
            Probe::Tcp(probe) => probe.ask(context, limit).await,
            Probe::Dns(probe) => probe.ask(context, limit).await,
            Probe::Http(probe) => probe.ask(context, limit).await,
            Probe::File(probe) => probe.ask(context, limit).await,
            Probe::Log(probe) => probe.ask(context, limit).await,
            Probe::Agent => agent::ask(context, limit).await,
            Probe::CloudInit(probe) => probe.ask(context, limit).await,
            Probe::Custom(name) => custom::ask(name, context, limit).await,
            Probe::All(probes) => all(probes, context, limit).await,
            Probe::Any(probes) => any(probes, context, limit).await,
        }
    })
}

async fn all(probes: &[Probe], context: &ProbeContext, limit: Duration) -> Answer {
    let mut asked: FuturesUnordered<_> =
        probes.iter().map(|probe| async move { (probe, ask_within(probe, context, limit).await) }).collect();
    while let Some((probe, answer)) = asked.next().await {
        if answer.verdict != Verdict::Yes {
            return Answer { said: format!("{probe}: {}", answer.said), ..answer };
        }
    }
    Answer::yes(format!("all {} passed", probes.len()))
}

async fn any(probes: &[Probe], context: &ProbeContext, limit: Duration) -> Answer {
    let mut asked: FuturesUnordered<_> = probes
        .iter()
        .enumerate()
        .map(|(index, probe)| async move { (index, probe, ask_within(probe, context, limit).await) })
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

#[cfg(test)]
mod tests;
