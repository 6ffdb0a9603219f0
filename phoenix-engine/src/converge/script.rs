//! Runs a script inside a guest, detached and followed, so that neither a dropped connection nor a time limit loses it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use phoenix_config::model::ScriptPlace;
use phoenix_host::{Chunk, Command, Effect, Host, Input, Inside, Output, Stream};
use phoenix_types::{GuestId, GuestKind, Secret};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Voice;
use super::error::StepError;
use crate::desired::{DesiredGuest, DesiredScript};
use crate::event::EventKind;

/// The program that runs a script in the guest; what it does stands at its top.
const RUNNER: &str = include_str!("runner.sh");

/// How long a script may take. Model downloads and driver builds take long; an endless script must still end.
const DEADLINE: Duration = Duration::from_secs(4 * 3600);

/// How long past its own time one look at a script may take, in the guest and on the way.
const MARGIN: Duration = Duration::from_secs(60);

/// How much of a script's output a failure carries.
const TAIL_LINES: usize = 20;

/// How one look at a running script ended.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Ended(i32),
    At(u64),
    Lost,
}

/// The runner's last line on standard error.
fn verdict(stderr: &str) -> Option<Look> {
    let words: Vec<&str> =
        stderr.lines().rev().find_map(|line| line.strip_prefix("phoenix-run "))?.split(' ').collect();
    match words.as_slice() {
        ["ended", status] => status.parse().ok().map(Look::Ended),
        ["at", offset] => offset.parse().ok().map(Look::At),
        ["lost"] => Some(Look::Lost),
        _ => None,
    }
}

/// Splits output into lines for events and keeps the last ones for a failure.
struct Lines<'a> {
    voice: &'a Voice,
    script: &'a str,
    open: Vec<u8>,
    tail: std::collections::VecDeque<String>,
}

impl<'a> Lines<'a> {
    fn new(voice: &'a Voice, script: &'a str) -> Self {
        Self { voice, script, open: Vec::new(), tail: std::collections::VecDeque::new() }
    }

    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // A line without end is cut, so that a flood of bytes does not fill the memory.
            if byte == b'\n' || self.open.len() >= 8192 {
                self.end_line();
            }
            if byte != b'\n' {
                self.open.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.open)).trim_end_matches('\r').to_owned();
        self.voice.say(EventKind::Output { script: self.script.to_owned(), line: line.clone() });
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    fn finish(mut self) -> String {
        if !self.open.is_empty() {
            self.end_line();
        }
        self.tail.into_iter().collect::<Vec<_>>().join("\n")
    }
}

/// Runs a script to its end.
pub(super) async fn run(
    guest: &DesiredGuest,
    script: &DesiredScript,
    inside: &Arc<dyn Inside>,
    host: &Arc<dyn Host>,
    voice: &Voice,
) -> Result<(), StepError> {
    match script.place {
        ScriptPlace::Guest => in_guest(guest, script, inside, voice).await,
        ScriptPlace::Host => on_host(guest, script, host, voice).await,
    }
}

/// How long each look follows the script. A container streams while it runs, so one look lasts to the end; a VM's agent
/// gives its output at the end of a command, so the looks begin short and grow.
fn windows(kind: GuestKind) -> impl Iterator<Item = Duration> {
    let first = match kind {
        GuestKind::Container => DEADLINE,
        GuestKind::Vm => Duration::from_secs(15),
    };
    std::iter::successors(Some(first), |window| Some((*window * 2).min(Duration::from_secs(120))))
}

async fn in_guest(
    guest: &DesiredGuest,
    script: &DesiredScript,
    inside: &Arc<dyn Inside>,
    voice: &Voice,
) -> Result<(), StepError> {
    let started = Instant::now();
    // The name ends with the digest: a script of an earlier run that still runs is followed only when it is the same one.
    let folder = format!("/run/phoenix-{}", script.digest.as_str());
    let payload = format!("script {}\ncontext.json {}\n", BASE64.encode(&script.body), BASE64.encode(&guest.context));
    let mut lines = Lines::new(voice, &script.name);
    let (mut mode, mut offset) = ("start", 0);
    for window in windows(guest.kind()) {
        let left = DEADLINE.saturating_sub(started.elapsed());
        let window = window.min(left);
        let look = Command::new("sh", Effect::Change, window + MARGIN)
            .args(["-c", RUNNER, "phoenix-run", mode, folder.as_str()])
            .args([offset, window.as_secs().max(1), u64::from(guest.id.get())])
            .args([guest.name.as_str(), script.name.as_str()]);
        let look = if mode == "start" { look.stdin(Input::Secret(Secret::new(payload.as_str()))) } else { look };
        let output = follow(guest.kind(), inside, look, &mut lines).await?;
        mode = "follow";
        match verdict(&output.stderr_text()) {
            Some(Look::Ended(0)) => {
                lines.finish();
                return Ok(());
            }
            Some(Look::Ended(status)) => {
                return Err(StepError::Script { name: script.name.clone(), status, tail: lines.finish() });
            }
            Some(Look::At(at)) => offset = at,
            Some(Look::Lost) => return Err(StepError::ScriptLost { name: script.name.clone(), tail: lines.finish() }),
            None => {
                lines.take(&output.stderr);
                let status = output.status.unwrap_or(-1);
                return Err(StepError::Script { name: script.name.clone(), status, tail: lines.finish() });
            }
        }
        if left.is_zero() {
            break;
        }
    }
    stop(inside, &folder).await;
    Err(StepError::ScriptDeadline { name: script.name.clone(), seconds: DEADLINE.as_secs(), tail: lines.finish() })
}

