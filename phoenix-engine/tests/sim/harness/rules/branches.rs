//! What guests have to do with each other: rules 1, 6 and 7.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phoenix_config::State;
use phoenix_engine::{EventKind, GuestOutcome, PowerAction, Stage};
use phoenix_types::GuestId;
use tokio::time::Instant;

use super::{Breach, Findings};
use crate::harness::run::{Ran, Verb};
use crate::harness::watch::by_guest;

/// What must be done before a guest is touched: what it needs; where guests are switched off or destroyed, what needs it.
fn before(ran: &Ran, guest: GuestId) -> Vec<GuestId> {
    let needs = |id: GuestId| ran.desired.guests.get(&id).map(|guest| guest.needs.as_slice()).unwrap_or_default();
    // A clone needs its source to be made, not to run.
    let depends = |id: GuestId, on: GuestId| ran.desired.dependants.get(&on).is_some_and(|by| by.contains_key(&id));
    let comes_first = |other: GuestId| match ran.verb {
        Verb::Up => needs(guest).contains(&other),
        Verb::Power(PowerAction::Start | PowerAction::Restart, _) => depends(guest, other),
        Verb::Power(PowerAction::Stop, _) => depends(other, guest),
        Verb::Delete(_) => needs(other).contains(&guest),
    };
    let guests = ran.plan.iter().flat_map(|plan| &plan.guests);
    guests.map(|guest| guest.id).filter(|other| comes_first(*other)).collect()
}

/// The first step of a dependant comes after the gates of everything that it needs have passed in this run.
pub(crate) fn rule_1_dependants_come_after_gates(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(1);
    let groups = by_guest(&ran.ops);
    for guest in ran.desired.guests.values() {
        let id = guest.id.get();
        let Some(first) = groups.get(&id).and_then(|ops| ops.iter().find(|op| op.changes() && !op.is_gate())) else {
            continue;
        };
        for need in before(ran, guest.id) {
            match ran.finished(need.get()) {
                Some((at, outcome)) if outcome.is_good() => findings.check(at <= first.begin, || {
                    format!("{id} began (`{}`) before {need}, which comes first, was done", first.brief())
                }),
                Some((_, outcome)) => {
                    findings.add(format!(
                        "{id} began (`{}`) although {need} ended as {}",
                        first.words(),
                        outcome.word()
                    ));
                }
                // The last events of a run that was killed are not heard.
                None if ran.killed => continue,
                None => findings.add(format!("{id} began (`{}`) and {need} never ended", first.brief())),
            }
            let Some(needed) = ran.desired.guests.get(&need) else { continue };
            if needed.state != State::Running || matches!(ran.verb, Verb::Power(PowerAction::Stop, _) | Verb::Delete(_))
            {
                continue;
            }
            for gate in &needed.health {
                let passed = ran.events.iter().any(|event| {
                    event.guest == Some(need)
                        && ran.at(event.at_ms) <= first.begin
                        && matches!(&event.kind, EventKind::GatePassed { gate: name, .. } if *name == gate.name)
                });
                findings.check(passed, || format!("{id} began before gate `{}` of {need} had passed", gate.name));
            }
        }
    }
    findings.found()
}

/// Every guest has an outcome; those that were stopped by another name it, and only they were stopped.
pub(crate) fn rule_6_a_failure_stops_only_what_depends_on_it(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(6);
    let (Some(summary), Some(plan)) = (&ran.summary, &ran.plan) else { return Vec::new() };
    let above = ancestors(ran);
    for guest in &plan.guests {
        let Some(outcome) = summary.guests.get(&guest.id) else {
            findings.add(format!("{} has no outcome", guest.id));
            continue;
        };
        let above = &above[&guest.id];
        let bad: BTreeSet<GuestId> = above
            .iter()
            .copied()
            .filter(|id| {
                summary
                    .guests
                    .get(id)
                    .is_some_and(|outcome| !outcome.is_good() && !matches!(outcome, GuestOutcome::Blocked { .. }))
            })
            .collect();
        match outcome {
            GuestOutcome::Blocked { by } => {
                findings.check(bad.contains(by), || format!("{} names {by} as its cause, which is none", guest.id));
            }
            GuestOutcome::NotOurs => {}
            _ => findings
                .check(bad.is_empty(), || format!("{} ended as {} although {bad:?} failed", guest.id, outcome.word())),
        }
    }
    let good = summary.guests.values().all(GuestOutcome::is_good);
    findings.check(good == summary.is_good(), || "the verdict is not that of the guests".to_owned());
    findings.found()
}

