//! Running `pct` and `qm`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phoenix_host::{Command, Effect, Host, Output, Scope, ask_whole};
use phoenix_types::GuestId;

use crate::{Failure, GuestError};

/// How long the commands of a tool may take before they are killed. They are generous: a deadline is there to end what hangs,
/// not to hurry what works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Commands that look or change settings. Default: 60 s, since a tool waits 10 s for a lock.
    pub quick: Duration,
    /// Starting and stopping. Default: 300 s; the check of a file system after an unclean stop alone takes a minute.
    pub power: Duration,
    /// Everything that copies or makes disks. Default: 2 h.
    pub disk: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { quick: Duration::from_secs(60), power: Duration::from_secs(300), disk: Duration::from_secs(7200) }
    }
}

/// One of the node's tools, over a host.
#[derive(Clone)]
pub struct Tool {
    host: Arc<dyn Host>,
    program: &'static str,
    deadlines: Deadlines,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.program, self.host.name())
    }
}

impl Tool {
    /// A tool by its program name.
    #[must_use]
    pub fn new(program: &'static str, host: Arc<dyn Host>) -> Self {
        Self { host, program, deadlines: Deadlines::default() }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// Its deadlines.
    #[must_use]
    pub fn deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// A command of this tool; add arguments to it.
    #[must_use]
    pub fn command(&self, effect: Effect, deadline: Duration) -> Command {
        Command::new(self.program, effect, deadline)
    }

    /// Runs a command and makes an error of every status but 0.
    ///
    /// # Errors
    /// When the host fails or the tool does.
    pub async fn run(&self, guest: Option<GuestId>, command: Command) -> Result<Output, GuestError> {
        let mut shown = command.clone();
        shown.stdin = None;
        // The guest is for the message only: a scope of the command's own would hide the host's (stage and guest).
        // What only looks is asked for what it prints; of what changes something the status decides.
        let output = match command.effect {
            Effect::Read => ask_whole(&*self.host, command).await?,
            Effect::Change => self.host.run(command).await?,
        };
        if output.succeeded() {
            return Ok(output);
        }
        shown.scope = Scope { guest, ..shown.scope };
        Err(GuestError::Failed(Box::new(Failure::of(self.host.name(), &shown, &output))))
    }
}

#[cfg(test)]
mod tests {
    use phoenix_host::fake::FakeHost;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_was_cut_decides_nothing() {
        let host = FakeHost::answering(|_, _| Ok(Output { status: Some(0), dropped: 1, ..Output::default() }));
        let tool = Tool::new("pct", Arc::new(host));
        let list = tool.command(Effect::Read, tool.deadlines().quick).arg("list");
        let error = tool.run(None, list).await.unwrap_err();
        assert!(error.to_string().contains("printed 1 bytes above the limit"), "{error}");
    }
}
