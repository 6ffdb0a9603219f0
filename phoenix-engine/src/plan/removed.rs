//! A guest that is removed from the configuration.

use std::collections::BTreeSet;

use phoenix_types::{GuestId, GuestKind, Power};
use serde::Serialize;

/// A guest of this fleet that is removed from the configuration and still on the node.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RemovedGuest {
    /// The guest.
    pub id: GuestId,
    /// Its name on the node.
    pub name: String,
    /// Container or VM.
    pub kind: GuestKind,
    /// Whether it runs.
    pub power: Power,
    /// The guests that it needed.
    pub needs: BTreeSet<GuestId>,
}

impl RemovedGuest {
    /// What a person can do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        format!("`phoenix delete {}` or `phoenix up --prune` destroys it", self.id)
    }
}
