//! The signals with which a person, a terminal or a service manager asks the program to end.

use std::future::poll_fn;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::CliError;

/// Interrupts (Ctrl-C), terminations, quits and hang-ups (a closed terminal, a dropped ssh session) from now on; the program does not
/// end by itself any more.
#[derive(Debug)]
pub(crate) struct Interrupts(Vec<Signal>);

impl Interrupts {
    pub(crate) fn new() -> Result<Self, CliError> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
        let ignored = ignored();
        // A signal that the parent process ignores stays ignored, as `nohup` expects.
        let kinds = kinds.into_iter().filter(|kind| ignored & (1 << (kind.as_raw_value() - 1)) == 0);
        kinds.map(signal).collect::<Result<_, _>>().map(Self).map_err(CliError::Start)
    }

    /// The next one. Cancel safety: none is lost.
    pub(crate) async fn next(&mut self) {
        poll_fn(|context| {
            let came = self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The signals that this process ignores, as bits (`proc_pid_status(5)`, `SigIgn`).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
