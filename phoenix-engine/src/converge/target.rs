//! A guest that is stopped or removed, whatever the configuration says of it.

use phoenix_config::model::Limits;
use phoenix_pve::{ErrorClass, GuestFiles, Purge};
use phoenix_types::{GuestId, GuestKind};

use super::error::StepError;
use super::event_sender::EventSender;
use super::retry::while_busy;
use super::run::Run;
use crate::event::EventKind;
use crate::guest::{Proof, shutdown_limit};
use crate::node::Site;
use crate::plan::{Stage, Step, Work};

/// See the module.
pub(crate) struct Target<'a> {
    pub(crate) run: &'a Run,
    pub(crate) events: &'a EventSender,
    pub(crate) id: GuestId,
    pub(crate) kind: GuestKind,
    /// What it is a clone of: the task that makes a clone is about its source.
    pub(crate) copied_from: Option<GuestId>,
    /// How long the work on it may take; `None` when the configuration does not have it.
    pub(crate) limits: Option<&'a Limits>,
}

impl Target<'_> {
    /// Carries out a step of a removal.
    pub(crate) async fn work(&self, step: &Step) -> Result<(), StepError> {
        let site = self.run.node.at(self.id, step.stage);
        let _slot = if step.work.holds_a_slot() { Some(self.run.slot().await?) } else { None };
        match step.work {
            Work::BreakLock => self.break_lock(&site).await,
            Work::Stop => self.stop(&site).await,
            Work::Destroy => self.destroy(&site).await,
            // A removal has no other steps.
            _ => Ok(()),
        }
    }

    pub(super) fn files(&self, site: &Site) -> GuestFiles {
        GuestFiles::new(site.host.clone(), self.kind)
    }

    pub(super) async fn stop(&self, site: &Site) -> Result<(), StepError> {
        let (id, guests) = (self.id, site.guests(self.kind));
        let Some(file) = self.files(site).conf(id).await? else { return Ok(()) };
        let limit = shutdown_limit(self.limits, &file.conf.live);
        let stopped = while_busy(self.events, Stage::Stop, || guests.shutdown(id, limit)).await;
        match stopped {
            Err(error) if error.class() == Some(ErrorClass::NotRunning) => Ok(()),
            Err(error) if error.class() == Some(ErrorClass::TimedOut) => {
                let text = format!("it did not shut down within {} s: stopping it", limit.as_secs());
                self.events.send(EventKind::Notice { text });
                while_busy(self.events, Stage::Stop, || guests.stop(id)).await
            }
            other => other,
        }
    }

    /// What the guest itself shows of its owner, if it is there.
    pub(super) async fn proof(&self, site: &Site) -> Result<Option<Proof>, StepError> {
        let file = self.files(site).conf(self.id).await?;
        Ok(file.map(|file| Proof::of(&file.conf, self.kind, self.id, &self.run.fleet)))
    }

    /// Takes the guest off the list of those that are made or destroyed, unless an empty shell is left of it.
    pub(super) async fn clear_unless_shell(&self, site: &Site) -> Result<(), StepError> {
        let Some(lock) = &self.run.lock else { return Ok(()) };
        if self.proof(site).await? != Some(Proof::Shell) {
            lock.clear_in_progress(self.id).await?;
        }
        Ok(())
    }

    /// Destroys the guest, which shows at this moment that it is ours. In the middle of that it carries no record any more, so
    /// the run's lock names it.
    pub(super) async fn destroy(&self, site: &Site) -> Result<(), StepError> {
        match self.proof(site).await? {
            Some(Proof::Record(_) | Proof::Lost(_) | Proof::Unfinished(_)) => {}
            Some(Proof::Shell) if self.run.shells.contains(&self.id) => {}
            Some(_) => return Err(StepError::Taken(self.id)),
            // What a dead run's command was destroying is gone by itself.
            None => return Ok(()),
        }
        let (id, guests) = (self.id, site.guests(self.kind));
        if let Some(lock) = &self.run.lock {
            lock.mark_in_progress(id).await?;
        }
        let destroyed = while_busy(self.events, Stage::Destroy, || guests.destroy(id, Purge::Yes)).await;
        self.clear_unless_shell(site).await?;
        match destroyed {
            Err(error) if error.class() == Some(ErrorClass::NotFound) => Ok(()),
            other => other,
        }
    }
}
