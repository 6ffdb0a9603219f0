//! What makes a guest this very machine, and what no two may share: machine id, ssh host keys, cloud-init's memory of its first
//! boot. A template is cleaned of it; a clone of anything else gets its own at its first start.

use std::time::Duration;

use phoenix_host::{Command, Effect};
use phoenix_types::GuestKind;

use crate::converge::error::StepError;
use crate::converge::record;
use crate::converge::worker::Worker;
use crate::guest::{PendingWork, Reboot, cloud_init_gate};
use crate::node::Site;

/// What takes it out.
const CLEAN: &str = include_str!("clean.sh");

/// What gives a clone its own.
const RENEW: &str = include_str!("renew.sh");

/// How long either may take.
const DEADLINE: Duration = Duration::from_secs(120);

impl Worker<'_> {
    /// Cleans the guest inside and notes that: a run that continues later need not start it for that once more.
    pub(in crate::converge) async fn clean(&mut self, site: &Site) -> Result<(), StepError> {
        self.run_inside(site, [CLEAN, "phoenix-clean"].as_slice()).await?;
        self.record.cleaned = true;
        self.record.pending.remove(&PendingWork::Identity);
        record::write(self, site).await
    }

    /// Gives a clone what its source has and it must not share. The machine id of a container `pct clone` has emptied already
    /// (pve-container `LXC/Setup/Base.pm`, `clear_machine_id`); `qm clone` does not look into disks. Much of what runs knows it
    /// from the boot on, address leases among it, so a VM boots once more.
    pub(in crate::converge) async fn renew_identity(&mut self, site: &Site) -> Result<(), StepError> {
        match self.kind() {
            GuestKind::Container => self.run_inside(site, [RENEW, "phoenix-renew"].as_slice()).await?,
            GuestKind::Vm => {
                self.run_inside(site, [RENEW, "phoenix-renew", "machine-id"].as_slice()).await?;
                self.restart(site).await?;
                self.pass(&[cloud_init_gate(&self.guest.limits, Reboot::Done)]).await?;
            }
        }
        self.record.pending.remove(&PendingWork::Identity);
        record::note(self, site).await
    }

    async fn run_inside(&self, site: &Site, script: &[&str]) -> Result<(), StepError> {
        let command = Command::new("sh", Effect::Change, DEADLINE).args(["-c"]).args(script.iter().copied());
        let output = site.guests(self.kind()).inside(self.id()).exec(command).await?;
        if output.succeeded() {
            return Ok(());
        }
        Err(StepError::Identity {
            status: output.status.map_or_else(|| "a signal".to_owned(), |status| format!("status {status}")),
            tail: output.stderr_text().trim().to_owned(),
        })
    }
}
