//! A guest that exists only in memory, for tests of programs that wait for guests.
//!
//! ```
//! use std::time::Duration;
//! use phoenix_health::{Ask as _, Probe, Verdict, fake::{FakeGuest, Reply}};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
//! let guest = FakeGuest::new(103).file("/run/ready", Duration::from_secs(5), "yes\n").answers(|call| match call.number {
//!     1 => Reply::Exits(1),
//!     _ => Reply::Exits(0),
//! });
//! let around = guest.context();
//! let limit = Duration::from_secs(1);
//! assert_eq!(Probe::file("/run/ready").ask(&around, limit).await.verdict, Verdict::No);
//! tokio::time::sleep(Duration::from_secs(5)).await;
//! assert_eq!(Probe::file("/run/ready").ask(&around, limit).await.verdict, Verdict::Yes);
//! assert_eq!(Probe::shell("my-check").ask(&around, limit).await.verdict, Verdict::No);
//! assert_eq!(Probe::shell("my-check").ask(&around, limit).await.verdict, Verdict::Yes);
//! # });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{
    ByteStream, Command, Created, FileKind, FileStat, Host, HostError, Inside, InsideError, LocalSecrets, Output,
};
use phoenix_types::{GuestId, GuestKind, KnownSecrets};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::{Addresses, Agent, ProbeContext};

/// A guest in memory, together with the node that it is on. All times count from its making, in tokio's time.
///
/// Ports open and files appear when they are told to. `test -e`, `test -s`, `head -c` and `true` work on them as inside a
/// real guest; every other command is answered by [`FakeGuest::answers`], or ends with status 127.
pub struct FakeGuest {
    id: GuestId,
    started: Instant,
    ports: BTreeMap<u16, Port>,
    files: BTreeMap<Utf8PathBuf, (Duration, Vec<u8>)>,
    answers: Option<Answers>,
    calls: Mutex<Vec<Call>>,
    agent_from: Option<Duration>,
}

type Answers = Box<dyn Fn(&Call) -> Reply + Send + Sync>;

#[derive(Debug)]
struct Port {
    opens: Duration,
    closes: Option<Duration>,
    says: Says,
}

#[derive(Debug)]
enum Says {
    /// It hangs up.
    Goodbye,
    /// It says this, whatever it is asked, and hangs up.
    Always(Vec<u8>),
    /// It stays silent and does not hang up.
    Nothing(Mutex<Vec<tokio::io::DuplexStream>>),
}

/// A command that reached the guest or its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// How many commands were answered by [`FakeGuest::answers`] up to and with this one.
    pub number: u32,
    /// Since the guest was made.
    pub at: Duration,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// It ends with this status.
    Exits(i32),
    /// It prints and ends with status 0.
    Prints(String),
    /// It ends like this after a while (`elapsed`).
    Ends(Output),
    /// It continues for ever.
    Hangs,
    /// The guest is off.
    NotRunning,
    /// The guest's agent is silent.
    AgentSilent,
}

impl FakeGuest {
    /// A container without ports and files.
    ///
    /// # Panics
    /// When `id` is no guest id.
    #[must_use]
    pub fn new(id: u32) -> Self {
        Self {
            id: GuestId::new(id).expect("tests use valid ids"),
            started: Instant::now(),
            ports: BTreeMap::new(),
            files: BTreeMap::new(),
            answers: None,
            calls: Mutex::default(),
            agent_from: None,
        }
    }

    /// The same with a port that accepts connections from `after` on.
    #[must_use]
    pub fn opens(mut self, port: u16, after: Duration) -> Self {
        self.ports.insert(port, Port { opens: after, closes: None, says: Says::Goodbye });
        self
    }

    /// The same with a port that accepts connections from `after` until `until`.
    #[must_use]
    pub fn opens_until(mut self, port: u16, after: Duration, until: Duration) -> Self {
        self.ports.insert(port, Port { opens: after, closes: Some(until), says: Says::Goodbye });
        self
    }

