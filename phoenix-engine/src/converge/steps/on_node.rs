//! An ordinary program that is run on the node.

use std::time::Duration;

use phoenix_host::{Command, Effect};

use crate::converge::error::StepError;
use crate::node::Site;

/// How long a command on the node's own files may take.
pub(super) const QUICK: Duration = Duration::from_secs(60);

/// Runs an ordinary program on the node.
pub(super) async fn on_node(site: &Site, program: &str, args: &[&str], deadline: Duration) -> Result<(), StepError> {
    let command = Command::new(program, Effect::Change, deadline).args(args);
    let shown = command.display();
    let output = site.host.run(command).await?;
    if output.succeeded() {
        return Ok(());
    }
    Err(StepError::HostCommand {
        command: shown,
        status: output.status.map_or_else(|| "a signal".to_owned(), |status| status.to_string()),
        tail: output.stderr_text().trim().to_owned(),
    })
}
