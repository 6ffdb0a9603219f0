//! The root disk of a guest.

use crate::converge::error::StepError;
use crate::converge::retry::while_busy;
use crate::converge::worker::Worker;
use crate::guest::root_disk;
use crate::node::Site;
use crate::plan::Stage;

impl Worker<'_> {
    /// Grows the root disk; one that is large enough stays.
    pub(in crate::converge) async fn grow(&self, site: &Site) -> Result<(), StepError> {
        let Some(want) = self.guest.disk else { return Ok(()) };
        let conf = self.conf(site).await?.conf;
        let (disk, have) = &root_disk(&conf.live, self.kind()).ok_or(StepError::NoRootDisk(self.id()))?;
        if have.is_some_and(|have| have >= want) {
            return Ok(());
        }
        let (id, kind) = (self.id(), self.kind());
        while_busy(self.events, Stage::Disk, || site.guests(kind).resize(id, disk, want)).await
    }
}
