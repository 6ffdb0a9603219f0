//! One run of Phoenix on the simulated node, from taking the lock to giving it back.

use std::sync::Arc;
use std::time::Duration;

use phoenix_engine::{
    Desired, Event, Holder, Liveness, LockError, Node, NodeLock, Observed, Options, Plan, Provision, Summary, converge,
    observe, plan,
};
use phoenix_host::{Host, Layered};
use phoenix_sim::SimNode;
use tokio::time::Instant;

use super::random::Random;
use super::state::NodeState;
use super::watch::{Death, Op, Watch};

/// How a run is made.
#[derive(Debug, Clone, Default)]
pub(crate) struct How {
    pub(crate) jobs: Option<usize>,
    pub(crate) death: Option<Death>,
    pub(crate) jitter: Option<Random>,
    pub(crate) repeat: Repeat,
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
    pub(crate) changes: usize,
    pub(crate) started: Instant,
    /// Why nothing could be done at all.
    pub(crate) error: Option<String>,
    /// Whether it was still under way after a week.
    pub(crate) endless: bool,
    /// Gates that were passed while half the run was undone are no part of it.
    pub(crate) killed: bool,
}

impl Ran {
    pub(crate) fn is_good(&self) -> bool {
        self.summary.as_ref().is_some_and(Summary::is_good)
    }
}

/// A node and the runs on it.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) node: SimNode,
    runs: u32,
}

/// Nothing in a generated world takes longer.
const FOREVER: Duration = Duration::from_secs(7 * 24 * 3600);

impl Scene {
    pub(crate) fn new(node: SimNode) -> Self {
        Self { node, runs: 0 }
    }

    /// `phoenix up`.
    pub(crate) async fn up(&mut self, desired: &Arc<Desired>, how: How) -> Ran {
        self.runs += 1;
        let pid = self.runs;
        let before = NodeState::of(&self.node).await;
        let watch = Watch::new(self.node.clone(), how.death, how.jitter.clone());
        let mut ran = Ran {
            desired: desired.clone(),
            jobs: how.jobs.unwrap_or(8),
            before,
            after: NodeState::default(),
            observed: None,
            plan: None,
            summary: None,
            events: Vec::new(),
            ops: Vec::new(),
            changes: 0,
            started: Instant::now(),
            error: None,
            endless: false,
            killed: false,
        };
        let outcome = {
            let work = work(watch.clone(), desired.clone(), &how, pid, &mut ran);
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
        match outcome {
            Outcome::Killed => ran.killed = true,
            Outcome::Ended => {}
            Outcome::Refused(error) => ran.error = Some(error),
            Outcome::Endless => ran.endless = true,
        }
        // Tasks that were aborted drop what they held when they are next polled.
        tokio::task::yield_now().await;
        ran.changes = watch.changes();
        ran.ops = watch.take();
        ran.after = NodeState::of(&self.node).await;
        ran
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
        boot: "1".to_owned(),
        pid,
        since: "2026-11-21 20:00:00".to_owned(),
        doing: "up".to_owned(),
    }
}

async fn work(watch: Arc<Watch>, desired: Arc<Desired>, how: &How, pid: u32, ran: &mut Ran) -> Result<(), String> {
    let host: Arc<dyn Host> = watch;
    // Runs are made one after the other, so whoever held the lock before is dead.
    let alive = |holder: &Holder| if holder.pid == pid { Liveness::Alive } else { Liveness::Dead };
    let lock = NodeLock::take(host.clone(), holder(pid), alive).await.map_err(|error: LockError| error.to_string())?;
    let node = Node::new(Layered::new(host));
    let site = node.labelled(None, "observe");
    let mut observed =
        observe(&*site.host, &*site.containers, &*site.machines, &desired).await.map_err(|error| error.to_string())?;
    observed.half_made.clone_from(lock.half_made());
    let mut plan = plan(&desired, &observed, Provision::WhenChanged);
    if how.repeat == Repeat::Twice {
        for guest in &mut plan.guests {
            guest.steps = guest.steps.iter().flat_map(|step| [step.clone(), step.clone()]).collect();
        }
    }
    ran.observed = Some(observed);
    ran.plan = Some(plan.clone());
    let mut options = Options { lock: Some(lock.clone()), ..Options::default() };
    if let Some(jobs) = how.jobs {
        options.jobs = jobs;
    }
    ran.started = Instant::now();
    let summary = converge(&node, desired, plan, &options, &mut [&mut ran.events]).await;
    ran.summary = Some(summary);
    lock.release().await.map_err(|error| error.to_string())
}
