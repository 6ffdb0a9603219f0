//! The plan for a fleet, put together from those for its guests.

use super::finish::finish;
use super::guest::plan_guest;
use super::obstacle::hold_back;
use super::scripts::Provision;
use crate::desired::Desired;
use crate::observe::Observed;
use crate::plan::Plan;

/// Compares what should be with what is. Pure: the same input gives the same plan, byte for byte.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, provision: Provision) -> Plan {
    let mut guests = Vec::with_capacity(desired.guests.len());
    for id in &desired.order {
        if let Some(guest) = desired.guests.get(id) {
            guests.push(plan_guest(guest, desired, observed, provision));
        }
    }
    hold_back(&mut guests, observed);
    finish(desired, observed, guests)
}
