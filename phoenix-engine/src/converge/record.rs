//! Keeps a guest's record in its notes.

use phoenix_pve::{ConfEdit, ConfFile};
use phoenix_types::GuestKind;

use super::error::StepError;
use super::retry::while_busy;
use super::worker::Worker;
use crate::desired::Spec;
use crate::guest::{
    ManagedText, NOTES_LIMIT, PendingWork, Record, check_value, is_mark, line_digest, mark, with_managed_text,
};
use crate::node::Site;
use crate::plan::Stage;

/// The record of a clone's source, as long as the clone has none of its own. Its keys and lines came along with the clone and
/// are removed where they are not wanted: a clone must not see its source's GPUs.
pub(super) async fn inherited(worker: &Worker<'_>, site: &Site) -> Result<Option<Record>, StepError> {
    let Some(source) = worker.guest.clone_source().filter(|_| worker.record.check.is_none()) else { return Ok(None) };
    let file = worker.files(site).conf(source).await?;
    Ok(file.and_then(|file| Record::find(file.conf.live.description.as_deref()?)).filter(|record| record.id == source))
}

/// Writes the record into the guest's notes, and a container's raw lines next to it, in one change of its file and without a
/// process. Does nothing when all of it is there already.
pub(super) async fn write(worker: &mut Worker<'_>, site: &Site) -> Result<(), StepError> {
    let file = worker.conf(site).await?;
    let wanted = match &worker.guest.spec {
        Spec::Container(spec) => spec.raw_lines.clone(),
        Spec::Vm(_) => Vec::new(),
    };
    let mut ours = worker.record.lines.clone();
    if let Some(source) = inherited(worker, site).await? {
        ours.extend(source.lines);
    }
    worker.record.lines = wanted.iter().map(line_digest).collect();
    worker.record.needs = Some(worker.guest.needs.iter().copied().collect());
    // Once true it stays so until the file is gone.
    worker.record.firewall |= worker.guest.firewall.is_some();
    let mut edit = ConfEdit::default();
    match worker.kind() {
        GuestKind::Container => {
            let check = worker.record.fresh_check();
            let mark = mark(&check, worker.record.id, &worker.record.fleet);
            edit.remove_raw = file
                .conf
                .live
                .raw
                .iter()
                .filter(|line| {
                    **line != mark && !wanted.contains(line) && (is_mark(line) || ours.contains(&line_digest(line)))
                })
                .cloned()
                .collect();
            edit.add_raw = wanted;
            edit.add_raw.push(mark);
            worker.record.check = Some(check);
        }
        GuestKind::Vm => worker.record.check = file.conf.live.get("vmgenid").map(str::to_owned),
    }
    let notes = file.conf.live.description.as_deref().unwrap_or_default();
    let have = Record::strip(notes);
    let merged = with_managed_text(&have, worker.record.notes.as_ref(), worker.guest.notes.as_deref());
    worker.record.notes = worker.guest.notes.as_deref().and_then(ManagedText::of);
    // A record between people's lines stays where it is.
    let text = worker.record.insert_into(if merged == have { notes } else { &merged });
    if text.chars().count() > NOTES_LIMIT {
        return Err(StepError::NotesFull { length: text.chars().count() });
    }
    edit.description = Some(text);
    let (files, edit, id) = (&worker.files(site), &edit, worker.id());
    while_busy(worker.events, Stage::Configure, || files.edit(id, edit)).await
}

/// Writes the record into the notes and nothing else: neither raw lines nor the user's text, so that the guest stays as it is.
pub(super) async fn note(worker: &mut Worker<'_>, site: &Site) -> Result<(), StepError> {
    let file = worker.conf(site).await?;
    let notes = file.conf.live.description.clone().unwrap_or_default();
    write_notes(worker, site, &file, &notes).await
}

/// Writes the record, and in the place of what the configuration says in the notes now this text.
pub(super) async fn note_with(worker: &mut Worker<'_>, site: &Site, text: Option<&str>) -> Result<(), StepError> {
    let file = worker.conf(site).await?;
    let notes = file.conf.live.description.as_deref().unwrap_or_default();
    let now = Record::find(notes).and_then(|record| record.notes);
    let have = Record::strip(notes);
    let merged = with_managed_text(&have, now.as_ref(), text);
    worker.record.notes = text.and_then(ManagedText::of);
    let text = if merged == have { notes.to_owned() } else { merged };
    write_notes(worker, site, &file, &text).await
}

async fn write_notes(worker: &mut Worker<'_>, site: &Site, file: &ConfFile, notes: &str) -> Result<(), StepError> {
    // The value stays, except where it is a new one: that of a VM after every rollback.
    if let Some(found) = check_value(&file.conf, worker.kind()) {
        worker.record.check = Some(found.to_owned());
    }
    let edit = ConfEdit { description: Some(worker.record.insert_into(notes)), ..ConfEdit::default() };
    let (files, edit, id) = (&worker.files(site), &edit, worker.id());
    while_busy(worker.events, Stage::Configure, || files.edit(id, edit)).await
}

impl Worker<'_> {
    /// Notes, before the first change, that nobody has asked yet whether the guest is well after it.
    pub(super) async fn mark_unproven(&mut self, site: &Site) -> Result<(), StepError> {
        let is_new = self.record.pending.insert(PendingWork::Proof);
        // A guest that is only being made gets it with its first record.
        if is_new && self.record.check.is_some() { note(self, site).await } else { Ok(()) }
    }

    pub(super) async fn complete(&mut self, work: PendingWork, site: &Site) -> Result<(), StepError> {
        if self.record.pending.remove(&work) { note(self, site).await } else { Ok(()) }
    }
}
