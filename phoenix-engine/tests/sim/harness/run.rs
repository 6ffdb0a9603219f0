//! One run of Phoenix on the simulated node, from taking the lock to giving it back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phoenix_engine::{
    Desired, Event, Holder, LockError, Node, NodeLock, Observed, Options, Plan, PowerAction, Provision, Summary,
    converge, plan, plan_power, plan_removal,
};
use phoenix_host::{CommandRecord, Host, Layered, Liveness, Process, Recorder};
use phoenix_sim::SimNode;
use phoenix_types::GuestId;
use tokio::time::Instant;

use super::hand::{ForeignChange, Somebody};
use super::state::NodeState;
use super::watch::{Death, Jitter, Op, Watch};

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Verb {
    #[default]
    Up,
    Power(PowerAction, BTreeSet<GuestId>),
    Delete(BTreeSet<GuestId>),
}

/// How a run is made.
#[derive(Debug, Clone, Default)]
pub(crate) struct How {
    pub(crate) verb: Verb,
    pub(crate) provision: Provision,
    pub(crate) jobs: Option<usize>,
    pub(crate) death: Option<Death>,
    pub(crate) jitter: Option<Jitter>,
    pub(crate) repeat: Repeat,
    /// Who works on the guests at the same time.
    pub(crate) somebody: Option<Somebody>,
}

/// How often each step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Repeat {
    #[default]
    Once,
    Twice,
}

/// A run and everything that is known about it.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) verb: Verb,
    pub(crate) pid: u32,
    pub(crate) desired: Arc<Desired>,
    pub(crate) jobs: usize,
    pub(crate) before: NodeState,
    pub(crate) after: NodeState,
    pub(crate) observed: Option<Observed>,
    pub(crate) plan: Option<Plan>,
    /// Absent when the run was killed or never began to converge.
    pub(crate) summary: Option<Summary>,
    pub(crate) events: Vec<Event>,
    pub(crate) ops: Vec<Op>,
    /// The command log.
    pub(crate) records: Vec<CommandRecord>,
    pub(crate) changes: usize,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    /// Why nothing could be done at all.
    pub(crate) error: Option<String>,
    /// Whether it was still in progress after a week.
    pub(crate) endless: bool,
    /// What people did to guests meanwhile.
    pub(crate) foreign_changes: Vec<ForeignChange>,
    /// Gates that were passed while half the run was undone are no part of it.
    pub(crate) killed: bool,
}

impl Ran {
    pub(crate) fn is_good(&self) -> bool {
        self.summary.as_ref().is_some_and(Summary::is_good)
    }

    /// Whether a person worked on a guest meanwhile.
    pub(crate) fn is_meddled_with(&self, id: u32) -> bool {
        self.foreign_changes.iter().any(|change| change.guest == id)
    }
}

/// A node and the runs on it.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) node: SimNode,
    runs: Arc<AtomicU32>,
    /// The processes of the runs that are in progress.
    alive: Arc<Mutex<BTreeSet<u32>>>,
}

/// Nothing in a generated world takes longer.
const FOREVER: Duration = Duration::from_secs(7 * 24 * 3600);

impl Scene {
    pub(crate) fn new(node: SimNode) -> Self {
        Self { node, runs: Arc::default(), alive: Arc::default() }
    }

