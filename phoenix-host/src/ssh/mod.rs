//! A node that is reached over ssh.

mod files;
mod tunnel;

use std::fmt;
use std::io;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;

use crate::{ByteStream, Command, Created, Effect, FileStat, Glance, Host, HostError, Local, Output, Wanted};

/// How much longer than on the node a command may take on the way there and back.
const WAY: Duration = Duration::from_secs(20);

/// What the node prints on standard error after a command, with the command's status. Without it the connection broke:
/// ssh's own status 255 cannot be distinguished from a command's.
const MARK: &str = "phoenix-status ";

/// Runs the rest of the arguments with a deadline that holds on the node too, in a locale that damages no arguments, and tells
/// how it ended. `$1` is the deadline in seconds.
const WRAPPER: &str = r#"deadline=$1
shift
export LC_ALL=C.UTF-8
if command -v -- "$1" > /dev/null 2>&1; then
    timeout -k 2 "$deadline" "$@"
    status=$?
else
    status=missing
fi
printf '\nphoenix-status %s\n' "$status" >&2"#;

/// A Proxmox VE node reached with the OpenSSH program `ssh`: its configuration, agent and known hosts are the user's own.
///
/// Commands are quoted for the shell of the other side in one place; deadlines are kept there by `timeout` and here as well.
/// One connection is opened and shared (`ControlMaster`). Nothing is ever asked: a key or an agent must let us in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    target: String,
    program: String,
}

/// A text that is no ssh address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ssh address: write `ssh://root@node` or `ssh://root@node:2222`")]
pub struct InvalidSshAddress(pub String);

impl FromStr for Ssh {
    type Err = InvalidSshAddress;

    /// Takes `ssh://[user@]host[:port]`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let target = text.strip_prefix("ssh://").unwrap_or_default();
        // ssh itself reads such addresses; a leading dash would be one of its options.
        let sound = !target.is_empty()
            && !target.starts_with('-')
            && !target.contains("@-")
            && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"@.-_:[]%".contains(&b));
        if sound {
            Ok(Self { target: text.to_owned(), program: "ssh".to_owned() })
        } else {
            Err(InvalidSshAddress(text.to_owned()))
        }
    }
}

impl fmt::Display for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target)
    }
}

/// Options of ssh (`ssh_config(5)`): never ask, notice a dead connection, share one connection.
const OPTIONS: [&str; 6] = [
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "ControlMaster=auto",
    "ControlPersist=60",
];

impl Ssh {
    /// The same node through another program than `ssh`.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }

    /// The arguments before the remote command. The shared connection's socket lies in the user's own folder.
    fn options(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            OPTIONS.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()]).collect();
        arguments.extend(["-o", "ControlPath=~/.ssh/phoenix-%C", "-T", "--"].map(str::to_owned));
        arguments.push(self.target.clone());
        arguments
    }

    /// The one line that the other side's shell gets: every word quoted.
    fn remote_line(deadline: Duration, argv: &[String]) -> String {
        let seconds = deadline.as_secs_f64().max(0.001).to_string();
        let words = ["sh", "-c", WRAPPER, "phoenix"]
            .into_iter()
            .map(str::to_owned)
            .chain([seconds])
            .chain(argv.iter().cloned());
        shell_words::join(words)
    }

    /// Starts ssh with a line for the other side, whose streams are ours. Dropping it ends ssh. It is in a process group of its own:
    /// an interrupt that a person types is for this program, which decides when the connection ends.
    pub(crate) fn spawn(&self, line: &str) -> io::Result<tokio::process::Child> {
        tokio::process::Command::new(&self.program)
            .args(self.options())
            .arg(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    pub(crate) fn unreachable(&self, reason: impl Into<String>) -> HostError {
        HostError::Unreachable { host: self.target.clone(), reason: reason.into() }
    }
}

/// What ssh says when it never got as far as running a command (`ssh(1)` and `sshd(8)` of OpenSSH 9.2).
const NOT_CONNECTED: [&str; 8] = [
    "ssh: ",
    "Permission denied",
    "Host key verification failed",
    "kex_exchange_identification: ",
    "Connection timed out during banner exchange",
    "Too many authentication failures",
    "Unable to negotiate with",
    "Bad owner or permissions on",
];

/// Whether ssh failed before it ran the command. Without words of its own that is not known.
fn never_ran(words: &str) -> bool {
    words.lines().any(|line| NOT_CONNECTED.iter().any(|known| line.contains(known)))
}

/// Splits the status mark off standard error: the command's own standard error, and what the mark says.
fn split_mark(stderr: &[u8]) -> Option<(Vec<u8>, String)> {
    let needle = format!("\n{MARK}");
    let at = stderr.windows(needle.len()).rposition(|window| window == needle.as_bytes())?;
    let status = String::from_utf8_lossy(&stderr[at + needle.len()..]).trim().to_owned();
    Some((stderr[..at].to_vec(), status))
}

#[async_trait]
impl Host for Ssh {
    fn name(&self) -> String {
        self.target.clone()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let line = Self::remote_line(command.deadline, &command.argv());
        let mut local =
            Command::new(self.program.as_str(), command.effect, command.deadline + WAY).args(self.options()).arg(line);
        local.stdin.clone_from(&command.stdin);
        local.output_limit = command.output_limit.saturating_add(64);
        local.tap.clone_from(&command.tap);
        let unknown = || match command.effect {
            Effect::Change => HostError::OutcomeUnknown { host: self.target.clone(), command: command.display() },
            Effect::Read => self.unreachable("the connection broke"),
        };
        let mut output = match Local.run(local).await {
            Ok(output) => output,
            Err(HostError::Deadline { .. }) => return Err(unknown()),
            Err(error) => return Err(error),
        };
        match split_mark(&output.stderr) {
            Some((stderr, status)) => {
                output.stderr = stderr;
                match status.as_str() {
                    "missing" => {
                        Err(HostError::NoSuchProgram { program: command.program.clone(), host: self.target.clone() })
                    }
                    // `timeout` says 124 when it ended the command, 137 when it had to kill it.
                    "124" | "137" if output.elapsed >= command.deadline => Err(HostError::Deadline {
                        command: command.display(),
                        deadline: command.deadline,
                        tail: output.stderr_text().into_owned(),
                    }),
                    status => {
                        output.status = status.parse().ok();
                        Ok(output)
                    }
                }
            }
            // Before the command was sent there is ssh's own message; it names the cause better than we can.
            None if output.status == Some(255)
                && output.stdout.is_empty()
                && (command.effect == Effect::Read || never_ran(&output.stderr_text())) =>
            {
                Err(self.unreachable(output.stderr_text().trim().to_owned()))
            }
            None => Err(unknown()),
        }
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.read_file(path, limit).await
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        self.write_file(path, contents, mode).await
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        self.create_file(path, contents).await
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.remove_file(path).await
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        self.inspect(path).await
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.list_folder(path).await
    }

    async fn read_many(&self, wanted: &[Wanted]) -> Result<Glance, HostError> {
        self.look(wanted).await
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        self.tunnel(address, port, deadline).await
    }
}

#[cfg(test)]
mod tests;
