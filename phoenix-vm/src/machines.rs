//! The trait.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_host::Inside;
use phoenix_types::{Change, DiskSize, FirewallFile, GuestId, SnapshotName};

use crate::{CloneVm, ConfEdit, CreateVm, DriveSlot, ObservedVm, Purge, VmError};

/// The VMs of one node.
///
/// [`Qm`](crate::Qm) drives the real ones, [`FakeVms`](crate::fake::FakeVms) are some in memory. All methods take `&self`
/// and may be called at the same time, for one VM too: the node's own locks keep them apart, and who comes second gets an
/// error of class `Busy`.
///
/// Cancel safety, where nothing else is said: a dropped future kills the tool on the node; what it did until then stays done,
/// and [`inspect`](Self::inspect) tells what that is.
///
/// Errors are those of [`VmError`]; [`VmError::class`] says what to do about them.
#[async_trait]
pub trait VirtualMachines: fmt::Debug + Send + Sync {
    /// All VMs of the node, at the cost of one process however many there are.
    ///
    /// # Errors
    /// When the tool or the host fails.
    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedVm>, VmError>;

    /// One VM as it is now, for instance after a failure; `None` when there is none with this id on this node.
    ///
    /// # Errors
    /// When the tool or the host fails.
    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedVm>, VmError>;

    /// Makes a VM.
    ///
    /// # Errors
    /// When the spec is refused or the tool fails; it then has cleaned up behind itself, unless it was killed.
    async fn create(&self, id: GuestId, spec: &CreateVm) -> Result<(), VmError>;

    /// Makes a VM from another one.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    async fn clone_from(&self, id: GuestId, spec: &CloneVm) -> Result<(), VmError>;

    /// Changes settings with one command; nothing is sent for an empty change. With a digest the change is refused when the
    /// configuration is no longer the one that was looked at.
    ///
    /// # Errors
    /// When a value is refused, the digest differs (`Modified`), or the tool fails. The tool writes key after key, so some of
    /// them may be set then: look again.
    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), VmError>;

    /// Edits the notes in the configuration file, in one step and without a process. VMs have no raw lines.
    ///
    /// # Errors
    /// When the VM is not there (`NotFound`), is locked (`Busy`), or its file changed meanwhile (`Modified`).
    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), VmError>;

    /// Writes its firewall file as a whole, in one step. The node takes it over within ten seconds.
    ///
    /// # Errors
    /// When a rule cannot be written, or the file would be empty.
    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), VmError>;

    /// Grows a disk to a size; the file system inside is the guest's business. A disk that has the size is left alone; none
    /// is ever shrunk.
    ///
    /// # Errors
    /// When it is larger already, does not exist, or does not have the size afterwards.
    async fn resize(&self, id: GuestId, disk: DriveSlot, size: DiskSize) -> Result<(), VmError>;

    /// Starts it and waits until QEMU runs, which is not yet its system. One that runs is left alone.
    ///
    /// # Errors
    /// When it does not start.
    async fn start(&self, id: GuestId) -> Result<(), VmError>;

    /// Asks it to shut down and waits. One that is off is left alone.
    ///
    /// # Errors
    /// `TimedOut` when it still runs after `timeout`; it is not killed then.
    async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), VmError>;

    /// Takes its power away. One that is off is left alone.
    ///
    /// # Errors
    /// When it is locked or the tool fails.
    async fn stop(&self, id: GuestId) -> Result<(), VmError>;

    /// Shuts it down and has it started again, with its pending changes. Returns when it is down; it comes up by itself.
    ///
    /// # Errors
    /// When it does not run, or does not shut down in time.
    async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), VmError>;

    /// Takes a snapshot of its disks and settings, without its memory. The notes go with it.
    ///
    /// # Errors
    /// When the name is in use (`AlreadyExists`) or the storage cannot do it (`Refused`).
    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), VmError>;

    /// Deletes a snapshot; one that is not there is no error.
    ///
    /// # Errors
    /// When the tool fails.
    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), VmError>;

    /// Takes disks and settings back to a snapshot. A running VM is stopped by force and stays off.
    ///
    /// # Errors
    /// When the snapshot is not there or is not the newest on a storage that takes only that.
    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), VmError>;

    /// Makes it a template for good. One that is a template is left alone.
    ///
    /// # Errors
    /// When it runs, has snapshots, or is no template afterwards.
    async fn convert_to_template(&self, id: GuestId) -> Result<(), VmError>;

    /// Removes a lock that a dead task left. One without lock is left alone. Look first that no task runs.
    ///
    /// # Errors
    /// When the tool fails.
    async fn unlock(&self, id: GuestId) -> Result<(), VmError>;

    /// Destroys it with all its disks, its firewall file and its snapshots.
    ///
    /// # Errors
    /// When it runs, is protected or is locked.
    async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), VmError>;

    /// Makes the cloud-init drive anew from the settings. The guest reads it at its next boot. (Proxmox does this by itself
    /// at every start.)
    ///
    /// # Errors
    /// When it has no such drive or the tool fails.
    async fn cloudinit_update(&self, id: GuestId) -> Result<(), VmError>;

    /// Asks its guest agent whether it is there.
    ///
    /// # Errors
    /// `AgentSilent` when it is not configured or does not answer, `NotRunning` when the VM is off.
    async fn ping(&self, id: GuestId) -> Result<(), VmError>;

    /// Its inside, where commands run as root through the guest agent, with a clean environment (`HOME`, `USER`, `PATH`,
    /// `LANG=C.UTF-8`). A command whose output is tapped has it streamed as it appears. Each is killed inside at its deadline.
    fn inside(&self, id: GuestId) -> Arc<dyn Inside>;

    /// Writes a file inside, whole and verified, in as many pieces as its size takes; folders on the way are made. The
    /// contents do not appear in any argv.
    ///
    /// # Errors
    /// When the agent does not answer or the file does not arrive.
    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), VmError>;
}