    /// The same with a port that answers whatever it is asked with `response` and hangs up.
    #[must_use]
    pub fn serves(mut self, port: u16, response: impl Into<Vec<u8>>) -> Self {
        self.ports.insert(port, Port { opens: Duration::ZERO, closes: None, says: Says::Always(response.into()) });
        self
    }

    /// The same with a port that accepts connections and then neither says anything nor hangs up.
    #[must_use]
    pub fn silent(mut self, port: u16) -> Self {
        self.ports.insert(port, Port { opens: Duration::ZERO, closes: None, says: Says::Nothing(Mutex::default()) });
        self
    }

    /// The same with a file that is there from `after` on, inside and on the node.
    #[must_use]
    pub fn file(mut self, path: &str, after: Duration, contents: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), (after, contents.into()));
        self
    }

    /// The same with answers to commands.
    #[must_use]
    pub fn answers(mut self, answers: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        self.answers = Some(Box::new(answers));
        self
    }

    /// The same as a VM whose agent answers from `after` on.
    #[must_use]
    pub fn agent(mut self, after: Duration) -> Self {
        self.agent_from = Some(after);
        self
    }

    /// The guest as a gate sees it.
    #[must_use]
    pub fn context(self) -> ProbeContext {
        Arc::new(self).surrounded()
    }

    /// As [`context`](Self::context), for a test that looks at [`calls`](Self::calls) later.
    #[must_use]
    pub fn surrounded(self: &Arc<Self>) -> ProbeContext {
        ProbeContext {
            turns: Arc::new(tokio::sync::Semaphore::new(32)),
            guest: self.id,
            kind: if self.agent_from.is_some() { GuestKind::Vm } else { GuestKind::Container },
            host: self.clone(),
            inside: self.clone(),
            addresses: self.clone(),
            agent: self.agent_from.map(|_| self.clone() as Arc<dyn Agent>),
            secrets: Arc::new(LocalSecrets),
            known: KnownSecrets::default(),
            custom: crate::CustomProbes::default(),
        }
    }

    /// The commands that were answered by [`FakeGuest::answers`], in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.call_list().clone()
    }

    fn call_list(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contents(&self, path: &Utf8Path) -> Option<&[u8]> {
        self.files
            .get(path)
            .filter(|(after, _)| self.started.elapsed() >= *after)
            .map(|(_, contents)| contents.as_slice())
    }

    fn reply(&self, argv: &[String]) -> Reply {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let exit = |yes: bool| Reply::Exits(i32::from(!yes));
        match words[..] {
            ["true"] => Reply::Exits(0),
            ["test", "-e", path] => exit(self.contents(path.into()).is_some()),
            ["test", "-s", path] => exit(self.contents(path.into()).is_some_and(|contents| !contents.is_empty())),
            ["head", "-c", _, path] => match self.contents(path.into()) {
                Some(contents) => Reply::Prints(String::from_utf8_lossy(contents).into_owned()),
                None => Reply::Exits(1),
            },
            _ => {
                let Some(answers) = &self.answers else { return Reply::Exits(127) };
                let mut calls = self.call_list();
                let number = u32::try_from(calls.len()).unwrap_or(u32::MAX).saturating_add(1);
                let call = Call { argv: argv.to_vec(), number, at: self.started.elapsed() };
                calls.push(call.clone());
                drop(calls);
                answers(&call)
            }
        }
    }

    async fn play(&self, command: Command) -> Result<Output, InsideError> {
        let late = |command: &Command, tail: String| InsideError::Deadline {
            guest: self.id,
            command: command.display(),
            seconds: command.deadline.as_secs_f64(),
            tail,
        };
        match self.reply(&command.argv()) {
            Reply::Exits(status) => Ok(Output { status: Some(status), ..Output::default() }),
            Reply::Prints(text) => {
                let from = text.len().saturating_sub(command.output_limit);
                Ok(Output { status: Some(0), stdout: text.into_bytes()[from..].to_vec(), ..Output::default() })
            }
            Reply::Ends(output) => {
                if output.elapsed > command.deadline {
                    tokio::time::sleep(command.deadline).await;
                    return Err(late(&command, output.stdout_text().into_owned()));
                }
                tokio::time::sleep(output.elapsed).await;
                Ok(output)
            }
            Reply::Hangs => {
                tokio::time::sleep(command.deadline).await;
                Err(late(&command, String::new()))
            }
            Reply::NotRunning => Err(InsideError::NotRunning(self.id)),
            Reply::AgentSilent => {
                Err(InsideError::AgentSilent { guest: self.id, reason: "QEMU guest agent is not running".to_owned() })
            }
        }
    }
}

