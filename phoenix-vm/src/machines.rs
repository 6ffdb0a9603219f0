//! The trait.

use async_trait::async_trait;
use phoenix_pve::{FakeGuests, GuestError, Guests};
use phoenix_types::GuestId;

use crate::CreateVm;

/// The VMs of one node. [`Qm`](crate::Qm) drives real ones; [`FakeGuests`] keeps some in memory.
#[async_trait]
pub trait VirtualMachines: Guests {
    /// Makes a VM.
    ///
    /// # Errors
    /// When the spec is refused or the tool fails. A tool that fails cleans up after itself; one that is killed does not.
    async fn create(&self, id: GuestId, spec: &CreateVm) -> Result<(), GuestError>;

    /// Writes the cloud-init drive again from the settings. The guest reads it at its next boot. (Proxmox also does this at
    /// every start.)
    ///
    /// # Errors
    /// When the VM has no such drive or the tool fails.
    async fn cloudinit_update(&self, id: GuestId) -> Result<(), GuestError>;

    /// Asks the guest agent whether it is there.
    ///
    /// # Errors
    /// `AgentSilent` when it is not configured or does not answer, `NotRunning` when the VM is off.
    async fn ping(&self, id: GuestId) -> Result<(), GuestError>;
}

#[async_trait]
impl VirtualMachines for FakeGuests {
    async fn create(&self, id: GuestId, spec: &CreateVm) -> Result<(), GuestError> {
        let keys = spec.settings.keys().map_err(|source| GuestError::Invalid { guest: id, source })?;
        self.create_with(id, keys, spec.description.as_deref())
    }

    async fn cloudinit_update(&self, id: GuestId) -> Result<(), GuestError> {
        self.touch("cloudinit_update", id)
    }

    async fn ping(&self, id: GuestId) -> Result<(), GuestError> {
        self.need_running("ping", id)
    }
}
