//! The disks of a guest.

use phoenix_types::GuestKind;

use crate::converge::error::StepError;
use crate::converge::retry::while_busy;
use crate::converge::worker::Worker;
use crate::guest::{root_disk, sized_disks};
use crate::node::Site;
use crate::plan::Stage;

impl Worker<'_> {
    /// Grows the disks whose sizes are configured; those that are large enough stay.
    pub(in crate::converge) async fn grow(&self, site: &Site) -> Result<(), StepError> {
        let conf = self.conf(site).await?.conf;
        let kind: GuestKind = self.kind();
        if self.guest.disk.is_some() && root_disk(&conf.live, kind).is_none() {
            return Err(StepError::NoRootDisk(self.id()));
        }
        for disk in sized_disks(self.guest, &conf.live) {
            if disk.have.is_none_or(|have| have < disk.want) {
                let resize = || site.guests(kind).resize(self.id(), &disk.key, disk.want);
                while_busy(self.events, Stage::Disk, resize).await?;
            }
        }
        Ok(())
    }
}
