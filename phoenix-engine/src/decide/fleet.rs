//! The plan for a fleet, put together from those for its guests.

use std::collections::BTreeSet;

use phoenix_types::GuestId;

use super::finish::finish;
use super::guest::plan_guest;
use super::obstacle::hold_back;
use super::removal::{self, RemovalRefused};
use super::removed::removed;
use super::scripts::Provision;
use crate::desired::Desired;
use crate::observe::Observed;
use crate::plan::{GuestPlan, Plan};

/// Whether guests that are removed from the configuration are destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prune {
    /// They are named and stay.
    #[default]
    No,
    /// They are destroyed.
    Yes,
}

/// What an `up` may do beyond the changes of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Which scripts run again.
    pub provision: Provision,
    /// The guests that are destroyed and created again. Their dependants stay, and are asked again afterwards.
    pub replace: BTreeSet<GuestId>,
    /// Whether guests that are removed from the configuration are destroyed.
    pub prune: Prune,
}

/// Compares what should be with what is. Pure: the same input gives the same plan, byte for byte.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, provision: Provision) -> Plan {
    complete(desired, observed, planned(desired, observed, provision))
}

/// The plan of an `up` that also replaces or removes guests.
///
/// # Errors
/// Everything that stands against that, guest by guest.
pub fn plan_request(desired: &Desired, observed: &Observed, request: &Request) -> Result<Plan, Vec<RemovalRefused>> {
    let mut guests = planned(desired, observed, request.provision);
    let mut refused = Vec::new();
    for guest in guests.iter_mut().filter(|guest| request.replace.contains(&guest.id)) {
        if let Err(refusal) = removal::replace(guest, desired, observed) {
            refused.push(refusal);
        }
    }
    if request.prune == Prune::Yes {
        match removal::prune(desired, observed) {
            Ok(pruned) => guests.extend(pruned),
            Err(refusals) => refused.extend(refusals),
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut plan = complete(desired, observed, guests);
    if request.prune == Prune::Yes {
        plan.removed.clear();
    }
    Ok(plan)
}

fn planned(desired: &Desired, observed: &Observed, provision: Provision) -> Vec<GuestPlan> {
    let guests = desired.order.iter().filter_map(|id| desired.guests.get(id));
    guests.map(|guest| plan_guest(guest, desired, observed, provision)).collect()
}

fn complete(desired: &Desired, observed: &Observed, mut guests: Vec<GuestPlan>) -> Plan {
    hold_back(&mut guests, observed);
    let plan = finish(desired, observed, guests);
    // A plan that is about some guests says nothing about the others.
    let is_whole = desired.configured.iter().all(|id| desired.guests.contains_key(id));
    Plan { removed: if is_whole { removed(desired, observed) } else { Vec::new() }, ..plan }
}
