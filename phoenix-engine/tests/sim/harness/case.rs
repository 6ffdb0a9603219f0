//! Whole stories from a seed: a fleet comes up, is edited, is changed by hand, dies half way, and comes up again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phoenix_engine::{Desired, GuestOutcome};
use phoenix_sim::SimNode;
use serde::{Deserialize, Serialize};

use super::fleet::{Fleet, Size};
use super::folder::Folder;
use super::log::Log;
use super::random::Random;
use super::rules::{Breach, Findings, check, rule_9_no_secret_in_the_log};
use super::run::{How, Ran, Scene};
use super::watch::{Moment, What};
use super::world::{self, Weather};

/// What kind of story a seed tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Story {
    /// A fleet lives: runs, edits, hand changes, faults.
    Life,
    /// A run is killed, and the next one must end where an undisturbed one does.
    Kill,
    /// Each step is done twice, in another order, with fewer slots: the end is the same.
    Order,
    /// Guests are switched off and on, and destroyed; some of those runs die.
    Power,
    /// Several runs begin at nearly the same time.
    Crowd,
    /// A change fails and goes back; some of those runs die.
    Undo,
}

/// How a story ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) runs: usize,
    /// How many runs did what another did in another order.
    pub(crate) reordered: usize,
    pub(crate) breaches: Vec<Breach>,
    /// What happened, for the analysis of a failure.
    pub(crate) log: Vec<String>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for breach in &self.breaches {
            writeln!(f, "  {breach}")?;
        }
        for line in &self.log {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

/// How much of a story is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// How each run ended.
    Brief,
    /// Every step and every change, too.
    Full,
}

/// Tells one story. The same seed tells the same one.
pub(crate) fn tell(story: Story, seed: u64, detail: Detail) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let mut teller = Teller { random: Random::new(seed), folder: Folder::new(), ended: Ended::default(), detail };
    let log = Log::default();
    let _heard = tracing::subscriber::set_default(log.clone());
    runtime.expect("a runtime").block_on(async {
        match story {
            Story::Life => teller.life().await,
            Story::Kill => teller.kill().await,
            Story::Order => teller.order().await,
            Story::Power => teller.power().await,
            Story::Crowd => teller.crowd().await,
            Story::Undo => teller.undo().await,
        }
    });
    for breach in rule_9_no_secret_in_the_log(&log.text()) {
        teller.ended.breaches.push(breach);
    }
    teller.ended
}

/// Whether a change is only about the run's own lock.
pub(crate) fn is_lock(what: &What) -> bool {
    match what {
        What::Command { .. } => false,
        What::Write { path, .. } | What::Create { path } | What::Remove { path } => path.starts_with("/run"),
    }
}

/// In every world whatever a guest does by itself is done by then.
pub(crate) const SETTLED: Duration = Duration::from_secs(600);

pub(crate) struct Teller {
    pub(crate) random: Random,
    pub(crate) folder: Folder,
    pub(crate) ended: Ended,
    detail: Detail,
}

impl Teller {
    pub(crate) fn note(&mut self, what: &str, ran: &Ran) {
        self.ended.runs += 1;
        let outcomes: Vec<String> = ran.summary.iter().flat_map(|summary| &summary.guests).map(outcome).collect();
        let ending = match (&ran.error, ran.killed) {
            (Some(error), _) => error.clone(),
            (None, true) => "killed".to_owned(),
            (None, false) => outcomes.join(", "),
        };
        self.ended.log.push(format!("{what}: {ending}"));
        self.ended.log.extend(ran.foreign_changes.iter().map(|change| format!("  {change}")));
        if self.detail == Detail::Full {
            let plans = ran.plan.iter().flat_map(|plan| &plan.guests);
            let steps =
                plans.flat_map(|guest| guest.steps.iter().map(|step| format!("  {} {}", guest.id, step.summary)));
            self.ended.log.extend(steps);
            let ops = ran.ops.iter().filter(|op| op.changes());
            self.ended.log.extend(ops.map(|op| format!("  {:?} {op}", op.begin - ran.started)));
        }
        self.ended.breaches.extend(check(ran));
    }

    pub(crate) fn breach(&mut self, rule: u8, what: impl Into<String>) {
        let mut findings = Findings::of(rule);
        findings.add(what);
        self.ended.breaches.extend(findings.found());
    }

