//! The names of the snapshots that Phoenix takes besides the configured ones.

use phoenix_types::SnapshotName;

/// The name of the snapshot that a change goes back to when it fails.
pub(crate) const UNDO: &str = "phoenix-undo";

/// The snapshot that a change goes back to.
pub(crate) fn undo_snapshot() -> Option<SnapshotName> {
    UNDO.parse().ok()
}

/// The name under which the successor of a snapshot stands while the snapshot itself is taken again: Proxmox renames none.
///
/// A name has 40 characters at most (pve-guest-common, `pve-snapshot-name`).
pub(crate) fn successor(name: &SnapshotName) -> SnapshotName {
    let begin: String = name.as_str().chars().take(36).collect();
    format!("{begin}-new").parse().unwrap_or_else(|_| name.clone())
}
