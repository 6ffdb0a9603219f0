//! Locks on guests that a task left when it died.

use std::time::Duration;

use phoenix_host::{Command, Effect};
use phoenix_types::GuestId;
use serde::Deserialize;
use tokio::time::Instant;

use super::error::StepError;
use super::guest::Worker;
use crate::event::{EventKind, millis};
use crate::node::Site;
use crate::plan::Stage;

/// How long a task that still works on the guest is waited for in all, and between two looks.
const BUDGET: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(5);

/// How long the list of tasks may take.
const LIST: Duration = Duration::from_secs(60);

/// How many of the node's tasks are looked at. The list of active ones holds those that run and the last 25 that ended
/// (pve-common `RESTEnvironment.pm`).
const LIMIT: u32 = 500;

/// Whether a lock is one that a task sets while it works and takes off when it ends, whichever way (pve-container and
/// qemu-server). `backup`, `migrate`, `suspended` and the like mean something beyond their task.
pub(crate) fn is_a_tasks(lock: &str) -> bool {
    ["clone", "create", "destroyed", "disk", "rollback", "snapshot", "snapshot-delete"].contains(&lock)
}

/// Whether a lock is that of a command that makes the guest.
pub(crate) fn is_creation(lock: &str) -> bool {
    ["clone", "create"].contains(&lock)
}

/// What became of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// There was none, or its task came to its end and took it off.
    Gone,
    /// Its task was gone, so it was taken off.
    Broken,
}

/// A line of the node's list of tasks.
#[derive(Debug, Deserialize)]
struct Task {
    id: Option<String>,
    endtime: Option<serde_json::Value>,
}

impl Worker<'_> {
    /// Takes the lock off the guest once no task works on it any more.
    pub(super) async fn break_lock(&self, site: &Site) -> Result<Lock, StepError> {
        let started = Instant::now();
        loop {
            let Some(file) = self.files(site).conf(self.id()).await? else { return Ok(Lock::Gone) };
            let Some(lock) = file.conf.lock() else { return Ok(Lock::Gone) };
            if !is_a_tasks(lock) {
                return Err(StepError::Locked { guest: self.id(), lock: lock.to_owned() });
            }
            if !is_worked_on(site, self.id()).await? {
                site.unlock(self.kind(), self.id()).await?;
                return Ok(Lock::Broken);
            }
            if started.elapsed() > BUDGET {
                return Err(StepError::Locked { guest: self.id(), lock: lock.to_owned() });
            }
            let reason = format!("a task that set the lock `{lock}` is still under way");
            self.voice.say(EventKind::StepRetried { stage: Stage::Unlock, reason, delay_ms: millis(PAUSE) });
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether a task of the node is about the guest.
async fn is_worked_on(site: &Site, guest: GuestId) -> Result<bool, StepError> {
    let command = Command::new("pvesh", Effect::Read, LIST)
        .args(["get", "/nodes/localhost/tasks", "--source", "active"])
        .args(["--limit".to_owned(), LIMIT.to_string()])
        .args(["--output-format", "json"]);
    let shown = command.display();
    let output = site.host.run(command).await?;
    let tasks: Result<Vec<Task>, _> = serde_json::from_slice(&output.stdout);
    match tasks {
        Ok(tasks) if output.succeeded() => {
            let id = guest.to_string();
            Ok(tasks.iter().any(|task| task.id.as_deref() == Some(&id) && task.endtime.is_none()))
        }
        _ => Err(StepError::HostCommand {
            command: shown,
            status: output.status.map_or_else(|| "a signal".to_owned(), |status| status.to_string()),
            tail: output.stderr_text().trim().to_owned(),
        }),
    }
}
