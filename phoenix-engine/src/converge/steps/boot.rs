//! What a guest is waited for after its start: its gates, and in a VM the guest agent and cloud-init.

use phoenix_config::model::AgentUse;
use phoenix_health::{Gate, Reason};
use phoenix_pve::ConfEdit;

use crate::converge::error::StepError;
use crate::converge::retry::while_busy;
use crate::converge::worker::Worker;
use crate::event::EventKind;
use crate::guest::{AgentSource, Reboot, agent_gate, agent_use, awaits_cloud_init, cloud_init_gate, our_vendor_data};
use crate::plan::{Stage, Work};

impl Worker<'_> {
    /// The gates that a piece of work asks.
    pub(crate) async fn gates_of(&self, work: &Work) -> Result<Vec<Gate>, StepError> {
        Ok(match work {
            Work::WaitFor => self.guest.wait_for.clone(),
            Work::Health => self.guest.health.clone(),
            Work::AwaitAgent => {
                // It takes longer where cloud-init has to install it first.
                let site = self.run.node.at(self.id(), Stage::Agent);
                let live = self.conf(&site).await?.conf.live;
                let source = match our_vendor_data(&live) {
                    Some(_) => AgentSource::CloudInit,
                    None => AgentSource::Image,
                };
                match agent_use(self.guest, Some(&live)) {
                    AgentUse::Absent => Vec::new(),
                    AgentUse::Ping | AgentUse::Exec => vec![agent_gate(&self.guest.limits, source)],
                }
            }
            Work::AwaitCloudInit => {
                let site = self.run.node.at(self.id(), Stage::CloudInit);
                let live = self.conf(&site).await?.conf.live;
                let awaited = awaits_cloud_init(self.guest, Some(&live));
                awaited.then(|| cloud_init_gate(&self.guest.limits, Reboot::Possible)).into_iter().collect()
            }
            _ => Vec::new(),
        })
    }

    /// Waits until cloud-init has finished; where it asks for a reboot, the guest is rebooted once.
    pub(in crate::converge) async fn await_cloud_init(&mut self) -> Result<(), StepError> {
        match self.pass(&self.gates_of(&Work::AwaitCloudInit).await?).await {
            Err(StepError::Gate(failure)) if failure.reason == Reason::NeedsReboot => {
                self.events.send(EventKind::Notice {
                    text: "cloud-init finished with errors that a reboot may fix: rebooting once".to_owned(),
                });
                let site = self.run.node.at(self.id(), Stage::CloudInit);
                self.restart(&site).await?;
                self.pass(&[cloud_init_gate(&self.guest.limits, Reboot::Done)]).await?;
            }
            first => first?,
        }
        self.forget_vendor_data().await
    }

    /// Takes the vendor data out of the settings once cloud-init has read it: a VM whose settings name a file does not start
    /// without that file.
    async fn forget_vendor_data(&self) -> Result<(), StepError> {
        let site = self.run.node.at(self.id(), Stage::CloudInit);
        let file = self.conf(&site).await?;
        let Some(custom) = our_vendor_data(&file.conf.live) else { return Ok(()) };
        let gone = ("cicustom".to_owned(), custom.to_owned());
        let edit = ConfEdit { remove_settings: vec![gone], ..ConfEdit::default() };
        let (files, edit, id) = (&self.files(&site), &edit, self.id());
        while_busy(self.events, Stage::CloudInit, || files.edit(id, edit)).await
    }
}
