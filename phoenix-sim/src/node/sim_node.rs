//! The node that commands share: its state, its clock, its locks, the world around it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phoenix_sim_guest::locks::Locks;
use phoenix_sim_guest::{Inside, services};

use super::clock::Clock;
use super::state::State;
use super::store::{KeptNode, Store};
use crate::world::World;

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
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    world: World,
    clock: Clock,
    state: Mutex<State>,
    locks: Locks,
    /// Insides that are not simulated, by guest.
    pub(super) real_insides: Mutex<BTreeMap<u32, Arc<dyn Inside>>>,
    store: Option<Store>,
}

impl fmt::Debug for SimNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimNode").field("seed", &self.inner.world.seed).finish_non_exhaustive()
    }
}

impl SimNode {
    /// A node with a state.
    pub(crate) fn build(world: World, mut state: State, clock: Clock, store: Option<Store>) -> Self {
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

    /// The folder that keeps the node.
    pub(crate) fn store(&self) -> Option<&Store> {
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
    pub(super) fn state_as_it_is(&self) -> MutexGuard<'_, State> {
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
}

impl KeptNode for SimNode {
    fn clock(&self) -> &Clock {
        Self::clock(self)
    }

    fn state(&self) -> impl DerefMut<Target = State> {
        Self::state(self)
    }
}

/// The node's state, in use. What is written through it counts as a change that a kept node must save.
#[derive(Debug)]
pub(crate) struct StateGuard<'a> {
    guard: MutexGuard<'a, State>,
}

impl Deref for StateGuard<'_> {
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

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.guard.changed = true;
        &mut self.guard
    }
}
