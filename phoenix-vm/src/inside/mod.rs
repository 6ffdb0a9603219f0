//! The inside of a VM, by its guest agent (`qm guest exec`).
//!
//! The agent starts a program, keeps its output, and hands both over when asked. So there are three ways to run a command:
//! a short one in a single call that waits; a long one by asking again and again whether it has ended; and one whose output
//! somebody wants to see as it appears, which writes it into files inside that are read piece by piece ([`streamed`]).

mod answer;
mod quiet;
mod streamed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phoenix_host::{Command, Effect, Host, HostError, Input, Inside, InsideError, Output, WAY, limited, ran_out};
use phoenix_pve::{ErrorClass, Failure, GuestError, Push, push};
use phoenix_types::GuestId;
use tokio::time::Instant;

use self::answer::Answer;
use self::quiet::Quiet;

/// How much longer than the command's own limit inside `qm` waits for it: until what does not want to end was killed, and told.
const GRACE: Duration = Duration::from_secs(5);

/// The longest that a command is waited for in one call.
const SHORT: Duration = Duration::from_secs(300);

/// How long a command may take whose output somebody wants to see, before its output is fetched piece by piece: each piece
/// costs calls of its own.
const STREAMED: Duration = Duration::from_secs(25);

/// The most that one command can read: `qm` refuses more than 1 MiB (pve-manager `QMPClient`, `--pass-stdin`), and the command
/// itself takes the same way.
const STDIN_LIMIT: usize = 768 << 10;

/// The size of the pieces in which a file is written inside.
pub(crate) const CHUNK: usize = 512 << 10;

/// Runs a program with a file as its standard input and removes the file.
const WITH_INPUT: &str = r#"f=$1; shift; "$@" <"$f"; s=$?; rm -f "$f"; exit $s"#;

/// The inside of one VM.
#[derive(Clone)]
pub(crate) struct VmInside {
    host: Arc<dyn Host>,
    id: GuestId,
}

impl fmt::Debug for VmInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VM {} on {}", self.id, self.host.name())
    }
}

/// The time from one look to the next: half a second first, then longer, 5 s at most.
struct Pauses(Duration);

impl Pauses {
    fn new() -> Self {
        Self(Duration::from_millis(500))
    }

    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 3 / 2).min(Duration::from_secs(5));
        pause
    }
}

/// Whether the agent answered that it runs no programs at all: RHEL and its kin block `guest-exec` (`/etc/sysconfig/qemu-ga`), and
/// SELinux may keep the agent from starting anything (qemu `qga/main.c`, `qga/commands.c`).
fn refuses_exec(words: &str) -> bool {
    let blocked = words.contains("guest-exec")
        && ["disabled", "not allowed", "not found"].iter().any(|word| words.contains(word));
    blocked || (words.contains("execute child process") && words.contains("Permission denied"))
}

impl VmInside {
    pub(crate) fn new(host: Arc<dyn Host>, id: GuestId) -> Self {
        Self { host, id }
    }

    /// The program and its arguments as they run inside: with an environment of their own, and a time limit that holds there.
    fn carried(command: &Command) -> Vec<String> {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let environment = ["env", path, "HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8"];
        environment.into_iter().map(str::to_owned).chain(limited(command)).collect()
    }

    /// A call of `qm guest exec` that runs a command inside. Logs show it as if the agent got the command as arguments.
    fn exec_call(&self, command: &Command, deadline: Duration, options: &[&str]) -> Command {
        let words = Self::carried(command);
        let call = self.call(command, command.effect, deadline, "exec").args(options);
        let shown = match &command.stdin {
            Some(_) => call.clone().args(["--pass-stdin", "1"]),
            None => call.clone(),
        };
        let shown = shown.arg("--").args(&words).argv();
        let Quiet { argv, stdin } = Quiet::new(&command.program, &words, command.stdin.as_ref());
        call.args(["--pass-stdin", "1"]).arg("--").args(argv).stdin(stdin).shown_as(shown)
    }

    /// A call of `qm guest`.
    fn call(&self, command: &Command, effect: Effect, deadline: Duration, verb: &str) -> Command {
        let mut call = Command::new("qm", effect, deadline).args(["guest", verb]).arg(self.id);
        call.scope = command.scope.clone();
        // What comes back is JSON, in which each byte takes up to six characters; a part of it would be no use.
        call.output_limit = 128 << 20;
        call
    }

