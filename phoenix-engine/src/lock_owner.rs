//! The process that a node's lock names.

use async_trait::async_trait;
use phoenix_host::{HostError, Liveness, Process, Ssh};

use crate::lock::{Holder, LivenessCheck};

/// The process that a lock names: it lives as long as the run that holds the lock.
#[derive(Debug)]
pub enum LockOwner {
    /// This program.
    Here(Process),
    /// A process on the node at the far end of a connection, since nobody there can see this program.
    OverSsh(Ssh, Box<phoenix_host::Keeper>),
}

impl LockOwner {
    /// This program, on the node itself.
    #[must_use]
    pub fn here() -> Self {
        Self::Here(Process::this())
    }

    /// A process on a node that is reached over ssh.
    ///
    /// # Errors
    /// When the node cannot be reached.
    pub async fn over_ssh(ssh: &Ssh) -> Result<Self, HostError> {
        Ok(Self::OverSsh(ssh.clone(), Box::new(ssh.keeper().await?)))
    }

    /// The holder of a lock that this process stands for: `who` such as `root@pve`, `since` as people read it.
    #[must_use]
    pub fn holder(&self, who: impl Into<String>, doing: impl Into<String>, since: impl Into<String>) -> Holder {
        let process = match self {
            Self::Here(process) => process,
            Self::OverSsh(_, keeper) => keeper.process(),
        };
        Holder { who: who.into(), process: process.clone(), since: since.into(), doing: doing.into() }
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
