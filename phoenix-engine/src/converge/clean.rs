//! What a template's clones must not share: cloud-init's memory of its first boot, machine id, ssh host keys.

use std::time::Duration;

use phoenix_host::{Command, Effect};

use super::error::StepError;
use super::guest::Worker;
use super::settings;
use crate::node::Site;

/// What is done inside.
const SCRIPT: &str = include_str!("clean.sh");

/// How long it may take.
const DEADLINE: Duration = Duration::from_secs(120);

impl Worker<'_> {
    /// Cleans the guest inside and notes that: a run that goes on later need not start it for that once more.
    pub(super) async fn clean(&mut self, site: &Site) -> Result<(), StepError> {
        let command = Command::new("sh", Effect::Change, DEADLINE).args(["-c", SCRIPT, "phoenix-clean"]);
        let output = site.inside(self.kind(), self.id()).exec(command).await?;
        if !output.succeeded() {
            return Err(StepError::Clean {
                status: output.status.map_or_else(|| "a signal".to_owned(), |status| format!("status {status}")),
                tail: output.stderr_text().trim().to_owned(),
            });
        }
        self.record.cleaned = true;
        settings::write_record(self, site).await
    }
}
