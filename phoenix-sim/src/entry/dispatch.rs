//! A command line of one of the tools, from its words to its exit status.

use super::faults;
use crate::grammar::{self, Answer, Tool, Verdict};
use crate::node::{Call, Console, Failure, SimNode};

impl SimNode {
    /// Runs a command line of one of the Proxmox tools to its end.
    ///
    /// Cancel safety: dropping the future is what `kill -9` does to the tool and its worker: what it did until then stays, a
    /// `lock:` line in the guest's configuration among it.
    pub async fn run(&self, argv: &[String], stdin: &[u8]) -> Answer {
        let mut console = Console::default();
        let exit = self.run_on(argv, stdin, &mut console).await;
        let (stdout, stderr) = console.into_texts();
        Answer { exit, stdout, stderr }
    }

    /// As [`Self::run`], with output that appears on a console as the command makes it. Gives the exit status.
    pub async fn run_on(&self, argv: &[String], stdin: &[u8], console: &mut Console) -> i32 {
        let _session = self.enter();
        self.follow_requests().await;
        let inv = match grammar::parse_in(argv, self.world().locale) {
            Verdict::Accepted(inv) => *inv,
            Verdict::Answered(answer) => {
                console.out(&answer.stdout);
                console.err(&answer.stderr);
                return answer.exit;
            }
        };
        if let Some(exit) = faults::strike(self, argv, console).await {
            return exit;
        }
        let mut call = Call::new(self, inv, stdin, console);
        call.startup().await;
        let result = match call.read_inputs() {
            Ok(()) => dispatch(&mut call).await,
            Err(failure) => Err(failure),
        };
        if result.is_ok() {
            call.finish().await;
        }
        call.conclude(result)
    }
}

async fn dispatch(call: &mut Call<'_>) -> Result<(), Failure> {
    match call.inv.tool {
        Tool::Pct => crate::lxc::run(call).await,
        Tool::Qm => crate::qemu::run(call).await,
        Tool::Pvesm => crate::storage::pvesm::run(call).await,
        Tool::Pveam => crate::storage::pveam::run(call).await,
        Tool::Pvesh => crate::api::run(call).await,
        Tool::HaManager => crate::ha::run(call).await,
    }
}
