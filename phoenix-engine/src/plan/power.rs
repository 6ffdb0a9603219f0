//! Plans that only switch guests on and off.

use std::collections::BTreeSet;

use phoenix_config::model::State;
use phoenix_types::{GuestId, GuestKind, Power};

use super::{Attitude, Effect, GuestPlan, Plan, Stage, Step, Work, finish};
use crate::desired::{Desired, DesiredGuest};
use crate::observe::{Observed, Present};
use crate::record::{Debt, Record};

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

/// The plan that starts, stops or restarts the named guests, in the order of the graph: `start` takes in what they need,
/// `stop` and `restart` what needs them. Guests that Phoenix did not make are left alone, and so are templates.
#[must_use]
pub fn plan_power(desired: &Desired, observed: &Observed, ids: &BTreeSet<GuestId>, action: PowerAction) -> Plan {
    let chosen = match action {
        PowerAction::Start => closure(desired, ids, |guest, other| guest.needs.contains(&other.id)),
        PowerAction::Stop | PowerAction::Restart => {
            closure(desired, ids, |guest, other| other.needs.contains(&guest.id))
        }
    };
    let order: Vec<GuestId> = desired.order.iter().copied().filter(|id| chosen.contains(id)).collect();
    let mut guests = Vec::new();
    match action {
        PowerAction::Start | PowerAction::Restart => {
            for id in order {
                let Some(guest) = desired.guests.get(&id) else { continue };
                let needs = guest.needs.iter().copied().filter(|need| chosen.contains(need)).collect();
                guests.push(plan_one(guest, observed, needs, action));
            }
        }
        PowerAction::Stop => {
            for id in order.into_iter().rev() {
                let Some(guest) = desired.guests.get(&id) else { continue };
                let needs = desired
                    .guests
                    .values()
                    .filter(|other| other.needs.contains(&id) && chosen.contains(&other.id))
                    .map(|other| other.id);
                guests.push(plan_one(guest, observed, needs.collect(), action));
            }
            // Nobody asks whether a guest that is off already is healthy.
            guests.retain(|guest| !guest.is_empty() || guest.attitude == Attitude::NotOurs);
        }
    }
    finish(desired, observed, guests)
}

/// The named guests and everything that `reaches` from them.
fn closure(
    desired: &Desired,
    ids: &BTreeSet<GuestId>,
    reaches: impl Fn(&DesiredGuest, &DesiredGuest) -> bool,
) -> BTreeSet<GuestId> {
    let mut found = ids.clone();
    let mut open: Vec<GuestId> = ids.iter().copied().collect();
    while let Some(guest) = open.pop().and_then(|id| desired.guests.get(&id)) {
        for other in desired.guests.values() {
            if reaches(guest, other) && found.insert(other.id) {
                open.push(other.id);
            }
        }
    }
    found
}

fn plan_one(guest: &DesiredGuest, observed: &Observed, needs: Vec<GuestId>, action: PowerAction) -> GuestPlan {
    let present = observed.present.get(&guest.id);
    let mut remarks = Vec::new();
    let record = present.and_then(|present| present.record(guest.id));
    let attitude = match (present, &record) {
        (None, _) => {
            remarks.push("it does not exist; `phoenix up` makes it".to_owned());
            Attitude::Keep
        }
        (Some(_), None) => {
            remarks.push("it carries no record of Phoenix, so it is left alone".to_owned());
            Attitude::NotOurs
        }
        (Some(_), Some(_)) => Attitude::Update,
    };
    let steps = match (present, &record) {
        (Some(present), Some(record)) if !present.conf.is_template() => steps(guest, present, record, action),
        _ => Vec::new(),
    };
    GuestPlan {
        id: guest.id,
        name: guest.name.to_string(),
        kind: guest.kind(),
        attitude: if steps.is_empty() && attitude == Attitude::Update { Attitude::Keep } else { attitude },
        needs,
        gates: guest.health.iter().map(|gate| gate.name.clone()).collect(),
        steps,
        remarks,
        outage: None,
        unmanaged: Vec::new(),
        record: record.unwrap_or_else(|| Record::new(guest.id)),
        power: present.map_or(Power::Stopped, |present| present.power),
    }
}

fn steps(guest: &DesiredGuest, present: &Present, record: &Record, action: PowerAction) -> Vec<Step> {
    let step = |stage, summary: &str, reason: &str, work| Step::new(stage, summary, reason, Effect::Restart, work);
    let runs = present.power != Power::Stopped;
    let mut steps = Vec::new();
    if runs && action != PowerAction::Start {
        steps.push(step(Stage::Stop, "stop", "asked for", Work::Stop));
    }
    // What is switched off on purpose is not switched on because something else needs its clone source. What should run is
    // started by a restart, too: a run that was cut off may have stopped it.
    let wanted = guest.state == State::Running || runs;
    let starts = match action {
        PowerAction::Stop => false,
        PowerAction::Restart => wanted,
        PowerAction::Start => wanted && !runs,
    };
    if starts {
        steps.push(step(Stage::Start, "start", "asked for", Work::Start));
    }
    let unproven = runs && action == PowerAction::Start && record.owes.contains(&Debt::Proof);
    if starts || unproven {
        let reason = if starts { "it was just started" } else { "a run that ended early did not wait for it" };
        if guest.kind() == GuestKind::Vm {
            steps.push(step(Stage::Agent, "wait for the guest agent", reason, Work::AwaitAgent));
        }
        if !guest.health.is_empty() {
            steps.push(step(Stage::Health, "wait until healthy", "dependants wait for it", Work::Health));
        }
    }
    steps
}
