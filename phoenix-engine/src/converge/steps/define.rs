//! How a guest comes into being, and how an incomplete one goes.

use phoenix_pve::{CloneGuest, CloneMode, Purge};
use phoenix_types::{Change, GuestId, GuestKind, SnapshotName, StorageId, VolumeId};
use tokio::time::Instant;

use crate::converge::error::StepError;
use crate::converge::record;
use crate::converge::retry::while_busy;
use crate::converge::worker::Worker;
use crate::desired::{ContainerOrigin, Spec, VmOrigin};
use crate::event::{EventKind, millis};
use crate::guest::{ManagedText, NOTES_LIMIT, PendingWork, Proof, wanted_keys};
use crate::node::Site;
use crate::plan::Stage;

impl Worker<'_> {
    /// Makes the guest, unless it is there already and ours.
    pub(in crate::converge) async fn define(
        &mut self,
        site: &Site,
        vendor_data: Option<&VolumeId>,
    ) -> Result<(), StepError> {
        if let Some(file) = self.files(site).conf(self.id()).await? {
            let proof = Proof::of(&file.conf, self.kind(), self.id(), &self.run.fleet);
            return match proof.into_record() {
                Some(record) if record.check.is_some() => Ok(()),
                Some(record) => {
                    (self.record.origin, self.record.notes) = (record.origin, record.notes);
                    self.write_first_record(site).await
                }
                None => Err(StepError::Taken(self.id())),
            };
        }
        self.record.origin = self.guest.origin();
        self.record.notes = self.guest.notes.as_deref().and_then(ManagedText::of);
        self.record.pending.insert(PendingWork::Making);
        let notes = self.record.insert_into(self.guest.notes.as_deref().unwrap_or_default());
        if notes.chars().count() > NOTES_LIMIT {
            return Err(StepError::NotesFull { length: notes.chars().count() });
        }
        // A clone is first kept waiting by its source, and only then takes a slot.
        let asked = Instant::now();
        let _source = match (self.guest.clone_source(), self.kind()) {
            (Some(source), GuestKind::Container) => match self.run.clone_sources.get(&source) {
                Some(semaphore) => Some(semaphore.acquire(self.id(), self.run.urgency_of(self.id())).await),
                None => None,
            },
            _ => None,
        };
        // A task that waits for the storage holds no slot either, so work on other storages continues.
        let _storage = match self.run.storages.get(&self.id()) {
            Some(semaphore) => Some(semaphore.acquire(self.id(), self.run.urgency_of(self.id())).await),
            None => None,
        };
        let _slot = self.run.slot().await?;
        let held = millis(asked.elapsed());
        if held > 0 {
            self.events.send(EventKind::StepHeld { stage: Stage::Define, ms: held });
        }
        if let Some(lock) = &self.run.lock {
            lock.mark_in_progress(self.id()).await?;
        }
        let made = self.make(site, notes, vendor_data).await;
        self.target().clear_unless_shell(site).await?;
        made?;
        self.write_first_record(site).await
    }

    /// Writes raw lines, check value and record before anything runs, so that a clone never starts with its source's.
    async fn write_first_record(&mut self, site: &Site) -> Result<(), StepError> {
        if !self.guest.minds_being_made() {
            self.record.pending.remove(&PendingWork::Making);
        }
        // What came along from the source is ours to remove.
        match record::inherited(self, site).await? {
            Some(source) => {
                self.record.keys = source.keys;
                self.record.firewall = source.firewall;
            }
            None => self.record.keys = wanted_keys(self.guest, &self.conf(site).await?.conf.live)?,
        }
        record::write(self, site).await
    }

    /// Runs the one command that makes the guest.
    async fn make(&self, site: &Site, notes: String, vendor_data: Option<&VolumeId>) -> Result<(), StepError> {
        let (id, events) = (self.id(), self.events);
        match &self.guest.spec {
            Spec::Container(spec) => match &spec.origin {
                ContainerOrigin::Template(template) => {
                    self.fetch_template(site, template).await?;
                    let create = &spec.create(template, self.guest.first_disk, notes);
                    while_busy(events, Stage::Define, || site.containers.create(id, create)).await?;
                }
                ContainerOrigin::Clone { source, snapshot } => {
                    self.copy(site, *source, snapshot.clone(), spec.clone_storage.clone(), notes).await?;
                }
            },
            Spec::Vm(spec) => match &spec.origin {
                VmOrigin::Image(image) => {
                    self.fetch_image(site, image).await?;
                    let create = &spec.create(image, notes, vendor_data);
                    while_busy(events, Stage::Define, || site.machines.create(id, create)).await?;
                }
                VmOrigin::Clone { source, snapshot } => {
                    self.copy(site, *source, snapshot.clone(), spec.clone_storage.clone(), notes).await?;
                }
            },
        }
        Ok(())
    }

    /// Makes the guest from another one.
    async fn copy(
        &self,
        site: &Site,
        source: GuestId,
        snapshot: Option<SnapshotName>,
        storage: Option<StorageId>,
        notes: String,
    ) -> Result<(), StepError> {
        let mut clone = CloneGuest::new(source);
        clone.snapshot = snapshot;
        clone.mode = CloneMode::Full { storage };
        clone.name = Some(self.guest.name.clone());
        clone.description = Some(notes);
        let guests = site.guests(self.kind());
        while_busy(self.events, Stage::Define, || guests.clone_from(self.id(), &clone)).await
    }

    /// Removes what a run that died left of a guest that it was making. One that was made after all stays, and so does one
    /// that somebody else made under the id.
    pub(in crate::converge) async fn undo(&self, site: &Site) -> Result<(), StepError> {
        if !self.is_left_half_made(site).await? {
            return Ok(());
        }
        self.target().break_lock(site).await?;
        // A task that was waited for may have come to its end.
        if !self.is_left_half_made(site).await? {
            return Ok(());
        }
        let Some(file) = self.files(site).conf(self.id()).await? else { return Ok(()) };
        if file.conf.live.get("protection") == Some("1") {
            // It came along from the source. The tool takes it off and then fails over the disks that are not there yet, so
            // whether it is off is seen when the guest is destroyed.
            let off = Change { set: [("protection".to_owned(), "0".to_owned())].into(), ..Change::default() };
            if let Err(error) = site.guests(self.kind()).configure(self.id(), &off, None).await {
                tracing::debug!(guest = %self.id(), %error, "a half-made clone complains about losing its protection");
            }
        }
        Ok(site.guests(self.kind()).destroy(self.id(), Purge::Yes).await?)
    }

    /// Whether what is there under the id is what a run of ours left incomplete.
    ///
    /// # Errors
    /// When it is somebody else's guest.
    async fn is_left_half_made(&self, site: &Site) -> Result<bool, StepError> {
        match self.target().proof(site).await? {
            Some(Proof::Unfinished(_)) => Ok(true),
            Some(Proof::Shell) if self.run.shells.contains(&self.id()) => Ok(true),
            Some(Proof::Record(_) | Proof::Lost(_)) | None => Ok(false),
            Some(_) => Err(StepError::Taken(self.id())),
        }
    }
}