    async fn ask(&self, call: Command) -> Result<Answer, InsideError> {
        let shown = call.clone();
        let output = match self.host.run(call).await {
            Err(HostError::Deadline { deadline, .. }) => {
                return Err(InsideError::Slow { guest: self.id, seconds: deadline.as_secs_f64() });
            }
            output => output?,
        };
        if !output.succeeded() {
            let failure = Failure::of(self.host.name(), &shown, &output);
            return Err(match failure.class {
                ErrorClass::NotRunning => InsideError::NotRunning(self.id),
                ErrorClass::AgentSilent => InsideError::AgentSilent { guest: self.id, reason: failure.tail },
                ErrorClass::OutcomeUnknown => {
                    HostError::OutcomeUnknown { host: format!("the agent of {}", self.id), command: shown.display() }
                        .into()
                }
                _ if refuses_exec(&failure.tail) => InsideError::ExecRefused { guest: self.id, reason: failure.tail },
                _ => InsideError::Refused { guest: self.id, reason: failure.tail },
            });
        }
        Answer::parse(&output.stdout).ok_or_else(|| InsideError::Refused {
            guest: self.id,
            reason: format!("`{}` printed no answer of the agent: {}", shown.display(), output.stdout_text().trim()),
        })
    }

    fn late(&self, command: &Command) -> InsideError {
        InsideError::Deadline {
            guest: self.id,
            command: command.display(),
            seconds: command.deadline.as_secs_f64(),
            tail: String::new(),
        }
    }

    /// One call that waits.
    async fn short(&self, command: &Command) -> Result<Answer, InsideError> {
        let patience = command.deadline.saturating_add(GRACE);
        let wait = (patience.as_secs() + u64::from(patience.subsec_nanos() > 0)).to_string();
        let call = self.exec_call(command, patience.saturating_add(WAY), &["--timeout", &wait]);
        let answer = self.ask(call).await?;
        // Its words for a command that goes on are a process number.
        if answer.ended { Ok(answer) } else { Err(self.late(command)) }
    }

    /// One call that starts the command, and more that check whether it has ended.
    async fn long(&self, command: &Command) -> Result<Answer, InsideError> {
        let started = Instant::now();
        let answer = self.ask(self.exec_call(command, WAY, &["--synchronous", "0"])).await?;
        let Some(pid) = answer.pid else {
            return Err(InsideError::Refused { guest: self.id, reason: "the agent named no process".to_owned() });
        };
        let mut pauses = Pauses::new();
        loop {
            let left = (command.deadline + GRACE).saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(self.late(command));
            }
            tokio::time::sleep(pauses.next().min(left)).await;
            match self.ask(self.call(command, Effect::Read, WAY, "exec-status").arg(pid)).await {
                Ok(answer) if answer.ended => return Ok(answer),
                // A busy guest answers late; what runs in it goes on.
                Ok(_) | Err(InsideError::AgentSilent { .. } | InsideError::Slow { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The command with a standard input that is too large for one call put into a file inside.
    async fn with_small_input(&self, mut command: Command) -> Result<Command, InsideError> {
        let large = command.stdin.as_ref().is_some_and(|input| input.as_bytes().len() > STDIN_LIMIT);
        let Some(input) = command.stdin.take_if(|_| large) else { return Ok(command) };
        let path = camino::Utf8PathBuf::from(format!("/tmp/phoenix-input-{}", unique(&input)));
        let file = Push { path: &path, contents: input.as_bytes(), mode: 0o600 };
        push(self, self.id, file, CHUNK).await.map_err(|error| match error {
            GuestError::Inside(error) => error,
            error => InsideError::Refused { guest: self.id, reason: error.to_string() },
        })?;
        let argv = command.argv();
        command.program = "sh".to_owned();
        command.args = ["-c", WITH_INPUT, "sh", path.as_str()].map(str::to_owned).into();
        command.args.extend(argv);
        Ok(command)
    }
}

/// A name for a file that two commands with different inputs do not share.
fn unique(input: &Input) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    use std::sync::atomic::{AtomicU64, Ordering};

    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = DefaultHasher::new();
    input.as_bytes().hash(&mut hasher);
    format!("{:016x}-{}-{}", hasher.finish(), std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

#[async_trait]
impl Inside for VmInside {
    async fn exec(&self, command: Command) -> Result<Output, InsideError> {
        if command.argv().iter().any(|arg| arg.contains('\0')) || command.program.is_empty() {
            let reason = "a command has a program and no NUL in it".to_owned();
            return Err(InsideError::Refused { guest: self.id, reason });
        }
        let started = Instant::now();
        let command = self.with_small_input(command).await?;
        if command.tap.is_some() && command.deadline > STREAMED {
            return streamed::run(self, &command, started).await;
        }
        let answer = if command.deadline <= SHORT { self.short(&command).await } else { self.long(&command).await }?;
        let output = answer.into_output(command.output_limit, started.elapsed());
        if ran_out(&output, command.deadline) {
            return Err(self.late(&command));
        }
        streamed::show(&command, &output.stdout, &output.stderr);
        Ok(output)
    }
}
