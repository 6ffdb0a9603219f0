//! A guest's settings, its raw lines, and the record.

use phoenix_types::Change;

use super::on_node::{QUICK, on_node};
use crate::converge::error::StepError;
use crate::converge::record;
use crate::converge::retry::while_busy;
use crate::converge::worker::Worker;
use crate::desired::Spec;
use crate::guest::{PendingWork, Record, changes, recorded_keys};
use crate::node::Site;
use crate::plan::{Restart, Stage};

/// Brings the settings to what they should be, with one command for all keys that differ.
pub(in crate::converge) async fn apply(
    worker: &mut Worker<'_>,
    site: &Site,
    restart: Restart,
) -> Result<(), StepError> {
    let mut known = worker.record.clone();
    if let Some(source) = record::inherited(worker, site).await? {
        known.keys.extend(source.keys);
    }
    let (this, before) = (&*worker, &known);
    let send = || while_busy(worker.events, Stage::Configure, move || send_changes(this, site, before));
    if send().await? == Protection::TakenOff {
        // Now what it blocked can be changed as well.
        send().await?;
    }
    let after = worker.conf(site).await?.conf.after_restart();
    worker.record.keys = recorded_keys(worker.guest, &after, &known.keys)?;
    match restart {
        Restart::Needed => worker.record.pending.insert(PendingWork::Restart),
        Restart::NotNeeded => worker.record.pending.remove(&PendingWork::Restart),
    };
    if worker.proofs_left == 0 {
        // Once it had gates, or should run; now there is nothing to ask.
        worker.record.pending.remove(&PendingWork::Proof);
    }
    if !worker.guest.renews_snapshots() {
        worker.record.pending.remove(&PendingWork::Snapshots);
    }
    worker.record.pending.remove(&PendingWork::Rollback);
    record::write(worker, site).await
}

/// Whether a change took a guest's protection off. Proxmox touches no mount point of a protected container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    AsBefore,
    TakenOff,
}

async fn send_changes(worker: &Worker<'_>, site: &Site, known: &Record) -> Result<Protection, StepError> {
    // The digest makes the tool refuse when somebody changed the file since we looked; then we look again.
    let file = worker.conf(site).await?;
    // What waits for the next start is as good as made.
    let changes = changes(worker.guest, &file.conf.after_restart(), known)?;
    let change: Change = changes.iter().collect();
    if change.is_empty() {
        return Ok(Protection::AsBefore);
    }
    site.guests(worker.kind()).configure(worker.id(), &change, Some(&file.digest)).await?;
    let was_protected = file.conf.live.get("protection") == Some("1");
    let changed = changes.iter().any(|change| change.key == "protection");
    Ok(if was_protected && changed { Protection::TakenOff } else { Protection::AsBefore })
}

/// Makes the directories of the node that a container mounts, with the owner that it needs.
pub(in crate::converge) async fn host_paths(worker: &Worker<'_>, site: &Site) -> Result<(), StepError> {
    let Spec::Container(spec) = &worker.guest.spec else { return Ok(()) };
    for path in &spec.host_paths {
        let stat = site.host.stat(&path.path).await?;
        if stat.is_none() {
            on_node(site, "mkdir", &["-p", "--", path.path.as_str()], QUICK).await?;
        }
        let Some((uid, gid)) = path.owner else { continue };
        if stat.is_none_or(|stat| (stat.uid, stat.gid) != (uid, gid)) {
            let owner = format!("{uid}:{gid}");
            on_node(site, "chown", &[owner.as_str(), "--", path.path.as_str()], QUICK).await?;
        }
    }
    Ok(())
}
