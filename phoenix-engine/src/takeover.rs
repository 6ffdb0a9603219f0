//! What a run does first that takes the place of one that died: it waits for what that one had started, and looks what it left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phoenix_host::{Command, Effect, Host, ask_whole};
use phoenix_lxc::MountSource;
use phoenix_types::{GuestId, StorageId, VolumeId};
use serde::Deserialize;
use tokio::time::Instant;

use crate::desired::{Desired, Spec};
use crate::guest::Proof;
use crate::lock::NodeLock;
use crate::node::{Node, Site};
use crate::observe::{ObserveError, Observed, observe};
use crate::tasks;

/// How long a command that was sent just before may need until the node's list of tasks shows it, and one that is no task, such
/// as `pct set`, until it has ended. The tools need half a second to come up.
const GRACE: Duration = Duration::from_secs(5);

/// How long tasks are waited for in all, and between two looks. What is not over by then is met guest by guest.
const BUDGET: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(5);

/// How long the list of a storage's volumes may take.
const LIST: Duration = Duration::from_secs(60);

impl NodeLock {
    /// Looks at the node as the one run that may change it. After a run that died it first waits, for ten minutes at most, until
    /// the commands have ended that continued without it, and then tells what it left half done.
    ///
    /// # Errors
    /// When the node cannot be read.
    pub async fn observe(&self, node: &Node, desired: &Desired) -> Result<Observed, ObserveError> {
        let site = node.labelled(None, "observe");
        let half_made = self.half_made().await;
        if self.predecessor().is_some() {
            wait_for_orphaned_tasks(&site, desired, &half_made).await?;
        }
        let mut observed = observe(&site, desired).await?;
        for guest in half_made {
            // What is there under the id by now, other than an empty shell, shows by itself whose it is.
            let proof = observed.present.get(&guest).map(|present| present.proof(guest));
            match proof {
                Some(Proof::Shell) => _ = observed.half_made.insert(guest),
                _ => self.clear_in_progress(guest).await?,
            }
        }
        if self.predecessor().is_some() {
            observed.orphans = orphans(&site, desired, &observed).await?;
        }
        Ok(observed)
    }
}

/// Waits until no task works on a guest of the fleet any more, or on one that a run left incomplete.
async fn wait_for_orphaned_tasks(
    site: &Site,
    desired: &Desired,
    half_made: &BTreeSet<GuestId>,
) -> Result<(), ObserveError> {
    let started = Instant::now();
    tokio::time::sleep(GRACE).await;
    loop {
        let tasks = tasks::under_way(&*site.host).await?;
        let ours = |guest: &&GuestId| tasks.iter().any(|task| task.is_about(**guest) && !task.is_backup());
        let Some(guest) = desired.guests.keys().chain(half_made).find(ours) else { return Ok(()) };
        if started.elapsed() > BUDGET {
            return Ok(());
        }
        tracing::info!(%guest, "a task that a dead run may have begun is still under way");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The volumes of guests of the fleet that nothing refers to: a command that is killed after it made a volume and before it wrote
/// so leaves it. A storage that cannot be listed has none.
async fn orphans(
    site: &Site,
    desired: &Desired,
    observed: &Observed,
) -> Result<BTreeMap<GuestId, BTreeSet<VolumeId>>, ObserveError> {
    let confs = observed.present.values().map(|present| &present.conf);
    let sections =
        confs.flat_map(|conf| std::iter::once(&conf.live).chain(&conf.pending).chain(conf.snapshots.values()));
    let referred: BTreeSet<&str> =
        sections.flat_map(|section| section.keys.values()).map(|value| volume(value)).collect();
    let mut orphans: BTreeMap<GuestId, BTreeSet<VolumeId>> = BTreeMap::new();
    for storage in storages(desired, observed) {
        for item in content(&*site.host, &storage).await? {
            let Some(guest) = item.owner().filter(|guest| desired.guests.contains_key(guest)) else { continue };
            if let Ok(id) = item.volid.parse::<VolumeId>()
                && !referred.contains(id.as_str())
            {
                orphans.entry(guest).or_default().insert(id);
            }
        }
    }
    Ok(orphans)
}

/// The volume in a setting that may be a disk.
fn volume(value: &str) -> &str {
    let first = value.split(',').next().unwrap_or_default();
    first.strip_prefix("volume=").or_else(|| first.strip_prefix("file=")).unwrap_or(first)
}

/// The storages on which guests of the fleet have disks or are to have some.
fn storages(desired: &Desired, observed: &Observed) -> BTreeSet<String> {
    let made_on = desired.guests.values().filter_map(|guest| desired.storage_of(guest)).map(StorageId::to_string);
    let mounts = desired.guests.values().flat_map(|guest| match &guest.spec {
        Spec::Container(container) => container.mounts.as_slice(),
        Spec::Vm(_) => &[],
    });
    let mounted = mounts.filter_map(|mount| match &mount.source {
        MountSource::New { storage, .. } => Some(storage.to_string()),
        _ => None,
    });
    let present = desired.guests.keys().filter_map(|id| observed.present.get(id));
    let values = present.flat_map(|present| present.conf.live.keys.values());
    let disks = values.filter_map(|value| volume(value).parse::<VolumeId>().ok());
    made_on.chain(mounted).chain(disks.map(|id| id.storage().to_owned())).collect()
}

/// A line of what is on a storage.
#[derive(Debug, Deserialize)]
struct Item {
    content: String,
    volid: String,
    vmid: Option<serde_json::Value>,
}

impl Item {
    /// Whose disk it is, if it is one: a backup is a guest's as well. The API gives numbers as texts now and then.
    fn owner(&self) -> Option<GuestId> {
        let is_disk = ["images", "rootdir"].contains(&self.content.as_str());
        self.vmid.as_ref().filter(|_| is_disk).and_then(|id| serde_json::from_value(id.clone()).ok())
    }
}

/// What is on a storage; nothing when it cannot be listed.
async fn content(host: &dyn Host, storage: &str) -> Result<Vec<Item>, ObserveError> {
    let path = format!("/nodes/localhost/storage/{storage}/content");
    let list = Command::new("pvesh", Effect::Read, LIST).args(["get", path.as_str(), "--output-format", "json"]);
    let output = ask_whole(host, list).await?;
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}
