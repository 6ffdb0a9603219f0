//! The plan for a fleet.

use phoenix_types::GuestId;
use serde::Serialize;

use super::guest::{Disposition, GuestPlan};
use super::removed::RemovedGuest;
use super::work::Work;
use crate::digest::Digest;

/// The plan for a fleet, in an order in which every guest comes after what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Plan {
    /// The guests.
    pub guests: Vec<GuestPlan>,
    /// What a run that died left on the node and nothing here touches; no part of what is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Guests of this fleet that are removed from the configuration and still on the node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<RemovedGuest>,
    /// The node that the plan is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// A digest over all that is done: two plans with one digest do the same.
    pub digest: Digest,
}

impl Plan {
    pub(crate) fn of(guests: Vec<GuestPlan>) -> Self {
        let mut done = guests.clone();
        for guest in &mut done {
            // What follows from the rest, or is left alone; a file's digest in a command changes with everything in it.
            guest.outage = None;
            guest.unmanaged.clear();
            guest.unmet.clear();
            for step in &mut guest.steps {
                step.commands.clear();
                step.writes.clear();
                step.gates.clear();
            }
        }
        let json = serde_json::to_vec(&done).unwrap_or_default();
        // What is shown does not tell everything that is done: the text of a firewall file, for one.
        let works: Vec<&Work> = done.iter().flat_map(|guest| guest.steps.iter().map(|step| &step.work)).collect();
        let works = format!("{works:?}");
        let digest = Digest::of([json.as_slice(), works.as_bytes()]);
        Self { digest, guests, remarks: Vec::new(), removed: Vec::new(), node: None }
    }

    /// Whether a guest differs from the configuration and stays so.
    #[must_use]
    pub fn has_unmet(&self) -> bool {
        self.guests.iter().any(|guest| !guest.unmet.is_empty() || guest.disposition.leaves_alone())
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.guests.iter().all(GuestPlan::is_empty)
    }

    /// The same plan without the changes of existing guests for which `left_alone` holds: they stay as they are.
    #[must_use]
    pub fn leaving(mut self, left_alone: impl Fn(GuestId) -> bool) -> Self {
        for guest in &mut self.guests {
            if guest.disposition == Disposition::Update && left_alone(guest.id) {
                guest.disposition = Disposition::Keep;
                guest.steps.clear();
                guest.outage = None;
            }
        }
        Self { remarks: self.remarks, removed: self.removed, node: self.node, ..Self::of(self.guests) }
    }

    /// The same plan for the guests for which `wanted` holds, and no others.
    #[must_use]
    pub(crate) fn only(mut self, wanted: impl Fn(GuestId) -> bool) -> Self {
        self.guests.retain(|guest| wanted(guest.id));
        Self { remarks: self.remarks, removed: self.removed, node: self.node, ..Self::of(self.guests) }
    }

    /// How many steps there are in all.
    #[must_use]
    pub fn step_count(&self) -> usize {
        self.guests.iter().map(|guest| guest.steps.len()).sum()
    }
}
