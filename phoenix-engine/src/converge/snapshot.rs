//! Snapshots of a guest.

use phoenix_host::pve::ErrorClass;
use phoenix_types::SnapshotName;

use super::error::StepError;
use super::guest::Worker;
use super::retry::while_busy;
use crate::node::Site;
use crate::plan::{SnapshotPurpose, Stage};

/// Takes a snapshot, unless it stands already. Its description carries the record of the moment, so that a later rollback to
/// it can be understood.
pub(super) async fn take(
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
        // A run that died left it half made.
        while_busy(worker.voice, Stage::Undo, || site.delete_snapshot(worker.kind(), worker.id(), name)).await?;
    }
    let (stage, words) = match purpose {
        SnapshotPurpose::Lifecycle => (Stage::SnapshotAfter, "Taken by Phoenix."),
        SnapshotPurpose::Undo => (Stage::Undo, "Taken by Phoenix before a change; it goes when the change is proven."),
        SnapshotPurpose::Template => (Stage::Template, "Taken by Phoenix. Clones are made from it."),
    };
    let description = &worker.record.insert_into(words);
    let (id, kind) = (worker.id(), worker.kind());
    let taken = while_busy(worker.voice, stage, || site.snapshot(kind, id, name, description)).await;
    match taken {
        Err(error) if error.class() == Some(ErrorClass::AlreadyExists) => Ok(()),
        other => other,
    }
}
