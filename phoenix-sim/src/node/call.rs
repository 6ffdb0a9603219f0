//! One command that runs: its parameters, its console, and how its end shows.
//!
//! The real tools have three kinds of commands (pve-common `RESTEnvironment.pm`, `pct.pm`, `qm.pm`): direct ones, whose error
//! goes to stderr with a non-zero status; those that start a worker and look at how it ended (status 255); and those that start
//! a worker and do not look (status 0 whatever happened). Inside a worker both streams go to stdout, and only the verdict goes
//! to stderr. [`Call::begin`] is where a command turns into its worker; [`Call::conclude`] makes exit status and verdict.

use std::time::Duration;

use phoenix_sim_guest::{Console, node_files};

use crate::grammar::{Invocation, Reasons, Tool};

use super::failure::Failure;
use super::running::Running;
use super::sim_node::{SimNode, StateGuard};
use super::tasks::{Task, TaskEnd};

/// Whether a tool looks at how its worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worker {
    /// It does: a failed worker gives status 255.
    Checked,
    /// It does not: status 0 in any case.
    Unchecked,
}

/// A command that runs.
pub(crate) struct Call<'a> {
    /// Where.
    pub(crate) node: &'a SimNode,
    /// What.
    pub(crate) inv: Invocation,
    /// What it can read.
    pub(crate) stdin: &'a [u8],
    /// The exit status of a command that does not fail.
    pub(crate) exit: i32,
    console: &'a mut Console,
    worker: Option<(Worker, Task)>,
    running: Option<Running>,
    warnings: u32,
    is_muted: bool,
    has_worked: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(node: &'a SimNode, inv: Invocation, stdin: &'a [u8], console: &'a mut Console) -> Self {
        Self {
            node,
            inv,
            stdin,
            exit: 0,
            console,
            worker: None,
            running: None,
            warnings: 0,
            is_muted: false,
            has_worked: false,
        }
    }

    /// The parameter `vmid`; the grammar has checked it.
    pub(crate) fn vmid(&self) -> u32 {
        self.number("vmid").unwrap_or(0)
    }

    /// A parameter's text.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.inv.params.get(name)
    }

    /// A parameter that is a boolean and true.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.inv.params.flag(name).unwrap_or(false)
    }

    /// A parameter that is a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.param(name)?.trim().parse().ok()
    }

    /// The node's state. The guard must not live across an `await`.
    pub(crate) fn state(&self) -> StateGuard<'a> {
        self.node.state()
    }

    /// What the call does from here on is seen by nobody: another process of the node does it.
    pub(crate) fn mute(&mut self) {
        self.is_muted = true;
    }

    /// The call's own output is seen again.
    pub(crate) fn unmute(&mut self) {
        self.is_muted = false;
    }

    /// Writes to stdout.
    pub(crate) fn out(&mut self, text: &str) {
        if self.is_muted {
            return;
        }
        if let Some((_, task)) = &mut self.worker {
            task.log.push_str(text);
        }
        self.console.out(text);
    }

    /// Writes to stderr, which inside a worker is its log and so stdout.
    pub(crate) fn err(&mut self, text: &str) {
        match &self.worker {
            Some(_) => self.out(text),
            None if self.is_muted => {}
            None => self.console.err(text),
        }
    }

    /// A line that counts as a warning of the worker. Outside of a worker it is only a line on stderr.
    pub(crate) fn warn(&mut self, text: &str) {
        if self.worker.is_some() {
            self.warnings += 1;
        }
        self.err(&format!("WARN: {text}\n"));
    }

    /// The console itself, for a command whose streams are those of a program that it becomes (`pct exec`).
    pub(crate) fn console(&mut self) -> &mut Console {
        self.console
    }

    /// A parameter error that only the node's state shows.
    pub(crate) fn bad_param(&self, parameter: &str, reason: impl Into<String>) -> Failure {
        let mut reasons = Reasons::default();
        reasons.add(parameter, reason);
        Failure::Answer(self.inv.refuse(&reasons))
    }

    /// From here on the command is its worker.
    pub(crate) fn begin(&mut self, worker: Worker, kind: &str, id: impl std::fmt::Display) {
        let pid = self.node.state().next_pid();
        let task = Task::new(pid, self.node.clock().now(), self.node.unix_time(), kind, &id.to_string());
        self.running = Some(Running::begin(self.node, &task));
        self.worker = Some((worker, task));
    }

    /// The time that the tool takes to come up.
    pub(crate) async fn startup(&self) {
        let millis = match self.inv.tool {
            Tool::Pct | Tool::Qm => 460,
            Tool::Pvesm => 310,
            Tool::Pvesh | Tool::Pveam | Tool::HaManager => 550,
        };
        self.node.sleep(self.node.world().startup.map_or(Duration::from_millis(millis), Into::into)).await;
    }

    /// The time that the command itself takes, or this part of it. What the world says is the time of the whole command: it
    /// passes in the first part.
    pub(crate) async fn work(&mut self, default: Duration) {
        let span = match self.span() {
            Some(_) if self.has_worked => Duration::ZERO,
            Some(span) => span,
            None => default,
        };
        self.has_worked = true;
        self.node.sleep(span).await;
    }

    /// The time that the world gives to a command that takes none by itself.
    pub(crate) async fn finish(&mut self) {
        if !self.has_worked {
            self.work(Duration::ZERO).await;
        }
    }

    /// How long the command works, where the world says it.
    fn span(&self) -> Option<Duration> {
        let name = format!("{} {}", self.inv.tool, self.inv.command);
        self.node.world().durations.get(&name).map(|span| span.get())
    }

    /// Reads the parameters that are files on the node or come from stdin.
    pub(crate) fn read_inputs(&mut self) -> Result<(), Failure> {
        for name in self.inv.files.clone() {
            let Some(path) = self.param(&name).map(str::to_owned) else { continue };
            let bytes = node_files(&mut self.state())
                .read(&path)
                .map_err(|_| Failure::with_exit(format!("can't open '{path}' - No such file or directory"), 2))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let text = if name == "sshkeys" { url_encode(&text) } else { text };
            self.inv.params.set(name, text);
        }
        let typed = String::from_utf8_lossy(self.stdin).into_owned();
        for (name, line) in self.inv.prompts.clone().into_iter().zip(typed.lines()) {
            self.inv.params.set(name, line);
        }
        Ok(())
    }

    /// Waits until nobody reads what the command prints.
    pub(crate) fn reader_gone(&self) -> impl Future<Output = ()> + Send + use<> {
        self.console.broken()
    }

    /// Lets what was printed reach its reader.
    ///
    /// # Errors
    /// When nobody reads it: a command that is no worker is killed by `SIGPIPE` then.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        tokio::task::yield_now().await;
        if self.console.is_broken() { Err(Failure::BrokenPipe) } else { Ok(()) }
    }

    /// The end: registers the task, writes the verdict, gives the exit status.
    pub(crate) fn conclude(mut self, result: Result<(), Failure>) -> i32 {
        let Some((worker, task)) = self.worker.take() else {
            return match result {
                Ok(()) => self.exit,
                Err(Failure::Die { mut message, exit }) => {
                    if !message.ends_with('\n') {
                        message.push('\n');
                    }
                    self.console.err(&message);
                    exit
                }
                Err(Failure::Answer(answer)) => {
                    self.console.out(&answer.stdout);
                    self.console.err(&answer.stderr);
                    answer.exit
                }
                // What a shell makes of the signal.
                Err(Failure::BrokenPipe) => 128 + 13,
            };
        };
        let end = match &result {
            // The tool shows what its worker prints, and gives up when it cannot (pve-common `RESTEnvironment.pm`, `$tee_worker`).
            _ if self.console.is_broken() => TaskEnd::Error("broken pipe".to_owned()),
            Ok(()) if self.warnings == 0 => TaskEnd::Ok,
            Ok(()) => TaskEnd::Warnings(self.warnings),
            Err(failure) => TaskEnd::Error(failure.message().replace('\n', " ")),
        };
        if self.inv.tool == Tool::Pvesh {
            print_verdict(self.console, &self.inv, &task, &end);
            self.node.state().tasks.end(task, end, self.node.unix_time());
            return 0;
        }
        let exit = match &end {
            TaskEnd::Ok => 0,
            TaskEnd::Warnings(count) => {
                self.console.err(&format!("Task finished with {count} warning(s)!\n"));
                0
            }
            TaskEnd::Error(message) => {
                self.console.err(&format!("{message}\n"));
                if worker == Worker::Checked { 255 } else { 0 }
            }
        };
        self.node.state().tasks.end(task, end, self.node.unix_time());
        exit
    }
}

/// A part of a worker that makes a guest. It ends early when nobody reads what the tool prints: the tool interrupts it then, and
/// it tidies up as after any other failure.
pub(crate) async fn interruptible<T>(
    reader_gone: impl Future<Output = ()>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = reader_gone => Err(Failure::die("received interrupt")),
        result = work => result,
    }
}

/// Writes what `pvesh` prints when a worker that it started has ended: the task's id, whatever the end.
fn print_verdict(console: &mut Console, inv: &Invocation, task: &Task, end: &TaskEnd) {
    if inv.output.flag("quiet") != Some(true) {
        let json = inv.output.get("output-format").is_some_and(|format| format.starts_with("json"));
        console.out(&if json { format!("\"{}\"\n", task.upid) } else { format!("{}\n", task.upid) });
    }
    match end {
        TaskEnd::Ok => {}
        TaskEnd::Warnings(count) => console.err(&format!("Task finished with {count} warning(s)!\n")),
        TaskEnd::Error(message) => console.err(&format!("{message}\n")),
    }
}

/// `URI::Escape::uri_escape` as `qm` uses it for ssh keys.
fn url_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
