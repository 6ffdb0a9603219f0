//! One run at a time on a node, and what a run is making or destroying, so that the next one knows should it die.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Created, Host, HostError, Liveness, Process};
use phoenix_types::GuestId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::digest::Digest;

/// Where the lock is on the node. `/run` is emptied at boot, so a lock never outlives the node's own run.
pub const LOCK: &str = "/run/phoenix.lock";

/// Where the guests stand that a command makes or destroys. The file outlives the lock: a run that takes a dead one's place may
/// be about other guests, or be called off.
const IN_PROGRESS: &str = "/run/phoenix.half";

/// How often the lock is asked for again, when its holder gives it back between two looks.
const TRIES: usize = 5;

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The user and the machine, such as `root@pve`.
    pub who: String,
    /// The process on the node that lives as long as the run: the run itself, or the far end of its connection.
    #[serde(flatten)]
    pub process: Process,
    /// Since when, as people read it.
    pub since: String,
    /// What it does, such as `up`.
    pub doing: String,
}

/// Sees whether the holder of a lock lives. A function can be one.
#[async_trait]
pub trait LivenessCheck: Send + Sync {
    /// Whether it lives.
    async fn liveness(&self, holder: &Holder) -> Liveness;
}

#[async_trait]
impl<F: Fn(&Holder) -> Liveness + Send + Sync> LivenessCheck for F {
    async fn liveness(&self, holder: &Holder) -> Liveness {
        self(holder)
    }
}

/// Why the lock was not got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another run holds it.
    #[error("another run is in progress on this node: {} (process {}) has run `{}` since {}", .0.who, .0.process.pid, .0.doing, .0.since)]
    Held(Box<Holder>),
    /// The lock file holds something else.
    #[error("the file `{0}` on the node was not written by Phoenix: remove it when no run is in progress")]
    Foreign(Utf8PathBuf),
    /// Others took it and gave it back, time and again.
    #[error("the lock of this node is contended: try again")]
    Restless,
    /// The node's files.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// What is in the lock file, and in a claim on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    holder: Holder,
}

/// The lock of a node, held. Give it back with [`NodeLock::release`]; a lock that is only dropped is left behind, and the
/// next run finds its holder dead. Cheap to clone.
#[derive(Debug, Clone)]
#[must_use = "the lock is held until it is released"]
pub struct NodeLock {
    host: Arc<dyn Host>,
    predecessor: Option<Arc<Holder>>,
    half: Arc<Mutex<BTreeSet<GuestId>>>,
}

impl NodeLock {
    /// Takes the lock. A lock whose holder is dead is taken over.
    ///
    /// # Errors
    /// When another run holds it, or the node's files cannot be read or written.
    pub async fn take(host: Arc<dyn Host>, me: Holder, liveness_check: &dyn LivenessCheck) -> Result<Self, LockError> {
        let me = Contents { holder: me };
        for _ in 0..TRIES {
            if host.create_new(Utf8Path::new(LOCK), &text(&me)).await? == Created::Made {
                return Self::new(host, None).await;
            }
            // Given back since: asked for again.
            let Some(found) = holder(&*host).await? else { continue };
            if take_over(&*host, &found, &me, liveness_check).await? == Takeover::Ours {
                return Self::new(host, Some(found)).await;
            }
        }
        Err(LockError::Restless)
    }

    async fn new(host: Arc<dyn Host>, predecessor: Option<Holder>) -> Result<Self, LockError> {
        let half = read(&*host, Utf8Path::new(IN_PROGRESS)).await?.unwrap_or_default();
        Ok(Self { host, predecessor: predecessor.map(Arc::new), half: Arc::new(Mutex::new(half)) })
    }

    /// The run that died with the lock and whose place this one takes; what it had started may still continue.
    #[must_use]
    pub fn predecessor(&self) -> Option<&Holder> {
        self.predecessor.as_deref()
    }

    /// The guests that a command makes or destroys, or did so when its run died. That says nothing about a guest which is there
    /// under the id: see [`Proof`](crate::guest::Proof).
    pub(crate) async fn half_made(&self) -> BTreeSet<GuestId> {
        self.half.lock().await.clone()
    }

    /// Notes that a command that makes or destroys a guest is about to run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn mark_in_progress(&self, guest: GuestId) -> Result<(), HostError> {
        let mut half = self.half.lock().await;
        if half.insert(guest) { self.write(&half).await } else { Ok(()) }
    }

    /// Notes that a guest is whole, with its record, or gone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn clear_in_progress(&self, guest: GuestId) -> Result<(), HostError> {
        let mut half = self.half.lock().await;
        if half.remove(&guest) { self.write(&half).await } else { Ok(()) }
    }

    async fn write(&self, half: &BTreeSet<GuestId>) -> Result<(), HostError> {
        match half.is_empty() {
            true => self.host.remove(Utf8Path::new(IN_PROGRESS)).await,
            false => self.host.write(Utf8Path::new(IN_PROGRESS), &text(half), 0o644).await,
        }
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub async fn release(self) -> Result<(), HostError> {
        self.host.remove(Utf8Path::new(LOCK)).await
    }
}

/// How the question ended who takes a dead holder's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takeover {
    Ours,
    /// The lock was given back meanwhile, or somebody was faster.
    Open,
}