    /// One run of Phoenix.
    pub(crate) async fn run(&self, desired: &Arc<Desired>, how: How) -> Ran {
        let pid = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        let before = NodeState::of(&self.node).await;
        let watch = Watch::new(self.node.clone(), how.death, how.jitter.clone());
        let mut ran = Ran {
            verb: how.verb.clone(),
            pid,
            desired: desired.clone(),
            jobs: how.jobs.unwrap_or(8),
            before,
            after: NodeState::default(),
            observed: None,
            plan: None,
            summary: None,
            events: Vec::new(),
            ops: Vec::new(),
            records: Vec::new(),
            changes: 0,
            started: Instant::now(),
            ended: Instant::now(),
            error: None,
            endless: false,
            foreign_changes: Vec::new(),
            killed: false,
        };
        let somebody = how.somebody.clone().map(|one| tokio::spawn(one.meddle_meanwhile(self.node.clone())));
        let records = Arc::new(Records::default());
        let outcome = {
            self.alive.lock().unwrap().insert(pid);
            let host = Layered::new(watch.clone()).recorded(records.clone());
            let work = work(host, desired.clone(), &how, self.alive.clone(), &mut ran);
            tokio::select! {
                biased;
                () = watch.died() => Outcome::Killed,
                ended = tokio::time::timeout(FOREVER, work) => match ended {
                    Ok(Ok(())) => Outcome::Ended,
                    Ok(Err(error)) => Outcome::Refused(error),
                    Err(_) => Outcome::Endless,
                },
            }
        };
        self.alive.lock().unwrap().remove(&pid);
        ran.ended = Instant::now();
        match outcome {
            Outcome::Killed => ran.killed = true,
            Outcome::Ended => {}
            Outcome::Refused(error) => ran.error = Some(error),
            Outcome::Endless => ran.endless = true,
        }
        // People finish what they began.
        if let Some(somebody) = somebody {
            ran.foreign_changes = somebody.await.unwrap();
        }
        // Tasks that were aborted drop what they held when they are next polled.
        tokio::task::yield_now().await;
        ran.changes = watch.changes();
        ran.ops = watch.take();
        ran.records = std::mem::take(&mut *records.0.lock().unwrap());
        ran.after = NodeState::of(&self.node).await;
        ran
    }
}

#[derive(Debug, Default)]
struct Records(Mutex<Vec<CommandRecord>>);

impl Recorder for Records {
    fn record(&self, record: CommandRecord) {
        self.0.lock().unwrap().push(record);
    }
}

enum Outcome {
    Killed,
    Ended,
    Refused(String),
    Endless,
}

/// Who a run says it is.
pub(crate) fn holder(pid: u32) -> Holder {
    Holder {
        who: "root@pve".to_owned(),
        process: Process { boot: "1".to_owned(), pid, ..Process::default() },
        since: "2026-11-21 20:00:00".to_owned(),
        doing: "up".to_owned(),
    }
}

async fn work(
    layered: Layered,
    desired: Arc<Desired>,
    how: &How,
    alive: Arc<Mutex<BTreeSet<u32>>>,
    ran: &mut Ran,
) -> Result<(), String> {
    let host: Arc<dyn Host> = Arc::new(layered.clone());
    let liveness = |holder: &Holder| match alive.lock().unwrap().contains(&holder.process.pid) {
        true => Liveness::Alive,
        false => Liveness::Dead,
    };
    let lock = NodeLock::take(host, holder(ran.pid), &liveness).await.map_err(|error: LockError| error.to_string())?;
    ran.started = Instant::now();
    let ended = under_lock(layered, desired, how, &lock, ran).await;
    lock.release().await.map_err(|error| error.to_string())?;
    ended
}

fn words(refusals: &[impl std::fmt::Display]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

async fn under_lock(
    layered: Layered,
    desired: Arc<Desired>,
    how: &How,
    lock: &NodeLock,
    ran: &mut Ran,
) -> Result<(), String> {
    let node = Node::new(layered);
    let observed = lock.observe(&node, &desired).await.map_err(|error| error.to_string())?;
    let planned = match &how.verb {
        Verb::Up => Ok(plan(&desired, &observed, how.provision)),
        Verb::Power(action, ids) => plan_power(&desired, &observed, Some(ids), *action).map_err(|all| words(&all)),
        Verb::Delete(ids) => plan_removal(&desired, &observed, ids).map_err(|all| words(&all)),
    };
    let planned = planned.map(|plan| plan.rehearsed(&desired, &observed));
    ran.observed = Some(observed);
    let mut plan = planned?;
    if how.repeat == Repeat::Twice {
        for guest in &mut plan.guests {
            guest.steps = guest.steps.iter().flat_map(|step| [step.clone(), step.clone()]).collect();
        }
    }
    ran.plan = Some(plan.clone());
    let mut options = Options { lock: Some(lock.clone()), ..Options::default() };
    if let Some(jobs) = how.jobs {
        options.jobs = jobs;
    }
    ran.started = Instant::now();
    let summary = converge(&node, desired, plan, &options, &mut [&mut ran.events]).await;
    ran.summary = Some(summary);
    Ok(())
}