/// Kills what a script past its deadline left running. Whether that worked does not change the verdict.
async fn stop(inside: &Arc<dyn Inside>, folder: &str) {
    let kill = Command::new("sh", Effect::Change, Duration::from_secs(30)).args([
        "-c",
        "[ -f \"$1/pid\" ] && kill -KILL -- \"-$(cat \"$1/pid\")\"; rm -rf \"$1\"",
        "phoenix-stop",
        folder,
    ]);
    if let Err(error) = inside.exec(kill).await {
        tracing::warn!(%error, "a script past its deadline could not be stopped");
    }
}

/// Runs something to its end and hands on every piece of output, as it appears and what is left at the end.
async fn while_running<T>(
    run: impl Future<Output = T>,
    chunks: &mut mpsc::UnboundedReceiver<Chunk>,
    mut take: impl FnMut(Chunk),
) -> T {
    tokio::pin!(run);
    let ended = loop {
        tokio::select! {
            biased;
            Some(chunk) = chunks.recv() => take(chunk),
            ended = &mut run => break ended,
        }
    };
    while let Ok(chunk) = chunks.try_recv() {
        take(chunk);
    }
    ended
}

/// Runs one look, with its standard output made into lines as it appears.
async fn follow(
    kind: GuestKind,
    inside: &Arc<dyn Inside>,
    look: Command,
    lines: &mut Lines<'_>,
) -> Result<Output, StepError> {
    let (tap, mut chunks) = mpsc::unbounded_channel::<Chunk>();
    let look = match kind {
        GuestKind::Container => look.tap(tap),
        // An agent hands output over at the end of a call; to see it sooner would cost a process for every piece.
        GuestKind::Vm => look,
    };
    let mut streamed = false;
    let output = while_running(inside.exec(look), &mut chunks, |chunk| {
        if chunk.stream == Stream::Stdout {
            streamed = true;
            lines.take(&chunk.bytes);
        }
    })
    .await?;
    // An inside that cannot stream hands everything over at the end.
    if !streamed {
        lines.take(&output.stdout);
    }
    Ok(output)
}

/// Runs a script of the predecessor's layout: on the node, with the guest's id as its argument.
async fn on_host(
    guest: &DesiredGuest,
    script: &DesiredScript,
    host: &Arc<dyn Host>,
    voice: &Voice,
) -> Result<(), StepError> {
    let stem = format!("/run/phoenix-{}-{}", guest.id, script.digest.as_str());
    let (program, context) = (format!("{stem}.sh"), format!("{stem}.json"));
    host.write(program.as_str().into(), &script.body, 0o700).await?;
    host.write(context.as_str().into(), &guest.context, 0o600).await?;
    let outcome = run_on_host(guest.id, script, host, voice, &program, &context).await;
    host.remove(program.as_str().into()).await?;
    host.remove(context.as_str().into()).await?;
    outcome
}

async fn run_on_host(
    id: GuestId,
    script: &DesiredScript,
    host: &Arc<dyn Host>,
    voice: &Voice,
    program: &str,
    context: &str,
) -> Result<(), StepError> {
    let (tap, mut chunks) = mpsc::unbounded_channel::<Chunk>();
    let command = Command::new("env", Effect::Change, DEADLINE)
        .args([
            format!("PHOENIX_CONTEXT={context}"),
            format!("PHOENIX_GUEST_ID={id}"),
            format!("PHOENIX_SCRIPT={}", script.name),
        ])
        .args([program.to_owned(), id.to_string()])
        .tap(tap);
    let mut lines = Lines::new(voice, &script.name);
    let output = while_running(host.run(command), &mut chunks, |chunk| lines.take(&chunk.bytes)).await?;
    let tail = lines.finish();
    match output.status {
        Some(0) => Ok(()),
        status => Err(StepError::Script { name: script.name.clone(), status: status.unwrap_or(-1), tail }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("phoenix-run ended 4\n", Some(&Look::Ended(4)))]
    #[test_case("warning\nphoenix-run at 120\n", Some(&Look::At(120)))]
    #[test_case("phoenix-run lost\n", Some(&Look::Lost))]
    #[test_case("sh: not found\n", None)]
    fn the_runners_last_word(stderr: &str, look: Option<&Look>) {
        assert_eq!(verdict(stderr).as_ref(), look);
    }

    #[test]
    fn a_vm_is_looked_at_ever_more_rarely() {
        let seconds: Vec<u64> = windows(GuestKind::Vm).take(5).map(|window| window.as_secs()).collect();
        assert_eq!(seconds, [15, 30, 60, 120, 120]);
    }
}