impl fmt::Debug for FakeGuest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeGuest").field("id", &self.id).finish_non_exhaustive()
    }
}

#[async_trait]
impl Inside for FakeGuest {
    async fn exec(&self, command: Command) -> Result<Output, InsideError> {
        self.play(command).await
    }
}

#[async_trait]
impl Addresses for FakeGuest {
    async fn address(&self) -> Result<String, String> {
        Ok("192.0.2.103".to_owned())
    }
}

#[async_trait]
impl Agent for FakeGuest {
    async fn ping(&self, _: Duration) -> Result<(), InsideError> {
        if self.agent_from.is_some_and(|after| self.started.elapsed() >= after) {
            Ok(())
        } else {
            Err(InsideError::AgentSilent { guest: self.id, reason: "QEMU guest agent is not running".to_owned() })
        }
    }
}

fn read_only(path: &Utf8Path, action: &'static str) -> HostError {
    let source = std::io::Error::new(std::io::ErrorKind::ReadOnlyFilesystem, "the fake guest's files do not change");
    HostError::File { action, path: path.to_owned(), source }
}

#[async_trait]
impl Host for FakeGuest {
    fn name(&self) -> String {
        "fake:".to_owned()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let (line, deadline) = (command.display(), command.deadline);
        self.play(command).await.map_err(|error| match error {
            InsideError::Deadline { tail, .. } => HostError::Deadline { command: line, deadline, tail },
            error => HostError::Unreachable { host: "fake:".to_owned(), reason: error.to_string() },
        })
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let failed =
            |kind| HostError::File { action: "read", path: path.to_owned(), source: std::io::Error::from(kind) };
        let contents = self.contents(path).ok_or_else(|| failed(std::io::ErrorKind::NotFound))?;
        if contents.len() as u64 > limit {
            return Err(failed(std::io::ErrorKind::FileTooLarge));
        }
        Ok(contents.to_vec())
    }

    async fn write(&self, path: &Utf8Path, _: &[u8], _: u32) -> Result<(), HostError> {
        Err(read_only(path, "write"))
    }

    async fn create_new(&self, path: &Utf8Path, _: &[u8]) -> Result<Created, HostError> {
        Err(read_only(path, "create"))
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        Err(read_only(path, "remove"))
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        let stat = |kind, size| FileStat { kind, size, mode: 0o644, uid: 0, gid: 0 };
        if let Some(contents) = self.contents(path) {
            return Ok(Some(stat(FileKind::File, contents.len() as u64)));
        }
        let is_folder = self.files.keys().any(|file| file.starts_with(path) && self.contents(file).is_some());
        Ok(is_folder.then(|| stat(FileKind::Folder, 0)))
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        let here = self.files.keys().filter(|file| file.parent() == Some(path) && self.contents(file).is_some());
        Ok(here.filter_map(|file| file.file_name()).map(str::to_owned).collect())
    }

    async fn dial(&self, address: &str, port: u16, _: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        let now = self.started.elapsed();
        let open = self.ports.get(&port).filter(|it| now >= it.opens && it.closes.is_none_or(|closes| now < closes));
        let Some(open) = open else {
            return Err(HostError::Dial {
                address: format!("{address}:{port}"),
                reason: "connection refused".to_owned(),
            });
        };
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        match &open.says {
            Says::Goodbye => {}
            Says::Always(says) => {
                let says = says.clone();
                tokio::spawn(async move {
                    let mut asked = [0; 4096];
                    // The asker may be gone; then there is nobody to answer.
                    if theirs.read(&mut asked).await.is_ok() {
                        let _ = theirs.write_all(&says).await;
                    }
                });
            }
            Says::Nothing(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).push(theirs),
        }
        Ok(Box::new(ours))
    }
}
