//! Locks on guests that a task left when it died.

use std::time::Duration;

use tokio::time::Instant;

use super::error::StepError;
use super::guest::Worker;
use crate::event::{EventKind, millis};
use crate::node::Site;
use crate::plan::Stage;
use crate::tasks;

/// How long a task that still works on the guest is waited for in all, and between two looks.
const BUDGET: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(5);

/// Whether a lock is one that a task sets while it works and takes off when it ends, whichever way (pve-container and
/// qemu-server). `backup`, `migrate`, `suspended` and the like mean something beyond their task.
pub(crate) fn is_a_tasks(lock: &str) -> bool {
    ["clone", "create", "destroyed", "disk", "rollback", "snapshot", "snapshot-delete"].contains(&lock)
}

/// Whether a lock is that of a command that makes the guest.
pub(crate) fn is_creation(lock: &str) -> bool {
    ["clone", "create"].contains(&lock)
}

impl Worker<'_> {
    /// Takes the lock off the guest once no task works on it any more.
    pub(super) async fn break_lock(&self, site: &Site) -> Result<(), StepError> {
        let started = Instant::now();
        loop {
            let Some(file) = self.files(site).conf(self.id()).await? else { return Ok(()) };
            let Some(lock) = file.conf.lock() else { return Ok(()) };
            if !is_a_tasks(lock) {
                return Err(StepError::Locked { guest: self.id(), lock: lock.to_owned() });
            }
            if !self.is_worked_on(site).await? {
                return Ok(site.guests(self.kind()).unlock(self.id()).await?);
            }
            if started.elapsed() > BUDGET {
                return Err(StepError::Locked { guest: self.id(), lock: lock.to_owned() });
            }
            let reason = format!("a task that set the lock `{lock}` is still under way");
            self.voice.say(EventKind::StepRetried { stage: Stage::Unlock, reason, delay_ms: millis(PAUSE) });
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether a task works on the guest, or on what it is cloned from.
    async fn is_worked_on(&self, site: &Site) -> Result<bool, StepError> {
        let about = [Some(self.id()), self.guest.clone_source()];
        let tasks = tasks::under_way(&*site.host).await?;
        Ok(tasks.iter().any(|task| about.iter().flatten().any(|guest| task.is_about(*guest))))
    }
}
