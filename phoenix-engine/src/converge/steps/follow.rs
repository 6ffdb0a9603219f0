//! Runs a script inside a guest, detached and followed, so that neither a dropped connection, nor an agent that restarts, nor a time
//! limit loses it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use phoenix_host::{Chunk, Command, Effect, HostError, Input, Inside, InsideError, Output, Stream};
use phoenix_types::{GuestKind, Secret};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lines::{Lines, while_running};
use crate::converge::error::StepError;
use crate::converge::event_sender::EventSender;
use crate::desired::{DesiredGuest, DesiredScript};
use crate::event::{EventKind, millis};
use crate::plan::Stage;

/// The program that starts and follows a script in the guest. Its first lines say how.
const RUNNER: &str = include_str!("runner.sh");

/// The program that runs the script there, detached.
const SUPERVISOR: &str = include_str!("supervise.sh");

/// How long past its own time one look at a script may take, in the guest and on the way.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a script may be unreachable, because the connection or the agent is gone, before it is given up.
const LOST_CONTACT_LIMIT: Duration = Duration::from_secs(300);

/// How much output one poll of a script in a VM returns. An agent keeps 16 MiB of what a command prints (QEMU,
/// `qga/commands.c`), and Proxmox may write six characters for each byte.
const PIECE: usize = 4 << 20;

/// What one poll of a running script found.
#[derive(Debug, PartialEq, Eq)]
enum PollResult {
    Ended(i32),
    At(u64),
    /// With what systemd calls the result, where it knows.
    Lost(Option<String>),
    /// Another script still runs, so nothing was started.
    Busy,
}

/// The runner's last line on standard error.
fn verdict(stderr: &str) -> Option<PollResult> {
    let words: Vec<&str> =
        stderr.lines().rev().find_map(|line| line.strip_prefix("phoenix-run "))?.split(' ').collect();
    match words.as_slice() {
        ["ended", status] => status.parse().ok().map(PollResult::Ended),
        ["at", offset] => offset.parse().ok().map(PollResult::At),
        ["lost", reason] => Some(PollResult::Lost((!reason.is_empty()).then(|| (*reason).to_owned()))),
        ["busy"] => Some(PollResult::Busy),
        _ => None,
    }
}

/// What a poll is for; the runner's first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing was started yet.
    Start,
    /// Whether it was started is not known.
    Resume,
    /// It was.
    Follow,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Follow => "follow",
        }
    }
}

/// How long a poll lasts, and how long after the first new output it ends. A container streams while it runs, so one poll lasts to
/// the end. A VM's agent hands output over when a poll ends, and each poll costs a process: so output arrives after 2 s in the
/// beginning, and later after a fifth of the time that the script has run, 30 s at most.
fn poll_timing(kind: GuestKind, limit: Duration, elapsed: Duration) -> (Duration, Duration) {
    match kind {
        GuestKind::Container => (limit, limit),
        GuestKind::Vm => {
            (Duration::from_secs(120), (elapsed / 5).clamp(Duration::from_secs(2), Duration::from_secs(30)))
        }
    }
}

/// Whether a poll may succeed when it is tried again, so that a script which was started is not lost.
fn passes(error: &InsideError, mode: Mode) -> bool {
    match error {
        InsideError::AgentSilent { .. } | InsideError::Deadline { .. } | InsideError::Slow { .. } => true,
        // A guest that restarts ends the script, which the runner tells when the guest is back.
        InsideError::NotRunning(_) => mode != Mode::Start,
        InsideError::Host(
            HostError::Unreachable { .. } | HostError::OutcomeUnknown { .. } | HostError::Deadline { .. },
        ) => true,
        _ => false,
    }
}

/// Whether a poll was ended from outside: by a signal, as a shell or the agent tells it.
fn was_killed(output: &Output) -> bool {
    matches!(output.status, None | Some(137 | 143))
}

