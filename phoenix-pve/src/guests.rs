//! The trait over the guests of one kind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_host::Inside;
use phoenix_types::{
    Change, DiskSize, FirewallFile, GuestConf, GuestId, GuestKind, Hostname, Power, SnapshotName, StorageId,
};

use crate::{ConfEdit, GuestError};

/// A guest as it is on the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedGuest {
    /// Its id.
    pub id: GuestId,
    /// Its configuration, with snapshots and pending changes.
    pub conf: GuestConf,
    /// SHA-1 of the configuration's text. A change that carries it is refused when the text has changed since.
    pub digest: String,
    /// Whether it runs. [`Guests::observe`] reports a paused VM as running, because `qm list` does not tell them apart;
    /// [`Guests::inspect`] reports it as paused.
    pub power: Power,
    /// How long it has been running. [`Guests::inspect`] knows it, [`Guests::observe`] does not.
    pub uptime: Option<Duration>,
    /// The text of its firewall file.
    pub firewall: Option<String>,
}

/// Whether a destroyed guest is also removed from backup jobs, replication and high availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Purge {
    /// It is. Default.
    #[default]
    Yes,
    /// References to it stay. The tool then refuses a guest under high availability.
    No,
}

/// How much of its source a clone copies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloneMode {
    /// Everything.
    Full {
        /// The storage for the copy; the source's storage when absent.
        storage: Option<StorageId>,
    },
    /// Nothing: the clone needs its source, a template, for as long as it lives.
    Linked,
}

/// A guest to be made from another one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CloneGuest {
    /// The source.
    pub source: GuestId,
    /// The snapshot of the source to clone; its present state when absent. A running container needs one.
    pub snapshot: Option<SnapshotName>,
    /// How much is copied.
    pub mode: CloneMode,
    /// The clone's name; when absent, Proxmox derives one from the source's.
    pub name: Option<Hostname>,
    /// The clone's notes; those of the source, or of the snapshot, when absent.
    pub description: Option<String>,
}

impl CloneGuest {
    /// A full copy of the source's present state.
    #[must_use]
    pub fn new(source: GuestId) -> Self {
        Self { source, snapshot: None, mode: CloneMode::Full { storage: None }, name: None, description: None }
    }
}

/// The guests of one kind on one node: everything that containers and VMs have in common.
///
/// [`Adapter`](crate::Adapter) drives real ones with `pct` or `qm`; [`FakeGuests`](crate::FakeGuests) keeps some in memory.
/// All methods take `&self` and may be called at the same time, even for the same guest: the node's locks keep the calls
/// apart, and the second one gets an error of class `Busy`.
///
/// Cancel safety, unless stated otherwise: dropping the future kills the tool on the node. Its work up to then stays done,
/// and [`inspect`](Self::inspect) shows the result.
///
/// [`GuestError::class`] tells what to do about an error.
#[async_trait]
pub trait Guests: fmt::Debug + Send + Sync {
    /// The kind of these guests.
    fn kind(&self) -> GuestKind;

    /// All guests of this kind on the node, with one process regardless of their number.
    ///
    /// # Errors
    /// When the tool or the host fails.
    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedGuest>, GuestError>;

    /// One guest as it is now, for example after a failure; `None` when this node has no such guest.
    ///
    /// # Errors
    /// When the tool or the host fails.
    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedGuest>, GuestError>;

    /// Makes a guest from another one. The tool locks a container for the whole copy, so a second clone of it is `Busy`.
    ///
    /// # Errors
    /// When the spec is refused or the tool fails. A tool that fails cleans up after itself; one that is killed does not.
    async fn clone_from(&self, id: GuestId, spec: &CloneGuest) -> Result<(), GuestError>;

