//! A host around the simulated node that sees everything, and at which a run can be killed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{ByteStream, Command, Created, Effect, FileStat, Host, HostError, Output};
use phoenix_sim::SimNode;
use phoenix_types::GuestId;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::random::Random;

/// What was done on the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// `shown` is the command line that logs have; the one that runs may carry it by standard input.
    Command {
        argv: Vec<String>,
        shown: Vec<String>,
        stdin: Vec<u8>,
    },
    Write {
        path: Utf8PathBuf,
        text: Vec<u8>,
    },
    Create {
        path: Utf8PathBuf,
    },
    Remove {
        path: Utf8PathBuf,
    },
}

/// One thing that was done, as the node saw it.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) guest: Option<u32>,
    pub(crate) stage: Option<String>,
    pub(crate) what: What,
    pub(crate) effect: Effect,
    pub(crate) deadline: Duration,
    pub(crate) begin: Instant,
    pub(crate) end: Option<Instant>,
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {:?} {}", self.brief(), self.exit, self.stderr.trim())
    }
}

impl Op {
    /// One that begins now, for no guest.
    fn new(what: What, effect: Effect, deadline: Duration) -> Self {
        Self {
            guest: None,
            stage: None,
            what,
            effect,
            deadline,
            begin: Instant::now(),
            end: None,
            exit: None,
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    pub(crate) fn argv(&self) -> &[String] {
        match &self.what {
            What::Command { argv, .. } => argv,
            _ => &[],
        }
    }

    /// The command line without its arguments' values beyond the third word.
    pub(crate) fn is(&self, words: &[&str]) -> bool {
        let argv = self.argv();
        argv.len() >= words.len() && words.iter().zip(argv).all(|(word, arg)| *word == "*" || word == arg)
    }

    pub(crate) fn is_gate(&self) -> bool {
        self.stage.as_deref() == Some("gate")
    }

    pub(crate) fn changes(&self) -> bool {
        self.effect == Effect::Change
    }

    /// The words as a person would read them: scripts and notes have many lines.
    pub(crate) fn brief(&self) -> String {
        let words = self.words().replace('\n', " ");
        match words.char_indices().nth(200) {
            // What a script is for is at its end.
            Some((at, _)) => {
                let end = words.char_indices().rev().nth(80).map_or(0, |(end, _)| end);
                format!("{} … {}", &words[..at], &words[end.max(at)..])
            }
            None => words,
        }
    }

    pub(crate) fn words(&self) -> String {
        match &self.what {
            What::Command { shown, .. } => shown.join(" "),
            What::Write { path, .. } => format!("write {path}"),
            What::Create { path } => format!("create {path}"),
            What::Remove { path } => format!("remove {path}"),
        }
    }
}

/// When, seen from the fatal command, the run dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before it begins.
    Before,
    /// So long after it began, with it.
    During(Duration),
    /// When it has ended and before the run hears of it.
    After,
    /// So long after it began, and it continues without the run.
    Outlived(Duration),
}

/// Where a run dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fatal {
    /// At the change with this number, counted from 1.
    Number(usize),
    /// At the first change, or question, whose words contain these.
    Words(&'static str),
}

impl Fatal {
    fn is(self, number: usize, op: &Op) -> bool {
        match self {
            Self::Number(at) => at == number,
            Self::Words(words) => op.words().contains(words),
        }
    }
}

/// The death of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) at: Fatal,
    pub(crate) moment: Moment,
}

/// Small pauses, so that what runs at the same time runs in another order.
#[derive(Debug, Clone)]
pub(crate) enum Jitter {
    /// Before the commands of guests: independent branches change places.
    Guests(Random),
    /// Before whatever is done on the node: so do two runs.
    Everything(Random),
}

#[derive(Debug)]
pub(crate) struct Watch {
    node: SimNode,
    ops: Mutex<Vec<Op>>,
    changes: AtomicUsize,
    death: Option<Death>,
    /// Whether the fatal change has come.
    struck: AtomicBool,
    dead: Notify,
    jitter: Option<Mutex<Jitter>>,
}

impl Watch {
    pub(crate) fn new(node: SimNode, death: Option<Death>, jitter: Option<Jitter>) -> Arc<Self> {
        Arc::new(Self {
            node,
            ops: Mutex::default(),
            changes: AtomicUsize::new(0),
            death,
            struck: AtomicBool::new(false),
            dead: Notify::new(),
            jitter: jitter.map(Mutex::new),
        })
    }

    /// Waits until the run is dead.
    pub(crate) async fn died(&self) {
        self.dead.notified().await;
    }

    /// How many changes there were.
    pub(crate) fn changes(&self) -> usize {
        self.changes.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) -> Vec<Op> {
        std::mem::take(&mut *self.ops.lock().unwrap())
    }

