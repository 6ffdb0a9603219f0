//! Changes that can be undone: a snapshot before the first of them, and the way back when one fails.

use phoenix_types::{ConfSection, GuestKind, Power, SnapshotName};

use crate::converge::error::StepError;
use crate::converge::gates;
use crate::converge::record;
use crate::converge::retry::while_busy;
use crate::converge::worker::Worker;
use crate::event::EventKind;
use crate::guest::{PendingWork, Record, Undo, undo_snapshot};
use crate::node::Site;
use crate::plan::{Stage, Work};

/// How large a firewall file may be that goes into the description of a snapshot: the tools get that as one argument, and Linux
/// gives an argument 128 KiB.
const ROOM: usize = 64 << 10;

/// A guest that is again what it was before a change.
struct RolledBack {
    /// Whether it is well in that state.
    proven: Result<(), StepError>,
    /// What was not restored.
    kept: Option<&'static str>,
}

impl Worker<'_> {
    /// Takes a guest back to what it was before the run, and asks its gates there. Says what came of it.
    pub(in crate::converge) async fn roll_back(&mut self, before: &Record, power: Power) -> Option<String> {
        let site = self.run.node.at(self.id(), Stage::Undo);
        let name = undo_snapshot()?;
        match self.conf(&site).await {
            Ok(file) if file.conf.has_snapshot(&name) => {}
            _ => return None,
        }
        Some(match self.take_back(before, power, &name).await {
            Ok(RolledBack { proven, kept }) => {
                let verdict = match proven {
                    Ok(()) => self.verdict_after(power).to_owned(),
                    Err(error) => format!("is not healthy in that state either: {error}"),
                };
                let kept = kept.map(|kept| format!(". Not restored: {kept}")).unwrap_or_default();
                format!("rolled back to its previous state, and {verdict}{kept}")
            }
            Err(error) => {
                format!("the rollback failed ({error}): snapshot `{name}` still has the previous state")
            }
        })
    }

    fn verdict_after(&self, power: Power) -> &'static str {
        match (power, self.guest.health.is_empty()) {
            (Power::Stopped, _) => "is off, as before",
            (_, true) => "runs again",
            (_, false) => "is healthy again",
        }
    }

    async fn take_back(&mut self, before: &Record, power: Power, name: &SnapshotName) -> Result<RolledBack, StepError> {
        let site = self.run.node.at(self.id(), Stage::Undo);
        // Should this run die now, the next one does not take what is half gone back for what the record says.
        self.record.pending.insert(PendingWork::Rollback);
        record::note(self, &site).await?;
        // What the notes say stays: they do not go back with the disk.
        let notes = self.record.notes.take();
        self.record = Record { notes, ..self.record_of(name, &site).await?.unwrap_or_else(|| before.clone()) };
        self.record.undo = None;
        self.record.pending.clone_from(&before.pending);
        // What ran since the snapshot is undone.
        self.record.pending.retain(|work| ![PendingWork::Rollback, PendingWork::Snapshots].contains(work));
        if power != Power::Stopped {
            self.record.pending.insert(PendingWork::Proof);
        }
        let kept = self.restore(&site).await?;
        let proven = if power == Power::Stopped { Ok(()) } else { self.prove_again(&site).await };
        self.forget_undo(&site).await?;
        Ok(RolledBack { proven, kept })
    }

    /// Starts the guest in the state that it went back to, and asks its gates.
    async fn prove_again(&mut self, site: &Site) -> Result<(), StepError> {
        self.start(site).await?;
        let context = gates::probe_context(&self.run.node, self.guest);
        if self.kind() == GuestKind::Vm {
            let agent = self.gates_of(&Work::AwaitAgent).await?;
            gates::wait_all(&agent, &context, self.events).await.map_err(StepError::Gate)?;
        }
        gates::wait_all(&self.guest.health, &context, self.events).await.map_err(StepError::Gate)?;
        self.complete(PendingWork::Proof, site).await
    }

    /// What the snapshot before a change does not hold itself; `None` when that is more than a snapshot's description takes.
    pub(in crate::converge) async fn undo_beside(
        &self,
        live: &ConfSection,
        site: &Site,
    ) -> Result<Option<Undo>, StepError> {
        let firewall = self.files(site).firewall(self.id()).await?;
        if firewall.as_ref().is_some_and(|text| text.len() > ROOM) {
            return Ok(None);
        }
        let notes = live.description.as_deref().unwrap_or_default();
        let notes = self.record.notes.as_ref().and_then(|managed| managed.text(&Record::strip(notes)));
        Ok(Some(Undo { firewall, notes }))
    }

    /// The record in the description of a snapshot.
    async fn record_of(&self, name: &SnapshotName, site: &Site) -> Result<Option<Record>, StepError> {
        let conf = self.conf(site).await?.conf;
        let notes = conf.snapshots.get(name.as_str()).and_then(|section| section.description.as_deref());
        Ok(notes.and_then(Record::find).filter(|record| record.id == self.id()))
    }

    /// Goes back to the snapshot, as a run that died had started to.
    pub(in crate::converge) async fn go_back(&mut self, site: &Site) -> Result<(), StepError> {
        if let Some(kept) = self.restore(site).await? {
            self.events.send(EventKind::Notice { text: format!("not restored: {kept}") });
        }
        Ok(())
    }

    /// Goes back to the snapshot, and restores what it does not hold: the firewall file, and what the configuration said in the
    /// notes. The record of that moment is written with them. Says what was not restored.
    async fn restore(&mut self, site: &Site) -> Result<Option<&'static str>, StepError> {
        let Some(name) = &undo_snapshot() else { return Ok(None) };
        let (id, kind) = (self.id(), self.kind());
        let undo = self.record_of(name, site).await?.and_then(|record| record.undo);
        let guests = site.guests(kind);
        while_busy(self.events, Stage::Undo, || guests.rollback(id, name)).await?;
        let kept = match undo {
            Some(Undo { firewall, notes }) => {
                self.files(site).restore_firewall(id, firewall.as_deref()).await?;
                record::note_with(self, site, notes.as_deref()).await?;
                None
            }
            None => {
                record::note(self, site).await?;
                Some("its firewall file and its notes, of which the snapshot knows nothing")
            }
        };
        Ok(kept)
    }

    /// Removes the snapshot that a change could go back to, once the new state is proven.
    pub(in crate::converge) async fn forget_undo(&self, site: &Site) -> Result<(), StepError> {
        let Some(name) = &undo_snapshot() else { return Ok(()) };
        let (id, kind) = (self.id(), self.kind());
        while_busy(self.events, Stage::Undo, || site.guests(kind).delete_snapshot(id, name)).await
    }
}