/// Everything that must be done before each guest of the plan.
fn ancestors(ran: &Ran) -> BTreeMap<GuestId, BTreeSet<GuestId>> {
    let mut above: BTreeMap<GuestId, BTreeSet<GuestId>> = BTreeMap::new();
    for guest in ran.plan.iter().flat_map(|plan| &plan.guests) {
        let mut all = BTreeSet::new();
        for first in before(ran, guest.id) {
            all.insert(first);
            all.extend(above.get(&first).into_iter().flatten().copied());
        }
        above.insert(guest.id, all);
    }
    above
}

/// Stages whose steps take a slot, by their name in the command log.
const SLOTTED: [Stage; 9] = [
    Stage::Configure,
    Stage::Disk,
    Stage::Start,
    Stage::Stop,
    Stage::Template,
    Stage::SnapshotBefore,
    Stage::SnapshotAfter,
    Stage::Undo,
    Stage::Destroy,
];

/// Whoever waits for a slot waits for commands that run, never for a gate: while a step waits to begin, as many commands (or
/// pauses between two tries of one) of other guests are in progress as there are slots.
pub(crate) fn rule_7_no_slot_is_held_while_a_gate_waits(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(7);
    let busy = busy(ran);
    for (guest, stage, from, to) in waits(ran) {
        if from == to {
            continue;
        }
        let mut edges: BTreeSet<Instant> = [from].into();
        edges.extend(
            busy.iter()
                .filter(|(other, ..)| *other != guest)
                .flat_map(|(_, begin, end)| [*begin, *end])
                .filter(|at| *at > from && *at < to),
        );
        for at in edges {
            let others: BTreeSet<u32> = busy
                .iter()
                .filter(|(other, begin, end)| *other != guest && *begin <= at && at < *end)
                .map(|(other, ..)| *other)
                .collect();
            // Files that are written take no time, so what is in progress has a length.
            if others.len() < ran.jobs {
                findings.add(format!(
                    "{guest} waited for a slot to {stage:?} from {:?} while {others:?} of {} were busy",
                    at - ran.started,
                    ran.jobs
                ));
                break;
            }
        }
    }
    findings.found()
}

/// From the announcement of each step that needs a slot to its first command.
fn waits(ran: &Ran) -> Vec<(u32, Stage, Instant, Instant)> {
    let groups = by_guest(&ran.ops);
    let mut waits = Vec::new();
    for (index, event) in ran.events.iter().enumerate() {
        let (Some(id), EventKind::StepStarted { stage, .. }) = (event.guest, &event.kind) else { continue };
        if !SLOTTED.contains(stage) {
            continue;
        }
        let from = ran.at(event.at_ms);
        let finished = ran.events[index..].iter().find_map(|later| match &later.kind {
            EventKind::StepFinished { .. } if later.guest == Some(id) => Some(ran.at(later.at_ms)),
            _ => None,
        });
        // Events have whole milliseconds.
        let slack = Duration::from_millis(1);
        let first = groups
            .get(&id.get())
            .and_then(|ops| ops.iter().filter(|op| op.begin + slack >= from).map(|op| op.begin).min());
        let Some(to) = [first, finished].into_iter().flatten().min() else { continue };
        if to > from + slack {
            waits.push((id.get(), *stage, from + slack, to));
        }
    }
    waits
}

fn busy(ran: &Ran) -> Vec<(u32, Instant, Instant)> {
    let forever = ran.started + Duration::from_secs(30 * 24 * 3600);
    let names: Vec<&str> = SLOTTED.iter().map(|stage| stage.name()).chain(["define"]).collect();
    let mut busy: Vec<(u32, Instant, Instant)> = ran
        .ops
        .iter()
        // Writing a file is part of whichever step is in progress.
        .filter(|op| op.stage.as_deref().is_none_or(|stage| names.contains(&stage)))
        .filter_map(|op| Some((op.guest?, op.begin, op.end.unwrap_or(forever))))
        .collect();
    for event in &ran.events {
        if let (Some(id), EventKind::StepRetried { delay_ms, .. }) = (event.guest, &event.kind) {
            let at = ran.at(event.at_ms);
            busy.push((id.get(), at, at + Duration::from_millis(*delay_ms + 1)));
        }
    }
    busy
}
