//! The trait.

use async_trait::async_trait;
use phoenix_pve::{FakeGuests, GuestError, Guests};
use phoenix_types::GuestId;

use crate::CreateContainer;

/// The containers of one node. [`Pct`](crate::Pct) drives real ones; [`FakeGuests`] keeps some in memory.
#[async_trait]
pub trait Containers: Guests {
    /// Makes a container from a template.
    ///
    /// # Errors
    /// When the spec is refused or the tool fails. A tool that fails cleans up after itself; one that is killed does not.
    async fn create(&self, id: GuestId, spec: &CreateContainer) -> Result<(), GuestError>;
}

#[async_trait]
impl Containers for FakeGuests {
    async fn create(&self, id: GuestId, spec: &CreateContainer) -> Result<(), GuestError> {
        let keys = spec.keys().map_err(|source| GuestError::Invalid { guest: id, source })?;
        self.create_with(id, keys, spec.description.as_deref())
    }
}
