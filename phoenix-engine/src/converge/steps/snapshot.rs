//! Snapshots of a guest.

use phoenix_pve::ErrorClass;
use phoenix_types::SnapshotName;

use crate::converge::error::StepError;
use crate::converge::retry::while_busy;
use crate::converge::worker::Worker;
use crate::guest::{PendingWork, Record, successor};
use crate::node::Site;
use crate::plan::{SnapshotPurpose, Stage};

/// Takes a snapshot, unless it stands already. Its description carries the record of the moment, so that a later rollback to
/// it can be understood.
pub(in crate::converge) async fn take(
    worker: &Worker<'_>,
    site: &Site,
    name: &SnapshotName,
    purpose: SnapshotPurpose,
) -> Result<(), StepError> {
    let conf = worker.conf(site).await?.conf;
    if conf.has_snapshot(name) {
        return Ok(());
    }
    if conf.snapshots.contains_key(name.as_str()) {
        // A run that died left it incomplete.
        while_busy(worker.events, Stage::Undo, || site.guests(worker.kind()).delete_snapshot(worker.id(), name))
            .await?;
    }
    let (stage, words) = match purpose {
        SnapshotPurpose::Lifecycle => (Stage::SnapshotAfter, "Taken by Phoenix."),
        SnapshotPurpose::Undo => (Stage::Undo, "Taken by Phoenix before a change; it goes when the change is proven."),
        SnapshotPurpose::Template => (Stage::Template, "Taken by Phoenix. Clones are made from it."),
    };
    let mut record = worker.record.clone();
    record.pending.retain(|work| ![PendingWork::Making, PendingWork::Snapshots].contains(work));
    if purpose == SnapshotPurpose::Undo {
        record.undo = worker.undo_beside(&conf.live, site).await?;
    }
    let description = &record.insert_into(words);
    let (id, kind) = (worker.id(), worker.kind());
    let taken = while_busy(worker.events, stage, || site.guests(kind).snapshot(id, name, description)).await;
    match taken {
        Err(error) if error.class() == Some(ErrorClass::AlreadyExists) => Ok(()),
        other => other,
    }
}

/// Takes a snapshot again. The old one goes when its successor stands, and the successor when the snapshot stands again under
/// its own name; so at every moment one of the two does.
pub(in crate::converge) async fn replace(
    worker: &Worker<'_>,
    site: &Site,
    name: &SnapshotName,
    purpose: SnapshotPurpose,
) -> Result<(), StepError> {
    let successor = &successor(name);
    let (id, kind) = (worker.id(), worker.kind());
    let delete =
        async |name| while_busy(worker.events, Stage::Undo, || site.guests(kind).delete_snapshot(id, name)).await;
    let conf = worker.conf(site).await?.conf;
    // One that a dead run left shows the guest only when no script ran since.
    let notes = conf.snapshots.get(successor.as_str()).and_then(|section| section.description.as_deref());
    let shows = notes.and_then(Record::find).is_some_and(|record| record.scripts == worker.record.scripts);
    if !shows && conf.has_snapshot(name) {
        delete(successor).await?;
    }
    take(worker, site, successor, purpose).await?;
    delete(name).await?;
    take(worker, site, name, purpose).await?;
    delete(successor).await
}