    /// Changes settings with one command; an empty change sends none. With a digest, the change is refused when the
    /// configuration has changed since that digest was read.
    ///
    /// # Errors
    /// When a value is refused, the digest differs (`Modified`), or the tool fails. `pct` writes all keys of a call or none,
    /// but reports a missing bridge after writing them. `qm` writes key after key, so some may be set: look again.
    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), GuestError>;

    /// Edits what the tools have no option for, in the live section of the configuration file, in one step and without a
    /// process. Raw lines, which only containers have, take effect at the next start.
    ///
    /// # Errors
    /// When the guest does not exist (`NotFound`), is locked (`Busy`), or its file changed meanwhile (`Modified`).
    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), GuestError>;

    /// Replaces the guest's firewall file in one step. The node applies it within ten seconds.
    ///
    /// # Errors
    /// When a rule cannot be written, or the file would be empty.
    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), GuestError>;

    /// Grows a disk (`rootfs` or `mpN` of a container, a drive of a VM) to a size. A disk of that size is left alone; no disk
    /// is ever shrunk. The file system inside a VM stays as it is.
    ///
    /// # Errors
    /// When the disk is larger already, does not exist, or does not have the size afterwards.
    async fn resize(&self, id: GuestId, disk: &str, size: DiskSize) -> Result<(), GuestError>;

    /// Starts the guest and waits for its init or its QEMU process, not for its services. A running guest is left alone. Without
    /// a limit it has the time of [`Deadlines`](crate::Deadlines), and a VM what the tool gives it.
    ///
    /// # Errors
    /// When it does not start.
    async fn start(&self, id: GuestId, limit: Option<Duration>) -> Result<(), GuestError>;

    /// Asks the guest to shut down and waits. A stopped guest is left alone.
    ///
    /// # Errors
    /// `TimedOut` when it still runs after `timeout`; it is not killed.
    async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), GuestError>;

    /// Stops the guest by force. A stopped guest is left alone.
    ///
    /// # Errors
    /// When it is locked or the tool fails.
    async fn stop(&self, id: GuestId) -> Result<(), GuestError>;

    /// Shuts the guest down and starts it again, with its pending changes. A container that does not shut down within
    /// `timeout` is stopped by force. For a VM, the call returns when it is down; Proxmox then starts it.
    ///
    /// # Errors
    /// When it does not run, or does not restart in time.
    async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), GuestError>;

    /// Takes a snapshot of disks, settings and notes, without a VM's memory.
    ///
    /// # Errors
    /// When the name is in use (`AlreadyExists`) or the storage cannot take snapshots (`Refused`; a bind mount is enough).
    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), GuestError>;

    /// Deletes a snapshot. A missing one is no error.
    ///
    /// # Errors
    /// When the tool fails.
    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError>;

    /// Takes disks and settings back to a snapshot. A running guest is stopped by force and stays stopped.
    ///
    /// # Errors
    /// When the snapshot does not exist, or is not the newest on a storage that can only go back to the newest.
    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError>;

    /// Makes the guest a template, for good. A template is left alone.
    ///
    /// # Errors
    /// When it runs, has snapshots, or is no template afterwards.
    async fn convert_to_template(&self, id: GuestId) -> Result<(), GuestError>;

    /// Removes the lock of a dead task. A guest without a lock is left alone. Make sure first that no task runs.
    ///
    /// # Errors
    /// When the tool fails.
    async fn unlock(&self, id: GuestId) -> Result<(), GuestError>;

    /// Destroys the guest with its disks, its firewall file and its snapshots.
    ///
    /// # Errors
    /// When it runs, is protected or is locked.
    async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), GuestError>;

    /// The inside of the guest, where commands run as root with a clean environment (`HOME`, `USER`, `PATH`, `LANG=C.UTF-8`).
    /// A command is killed inside at its deadline, and a tapped command's output is streamed as it appears.
    fn inside(&self, id: GuestId) -> Arc<dyn Inside>;

    /// Writes a file inside the guest, whole and verified. Missing folders are made. The contents appear in no argv.
    ///
    /// # Errors
    /// When the guest or its agent does not answer, or the file does not arrive.
    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), GuestError>;
}
