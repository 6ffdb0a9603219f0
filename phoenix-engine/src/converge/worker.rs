//! One guest in a run: what its steps share.

use phoenix_health::Gate;
use phoenix_pve::{ConfFile, GuestFiles};
use phoenix_types::{GuestId, GuestKind, Power};

use super::error::StepError;
use super::event_sender::EventSender;
use super::gates;
use super::run::{Gates, Run};
use super::target::Target;
use crate::desired::DesiredGuest;
use crate::guest::Record;
use crate::node::Site;
use crate::plan::{GuestPlan, Work};

/// Works on one guest: every piece of work looks first and does nothing where nothing is to be done.
pub(crate) struct Worker<'a> {
    pub(super) run: &'a Run,
    pub(super) guest: &'a DesiredGuest,
    pub(super) events: &'a EventSender,
    pub(super) record: Record,
    /// How many later steps ask whether the guest is healthy.
    pub(super) proofs_left: usize,
    /// How many snapshots of the finished guest are still to be taken.
    pub(super) snapshots_left: usize,
    /// How many steps are still to come.
    pub(super) steps_left: usize,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(run: &'a Run, guest: &'a DesiredGuest, events: &'a EventSender, plan: &GuestPlan) -> Self {
        let count = |is: fn(&Work) -> bool| plan.steps.iter().filter(|step| is(&step.work)).count();
        let (proofs_left, snapshots_left) = (count(Work::is_proof), count(Work::shows_the_guest));
        Self {
            run,
            guest,
            events,
            record: plan.record.clone(),
            proofs_left,
            snapshots_left,
            steps_left: plan.steps.len(),
        }
    }
}

impl Worker<'_> {
    pub(super) fn id(&self) -> GuestId {
        self.guest.id
    }

    pub(super) fn kind(&self) -> GuestKind {
        self.guest.kind()
    }

    pub(super) fn files(&self, site: &Site) -> GuestFiles {
        GuestFiles::new(site.host.clone(), self.kind())
    }

    /// The guest's configuration as it is now.
    pub(super) async fn conf(&self, site: &Site) -> Result<ConfFile, StepError> {
        self.files(site).conf(self.id()).await?.ok_or(StepError::Vanished(self.id()))
    }

    /// The guest, without what the configuration says of it.
    pub(super) fn target(&self) -> Target<'_> {
        let copied_from = self.guest.clone_source();
        Target {
            run: self.run,
            events: self.events,
            id: self.id(),
            kind: self.kind(),
            copied_from,
            limits: Some(&self.guest.limits),
        }
    }

    /// Whether the guest runs, as the node says.
    pub(super) async fn power(&self, site: &Site) -> Result<Power, StepError> {
        let power = site.power(self.kind(), self.id()).await?;
        power.ok_or(StepError::Vanished(self.id()))
    }

    pub(super) async fn pass(&self, gates: &[Gate]) -> Result<(), StepError> {
        if self.run.gates == Gates::TakenAsPassed {
            return Ok(());
        }
        gates::wait(self.run, gates, &gates::probe_context(&self.run.node, self.guest), self.events).await
    }
}
