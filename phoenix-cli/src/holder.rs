//! Who holds a node's lock.

use phoenix_engine::{Holder, LockOwner, NodeLock};
use phoenix_host::HostError;

/// This run, for its lock.
pub(crate) fn holder(keeper: &LockOwner, user: &str, doing: &str) -> Holder {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let since = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    keeper.holder(format!("{user}@{}", hostname.trim()), doing, since)
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
