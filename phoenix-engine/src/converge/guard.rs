//! Changes that can be undone: a snapshot before the first of them, and the way back when one fails.

use phoenix_types::{GuestKind, Power, SnapshotName};

use super::error::StepError;
use super::guest::Worker;
use super::retry::while_busy;
use super::{gates, settings};
use crate::node::Site;
use crate::plan::{Stage, UNDO};
use crate::record::{Debt, Record};

/// The snapshot that a change goes back to.
pub(crate) fn undo_snapshot() -> Option<SnapshotName> {
    UNDO.parse().ok()
}

impl Worker<'_> {
    /// Takes a guest back to what it was before the run, and asks its gates there. Says what came of it.
    pub(super) async fn roll_back(&mut self, before: &Record, power: Power) -> Option<String> {
        let site = self.run.node.at(self.id(), Stage::Undo);
        let name = undo_snapshot()?;
        match self.conf(&site).await {
            Ok(file) if file.conf.has_snapshot(&name) => {}
            _ => return None,
        }
        match self.take_back(before, power, &name).await {
            Ok(()) => Some(format!("it was rolled back to what it was before, and {}", self.verdict_after(power))),
            Err(error) => {
                Some(format!("it could not be rolled back ({error}): snapshot `{name}` still holds what it was before"))
            }
        }
    }

    fn verdict_after(&self, power: Power) -> &'static str {
        match (power, self.guest.health.is_empty()) {
            (Power::Stopped, _) => "is off, as before",
            (_, true) => "runs again",
            (_, false) => "is healthy again",
        }
    }

    async fn take_back(&mut self, before: &Record, power: Power, name: &SnapshotName) -> Result<(), StepError> {
        let site = self.run.node.at(self.id(), Stage::Undo);
        let kind = self.kind();
        // Should this run die now, the next one does not take what is half gone back for what the record says.
        self.record.owes.insert(Debt::Rollback);
        settings::note(self, &site).await?;
        // What the notes say stays: they do not go back with the disk.
        let notes = self.record.notes.take();
        self.record = Record { notes, ..self.record_of(name, &site).await?.unwrap_or_else(|| before.clone()) };
        self.record.owes.clone_from(&before.owes);
        // What ran since the snapshot is undone.
        self.record.owes.retain(|debt| ![Debt::Rollback, Debt::Snapshots].contains(debt));
        if power != Power::Stopped {
            self.record.owes.insert(Debt::Proof);
        }
        self.go_back(&site).await?;
        if power != Power::Stopped {
            self.start(&site).await?;
            let around = gates::surroundings(&self.run.node, self.guest);
            if kind == GuestKind::Vm {
                gates::wait_all(&[gates::agent_gate(gates::AgentSource::Image)], &around, self.voice)
                    .await
                    .map_err(StepError::Gate)?;
            }
            gates::wait_all(&self.guest.health, &around, self.voice).await.map_err(StepError::Gate)?;
            self.pay(Debt::Proof, &site).await?;
        }
        self.forget_undo(&site).await
    }

    /// The record in the description of a snapshot.
    async fn record_of(&self, name: &SnapshotName, site: &Site) -> Result<Option<Record>, StepError> {
        let conf = self.conf(site).await?.conf;
        let notes = conf.snapshots.get(name.as_str()).and_then(|section| section.description.as_deref());
        Ok(notes.and_then(Record::find).filter(|record| record.id == self.id()))
    }

    /// Goes back to the snapshot. The notes do not go back with the disk, so the record of that moment is put there again.
    pub(super) async fn go_back(&mut self, site: &Site) -> Result<(), StepError> {
        let Some(name) = &undo_snapshot() else { return Ok(()) };
        let (id, kind) = (self.id(), self.kind());
        while_busy(self.voice, Stage::Undo, || site.guests(kind).rollback(id, name)).await?;
        settings::note(self, site).await
    }

    /// Removes the snapshot that a change could go back to, once the new state is proven.
    pub(super) async fn forget_undo(&self, site: &Site) -> Result<(), StepError> {
        let Some(name) = &undo_snapshot() else { return Ok(()) };
        let (id, kind) = (self.id(), self.kind());
        while_busy(self.voice, Stage::Undo, || site.guests(kind).delete_snapshot(id, name)).await
    }
}