pub(super) async fn in_guest(
    guest: &DesiredGuest,
    script: &DesiredScript,
    inside: &Arc<dyn Inside>,
    events: &EventSender,
) -> Result<(), StepError> {
    let started = Instant::now();
    // The name ends with the digest: a script of an earlier run that still runs is followed only when it is the same one.
    let folder = format!("/run/phoenix-scripts/{}", script.digest.as_str());
    let payload = payload(guest, script);
    let mut lines = Lines::new(events, &script.name);
    let (mut mode, mut offset) = (Mode::Start, 0);
    let mut seen = Instant::now();
    let mut pause = Duration::from_secs(1);
    let limit = guest.limits.script.get();
    while let Some(left) = limit.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) {
        let (window, interval) = poll_timing(guest.kind(), limit, started.elapsed());
        let window = window.min(left);
        let most = match guest.kind() {
            GuestKind::Container => u64::from(u32::MAX),
            GuestKind::Vm => PIECE as u64,
        };
        let mut poll = Command::new("sh", Effect::Change, window + MARGIN)
            .args(["-c", RUNNER, "phoenix-run", mode.word(), folder.as_str()])
            .args([offset, whole_seconds(window), interval.as_secs(), most]);
        poll.output_limit = PIECE;
        let poll = match mode {
            Mode::Start | Mode::Resume => poll.stdin(Input::Secret(Secret::new(payload.as_str()))),
            Mode::Follow => poll,
        };
        let (result, streamed) = follow(guest.kind(), inside, poll, &mut lines).await;
        let trouble = match result {
            Ok(output) => match verdict(&output.stderr_text()) {
                Some(PollResult::Ended(0)) => {
                    lines.finish();
                    return Ok(());
                }
                Some(PollResult::Ended(status)) => {
                    return Err(StepError::Script { name: script.name.clone(), status, tail: lines.finish() });
                }
                Some(PollResult::At(at)) => {
                    (mode, offset, seen, pause) = (Mode::Follow, at, Instant::now(), Duration::from_secs(1));
                    continue;
                }
                Some(PollResult::Lost(reason)) => {
                    return Err(StepError::ScriptLost { name: script.name.clone(), reason, tail: lines.finish() });
                }
                Some(PollResult::Busy) => {
                    seen = Instant::now();
                    StepError::ScriptsBusy
                }
                None if was_killed(&output) => {
                    StepError::ScriptLost { name: script.name.clone(), reason: None, tail: String::new() }
                }
                None => {
                    lines.take(&output.stderr);
                    let status = output.status.unwrap_or(-1);
                    return Err(StepError::Script { name: script.name.clone(), status, tail: lines.finish() });
                }
            },
            Err(error) if passes(&error, mode) => error.into(),
            Err(error) => return Err(error.into()),
        };
        // What was streamed before the connection broke was reported already.
        offset += streamed;
        let state = match trouble {
            StepError::ScriptsBusy => "waits",
            _ => "cannot be reached",
        };
        if mode == Mode::Start && !matches!(trouble, StepError::ScriptsBusy) {
            mode = Mode::Resume;
        }
        if seen.elapsed() > LOST_CONTACT_LIMIT {
            return Err(trouble);
        }
        pause = (pause * 2).min(Duration::from_secs(15));
        let reason = format!("`{}` {state}: {trouble}", script.name);
        events.send(EventKind::StepRetried { stage: Stage::Provision, reason, delay_ms: millis(pause) });
        tokio::time::sleep(pause).await;
    }
    stop(inside, &folder).await;
    Err(StepError::ScriptDeadline { name: script.name.clone(), seconds: limit.as_secs(), tail: lines.finish() })
}

/// The files that the runner puts into the script's folder: a line for each, with its name and its content in base64.
fn payload(guest: &DesiredGuest, script: &DesiredScript) -> String {
    let (id, interpreter) = (guest.id.to_string(), script.interpreter());
    let words = [id.as_str(), guest.name.as_str(), script.name.as_str()];
    let words: String =
        words.into_iter().chain(interpreter.iter().map(String::as_str)).map(|word| format!("{word}\n")).collect();
    let files: [(&str, &[u8]); 4] = [
        ("supervise", SUPERVISOR.as_bytes()),
        ("words", words.as_bytes()),
        ("script", &script.body),
        ("context.json", &guest.context),
    ];
    let files = files.iter().map(|(name, content)| format!("{name} {}\n", BASE64.encode(content)));
    // The runner starts nothing without it.
    files.chain(std::iter::once("end\n".to_owned())).collect()
}

/// Begun seconds count, so that a plan and its run say the same.
fn whole_seconds(window: Duration) -> u64 {
    window.saturating_add(Duration::from_millis(999)).as_secs().max(1)
}

/// Kills what a script past its deadline left running. Whether that worked does not change the verdict.
async fn stop(inside: &Arc<dyn Inside>, folder: &str) {
    let kill = Command::new("sh", Effect::Change, Duration::from_secs(30)).args([
        "-c",
        RUNNER,
        "phoenix-run",
        "stop",
        folder,
        "0",
        "0",
        "0",
        "0",
    ]);
    if let Err(error) = inside.exec(kill).await {
        tracing::warn!(%error, "a script past its deadline could not be stopped");
    }
}

/// Runs one poll, with its standard output made into lines as it appears; how much of it appeared before the end.
async fn follow(
    kind: GuestKind,
    inside: &Arc<dyn Inside>,
    poll: Command,
    lines: &mut Lines<'_>,
) -> (Result<Output, InsideError>, u64) {
    let (tap, mut chunks) = mpsc::unbounded_channel::<Chunk>();
    let poll = match kind {
        GuestKind::Container => poll.tap(tap),
        // An agent hands output over at the end of a call; to see it sooner would cost a process for every piece.
        GuestKind::Vm => poll,
    };
    let mut streamed = 0;
    let result = while_running(inside.exec(poll), &mut chunks, |chunk| {
        if chunk.stream == Stream::Stdout {
            streamed += chunk.bytes.len() as u64;
            lines.take(&chunk.bytes);
        }
    })
    .await;
    // An inside that cannot stream hands everything over at the end.
    if let Ok(output) = &result
        && streamed == 0
    {
        lines.take(&output.stdout);
    }
    (result, streamed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("phoenix-run ended 4\n", Some(&PollResult::Ended(4)))]
    #[test_case("warning\nphoenix-run at 120\n", Some(&PollResult::At(120)))]
    #[test_case("phoenix-run lost \n", Some(&PollResult::Lost(None)))]
    #[test_case("phoenix-run lost oom-kill\n", Some(&PollResult::Lost(Some("oom-kill".to_owned()))))]
    #[test_case("phoenix-run busy\n", Some(&PollResult::Busy))]
    #[test_case("sh: not found\n", None)]
    fn the_runners_last_word(stderr: &str, result: Option<&PollResult>) {
        assert_eq!(verdict(stderr).as_ref(), result);
    }

    #[test]
    fn output_of_a_vm_arrives_soon_and_later_less_often() {
        let interval = |elapsed: u64| {
            poll_timing(GuestKind::Vm, Duration::from_secs(4 * 3600), Duration::from_secs(elapsed)).1.as_secs()
        };
        assert_eq!([0, 5, 60, 100, 3600].map(interval), [2, 2, 12, 20, 30]);
    }
}
