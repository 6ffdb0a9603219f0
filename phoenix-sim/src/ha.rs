//! `ha-manager` (pve-ha-manager `CLI/ha_manager.pm`).

use crate::node::{Call, Failure, State};

/// Whether the HA manager looks after a guest.
pub(crate) fn manages(_state: &State, _vmid: u32) -> bool {
    false
}

/// The HA manager forgets a guest.
pub(crate) fn forget(_state: &mut State, _vmid: u32) {}

/// Runs a command of `ha-manager`.
#[expect(clippy::unused_async, reason = "all tools are called alike")]
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    Err(Failure::die(format!("`{} {}` is not part of the simulated node", call.inv.tool, call.inv.command)))
}
