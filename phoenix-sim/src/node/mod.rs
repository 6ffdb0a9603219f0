//! The simulated node: its state, and how a command line becomes an effect on it.

mod assumed;
mod call;
mod clock;
mod cluster;
#[cfg(test)]
mod conformance;
mod faults;
mod guests;
mod host;
mod inside;
#[cfg(test)]
mod inside_tests;
mod locks;
mod random;
mod state;
mod store;
mod tasks;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::store::{Between, StoreError};
pub(crate) use phoenix_sim_guest::Console;
use phoenix_sim_guest::ground::{Ground, HeldNode};
use phoenix_sim_guest::locks::Locks;
use phoenix_sim_guest::{Inside, services};
use phoenix_sim_shell::files::FileTree;

pub(crate) use self::call::{Call, Failure, Worker, interruptible};
pub(crate) use self::clock::Clock;
pub(crate) use self::guests::{Guest, missing};
pub(crate) use self::random::Random;
pub(crate) use self::state::{Pool, State};
pub(crate) use self::tasks::{Running, Task, TaskEnd};

use crate::grammar::{self, Answer, Tool, Verdict};
use crate::world::World;

use self::store::Store;

/// A simulated Proxmox VE node. Copies share one state.
///
/// Time is tokio's: with a paused clock an hour of boot takes no time at all.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use phoenix_sim::{SimNode, World};
///
/// let node = SimNode::new(World::default());
/// let argv = ["pct", "status", "103"].map(str::to_owned);
/// let answer = node.run(&argv, b"").await;
/// assert_eq!(answer.stderr, "Configuration file 'nodes/pve/lxc/103.conf' does not exist\n");
/// # }
/// ```
#[derive(Clone)]
pub struct SimNode {
    inner: Arc<Inner>,
}

struct Inner {
    world: World,
    clock: Clock,
    state: Mutex<State>,
    locks: Locks,
    /// Insides that are not simulated, by guest.
    real_insides: Mutex<BTreeMap<u32, Arc<dyn Inside>>>,
    store: Option<Store>,
}

impl fmt::Debug for SimNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimNode").field("seed", &self.inner.world.seed).finish_non_exhaustive()
    }
}

impl SimNode {
    /// A node without guests in a given world.
    #[must_use]
    pub fn new(world: World) -> Self {
        let state = State::new(&world);
        Self::build(world, state, Clock::default(), None)
    }

    fn build(world: World, mut state: State, clock: Clock, store: Option<Store>) -> Self {
        let storages = world.storages.iter().flatten();
        state.sizes = storages.map(|(id, storage)| (id.clone(), storage.size_gib << 30)).collect();
        Self {
            inner: Arc::new(Inner {
                clock,
                state: Mutex::new(state),
                locks: Locks::default(),
                real_insides: Mutex::default(),
                store,
                world,
            }),
        }
    }

    fn store(&self) -> Option<&Store> {
        self.inner.store.as_ref()
    }

    /// The world that the node lives in.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.inner.world
    }

    /// The node's clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The node's state. The guard must not live across an `await`.
    pub(crate) fn state(&self) -> StateGuard<'_> {
        let mut guard = self.state_as_it_is();
        guard.go_to(self.inner.clock.now());
        services::catch_up(&mut *guard, self.inner.clock.now());
        StateGuard { guard }
    }

    /// The node's state without what has happened since it was last looked at, for a caller that may be killed.
    fn state_as_it_is(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass.
    pub(crate) async fn sleep(&self, span: Duration) {
        if !span.is_zero() {
            tokio::time::sleep(span).await;
        }
    }

    /// The locks that commands take on guests and storages.
    pub(crate) fn locks(&self) -> &Locks {
        &self.inner.locks
    }

    /// Whether a bridge exists on the node.
    pub(crate) fn has_bridge(&self, name: &str) -> bool {
        self.inner.world.bridges.as_ref().is_none_or(|bridges| bridges.iter().any(|known| known == name))
    }

    /// Whether a device exists on the node.
    pub(crate) fn has_device(&self, path: &str) -> bool {
        const ALWAYS: [&str; 9] = ["null", "zero", "full", "random", "urandom", "tty", "fuse", "kmsg", "net/tun"];
        let always = path.strip_prefix("/dev/").is_some_and(|name| ALWAYS.contains(&name));
        always || self.inner.world.devices.as_ref().is_none_or(|devices| devices.iter().any(|known| known == path))
    }

    /// Seconds since 1970 on the node, as if no one had moved its clock.
    pub(crate) fn unix_time(&self) -> i64 {
        self.inner.world.epoch + i64::try_from(self.inner.clock.now().as_secs()).unwrap_or(i64::MAX)
    }

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
        crate::ha::catch_up(self).await;
        let inv = match grammar::parse_in(argv, self.inner.world.locale) {
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

/// The node's state, in use. What is written through it counts as a change that a kept node must save.
#[derive(Debug)]
pub(crate) struct StateGuard<'a> {
    guard: MutexGuard<'a, State>,
}

impl std::ops::Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.guard
    }
}

impl StateGuard<'_> {
    /// The state for someone who says himself whether he changed it.
    pub(crate) fn quietly(&mut self) -> &mut State {
        &mut self.guard
    }
}

impl std::ops::DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.guard.changed = true;
        &mut self.guard
    }
}

impl HeldNode for StateGuard<'_> {
    fn ground(&self) -> &Ground {
        State::ground(self)
    }

    fn ground_mut(&mut self) -> &mut Ground {
        State::ground_mut(self)
    }

    fn disk(&self, volume: &str) -> Option<&FileTree> {
        State::disk(self, volume)
    }

    fn disk_mut(&mut self, volume: &str) -> Option<&mut FileTree> {
        State::disk_mut(self, volume)
    }

    fn path_of(&mut self, volume: &str) -> Option<String> {
        self.quietly().path_of(volume)
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
