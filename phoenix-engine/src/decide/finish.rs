//! What all plans end with.

use super::outage::outage;
use super::remnants::remnants;
use crate::desired::Desired;
use crate::observe::Observed;
use crate::plan::{GuestPlan, Plan};

/// What is said of all plans alike: who is without whom, what a dead run left, and the digest.
pub(super) fn finish(desired: &Desired, observed: &Observed, mut guests: Vec<GuestPlan>) -> Plan {
    for guest in &mut guests {
        guest.outage = outage(desired, observed, guest.id, &guest.steps);
    }
    Plan { remarks: remnants(desired, observed), ..Plan::of(guests) }
}