    pub(crate) fn expect_nothing_to_do(&mut self, ran: &Ran, weather: Weather) {
        let mut findings = Findings::of(4);
        findings.check(ran.plan.as_ref().is_some_and(phoenix_engine::Plan::is_empty), || {
            let steps = ran.plan.iter().flat_map(|plan| &plan.guests).flat_map(|guest| {
                guest
                    .steps
                    .iter()
                    .map(|step| format!("{}: {} ({}; {:?})", guest.id, step.summary, step.reason, step.differences))
            });
            format!("a second run plans {:?}", steps.collect::<Vec<_>>())
        });
        for op in ran.ops.iter().filter(|op| op.changes() && !op.is_gate() && !is_lock(&op.what)) {
            findings.add(format!("a second run sends `{}`", op.brief()));
        }
        // Where ports come and go, a gate that is asked once may find one closed.
        findings.check(ran.is_good() || weather != Weather::Calm, || "a second run does not end well".to_owned());
        self.ended.breaches.extend(findings.found());
    }

    /// When, seen from its last command, a run dies.
    pub(crate) fn moment(&mut self) -> Moment {
        let span = Duration::from_millis(*self.random.pick(&[1, 300, 470, 800, 1500, 4000]));
        match self.random.below(6) {
            0 => Moment::Before,
            1 => Moment::After,
            2 => Moment::Outlived(span),
            _ => Moment::During(span),
        }
    }

    /// A fleet, what it was before when this is about a change, and the world.
    pub(crate) fn setting(&mut self) -> (Option<Fleet>, Fleet, phoenix_sim::World) {
        let first = Fleet::random(&mut self.random.fork(), Size { guests: (1, 4) });
        let world = world::random(&mut self.random.fork(), &first, Weather::Calm);
        if self.random.once_in(2) {
            return (None, first, world);
        }
        let mut edited = first.clone();
        for _ in 0..self.random.between(1, 4) {
            edited.edit(&mut self.random.fork());
        }
        (Some(first), edited, world)
    }

    /// A node on which the first fleet is up, when there is one.
    pub(crate) async fn prepared(&mut self, first: Option<&Fleet>, world: &phoenix_sim::World) -> Option<Scene> {
        let scene = Scene::new(SimNode::new(world.clone()));
        if let Some(first) = first {
            let desired = self.folder.desired(first);
            self.undisturbed("before", &scene, &desired).await?;
            tokio::time::sleep(SETTLED).await;
        }
        Some(scene)
    }

    /// A run that nothing disturbs, and that must end well.
    pub(crate) async fn undisturbed(&mut self, name: &str, scene: &Scene, desired: &Arc<Desired>) -> Option<Ran> {
        let ran = scene.run(desired, How::default()).await;
        self.note(name, &ran);
        if !ran.is_good() {
            self.breach(5, "an undisturbed run does not end well");
            return None;
        }
        Some(ran)
    }

    /// At which of a run's changes it dies: at each, or at `most` of them.
    pub(crate) fn deaths(&mut self, changes: usize, most: usize) -> Vec<usize> {
        let mut deaths: Vec<usize> = (1..=changes).collect();
        while deaths.len() > most {
            let at = self.random.below(deaths.len());
            deaths.remove(at);
        }
        deaths
    }

    pub(crate) fn compare(&mut self, expected: &BTreeMap<u32, String>, found: &BTreeMap<u32, String>, what: &str) {
        let ids: std::collections::BTreeSet<u32> = expected.keys().chain(found.keys()).copied().collect();
        for id in ids {
            let (want, have) = (expected.get(&id), found.get(&id));
            if want != have {
                let diff = difference(want.map_or("", String::as_str), have.map_or("", String::as_str));
                self.breach(5, format!("{what}: {id} ended otherwise:\n{diff}"));
            }
        }
    }
}

fn outcome((id, outcome): (&phoenix_types::GuestId, &GuestOutcome)) -> String {
    match outcome {
        GuestOutcome::Failed { failure } => format!("{id} failed in {:?}: {}", failure.stage, failure.message),
        other => format!("{id} {}", other.word()),
    }
}

/// The lines that only one of two texts has.
fn difference(want: &str, have: &str) -> String {
    let only = |sign: &str, one: &str, other: &str| -> String {
        let other: Vec<&str> = other.lines().collect();
        one.lines().filter(|line| !other.contains(line)).map(|line| format!("      {sign} {line}\n")).collect()
    };
    let lines = format!("{}{}", only("-", want, have), only("+", have, want));
    if lines.is_empty() { format!("      in another order:\n{want}\n---\n{have}") } else { lines }
}
