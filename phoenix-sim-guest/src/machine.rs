//! One machine as its programs see it: a guest, or the node itself.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use phoenix_sim_shell::process::Processes;

use crate::ground::{NODE, Node, Worlds};
use crate::view::View;
use crate::world::Merged;

/// One machine: a running guest, or the node itself.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) node: Arc<dyn Node>,
    /// What the world says of guests.
    worlds: Arc<Worlds>,
    /// The guest; `None` is the node.
    pub(crate) guest: Option<u32>,
    pub(crate) processes: Arc<Processes>,
    budget: Arc<std::sync::Mutex<Budget>>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("guest", &self.guest).finish_non_exhaustive()
    }
}

/// What programs may use up before time must pass.
#[derive(Debug, Default)]
struct Budget {
    at: Duration,
    steps: u64,
    bytes: u64,
}

/// Steps that the programs of one command may take without time passing: more is an endless loop.
const STEPS: u64 = 2_000_000;
/// Bytes that they may make without time passing.
const BYTES: u64 = 256 << 20;

impl Machine {
    pub(crate) fn new(node: &Arc<dyn Node>, guest: Option<u32>, processes: Arc<Processes>) -> Self {
        let worlds = Arc::clone(&node.quiet_state().worlds);
        Self { node: Arc::clone(node), worlds, guest, processes, budget: Arc::default() }
    }

    /// Does something with the machine's files. The node's state is held meanwhile: nothing may wait in it.
    pub(crate) fn files<T>(&self, action: impl FnOnce(&mut View<'_>) -> T) -> T {
        action(&mut View::new(&mut *self.node.quiet_state(), self.guest))
    }

    /// Wakes programs that wait for a file to change.
    pub(crate) fn touch(&self) {
        self.processes.changed.notify_waiters();
    }

    /// What the world says of this machine.
    pub(crate) fn world(&self) -> Merged<'_> {
        match self.guest {
            Some(vmid) => self.worlds.of(vmid),
            None => Merged::nothing(),
        }
    }

    /// Whether it has no program of this name. Templates of containers have no cloud-init.
    pub(crate) fn lacks(&self, program: &str) -> bool {
        let world = self.world();
        let speaks_of_it = || world.commands().any(|command| command.when.split(' ').next() == Some(program));
        world.lacks(program) || (program == "cloud-init" && self.is_container() && !speaks_of_it())
    }

    fn is_container(&self) -> bool {
        let Some(vmid) = self.guest else { return false };
        self.node.state().inside.get(&vmid).is_some_and(|running| !running.is_vm)
    }

    /// Seconds since 1970 by its own clock, with their fraction.
    pub(crate) fn now(&self) -> Duration {
        let seconds = self.node.state().time_of(self.guest);
        let fraction = self.node.elapsed().subsec_nanos();
        Duration::new(u64::try_from(seconds).unwrap_or(0), fraction)
    }

    /// Its name.
    pub(crate) fn hostname(&self) -> String {
        let Some(vmid) = self.guest else { return NODE.to_owned() };
        let own = self
            .files(|view| view.read("/etc/hostname").map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()));
        match own {
            Ok(name) if !name.is_empty() => name,
            _ => {
                let mut state = self.node.state();
                crate::facts::refresh(&mut *state, vmid);
                state.inside.get(&vmid).map(|running| running.facts.hostname.clone()).unwrap_or_default()
            }
        }
    }

    /// Whether it is a VM.
    pub(crate) fn is_vm(&self) -> bool {
        let state = self.node.state();
        self.guest.and_then(|vmid| state.inside.get(&vmid)).is_some_and(|running| running.is_vm)
    }

    /// Lets time pass.
    pub(crate) async fn sleep(&self, span: Duration) {
        if !span.is_zero() {
            tokio::time::sleep(span).await;
        }
    }

    /// Counts work done; false when the programs of this command did too much without time passing.
    pub(crate) fn spend(&self, steps: u64, bytes: usize) -> bool {
        let now = self.node.elapsed();
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if budget.at != now {
            *budget = Budget { at: now, steps: 0, bytes: 0 };
        }
        budget.steps += steps;
        budget.bytes += bytes as u64;
        budget.steps <= STEPS && budget.bytes <= BYTES
    }
}
