//! Runs a script, inside a guest or on the node, with its output told line by line.

use std::sync::Arc;
use std::time::Duration;

use phoenix_config::model::ScriptPlace;
use phoenix_host::{Chunk, Command, Effect, Host, Inside};
use tokio::sync::mpsc;

use super::Voice;
use super::error::StepError;
use super::follow;
use crate::desired::{DesiredGuest, DesiredScript};
use crate::event::EventKind;

/// How long a script may take. Model downloads and driver builds take long; an endless script must still end.
pub(super) const DEADLINE: Duration = Duration::from_secs(4 * 3600);

/// How much of a script's output a failure carries.
const TAIL_LINES: usize = 20;

/// Splits output into lines for events and keeps the last ones for a failure.
pub(super) struct Lines<'a> {
    voice: &'a Voice,
    script: &'a str,
    open: Vec<u8>,
    tail: std::collections::VecDeque<String>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(voice: &'a Voice, script: &'a str) -> Self {
        Self { voice, script, open: Vec::new(), tail: std::collections::VecDeque::new() }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
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

    pub(super) fn finish(mut self) -> String {
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
        ScriptPlace::Guest => follow::in_guest(guest, script, inside, voice).await,
        ScriptPlace::Host => on_host(guest, script, host, voice).await,
    }
}

/// Runs something to its end and hands on every piece of output, as it appears and what is left at the end.
pub(super) async fn while_running<T>(
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

/// Runs a command and removes two files when it has ended, whether or not anybody waits for it by then.
const AND_REMOVE: &str = r#"a=$1 b=$2; shift 2; "$@"; s=$?; rm -f -- "$a" "$b"; exit "$s""#;

/// Whether the node has the script where this machine has it: always, when they are one. Then it runs from there, beside the files
/// that it reads; the predecessor's scripts begin with `source` of one.
async fn is_there(script: &DesiredScript, host: &Arc<dyn Host>) -> Result<bool, StepError> {
    if host.stat(&script.path).await?.is_none_or(|stat| stat.size != script.body.len() as u64) {
        return Ok(false);
    }
    Ok(host.read(&script.path, script.body.len() as u64).await?[..] == script.body[..])
}

/// Runs a script of the predecessor's layout: on the node, with the guest's id as its argument.
async fn on_host(
    guest: &DesiredGuest,
    script: &DesiredScript,
    host: &Arc<dyn Host>,
    voice: &Voice,
) -> Result<(), StepError> {
    let stem = format!("/run/phoenix-{}-{}", guest.id, script.digest.as_str());
    let (copy, context) = (format!("{stem}.sh"), format!("{stem}.json"));
    let program = if is_there(script, host).await? {
        script.path.as_str()
    } else {
        host.write(copy.as_str().into(), &script.body, 0o600).await?;
        copy.as_str()
    };
    host.write(context.as_str().into(), &guest.context, 0o600).await?;
    let (tap, mut chunks) = mpsc::unbounded_channel::<Chunk>();
    let command = Command::new("sh", Effect::Change, DEADLINE)
        .args(["-c", AND_REMOVE, "phoenix-host", copy.as_str(), context.as_str(), "env"])
        .args([
            format!("PHOENIX_CONTEXT={context}"),
            format!("PHOENIX_GUEST_ID={}", guest.id),
            format!("PHOENIX_GUEST_NAME={}", guest.name),
            format!("PHOENIX_SCRIPT={}", script.name),
        ])
        .args(script.interpreter())
        .args([program.to_owned(), guest.id.to_string()])
        .tap(tap);
    let mut lines = Lines::new(voice, &script.name);
    let ran = while_running(host.run(command), &mut chunks, |chunk| lines.take(&chunk.bytes)).await;
    let tail = lines.finish();
    // Killed at its deadline, it could not tidy up.
    if !matches!(&ran, Ok(output) if output.status.is_some()) {
        host.remove(copy.as_str().into()).await?;
        host.remove(context.as_str().into()).await?;
    }
    match ran?.status {
        Some(0) => Ok(()),
        status => Err(StepError::Script { name: script.name.clone(), status: status.unwrap_or(-1), tail }),
    }
}