/// Takes the place of a dead holder.
///
/// Each holder has at most one successor, the one who makes its claim: the file that is named after the holder. Where the
/// claimant is dead as well, its own successor is sought. A claim goes only after the lock names the new holder, so whoever made
/// one checks whether the lock is still what it was.
async fn take_over(
    host: &dyn Host,
    found: &Holder,
    me: &Contents,
    liveness_check: &dyn LivenessCheck,
) -> Result<Takeover, LockError> {
    let mut claims = Vec::new();
    let mut last = found.clone();
    loop {
        if liveness_check.liveness(&last).await != Liveness::Dead {
            return Err(LockError::Held(Box::new(last)));
        }
        let claim = claim_on(&last);
        let made = host.create_new(&claim, &text(me)).await? == Created::Made;
        claims.push(claim.clone());
        if made {
            break;
        }
        match read(host, &claim).await? {
            Some(Contents { holder }) => last = holder,
            None => return Ok(Takeover::Open),
        }
    }
    let is_same = holder(host).await?.as_ref() == Some(found);
    if is_same {
        host.write(Utf8Path::new(LOCK), &text(me), 0o644).await?;
    } else {
        // Somebody was faster. The other claims are theirs.
        claims.drain(..claims.len() - 1);
    }
    for claim in claims.iter().rev() {
        host.remove(claim).await?;
    }
    Ok(if is_same { Takeover::Ours } else { Takeover::Open })
}

/// The file that says who takes a dead holder's place.
fn claim_on(holder: &Holder) -> Utf8PathBuf {
    let digest = Digest::of([serde_json::to_vec(holder).unwrap_or_default().as_slice()]);
    format!("{LOCK}.{}", digest.as_str()).into()
}

fn text(contents: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(contents).unwrap_or_default()
}

/// Who holds the lock of a node, if anybody does.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub(crate) async fn holder(host: &dyn Host) -> Result<Option<Holder>, LockError> {
    Ok(read::<Contents>(host, Utf8Path::new(LOCK)).await?.map(|contents| contents.holder))
}

async fn read<T: DeserializeOwned>(host: &dyn Host, path: &Utf8Path) -> Result<Option<T>, LockError> {
    match host.read(path, 1 << 20).await {
        Ok(found) => serde_json::from_slice(&found).map(Some).map_err(|_| LockError::Foreign(path.to_owned())),
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
            process: Process { boot: "b".into(), pid, ..Process::default() },
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
        let lock = NodeLock::take(host.clone(), holder(1), &|_: &Holder| Liveness::Alive).await.unwrap();
        let error = NodeLock::take(host.clone(), holder(2), &|_: &Holder| Liveness::Alive).await.unwrap_err();
        assert!(error.to_string().contains("root@pve (process 1) has run `up` since 2026-11-21"), "{error}");
        assert!(NodeLock::take(host.clone(), holder(2), &|_: &Holder| Liveness::Unknown).await.is_err());
        lock.release().await.unwrap();
        assert!(NodeLock::take(host, holder(2), &|_: &Holder| Liveness::Alive).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_runs_lock_is_taken_over_with_what_it_was_making() {
        let host: Arc<dyn Host> = Arc::new(SimNode::new(World::default()));
        let dead = NodeLock::take(host.clone(), holder(1), &|_: &Holder| Liveness::Alive).await.unwrap();
        dead.mark_in_progress(guest(101)).await.unwrap();
        dead.mark_in_progress(guest(102)).await.unwrap();
        dead.clear_in_progress(guest(102)).await.unwrap();
        let alive = |holder: &Holder| if holder.process.pid == 1 { Liveness::Dead } else { Liveness::Alive };
        let lock = NodeLock::take(host.clone(), holder(2), &alive).await.unwrap();
        assert_eq!(lock.predecessor(), Some(&holder(1)));
        assert_eq!(lock.half_made().await, BTreeSet::from([guest(101)]));
        assert!(NodeLock::take(host.clone(), holder(3), &alive).await.is_err());
        // A run that was about others leaves it to the next one.
        lock.release().await.unwrap();
        let lock = NodeLock::take(host.clone(), holder(4), &alive).await.unwrap();
        assert_eq!((lock.predecessor(), lock.half_made().await), (None, BTreeSet::from([guest(101)])));
        lock.clear_in_progress(guest(101)).await.unwrap();
        lock.release().await.unwrap();
        assert!(host.list("/run".into()).await.unwrap().iter().all(|name| !name.contains("phoenix")));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_find_it_dead_one_gets_it() {
        let host: Arc<dyn Host> = Arc::new(SimNode::new(World::default()));
        let alive = |holder: &Holder| if holder.process.pid < 10 { Liveness::Dead } else { Liveness::Alive };
        drop(NodeLock::take(host.clone(), holder(1), &alive).await.unwrap());
        // One that died while it took the lock over, and left its claim.
        host.create_new(&claim_on(&holder(1)), &text(&Contents { holder: holder(2) })).await.unwrap();
        let found = super::holder(&*host).await.unwrap().unwrap();
        // Both have looked; then the one takes it, and the other continues with what it saw.
        let lock = NodeLock::take(host.clone(), holder(11), &alive).await.unwrap();
        assert_eq!(take_over(&*host, &found, &Contents { holder: holder(12) }, &alive).await.unwrap(), Takeover::Open);
        let error = NodeLock::take(host.clone(), holder(12), &alive).await.unwrap_err();
        assert!(error.to_string().contains("process 11"), "{error}");
        lock.release().await.unwrap();
        assert!(host.list("/run".into()).await.unwrap().iter().all(|name| !name.contains("phoenix")));
    }
}
