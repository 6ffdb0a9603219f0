//! `pct`: containers.

use phoenix_types::GuestKind;

use crate::node::{Call, Failure};

/// Runs a command of `pct`.
#[expect(clippy::unused_async, reason = "all tools are called alike")]
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    match call.inv.command.as_str() {
        "status" => {
            call.state().conf(GuestKind::Container, vmid)?;
            let power = if call.state().is_running(vmid) { "running" } else { "stopped" };
            call.out(&format!("status: {power}\n"));
            Ok(())
        }
        other => Err(Failure::die(format!("`pct {other}` is not part of the simulated node"))),
    }
}
