//! `qm`: virtual machines.

use crate::node::{Call, Failure};

/// Runs a command of `qm`.
#[expect(clippy::unused_async, reason = "all tools are called alike")]
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    Err(Failure::die(format!("`{} {}` is not part of the simulated node", call.inv.tool, call.inv.command)))
}
