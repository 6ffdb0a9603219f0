//! Plans that only switch guests on and off.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_config::model::{AgentUse, State};
use phoenix_types::{GuestId, Power};

use super::finish::finish;
use crate::desired::{Desired, DesiredGuest};
use crate::guest::{HIBERNATED, PendingWork, Record, agent_use};
use crate::observe::{Observed, Present};
use crate::plan::{Disposition, Effect, GuestPlan, Plan, Stage, Step, Work};

/// What is asked of the guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerAction {
    /// Run, after everything that they need runs and is healthy.
    Start,
    /// Be off, after everything that needs them is off.
    Stop,
    /// Stop and start again, with everything that needs them.
    Restart,
}

/// Why guests are not switched. Nothing is, when one of them cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PowerRefused {
    /// It does not exist.
    #[error("guest {0} does not exist: `phoenix up {0}` creates it")]
    Absent(GuestId),
    /// A guest that is to be started depends on one that does not exist.
    #[error("guest {by} depends on {guest}, which does not exist: `phoenix up {guest}` creates it")]
    DependencyAbsent {
        /// The guest that does not exist.
        guest: GuestId,
        /// One that depends on it.
        by: GuestId,
    },
    /// Phoenix did not make it.
    #[error("guest {0} has no record of Phoenix, so it is left alone")]
    NotOurs(GuestId),
    /// It is on another node.
    #[error("guest {guest} is on node `{node}`: run Phoenix there")]
    Elsewhere {
        /// The guest.
        guest: GuestId,
        /// The node.
        node: String,
    },
    /// It is a template.
    #[error("guest {0} is a template, which never runs")]
    Template(GuestId),
}

/// The plan that starts, stops or restarts guests, in the order of the graph: `start` takes in what they depend on, `stop` and
/// `restart` what depends on them. `named` are the guests that were asked for; without it all that exist are meant. What
/// Phoenix did not make is left alone.
///
/// # Errors
/// Everything that stands against it: a named guest that cannot be switched, or a dependency that cannot be started. A guest
/// that is not there is off, so `stop` passes over it.
pub fn plan_power(
    desired: &Desired,
    observed: &Observed,
    named: Option<&BTreeSet<GuestId>>,
    action: PowerAction,
) -> Result<Plan, Vec<PowerRefused>> {
    let all = || desired.guests.keys().copied().filter(|id| is_switched(desired, observed, *id)).collect();
    let asked: BTreeSet<GuestId> = named.cloned().unwrap_or_else(all);
    let depends = |guest: GuestId, on: GuestId| desired.dependants.get(&on).is_some_and(|by| by.contains_key(&guest));
    let chosen = match action {
        PowerAction::Start => closure(desired, &asked, depends),
        PowerAction::Stop | PowerAction::Restart => closure(desired, &asked, |guest, other| depends(other, guest)),
    };
    let mut refused: Vec<PowerRefused> =
        named.into_iter().flatten().filter_map(|id| against(observed, *id, action)).collect();
    if action == PowerAction::Start {
        let missing = chosen.iter().filter(|id| !asked.contains(id) && !observed.present.contains_key(id));
        refused.extend(missing.map(|id| match observed.elsewhere.get(id) {
            Some(node) => PowerRefused::Elsewhere { guest: *id, node: node.clone() },
            None => {
                let by = chosen.iter().copied().find(|other| depends(*other, *id)).unwrap_or(*id);
                PowerRefused::DependencyAbsent { guest: *id, by }
            }
        }));
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    let order: Vec<GuestId> = desired.order.iter().copied().filter(|id| chosen.contains(id)).collect();
    let order: Vec<GuestId> = if action == PowerAction::Stop { order.into_iter().rev().collect() } else { order };
    let mut guests = Vec::new();
    for guest in order.iter().filter_map(|id| desired.guests.get(id)) {
        // One that is not there is off, and nobody is started or healthy because of it.
        let Some(present) = observed.present.get(&guest.id) else { continue };
        let waits_for = |other: GuestId| match action {
            PowerAction::Stop => depends(other, guest.id),
            PowerAction::Start | PowerAction::Restart => depends(guest.id, other),
        };
        let needs = order.iter().copied().filter(|other| observed.present.contains_key(other) && waits_for(*other));
        let is_named = named.is_some_and(|named| named.contains(&guest.id));
        let asked = if is_named { Asked::ByName } else { Asked::Along };
        let mut planned = plan_one(guest, present, needs.collect(), action, asked);
        if action != PowerAction::Start && !planned.is_empty() {
            let away = observed.elsewhere.iter().filter(|(other, _)| depends(**other, guest.id));
            planned.remarks.extend(away.map(|(other, node)| {
                format!("guest {other} depends on it and is on node `{node}`: it is not changed")
            }));
        }
        guests.push(planned);
    }
    if action == PowerAction::Stop {
        // Nobody asks whether a guest that is off already is healthy.
        guests.retain(|guest| !guest.is_empty() || guest.disposition == Disposition::NotOurs);
    }
    Ok(finish(desired, observed, guests))
}

/// Why a guest takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByName,
    /// With others, or because all are meant.
    Along,
}

