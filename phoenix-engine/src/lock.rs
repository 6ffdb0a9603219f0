//! One run at a time on a node, and what a run that died was making.

use std::collections::BTreeSet;
use std::sync::Arc;

use camino::Utf8Path;
use phoenix_host::{Created, Host, HostError};
use phoenix_types::GuestId;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// Where the lock stands on the node. `/run` is emptied at boot, so a lock never outlives the node's own run.
const PATH: &str = "/run/phoenix.lock";

/// Held for the moment in which a dead run's lock is replaced, so that two that find it dead do not both take it.
const TAKEOVER: &str = "/run/phoenix.lock.takeover";

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The user and the machine, such as `root@pve`.
    pub who: String,
    /// The machine's boot, so that a process number of an earlier boot is not taken for a living one.
    pub boot: String,
    /// The process.
    pub pid: u32,
    /// Since when, as people read it.
    pub since: String,
    /// What it does, such as `up`.
    pub doing: String,
}

/// Whether a holder still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Its process is there.
    Alive,
    /// It is gone: the lock was left behind.
    Dead,
    /// It is on another machine, so nobody here can tell.
    Unknown,
}

/// Why the lock was not got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another run holds it.
    #[error("another run is under way on this node: {} (process {}) has run `{}` since {}", .0.who, .0.pid, .0.doing, .0.since)]
    Held(Box<Holder>),
    /// The lock file holds something else.
    #[error("the lock file `{PATH}` on the node is not one of Phoenix: remove it when no run is under way")]
    Foreign,
    /// The node's files.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// What stands in the lock file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Contents {
    holder: Holder,
    /// Guests whose creating command runs now. Such a guest carries no record yet, so this is what proves that it is ours.
    #[serde(default)]
    making: BTreeSet<GuestId>,
}

/// The lock of a node, held. Give it back with [`NodeLock::release`]; a lock that is only dropped is left behind, and the
/// next run finds its holder dead. Cheap to clone.
#[derive(Debug, Clone)]
#[must_use = "the lock is held until it is released"]
pub struct NodeLock {
    host: Arc<dyn Host>,
    contents: Arc<Mutex<Contents>>,
    half_made: Arc<BTreeSet<GuestId>>,
}

impl NodeLock {
    /// Takes the lock. A lock whose holder is dead is taken over.
    ///
    /// # Errors
    /// When another run holds it, or the node's files cannot be read or written.
    pub async fn take(
        host: Arc<dyn Host>,
        me: Holder,
        liveness: impl Fn(&Holder) -> Liveness,
    ) -> Result<Self, LockError> {
        let mut contents = Contents { holder: me, making: BTreeSet::new() };
        if host.create_new(Utf8Path::new(PATH), &text(&contents)).await? == Created::Made {
            return Ok(Self::new(host, contents, BTreeSet::new()));
        }
        if host.create_new(Utf8Path::new(TAKEOVER), b"").await? == Created::Existed {
            // Somebody replaces a dead lock just now, or died while doing so: the lock itself says who holds it.
            let holder = held(&*host).await?.map_or_else(|| contents.holder.clone(), |found| found.holder);
            if liveness(&holder) != Liveness::Dead {
                return Err(LockError::Held(Box::new(holder)));
            }
        }
        let taken = Self::replace_dead(&*host, &mut contents, liveness).await;
        host.remove(Utf8Path::new(TAKEOVER)).await?;
        Ok(Self::new(host, contents, taken?))
    }

    async fn replace_dead(
        host: &dyn Host,
        contents: &mut Contents,
        liveness: impl Fn(&Holder) -> Liveness,
    ) -> Result<BTreeSet<GuestId>, LockError> {
        let half_made = match held(host).await? {
            Some(found) if liveness(&found.holder) != Liveness::Dead => {
                return Err(LockError::Held(Box::new(found.holder)));
            }
            Some(found) => found.making,
            None => BTreeSet::new(),
        };
        // What the dead run was making stays named until it is made, should this run die as well.
        contents.making.clone_from(&half_made);
        host.write(Utf8Path::new(PATH), &text(contents), 0o644).await?;
        Ok(half_made)
    }

    fn new(host: Arc<dyn Host>, contents: Contents, half_made: BTreeSet<GuestId>) -> Self {
        Self { host, contents: Arc::new(Mutex::new(contents)), half_made: Arc::new(half_made) }
    }

    /// The guests that a run was making when it died: those that exist without a record are ours all the same.
    #[must_use]
    pub fn half_made(&self) -> &BTreeSet<GuestId> {
        &self.half_made
    }

    /// Notes that the command that makes a guest is about to run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn making(&self, guest: GuestId) -> Result<(), HostError> {
        let mut contents = self.contents.lock().await;
        contents.making.insert(guest);
        self.host.write(Utf8Path::new(PATH), &text(&contents), 0o644).await
    }

    /// Notes that a guest is made: it carries its record, or it is gone again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn made(&self, guest: GuestId) -> Result<(), HostError> {
        let mut contents = self.contents.lock().await;
        contents.making.remove(&guest);
        self.host.write(Utf8Path::new(PATH), &text(&contents), 0o644).await
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub async fn release(self) -> Result<(), HostError> {
        self.host.remove(Utf8Path::new(PATH)).await
    }
}

fn text(contents: &Contents) -> Vec<u8> {
    serde_json::to_vec(contents).unwrap_or_default()
}

/// Who holds the lock of a node, if anybody does.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub(crate) async fn holder(host: &dyn Host) -> Result<Option<Holder>, LockError> {
    Ok(held(host).await?.map(|contents| contents.holder))
}

async fn held(host: &dyn Host) -> Result<Option<Contents>, LockError> {
    match host.read(Utf8Path::new(PATH), 1 << 20).await {
        Ok(found) => serde_json::from_slice(&found).map(Some).map_err(|_| LockError::Foreign),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenix_sim::{SimNode, World};

    fn holder(pid: u32) -> Holder {
        Holder {
            who: "root@pve".into(),
            boot: "b".into(),
            pid,
            since: "2026-11-21 20:00:00".into(),
            doing: "up".into(),
        }
    }

    fn guest(id: u32) -> GuestId {
        GuestId::new(id).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_run_hears_who_holds_it() {
        let host: Arc<dyn Host> = Arc::new(SimNode::new(World::default()));
        let lock = NodeLock::take(host.clone(), holder(1), |_| Liveness::Alive).await.unwrap();
        let error = NodeLock::take(host.clone(), holder(2), |_| Liveness::Alive).await.unwrap_err();
        assert!(error.to_string().contains("root@pve (process 1) has run `up` since 2026-11-21"), "{error}");
        assert!(NodeLock::take(host.clone(), holder(2), |_| Liveness::Unknown).await.is_err());
        lock.release().await.unwrap();
        assert!(NodeLock::take(host, holder(2), |_| Liveness::Alive).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_runs_lock_is_taken_over_with_what_it_was_making() {
        let host: Arc<dyn Host> = Arc::new(SimNode::new(World::default()));
        let dead = NodeLock::take(host.clone(), holder(1), |_| Liveness::Alive).await.unwrap();
        dead.making(guest(101)).await.unwrap();
        dead.making(guest(102)).await.unwrap();
        dead.made(guest(102)).await.unwrap();
        let alive = |holder: &Holder| if holder.pid == 1 { Liveness::Dead } else { Liveness::Alive };
        let lock = NodeLock::take(host.clone(), holder(2), alive).await.unwrap();
        assert_eq!(lock.half_made(), &BTreeSet::from([guest(101)]));
        assert!(NodeLock::take(host, holder(3), alive).await.is_err());
    }
}
