//! Makes a guest a template.

use crate::converge::error::StepError;
use crate::converge::retry::while_busy;
use crate::converge::worker::Worker;
use crate::node::Site;
use crate::plan::Stage;

impl Worker<'_> {
    pub(in crate::converge) async fn convert(&self, site: &Site) -> Result<(), StepError> {
        if self.conf(site).await?.conf.is_template() {
            return Ok(());
        }
        let (id, kind) = (self.id(), self.kind());
        while_busy(self.events, Stage::Template, || site.guests(kind).convert_to_template(id)).await
    }
}
