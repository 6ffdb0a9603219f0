//! Runs a script, inside a guest or on the node, with its output told line by line.

use std::sync::Arc;

use phoenix_config::model::ScriptPlace;
use phoenix_host::{Chunk, Command, Effect, Host, Inside};
use tokio::sync::mpsc;

use super::follow;
use super::lines::{Lines, while_running};
use crate::converge::error::StepError;
use crate::converge::event_sender::EventSender;
use crate::converge::record;
use crate::converge::worker::Worker;
use crate::desired::{DesiredGuest, DesiredScript};
use crate::guest::PendingWork;
use crate::node::Site;

impl Worker<'_> {
    pub(in crate::converge) async fn script(&mut self, at: usize, site: &Site) -> Result<(), StepError> {
        let Some(desired) = self.guest.scripts.get(at) else { return Ok(()) };
        // What ran before this one, and is still wanted, stays; from here on it is no longer true that this one and those behind
        // it ran.
        let earlier: Vec<&str> = self.guest.scripts[..at].iter().map(|script| script.name.as_str()).collect();
        let known = self.record.scripts.len();
        self.record.scripts.retain(|ran| earlier.contains(&ran.name.as_str()));
        if self.record.scripts.len() < known {
            if self.guest.renews_snapshots() {
                self.record.pending.insert(PendingWork::Snapshots);
            }
            record::write(self, site).await?;
        }
        let inside = site.guests(self.kind()).inside(self.id());
        run(self.guest, desired, &inside, &site.host, self.events).await?;
        self.record.ran(&desired.name, &desired.digest);
        record::write(self, site).await
    }
}

/// Runs a script to its end.
pub(super) async fn run(
    guest: &DesiredGuest,
    script: &DesiredScript,
    inside: &Arc<dyn Inside>,
    host: &Arc<dyn Host>,
    events: &EventSender,
) -> Result<(), StepError> {
    match script.place {
        ScriptPlace::Guest => follow::in_guest(guest, script, inside, events).await,
        ScriptPlace::Host => on_host(guest, script, host, events).await,
    }
}

/// Runs a command and removes two files when it has ended, whether or not anybody waits for it by then.
const AND_REMOVE: &str = r#"a=$1 b=$2; shift 2; "$@"; s=$?; rm -f -- "$a" "$b"; exit "$s""#;

/// Whether the node has the script where this machine has it: always, when they are one. Then it runs from there, next to the files
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
    events: &EventSender,
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
    let command = Command::new("sh", Effect::Change, guest.limits.script.get())
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
    let mut lines = Lines::new(events, &script.name);
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
