//! The node, as the inside of guests reaches it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phoenix_sim_guest::Console;
use phoenix_sim_guest::ground::{Ground, HeldNode, Node, Reads};
use phoenix_sim_guest::locks::Locks;
use phoenix_sim_shell::files::FileTree;
use phoenix_sim_shell::process::Processes;

use crate::grammar::{Tool, reads_input};
use crate::node::{SimNode, StateGuard};

impl SimNode {
    /// Waits until what was started in the background inside of guests has ended, at most `limit` on the node's clock. A process
    /// that is about to end calls it, since nothing of that outlives it. A kept node stays locked meanwhile, and is kept as it is
    /// then.
    ///
    /// Cancel safety: nothing is lost; call it again.
    pub async fn settle(&self, limit: Duration) {
        if self.busy().is_none() {
            return;
        }
        let _session = self.enter();
        let end = self.clock().now() + limit;
        while let Some(busy) = self.busy() {
            let left = end.saturating_sub(self.clock().now());
            if left.is_zero() {
                return;
            }
            let changed = busy.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !busy.list().is_empty() {
                // Running out of time is no error here.
                let _ = tokio::time::timeout(left, changed).await;
            }
        }
    }

    /// The processes of a guest in which some run.
    fn busy(&self) -> Option<Arc<Processes>> {
        let state = self.state();
        state.inside.values().map(|running| &running.processes).find(|processes| !processes.list().is_empty()).cloned()
    }
}

#[async_trait]
impl Node for SimNode {
    fn state(&self) -> Box<dyn HeldNode + '_> {
        Box::new(Self::state(self))
    }

    fn quiet_state(&self) -> Box<dyn HeldNode + '_> {
        Box::new(Quiet(Self::state(self)))
    }

    fn elapsed(&self) -> Duration {
        self.clock().now()
    }

    fn locks(&self) -> &Locks {
        Self::locks(self)
    }

    fn tool(&self, argv: &[String]) -> Option<Reads> {
        Tool::from_program(argv.first()?)?;
        Some(if reads_input(argv) { Reads::Input } else { Reads::Nothing })
    }

    async fn run_tool(&self, argv: &[String], stdin: &[u8], console: &mut Console) -> i32 {
        self.run_on(argv, stdin, console).await
    }
}

/// The state for who marks what it changes itself.
struct Quiet<'a>(StateGuard<'a>);

impl HeldNode for Quiet<'_> {
    fn ground(&self) -> &Ground {
        self.0.ground()
    }

    fn ground_mut(&mut self) -> &mut Ground {
        self.0.quietly().ground_mut()
    }

    fn disk(&self, volume: &str) -> Option<&FileTree> {
        self.0.disk(volume)
    }

    fn disk_mut(&mut self, volume: &str) -> Option<&mut FileTree> {
        self.0.quietly().disk_mut(volume)
    }

    fn path_of(&mut self, volume: &str) -> Option<String> {
        self.0.quietly().path_of(volume)
    }
}
