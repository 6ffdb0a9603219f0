//! Locks on guests that a task left when it died.

use std::time::Duration;

use tokio::time::Instant;

use crate::converge::error::StepError;
use crate::converge::target::Target;
use crate::event::{EventKind, millis};
use crate::guest::is_a_tasks;
use crate::node::Site;
use crate::plan::Stage;
use crate::tasks;

/// How long a task that still works on the guest is waited for in all, and between two looks.
const BUDGET: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(5);

impl Target<'_> {
    /// Takes the lock off the guest once no task works on it any more.
    pub(in crate::converge) async fn break_lock(&self, site: &Site) -> Result<(), StepError> {
        let started = Instant::now();
        loop {
            let Some(file) = self.files(site).conf(self.id).await? else { return Ok(()) };
            let Some(lock) = file.conf.lock() else { return Ok(()) };
            if !is_a_tasks(lock) {
                return Err(StepError::Locked { guest: self.id, lock: lock.to_owned() });
            }
            if !self.is_worked_on(site).await? {
                return Ok(site.guests(self.kind).unlock(self.id).await?);
            }
            if started.elapsed() > BUDGET {
                return Err(StepError::Locked { guest: self.id, lock: lock.to_owned() });
            }
            let reason = format!("a task that set the lock `{lock}` is still under way");
            self.events.send(EventKind::StepRetried { stage: Stage::Unlock, reason, delay_ms: millis(PAUSE) });
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether a task works on the guest, or on what it is cloned from.
    async fn is_worked_on(&self, site: &Site) -> Result<bool, StepError> {
        let about = [Some(self.id), self.copied_from];
        let tasks = tasks::under_way(&*site.host).await?;
        Ok(tasks.iter().any(|task| about.iter().flatten().any(|guest| task.is_about(*guest))))
    }
}
