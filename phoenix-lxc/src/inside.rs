//! The inside of a container, by `pct exec`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use phoenix_host::{Command, Host, HostError, Inside, InsideError, Output, WAY, limited, ran_out};
use phoenix_types::GuestId;

/// The inside of one container.
#[derive(Clone)]
pub(crate) struct ContainerInside {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) id: GuestId,
}

impl fmt::Debug for ContainerInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {} on {}", self.id, self.host.name())
    }
}

/// The command as `pct` carries it inside: with an environment of its own (`pct` would pass the node's, with a `PATH` that
/// lacks `/usr/local`), and a time limit that holds inside.
fn carried(id: GuestId, command: &Command) -> Command {
    let mut carrier = Command::new("pct", command.effect, command.deadline.saturating_add(WAY))
        .args(["exec", &id.to_string(), "--keep-env", "0", "--"])
        .args(["env", "HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8"])
        .args(limited(command));
    carrier.stdin.clone_from(&command.stdin);
    carrier.tap.clone_from(&command.tap);
    carrier.scope = command.scope.clone();
    carrier.output_limit = command.output_limit;
    carrier
}

#[async_trait]
impl Inside for ContainerInside {
    async fn exec(&self, command: Command) -> Result<Output, InsideError> {
        let refused = |reason: String| InsideError::Refused { guest: self.id, reason };
        if command.argv().iter().any(|arg| arg.contains('\0')) || command.program.is_empty() {
            return Err(refused("a command has a program and no NUL in it".to_owned()));
        }
        let output = match self.host.run(carried(self.id, &command)).await {
            Ok(output) => output,
            Err(HostError::Deadline { deadline, .. }) => {
                return Err(InsideError::Slow { guest: self.id, seconds: deadline.as_secs_f64() });
            }
            Err(error) => return Err(error.into()),
        };
        if ran_out(&output, command.deadline) {
            return Err(InsideError::Deadline {
                guest: self.id,
                command: command.display(),
                seconds: command.deadline.as_secs_f64(),
                tail: output.stdout_text().into_owned(),
            });
        }
        // `pct exec` passes the command's status on, so its own failures are told by their words. They come instead of the
        // command: nothing is on standard output then.
        let stderr = output.stderr_text();
        let words = stderr.trim();
        if !output.succeeded() && output.stdout.is_empty() {
            if words == format!("container '{}' not running!", self.id) {
                return Err(InsideError::NotRunning(self.id));
            }
            let missing = words.starts_with("Configuration file '") && words.ends_with("does not exist");
            // What cannot be executed inside has status 127 or 126 and is the command's own failure.
            let attach = words.starts_with("lxc-attach: ") && !matches!(output.status, Some(126 | 127));
            if missing || attach {
                return Err(refused(words.to_owned()));
            }
        }
        Ok(output)
    }
}
