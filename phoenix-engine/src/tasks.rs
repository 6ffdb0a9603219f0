//! What the node is at work on: its list of tasks.

use std::time::Duration;

use phoenix_host::{Command, Effect, Host, HostError, ask_whole};
use phoenix_types::GuestId;
use serde::Deserialize;

/// How long the list may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// How many tasks are looked at. The list of active ones has those that run, and few that ended only just now (pve-manager
/// `API2/Tasks.pm`).
const LIMIT: u32 = 500;

/// Why the list of tasks is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TasksError {
    /// The node.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The tool.
    #[error("`{command}` ended with {status}: {tail}")]
    Refused {
        /// What was run.
        command: String,
        /// Its status, or what ended it.
        status: String,
        /// The end of what it said.
        tail: String,
    },
}

/// A task that is in progress.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Task {
    /// What it does, such as `vzcreate`.
    #[serde(rename = "type", default)]
    kind: String,
    /// What it is about, mostly a guest's id.
    #[serde(default)]
    id: String,
    endtime: Option<serde_json::Value>,
}

impl Task {
    /// Whether it is about a guest. That which makes a clone is about the clone's source (pve-container `API2/LXC.pm`, `vzclone`;
    /// qemu-server `API2/Qemu.pm`, `qmclone`).
    pub(crate) fn is_about(&self, guest: GuestId) -> bool {
        self.id == guest.to_string()
    }

    /// Whether it only reads the guest, for hours perhaps.
    pub(crate) fn is_backup(&self) -> bool {
        self.kind == "vzdump"
    }
}

/// The tasks of the node that are in progress.
///
/// # Errors
/// When the node cannot be asked.
pub(crate) async fn under_way(host: &dyn Host) -> Result<Vec<Task>, TasksError> {
    let command = Command::new("pvesh", Effect::Read, DEADLINE)
        .args(["get", "/nodes/localhost/tasks", "--source", "active"])
        .args(["--limit".to_owned(), LIMIT.to_string()])
        .args(["--output-format", "json"]);
    let shown = command.display();
    let output = ask_whole(host, command).await?;
    match serde_json::from_slice::<Vec<Task>>(&output.stdout) {
        Ok(tasks) if output.succeeded() => Ok(tasks.into_iter().filter(|task| task.endtime.is_none()).collect()),
        _ => Err(TasksError::Refused {
            command: shown,
            status: output.status.map_or_else(|| "a signal".to_owned(), |status| format!("status {status}")),
            tail: output.stderr_text().trim().to_owned(),
        }),
    }
}
