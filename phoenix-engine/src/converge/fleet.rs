//! Runs a plan: guests in parallel as the graph allows, each one's steps in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use phoenix_types::{GuestId, KnownSecrets, StorageId};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::event_sender::EventSender;
use super::guest::{self, broken};
use super::priority_semaphore::PrioritySemaphore;
use super::run::{Gates, Progress, Run};
use super::warnings::Warnings;
use crate::desired::Desired;
use crate::event::{Event, EventKind, EventSink, GuestOutcome, millis};
use crate::lock::NodeLock;
use crate::node::Node;
use crate::plan::Plan;

/// How a run is carried out.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many commands may change the node at the same time. Gates and scripts do not count. Default: 8.
    pub jobs: usize,
    /// How many scripts may run at the same time. Default: 16.
    pub scripts: usize,
    /// How many guests may be made on one storage at the same time; those on others continue meanwhile. Default: 4.
    pub jobs_per_storage: usize,
    /// Cancelled: no new steps; running ones reach their end.
    pub cancel: CancellationToken,
    /// The node's lock, which is told what is being made, so that a run after a crash knows what is ours. Default: none.
    pub lock: Option<NodeLock>,
}

impl Default for Options {
    fn default() -> Self {
        Self { jobs: 8, scripts: 16, jobs_per_storage: 4, cancel: CancellationToken::new(), lock: None }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Summary {
    /// Each guest's outcome.
    pub guests: BTreeMap<GuestId, GuestOutcome>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

impl Summary {
    /// Whether every guest is up to date.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.guests.values().all(GuestOutcome::is_good)
    }
}

/// Runs a plan to its end. Failures stop only what depends on them.
///
/// Cancel safety: use [`Options::cancel`]. A dropped future stops at once: the commands that run are killed, and the next
/// run finds and finishes what they left.
pub async fn converge(
    node: &Node,
    desired: Arc<Desired>,
    plan: Plan,
    options: &Options,
    sinks: &mut [&mut dyn EventSink],
) -> Summary {
    let started = Instant::now();
    let (events, mut heard) = mpsc::unbounded_channel();
    let mut emitter = Emitter { sinks, started, seq: 0, secrets: desired.secrets.clone() };
    emitter.emit(
        started,
        None,
        EventKind::RunStarted { format: 1, guests: plan.guests.len(), steps: plan.step_count() },
    );
    let run = Arc::new(Run {
        node: node.clone().learning(desired.secrets.clone()).heard_by(Arc::new(Warnings::new(&events))),
        cancel: options.cancel.clone(),
        lock: options.lock.clone(),
        fleet: desired.fleet.clone(),
        shells: match &options.lock {
            Some(lock) => lock.half_made().await,
            None => BTreeSet::new(),
        },
        slots: Semaphore::new(options.jobs.max(1)),
        scripts: Semaphore::new(options.scripts.max(1)),
        clone_sources: desired
            .guests
            .values()
            .filter_map(|guest| Some((guest.clone_source()?, PrioritySemaphore::new(1))))
            .collect(),
        storages: storages(&desired, options.jobs_per_storage),
        urgency: urgency(&plan),
        outcomes: plan.guests.iter().map(|guest| (guest.id, Progress::default())).collect(),
        gates: Gates::Asked,
        fetched: tokio::sync::Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    let mut outcomes = BTreeMap::new();
    for guest_plan in plan.guests {
        let id = guest_plan.id;
        let events = EventSender { guest: id, events: events.clone() };
        let (run, desired) = (run.clone(), desired.clone());
        outcomes.insert(id, None);
        tasks.spawn(async move { (id, guest::run(&run, desired.guests.get(&id), guest_plan, &events).await) });
    }
    drop(events);
    while let Some((at, guest, kind)) = heard.recv().await {
        emitter.emit(at, guest, kind);
    }
    while let Some(result) = tasks.join_next().await {
        if let Ok((id, mut outcome)) = result {
            outcome.mask(&desired.secrets);
            outcomes.insert(id, Some(outcome));
        }
    }
    let guests: BTreeMap<GuestId, GuestOutcome> = outcomes
        .into_iter()
        .map(|(id, outcome)| (id, outcome.unwrap_or_else(|| broken("its task ended early"))))
        .collect();
    let mut counts = BTreeMap::new();
    for outcome in guests.values() {
        *counts.entry(outcome.word()).or_insert(0) += 1;
    }
    emitter.emit(Instant::now(), None, EventKind::RunFinished { counts });
    Summary { guests, elapsed_ms: millis(started.elapsed()) }
}

/// See [`Run::storages`].
fn storages(desired: &Desired, places: usize) -> BTreeMap<GuestId, Arc<PrioritySemaphore>> {
    let mut semaphores: BTreeMap<&StorageId, Arc<PrioritySemaphore>> = BTreeMap::new();
    let of = desired.guests.values().filter_map(|guest| Some((guest.id, desired.storage_of(guest)?)));
    of.map(|(id, storage)| {
        let semaphore = semaphores.entry(storage).or_insert_with(|| Arc::new(PrioritySemaphore::new(places.max(1))));
        (id, semaphore.clone())
    })
    .collect()
}

/// See [`Run::urgency`]. The plan's order has every guest after what it needs, so one pass backwards is enough.
fn urgency(plan: &Plan) -> BTreeMap<GuestId, usize> {
    let mut urgency: BTreeMap<GuestId, usize> = BTreeMap::new();
    for guest in plan.guests.iter().rev() {
        let own = guest.steps.len() + urgency.get(&guest.id).copied().unwrap_or(0);
        for need in &guest.needs {
            let behind = urgency.entry(*need).or_insert(0);
            *behind = own.max(*behind);
        }
        urgency.insert(guest.id, own);
    }
    urgency
}

struct Emitter<'a, 'b> {
    sinks: &'a mut [&'b mut dyn EventSink],
    started: Instant,
    seq: u64,
    secrets: KnownSecrets,
}

impl Emitter<'_, '_> {
    fn emit(&mut self, at: Instant, guest: Option<GuestId>, mut kind: EventKind) {
        self.seq += 1;
        kind.mask(&self.secrets);
        let event = Event { seq: self.seq, at_ms: millis(at.duration_since(self.started)), guest, kind };
        for sink in &mut *self.sinks {
            sink.emit(&event);
        }
    }
}
