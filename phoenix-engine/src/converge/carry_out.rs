//! Which code carries out which piece of work.

use phoenix_types::Power;

use super::error::StepError;
use super::record;
use super::steps::{settings, snapshot, volumes};
use super::worker::Worker;
use crate::guest::{PendingWork, VENDOR_DATA, undo_snapshot};
use crate::node::Site;
use crate::plan::{Restart, SnapshotPurpose, Step, Work};

impl Worker<'_> {
    /// Carries a step out.
    pub(crate) async fn work(&mut self, step: &Step) -> Result<(), StepError> {
        let site = self.run.node.at(self.guest.id, step.stage);
        if self.proofs_left > 0 && !step.work.makes_ready() {
            self.mark_unproven(&site).await?;
        }
        self.carry_out(step, &site).await?;
        if step.work.is_proof() {
            self.proofs_left -= 1;
            if self.proofs_left == 0 {
                self.complete(PendingWork::Proof, &site).await?;
            }
        }
        if step.work.shows_the_guest() {
            self.snapshots_left -= 1;
            if self.snapshots_left == 0 {
                self.complete(PendingWork::Snapshots, &site).await?;
            }
        }
        self.steps_left -= 1;
        if self.steps_left == 0 {
            self.complete(PendingWork::Making, &site).await?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, step: &Step, site: &Site) -> Result<(), StepError> {
        let _slot = if step.work.holds_a_slot() { Some(self.run.slot().await?) } else { None };
        match &step.work {
            Work::AwaitCloudInit => self.await_cloud_init().await,
            Work::AwaitAgent | Work::WaitFor | Work::Health => self.pass(&self.gates_of(&step.work).await?).await,
            Work::Script(at) => {
                let _slot = self.run.script_slot().await?;
                self.script(*at, site).await
            }
            Work::Clean => self.clean(site).await,
            Work::RenewIdentity => self.renew_identity(site).await,
            Work::Volumes => volumes::mount(self, site).await,
            Work::Undo => self.undo(site).await,
            Work::BreakLock => self.target().break_lock(site).await,
            Work::AgentSnippet(path) => {
                // Two guests may write it at once; each writes the same, and a file is replaced as a whole.
                Ok(site.host.write(path, VENDOR_DATA.as_bytes(), 0o644).await?)
            }
            Work::Define(vendor_data) => self.define(site, vendor_data.as_ref()).await,
            Work::Settings { restart } => {
                {
                    let _slot = self.run.slot().await?;
                    settings::apply(self, site, *restart).await?;
                }
                if *restart == Restart::Needed && self.power(site).await? == Power::Running {
                    self.restart(site).await?;
                }
                Ok(())
            }
            Work::Firewall(file) => Ok(self.files(site).write_firewall(self.guest.id, file).await?),
            Work::RemoveFirewall => {
                self.files(site).remove_firewall(self.guest.id).await?;
                self.record.firewall = false;
                record::write(self, site).await
            }
            Work::HostPaths => settings::host_paths(self, site).await,
            Work::Grow => self.grow(site).await,
            Work::Start => self.start(site).await,
            Work::Resume => self.resume(site).await,
            Work::Stop => self.stop(site).await,
            Work::Snapshot { name, purpose } => snapshot::take(self, site, name, *purpose).await,
            Work::Replace { name, purpose } => snapshot::replace(self, site, name, *purpose).await,
            Work::ConvertToTemplate => self.convert(site).await,
            Work::Guard => match undo_snapshot() {
                Some(name) => snapshot::take(self, site, &name, SnapshotPurpose::Undo).await,
                None => Ok(()),
            },
            Work::GoBack => self.go_back(site).await,
            Work::ForgetGuard => self.forget_undo(site).await,
            Work::Destroy => self.target().destroy(site).await,
        }
    }
}
