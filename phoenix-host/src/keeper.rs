//! A process on the node that lives as long as the connection to it.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

use crate::process::{FACTS, Sight, pid};
use crate::{Command, Effect, Host as _, HostError, Liveness, Process, Ssh};

/// How often the process on the node hears that its connection stands.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How long the process may take to come up.
const UP: Duration = Duration::from_secs(30);

/// Says who it is, then waits until the connection is closed, or silent for four beats: a link that was cut closes nothing. bash is on
/// every node; dash cannot read with a limit of time.
const SCRIPT: &str = "while read -r -t 120 _; do :; done\n";

/// A process on the node that stands for this one: it ends when this one does, or when the way to the node breaks for good.
/// Dropping it ends it.
#[derive(Debug)]
pub struct Keeper {
    process: Process,
    _child: Child,
    beats: JoinHandle<()>,
}

impl Keeper {
    /// The process on the node.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.beats.abort();
    }
}

impl Ssh {
    /// Starts a process on the node that lives as long as this value.
    ///
    /// # Errors
    /// When the node cannot be reached.
    pub async fn keeper(&self) -> Result<Keeper, HostError> {
        let line = shell_words::join(["bash", "-c", &format!("set -- $$\n{FACTS}{SCRIPT}"), "phoenix-keeper"]);
        let broken = |reason: String| self.unreachable(reason);
        let mut child = self.spawn(&line).map_err(|error| broken(error.to_string()))?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken("its pipes could not be opened".to_owned()));
        };
        let facts = async {
            let mut lines = BufReader::new(stdout).lines();
            let mut text = String::new();
            for _ in 0..4 {
                text.push_str(&lines.next_line().await.ok()??);
                text.push('\n');
            }
            let pid = pid(text.lines().last()?)?;
            Some(Sight::parse(&text)?.process(pid))
        };
        let process = tokio::time::timeout(UP, facts).await.ok().flatten();
        let process = process.ok_or_else(|| broken("the connection broke".to_owned()))?;
        let beats = tokio::spawn(async move {
            while stdin.write_all(b"\n").await.is_ok() && stdin.flush().await.is_ok() {
                tokio::time::sleep(HEARTBEAT).await;
            }
        });
        Ok(Keeper { process, _child: child, beats })
    }

    /// Whether a process lives, as far as the node can see.
    ///
    /// # Errors
    /// When the node cannot be reached.
    pub async fn liveness(&self, process: &Process) -> Result<Liveness, HostError> {
        let command = Command::new("sh", Effect::Read, UP).args(["-c", FACTS, "phoenix-liveness"]).arg(process.pid);
        let output = self.run(command).await?;
        let sight = Sight::parse(&output.stdout_text());
        Ok(sight.map_or(Liveness::Unknown, |sight| sight.liveness(process)))
    }
}
