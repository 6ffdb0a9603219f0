//! The world's faults: commands that fail, hang or find their lock taken.

use std::time::Duration;

use crate::node::{Console, SimNode};
use crate::world::{Failing, NamedFault};

/// Lets the first fault strike that waits for this command line, and gives the exit status that it leaves.
pub(super) async fn strike(node: &SimNode, argv: &[String], console: &mut Console) -> Option<i32> {
    let fault = {
        let faults = &node.world().faults;
        if faults.is_empty() {
            return None;
        }
        let mut state = node.state();
        state.fault_looks.resize(faults.len(), 0);
        let hit = faults.iter().enumerate().find(|(at, fault)| {
            if !fault.matches(argv) {
                return false;
            }
            let looks = &mut state.fault_looks[*at];
            *looks += 1;
            fault.nth.is_none_or(|nth| nth == *looks)
        });
        hit?.1.clone()
    };
    node.sleep(fault.after.get()).await;
    match &fault.fail {
        Failing::Named(NamedFault::LockTimeout) => {
            let path = match argv {
                [tool, _, id, ..] if tool.ends_with("qm") => format!("/var/lock/qemu-server/lock-{id}.conf"),
                [_, _, id, ..] => format!("/run/lock/lxc/pve-config-{id}.lock"),
                _ => "/var/lock/pve-manager/pve-storage-local".to_owned(),
            };
            console.err("trying to acquire lock...\n");
            node.sleep(Duration::from_secs(10)).await;
            console.err(&format!("can't lock file '{path}' - got timeout\n"));
            Some(4)
        }
        Failing::Named(NamedFault::Hang) => std::future::pending().await,
        Failing::Named(NamedFault::NoQuorum) => {
            console.err("cluster not ready - no quorum?\n");
            Some(255)
        }
        Failing::Answer { exit, stdout, stderr } => {
            console.out(stdout);
            console.err(stderr);
            Some(*exit)
        }
    }
}
