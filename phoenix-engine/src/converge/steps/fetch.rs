//! What a guest is made from, fetched when the node does not have it.

use std::time::Duration;

use phoenix_lxc::Template;
use phoenix_pve::Storages;

use super::on_node::on_node;
use crate::converge::error::StepError;
use crate::converge::worker::Worker;
use crate::desired::ImageSource;
use crate::guest::Appliance;
use crate::node::Site;

/// How long fetching an image or a template may take.
const FETCH: Duration = Duration::from_secs(3600);

impl Worker<'_> {
    /// Fetches a cloud image that the node does not have. It gets its name only when it is whole.
    pub(super) async fn fetch_image(&self, site: &Site, image: &ImageSource) -> Result<(), StepError> {
        let ImageSource::Fetched { path, url } = image else { return Ok(()) };
        // Two guests from one image fetch it once.
        let _alone = self.run.fetched.lock().await;
        if site.host.stat(path).await?.is_some() {
            return Ok(());
        }
        let part = format!("{path}.part");
        if let Some(folder) = path.parent() {
            on_node(site, "mkdir", &["-p", "--", folder.as_str()], FETCH).await?;
        }
        let fetched = on_node(site, "wget", &["--no-verbose", "-O", part.as_str(), "--", url.as_str()], FETCH).await;
        if fetched.is_err() {
            // Half an image is no use to anybody. That the fetch failed is what counts.
            let _ = site.host.remove(part.as_str().into()).await;
        }
        fetched?;
        on_node(site, "mv", &["--", part.as_str(), path.as_str()], FETCH).await
    }

    /// Fetches one of Proxmox's own templates that the node does not have. An index that does not know it is brought up to date.
    pub(super) async fn fetch_template(&self, site: &Site, template: &Template) -> Result<(), StepError> {
        let Some(appliance) = Appliance::of(template) else { return Ok(()) };
        let mut there = self.run.fetched.lock().await;
        if there.contains(template) {
            return Ok(());
        }
        let storages = Storages::read(&*site.host).await?;
        let Some(file) = appliance.file(&storages) else { return Ok(()) };
        if site.host.stat(&file).await?.is_none() {
            self.download(site, appliance).await?;
        }
        there.insert(template.clone());
        Ok(())
    }

    async fn download(&self, site: &Site, appliance: Appliance<'_>) -> Result<(), StepError> {
        let download = ["download", appliance.storage, appliance.name];
        match on_node(site, "pveam", &download, FETCH).await {
            Err(StepError::HostCommand { tail, .. }) if tail.contains("no such template") => {
                on_node(site, "pveam", &["update"], FETCH).await?;
                on_node(site, "pveam", &download, FETCH).await
            }
            fetched => fetched,
        }
    }
}
