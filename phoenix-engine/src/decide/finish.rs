//! What all plans end with.

use std::collections::BTreeMap;

use super::outage::outage;
use super::remnants::remnants;
use crate::desired::{Desired, DesiredGuest};
use crate::digest::Digest;
use crate::observe::{DATACENTER_FIREWALL, Observed};
use crate::plan::{GuestPlan, Plan};

/// What is said of all plans alike: who is without whom, what a dead run left, and the digest.
pub(super) fn finish(desired: &Desired, observed: &Observed, mut guests: Vec<GuestPlan>) -> Plan {
    for guest in &mut guests {
        guest.outage = outage(desired, observed, guest.id, &guest.steps);
        if let Some(desired) = desired.guests.get(&guest.id).filter(|_| !guest.steps.is_empty()) {
            guest.inputs = inputs(desired);
        }
    }
    let mut remarks = remnants(desired, observed);
    remarks.extend(firewall(desired, observed));
    Plan { remarks, node: observed.node.clone(), ..Plan::of(guests) }
}

/// Digests over what the configuration says of a guest. A secret is known by its source, and its value is no part of them.
fn inputs(guest: &DesiredGuest) -> BTreeMap<String, Digest> {
    let of = |text: String| Digest::of([text.as_bytes()]);
    let DesiredGuest { spec, wait_for, health, scripts, firewall, notes, state, on_failure, .. } = guest;
    let parts = [
        ("settings", format!("{spec:?}")),
        ("gates", format!("{wait_for:?} {health:?}")),
        ("firewall", format!("{firewall:?}")),
        ("notes", format!("{notes:?}")),
        ("state", format!("{state:?} {on_failure:?}")),
    ];
    let scripts = scripts.iter().map(|script| (format!("script {}", script.name), script.digest.clone()));
    parts.into_iter().map(|(part, text)| (part.to_owned(), of(text))).chain(scripts).collect()
}

/// Whose firewall filters nothing.
fn firewall(desired: &Desired, observed: &Observed) -> Option<String> {
    if observed.datacenter_firewall != Some(false) {
        return None;
    }
    let filtered = desired.guests.values().filter(|guest| guest.has_firewall()).map(|guest| guest.id.to_string());
    let filtered = filtered.collect::<Vec<_>>().join(", ");
    Some(format!(
        "the datacenter's firewall is off, so the firewall of {filtered} filters nothing: {DATACENTER_FIREWALL}"
    ))
}
