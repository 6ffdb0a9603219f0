//! What the lock on a guest says.

/// Whether a lock is one that a task sets while it works and takes off when it ends, whichever way (pve-container and
/// qemu-server). `backup`, `migrate`, `suspended` and the like mean something beyond their task.
pub(crate) fn is_a_tasks(lock: &str) -> bool {
    ["clone", "create", "destroyed", "disk", "rollback", "snapshot", "snapshot-delete"].contains(&lock)
}

/// The lock of a VM whose memory was saved to a disk (`qm suspend --todisk`). A start takes it off, and unlocking the VM by hand
/// loses the memory.
pub(crate) const HIBERNATED: &str = "suspended";

/// Whether a lock is that of a command that makes the guest.
pub(crate) fn is_creation(lock: &str) -> bool {
    ["clone", "create"].contains(&lock)
}
