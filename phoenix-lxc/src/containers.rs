//! The trait.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_host::Inside;
use phoenix_types::{Change, DiskSize, FirewallFile, GuestId, SnapshotName};

use crate::{CloneContainer, ConfEdit, CreateContainer, LxcError, ObservedContainer, Purge};

/// The containers of one node.
///
/// [`Pct`](crate::Pct) drives the real ones, [`FakeContainers`](crate::fake::FakeContainers) is one in memory. All methods
/// take `&self` and may be called at the same time, for one container too: the node's own locks keep them apart, and who
/// comes second gets an error of class `Busy`.
///
/// Cancel safety, where nothing else is said: a dropped future kills the tool on the node; what it did until then stays done,
/// and [`inspect`](Self::inspect) tells what that is.
///
/// Errors are those of [`LxcError`]; [`LxcError::class`] says what to do about them.
#[async_trait]
pub trait Containers: fmt::Debug + Send + Sync {
    /// All containers of the node, at the cost of one process however many there are.
    ///
    /// # Errors
    /// When the tool or the host fails.
    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedContainer>, LxcError>;

    /// One container as it is now, for instance after a failure; `None` when there is none with this id on this node.
    ///
    /// # Errors
    /// When the tool or the host fails.
    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedContainer>, LxcError>;

    /// Makes a container from a template.
    ///
    /// # Errors
    /// When the spec is refused or the tool fails; it then has cleaned up behind itself, unless it was killed.
    async fn create(&self, id: GuestId, spec: &CreateContainer) -> Result<(), LxcError>;

    /// Makes a container from another one. The tool locks the source for the whole copy: a second clone of it is `Busy`.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    async fn clone_from(&self, id: GuestId, spec: &CloneContainer) -> Result<(), LxcError>;

    /// Changes settings with one command; nothing is sent for an empty change. With a digest the change is refused when the
    /// configuration is no longer the one that was looked at.
    ///
    /// # Errors
    /// When a value is refused, the digest differs (`Modified`), or the tool fails. The tool writes all keys of one call or
    /// none, but a missing bridge is reported after they are written.
    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), LxcError>;

    /// Edits what `pct` has no option for, in the live section of the configuration file, in one step and without a process.
    /// Raw lines act at the next start.
    ///
    /// # Errors
    /// When the container is not there (`NotFound`), is locked (`Busy`), or its file changed meanwhile (`Modified`).
    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), LxcError>;

    /// Writes its firewall file as a whole, in one step. The node takes it over within ten seconds.
    ///
    /// # Errors
    /// When a rule cannot be written, or the file would be empty.
    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), LxcError>;

    /// Grows a disk (`rootfs` or `mpN`) to a size. A disk that has the size is left alone; none is ever shrunk.
    ///
    /// # Errors
    /// When it is larger already, does not exist, or does not have the size afterwards.
    async fn resize(&self, id: GuestId, disk: &str, size: DiskSize) -> Result<(), LxcError>;

    /// Starts it and waits until its init runs, which is not yet its services. One that runs is left alone.
    ///
    /// # Errors
    /// When it does not start.
    async fn start(&self, id: GuestId) -> Result<(), LxcError>;

    /// Asks it to shut down and waits. One that is off is left alone.
    ///
    /// # Errors
    /// `TimedOut` when it still runs after `timeout`; it is not killed then.
    async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), LxcError>;

    /// Kills it. One that is off is left alone.
    ///
    /// # Errors
    /// When it is locked or the tool fails.
    async fn stop(&self, id: GuestId) -> Result<(), LxcError>;

    /// Shuts it down, by force after `timeout`, and starts it again, with its pending changes.
    ///
    /// # Errors
    /// When it does not run, or does not come back.
    async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), LxcError>;

    /// Takes a snapshot. The notes go with it.
    ///
    /// # Errors
    /// When the name is in use (`AlreadyExists`) or the storage cannot do it (`Refused`; a bind mount is enough for that).
    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), LxcError>;

    /// Deletes a snapshot; one that is not there is no error.
    ///
    /// # Errors
    /// When the tool fails.
    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError>;

    /// Takes disks and settings back to a snapshot. A running container is stopped by force and stays off.
    ///
    /// # Errors
    /// When the snapshot is not there or is not the newest on a storage that takes only that.
    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError>;

    /// Makes it a template for good. One that is a template is left alone.
    ///
    /// # Errors
    /// When it runs, has snapshots, or is no template afterwards.
    async fn convert_to_template(&self, id: GuestId) -> Result<(), LxcError>;

    /// Removes a lock that a dead task left. One without lock is left alone. Look first that no task runs.
    ///
    /// # Errors
    /// When the tool fails.
    async fn unlock(&self, id: GuestId) -> Result<(), LxcError>;

    /// Destroys it with all its disks, its firewall file and its snapshots.
    ///
    /// # Errors
    /// When it runs, is protected or is locked.
    async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), LxcError>;

    /// Its inside, where commands run as root with a clean environment (`HOME`, `USER`, `LANG=C.UTF-8` and the container's
    /// usual `PATH`). Output is streamed as it appears, and the command is killed inside at its deadline too.
    fn inside(&self, id: GuestId) -> Arc<dyn Inside>;

    /// Writes a file inside, whole and verified; folders on the way are made. The contents do not appear in any argv.
    ///
    /// # Errors
    /// When the container does not run or the file does not arrive.
    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), LxcError>;
}
