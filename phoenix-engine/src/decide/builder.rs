//! The plan for one guest, as it grows.

use std::collections::BTreeMap;

use phoenix_types::Power;

use crate::desired::DesiredGuest;
use crate::guest::Record;
use crate::plan::{Difference, Disposition, Effect, GuestPlan, Stage, Step, Unmanaged, Work};

pub(super) struct Builder<'a> {
    pub(super) guest: &'a DesiredGuest,
    pub(super) steps: Vec<Step>,
    pub(super) remarks: Vec<String>,
    pub(super) unmet: Vec<Difference>,
    pub(super) unmanaged: Vec<Unmanaged>,
    pub(super) power: Power,
    pub(super) recorded: Recorded,
}

/// Whether the guest's notes have its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    InNotes,
    /// Somebody edited it away.
    Lost,
}

impl<'a> Builder<'a> {
    pub(super) fn of(guest: &'a DesiredGuest, power: Power) -> Self {
        let recorded = Recorded::InNotes;
        Self {
            guest,
            steps: Vec::new(),
            remarks: Vec::new(),
            unmet: Vec::new(),
            unmanaged: Vec::new(),
            power,
            recorded,
        }
    }
}

impl Builder<'_> {
    pub(super) fn step(
        &mut self,
        stage: Stage,
        summary: impl Into<String>,
        reason: impl Into<String>,
        effect: Effect,
        work: Work,
    ) {
        self.steps.push(Step::new(stage, summary, reason, effect, work));
    }

    /// A step about settings that differ.
    pub(super) fn step_about(&mut self, differences: Vec<Difference>, step: Step) {
        self.steps.push(Step { differences, ..step });
    }

    pub(super) fn finish(self, disposition: Disposition, record: Record) -> GuestPlan {
        let (guest, power) = (self.guest, self.power);
        let disposition = match disposition {
            Disposition::Keep if !self.steps.is_empty() => Disposition::Update,
            other => other,
        };
        GuestPlan {
            id: guest.id,
            name: guest.name.to_string(),
            kind: guest.kind(),
            disposition,
            needs: guest.needs.clone(),
            conditions: guest.conditions.clone(),
            inputs: BTreeMap::new(),
            gates: guest.health.iter().map(|gate| gate.name.clone()).collect(),
            steps: self.steps,
            unmet: self.unmet,
            obstacles: Vec::new(),
            remarks: self.remarks,
            outage: None,
            unmanaged: self.unmanaged,
            record,
            power,
        }
    }
}