/// Whether a guest can be switched on and off at all, when nobody named it.
fn is_switched(desired: &Desired, observed: &Observed, id: GuestId) -> bool {
    let ours = |present: &Present| {
        present.record(id).is_some() && desired.guests.get(&id).is_some_and(|guest| guest.kind() == present.kind)
    };
    observed.present.get(&id).is_some_and(|present| ours(present) && !present.conf.is_template())
}

/// What stands against switching a guest that was named.
fn against(observed: &Observed, id: GuestId, action: PowerAction) -> Option<PowerRefused> {
    match (observed.present.get(&id), observed.elsewhere.get(&id)) {
        (None, Some(node)) => Some(PowerRefused::Elsewhere { guest: id, node: node.clone() }),
        (None, None) => (action != PowerAction::Stop).then_some(PowerRefused::Absent(id)),
        (Some(present), _) if present.record(id).is_none() => Some(PowerRefused::NotOurs(id)),
        (Some(present), _) => {
            (action != PowerAction::Stop && present.conf.is_template()).then_some(PowerRefused::Template(id))
        }
    }
}

/// The named guests and everything that `reaches` from them.
fn closure(
    desired: &Desired,
    ids: &BTreeSet<GuestId>,
    reaches: impl Fn(GuestId, GuestId) -> bool,
) -> BTreeSet<GuestId> {
    let mut found = ids.clone();
    let mut open: Vec<GuestId> = ids.iter().copied().collect();
    while let Some(id) = open.pop() {
        for other in desired.guests.keys() {
            if reaches(id, *other) && found.insert(*other) {
                open.push(*other);
            }
        }
    }
    found
}

fn plan_one(
    guest: &DesiredGuest,
    present: &Present,
    needs: Vec<GuestId>,
    action: PowerAction,
    asked: Asked,
) -> GuestPlan {
    let mut remarks = Vec::new();
    let record = present.record(guest.id).filter(|_| present.kind == guest.kind());
    let steps = match &record {
        Some(record) if !present.conf.is_template() => steps(guest, present, record, action, asked),
        _ => Vec::new(),
    };
    let disposition = match &record {
        None => {
            remarks.push(present.proof(guest.id).why_foreign(guest.id, present.conf.lock()));
            Disposition::NotOurs
        }
        Some(_) if steps.is_empty() => Disposition::Keep,
        Some(_) => Disposition::Update,
    };
    let starts = steps.iter().any(|step| matches!(step.work, Work::Start | Work::Resume));
    if starts && action == PowerAction::Start && guest.state != State::Running {
        remarks.push(format!("the configuration says `{}`: the next `phoenix up` stops it again", guest.state));
    }
    GuestPlan {
        id: guest.id,
        name: guest.name.to_string(),
        kind: guest.kind(),
        disposition,
        needs,
        conditions: if action == PowerAction::Stop { BTreeMap::new() } else { guest.conditions.clone() },
        gates: guest.health.iter().map(|gate| gate.name.clone()).collect(),
        steps,
        unmet: Vec::new(),
        obstacles: Vec::new(),
        remarks,
        outage: None,
        inputs: BTreeMap::new(),
        unmanaged: Vec::new(),
        record: record.unwrap_or_else(|| Record::new(guest.id, present.fleet.clone())),
        power: present.power,
    }
}

fn steps(guest: &DesiredGuest, present: &Present, record: &Record, action: PowerAction, asked: Asked) -> Vec<Step> {
    let step = |stage, summary: &str, reason: &str, work| Step::new(stage, summary, reason, Effect::Restart, work);
    let runs = present.power != Power::Stopped;
    let mut steps = Vec::new();
    if runs && action != PowerAction::Start {
        steps.push(step(Stage::Stop, "stop", "asked for", Work::Stop));
    }
    // What is switched off on purpose is not switched on because something else needs its clone source. What should run is
    // started by a restart, too: a run that was cut off may have stopped it.
    let wanted = guest.state == State::Running || runs || asked == Asked::ByName;
    let starts = match action {
        PowerAction::Stop => false,
        PowerAction::Restart => wanted,
        PowerAction::Start => wanted && !runs,
    };
    if starts {
        steps.push(match present.conf.lock() {
            Some(HIBERNATED) => step(Stage::Start, "resume it with its saved memory", "asked for", Work::Resume),
            _ => step(Stage::Start, "start", "asked for", Work::Start),
        });
    }
    let unproven = runs && action == PowerAction::Start && record.pending.contains(&PendingWork::Proof);
    if starts || unproven {
        let reason = if starts { "it was just started" } else { "an interrupted run did not wait for it" };
        if agent_use(guest, Some(&present.conf.live)) != AgentUse::Absent {
            steps.push(step(Stage::Agent, "wait for the guest agent", reason, Work::AwaitAgent));
        }
        if !guest.health.is_empty() {
            steps.push(step(Stage::Health, "wait until healthy", "dependants wait for it", Work::Health));
        }
    }
    steps
}
