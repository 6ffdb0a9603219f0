//! The plan for one guest, as it grows.

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
