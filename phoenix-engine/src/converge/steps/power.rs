//! Switches a guest on and off.

use phoenix_pve::ErrorClass;
use phoenix_types::{GuestKind, Span};

use crate::converge::error::StepError;
use crate::converge::retry::while_busy;
use crate::converge::worker::Worker;
use crate::guest::PendingWork;
use crate::node::Site;
use crate::plan::{Stage, Work};

impl Worker<'_> {
    /// Starts the guest. A start is all that a restart still owed.
    pub(in crate::converge) async fn start(&mut self, site: &Site) -> Result<(), StepError> {
        self.complete(PendingWork::Restart, site).await?;
        self.resume(site).await
    }

    /// Starts the guest and notes nothing: a hibernated VM takes no note, and it has not restarted when it continues with its
    /// saved memory.
    pub(in crate::converge) async fn resume(&self, site: &Site) -> Result<(), StepError> {
        let (id, kind, limit) = (self.id(), self.kind(), self.guest.limits.start.map(Span::get));
        let started = while_busy(self.events, Stage::Start, || site.guests(kind).start(id, limit)).await;
        match started {
            Err(error) if error.class() == Some(ErrorClass::AlreadyRunning) => Ok(()),
            other => other,
        }
    }

    pub(in crate::converge) async fn stop(&self, site: &Site) -> Result<(), StepError> {
        self.target().stop(site).await
    }

    /// Stops and starts the guest, and waits for a VM's agent without a slot.
    pub(in crate::converge) async fn restart(&mut self, site: &Site) -> Result<(), StepError> {
        {
            let _slot = self.run.slot().await?;
            self.stop(site).await?;
            self.start(site).await?;
        }
        if self.kind() == GuestKind::Vm {
            self.pass(&self.gates_of(&Work::AwaitAgent).await?).await?;
        }
        Ok(())
    }
}