    async fn die<T>(&self) -> T {
        self.dead.notify_one();
        std::future::pending().await
    }

    /// Notes the beginning; gives the moment of death when this is the fatal one, and never comes back when the run is dead.
    async fn begin(&self, mut op: Op) -> (usize, Option<Moment>) {
        let number = match op.effect {
            Effect::Change => self.changes.fetch_add(1, Ordering::Relaxed) + 1,
            Effect::Read => 0,
        };
        if op.changes() && self.struck.load(Ordering::Relaxed) {
            self.die::<()>().await;
        }
        let moment = self.death.filter(|death| death.at.is(number, &op)).map(|death| death.moment);
        if moment.is_some() {
            self.struck.store(true, Ordering::Relaxed);
        }
        if moment == Some(Moment::Before) {
            self.die::<()>().await;
        }
        op.begin = Instant::now();
        self.pause(op.guest).await;
        let mut ops = self.ops.lock().unwrap();
        ops.push(op);
        (ops.len() - 1, moment)
    }

    async fn pause(&self, guest: Option<u32>) {
        let pause = self.jitter.as_ref().and_then(|jitter| match &mut *jitter.lock().unwrap() {
            // What is about no guest, such as the run's own lock, has no order among branches.
            Jitter::Guests(random) => guest.map(|_| random.below(400)),
            Jitter::Everything(random) => Some(random.below(400)),
        });
        if let Some(pause) = pause {
            tokio::time::sleep(Duration::from_millis(pause as u64)).await;
        }
    }

    fn end(&self, at: usize, result: Option<&Output>) {
        let mut ops = self.ops.lock().unwrap();
        if let Some(op) = ops.get_mut(at) {
            op.end = Some(Instant::now());
            if let Some(output) = result {
                op.exit = output.status;
                op.stdout = output.stdout_text().into_owned();
                op.stderr = output.stderr_text().into_owned();
            }
        }
    }

    /// A change of a file takes no time, so it either happened or did not.
    async fn change<T>(&self, what: What, path: &Utf8Path, work: impl Future<Output = T>) -> T {
        let op = Op { guest: guest_of(path), ..Op::new(what, Effect::Change, Duration::from_secs(60)) };
        let (at, moment) = self.begin(op).await;
        let result = work.await;
        self.end(at, None);
        if moment.is_some() {
            self.die::<()>().await;
        }
        result
    }
}

/// The guest whose file of the node this is.
fn guest_of(path: &Utf8Path) -> Option<u32> {
    if !path.starts_with("/etc/pve") {
        return None;
    }
    path.file_stem()?.parse().ok()
}

#[async_trait]
impl Host for Watch {
    fn name(&self) -> String {
        Host::name(&self.node)
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let what = What::Command {
            argv: command.argv(),
            shown: command.shown(),
            stdin: command.stdin.as_ref().map(|input| input.as_bytes().to_vec()).unwrap_or_default(),
        };
        let op = Op {
            guest: command.scope.guest.map(GuestId::get),
            stage: command.scope.stage.as_deref().map(str::to_owned),
            ..Op::new(what, command.effect, command.deadline)
        };
        let (at, moment) = self.begin(op).await;
        if let Some(Moment::During(span)) = moment {
            // The future is dropped when the time is up, which kills the command where it stands.
            let _ = tokio::time::timeout(span, Host::run(&self.node, command)).await;
            self.end(at, None);
            return self.die().await;
        }
        if let Some(Moment::Outlived(span)) = moment {
            let node = self.node.clone();
            tokio::spawn(async move { Host::run(&node, command).await });
            tokio::time::sleep(span).await;
            self.end(at, None);
            return self.die().await;
        }
        let result = Host::run(&self.node, command).await;
        self.end(at, result.as_ref().ok());
        if moment.is_some() {
            self.die::<()>().await;
        }
        result
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.pause(None).await;
        self.node.read(path, limit).await
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        let what = What::Write { path: path.to_owned(), text: contents.to_vec() };
        self.change(what, path, self.node.write(path, contents, mode)).await
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        let what = What::Create { path: path.to_owned() };
        self.change(what, path, self.node.create_new(path, contents)).await
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        let what = What::Remove { path: path.to_owned() };
        self.change(what, path, self.node.remove(path)).await
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        self.node.stat(path).await
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.node.list(path).await
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        self.node.dial(address, port, deadline).await
    }
}

/// Groups what was done by guest.
pub(crate) fn by_guest(ops: &[Op]) -> BTreeMap<u32, Vec<&Op>> {
    let mut groups: BTreeMap<u32, Vec<&Op>> = BTreeMap::new();
    for op in ops {
        if let Some(guest) = op.guest {
            groups.entry(guest).or_default().push(op);
        }
    }
    groups
}
