//! Who holds a node's lock.

use async_trait::async_trait;
use phoenix_engine::{Holder, LivenessCheck, NodeLock};
use phoenix_host::{HostError, Liveness, Process, Ssh};

/// The process that a lock names: it lives as long as this run.
#[derive(Debug)]
pub(crate) enum LockOwner {
    /// This program.
    Here(Process),
    /// A process on the node at the far end of a connection, since nobody there can see this program.
    OverSsh(Ssh, Box<phoenix_host::Keeper>),
}

impl LockOwner {
    /// This run, for its lock.
    pub(crate) fn holder(&self, user: &str, doing: &str) -> Holder {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let process = match self {
            Self::Here(process) => process,
            Self::OverSsh(_, keeper) => keeper.process(),
        };
        Holder {
            who: format!("{user}@{}", hostname.trim()),
            process: process.clone(),
            since: jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
            doing: doing.to_owned(),
        }
    }
}

/// It sees what can be seen from where its own process is.
#[async_trait]
impl LivenessCheck for LockOwner {
    async fn liveness(&self, of: &Holder) -> Liveness {
        match self {
            Self::Here(_) => of.process.liveness(),
            // A node that cannot be asked says nothing; the lock then stays with its holder.
            Self::OverSsh(ssh, _) => ssh.liveness(&of.process).await.unwrap_or(Liveness::Unknown),
        }
    }
}

/// A node's lock together with the process that it names.
#[derive(Debug)]
pub(crate) struct Held {
    lock: NodeLock,
    _keeper: LockOwner,
}

impl Held {
    pub(crate) fn new(lock: NodeLock, keeper: LockOwner) -> Self {
        Self { lock, _keeper: keeper }
    }

    /// Gives the lock back.
    pub(crate) async fn release(self) -> Result<(), HostError> {
        self.lock.release().await
    }
}

impl std::ops::Deref for Held {
    type Target = NodeLock;

    fn deref(&self) -> &NodeLock {
        &self.lock
    }
}
