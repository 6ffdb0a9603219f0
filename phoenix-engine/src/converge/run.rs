//! What all guests of a run share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use phoenix_config::model::{Dependency, Need, Until};
use phoenix_lxc::Template;
use phoenix_types::{FleetName, GuestId};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit, SetOnce};
use tokio_util::sync::CancellationToken;

use super::error::StepError;
use super::priority_semaphore::PrioritySemaphore;
use crate::lock::NodeLock;
use crate::node::Node;

/// The outcome of a guest, as its dependants see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DependencyOutcome {
    Good,
    /// The guest whose failure is the cause: itself, or one that it needed.
    Bad(GuestId),
}

/// How far a guest has come, as its dependants see it. Those that wait for it go on in the order in which they came: a run can
/// be repeated exactly.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// It runs, and no later step switches it off and on.
    pub(super) started: SetOnce<()>,
    /// How the work on it ended.
    pub(super) end: SetOnce<DependencyOutcome>,
}

impl Progress {
    /// Whether a dependant has its answer already.
    pub(super) fn answers(&self, terms: Dependency) -> bool {
        self.end.initialized() || (terms.until == Until::Started && self.started.initialized())
    }

    /// What it means for a dependant, as soon as that is known.
    pub(super) async fn answer(&self, terms: Dependency) -> DependencyOutcome {
        let answer = match terms.until {
            Until::Started => tokio::select! {
                biased;
                _ = self.started.wait() => DependencyOutcome::Good,
                end = self.end.wait() => *end,
            },
            Until::Healthy | Until::Completed => *self.end.wait().await,
        };
        match terms.need {
            Need::Required => answer,
            Need::Optional => DependencyOutcome::Good,
        }
    }
}

/// Whether gates are asked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gates {
    Asked,
    /// As in a rehearsal, where nothing waits.
    TakenAsPassed,
}

/// What all guests of a run share.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) node: Node,
    pub(super) cancel: CancellationToken,
    pub(super) lock: Option<NodeLock>,
    /// The fleet whose guests these are.
    pub(super) fleet: FleetName,
    /// Guests of which a run that died left an empty shell.
    pub(super) shells: BTreeSet<GuestId>,
    /// Who may change the node now.
    pub(super) slots: Semaphore,
    /// Whose scripts may run now.
    pub(super) scripts: Semaphore,
    /// A container that is being cloned is locked by `pct` for the whole copy, so its clones are made one after the other.
    pub(super) clone_sources: BTreeMap<GuestId, PrioritySemaphore>,
    /// The storage that each guest is made on: copies to one storage hinder each other.
    pub(super) storages: BTreeMap<GuestId, Arc<PrioritySemaphore>>,
    /// How long a way hangs on each guest: the steps of the longest chain from it to a guest that nobody waits for.
    pub(super) urgency: BTreeMap<GuestId, usize>,
    /// How far each guest is.
    pub(super) outcomes: BTreeMap<GuestId, Progress>,
    pub(super) gates: Gates,
    /// Templates that are on the node. Who holds it fetches something, so that two guests do not fetch the same thing.
    pub(super) fetched: Mutex<BTreeSet<Template>>,
}

impl Run {
    /// A run on a node that only rehearses: nothing waits, and gates are taken as passed.
    pub(crate) fn rehearsal(node: Node, fleet: FleetName, shells: BTreeSet<GuestId>) -> Self {
        Self {
            node,
            cancel: CancellationToken::new(),
            lock: None,
            fleet,
            shells,
            slots: Semaphore::new(1),
            scripts: Semaphore::new(1),
            clone_sources: BTreeMap::new(),
            storages: BTreeMap::new(),
            urgency: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            gates: Gates::TakenAsPassed,
            fetched: Mutex::default(),
        }
    }

    pub(super) fn urgency_of(&self, guest: GuestId) -> usize {
        self.urgency.get(&guest).copied().unwrap_or(0)
    }

    /// Leave to change the node now.
    pub(super) async fn slot(&self) -> Result<SemaphorePermit<'_>, StepError> {
        self.one_of(&self.slots).await
    }

    /// Leave to run a script now.
    pub(super) async fn script_slot(&self) -> Result<SemaphorePermit<'_>, StepError> {
        self.one_of(&self.scripts).await
    }

    async fn one_of<'a>(&self, slots: &'a Semaphore) -> Result<SemaphorePermit<'a>, StepError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(StepError::Cancelled),
            slot = slots.acquire() => slot.map_err(|_| StepError::Cancelled),
        }
    }
}
