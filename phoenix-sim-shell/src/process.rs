//! Processes inside of a machine: ids, groups, signals.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Does work on a stack of its own, so that what scripts nest in each other does not run out of ours.
///
/// Cancel safety: when this future is dropped, the work is dropped soon after, at the same time on the node's clock.
pub async fn on_own_stack<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    struct Abort<T>(tokio::task::JoinHandle<T>);
    impl<T> Drop for Abort<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut task = Abort(tokio::spawn(work));
    match (&mut task.0).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// SIGKILL, which no process can catch.
pub const KILL: i32 = 9;
/// SIGTERM.
pub const TERM: i32 = 15;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a status.
    Exit(i32),
    /// By a signal.
    Signal(i32),
}

impl End {
    /// The status as a shell tells it.
    pub fn status(self) -> i32 {
        match self {
            Self::Exit(status) => status,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// The processes of one machine.
#[derive(Debug)]
pub struct Processes {
    table: Mutex<BTreeMap<u32, Arc<Process>>>,
    last: AtomicU32,
    /// Wakes who waits for a process to end, or for a file to change.
    pub changed: Notify,
}

impl Default for Processes {
    fn default() -> Self {
        Self { table: Mutex::default(), last: AtomicU32::new(200), changed: Notify::new() }
    }
}

/// One process.
#[derive(Debug)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// The id of the process that started it.
    pub parent: u32,
    /// The systemd service that it belongs to, whose end is its end too; empty for none.
    pub unit: String,
    state: Mutex<Inner>,
    woken: Notify,
}

#[derive(Debug)]
struct Inner {
    /// Its command line.
    name: String,
    group: u32,
    /// Signals for which the shell has a trap.
    caught: BTreeSet<i32>,
    ignored: BTreeSet<i32>,
    /// Caught signals that arrived.
    pending: Vec<i32>,
    killed: Option<i32>,
    end: Option<End>,
    /// The script of the world that it belongs to.
    script: Option<String>,
}

impl Process {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its command line.
    pub fn name(&self) -> String {
        self.inner().name.clone()
    }

    /// It runs another program from now on.
    pub fn rename(&self, line: &str) {
        line.clone_into(&mut self.inner().name);
    }

    /// The group that it belongs to.
    pub fn group(&self) -> u32 {
        self.inner().group
    }

    /// The script of the world that it belongs to.
    pub fn script(&self) -> Option<String> {
        self.inner().script.clone()
    }

    /// Says which script of the world it belongs to.
    pub fn set_script(&self, name: &str) {
        self.inner().script = Some(name.to_owned());
    }

    /// Makes it the leader of a new group.
    pub fn lead(&self) {
        self.inner().group = self.id;
    }

    /// How it ended; `None` while it runs.
    pub fn end(&self) -> Option<End> {
        self.inner().end
    }

    /// Says what becomes of a signal: `Some(true)` is caught, `Some(false)` ignored, `None` as usual.
    pub fn dispose(&self, signal: i32, caught: Option<bool>) {
        let mut inner = self.inner();
        inner.caught.remove(&signal);
        inner.ignored.remove(&signal);
        match caught {
            Some(true) => {
                inner.caught.insert(signal);
            }
            Some(false) => {
                inner.ignored.insert(signal);
            }
            None => {}
        }
    }

    /// The signals that it ignores.
    pub fn ignored(&self) -> Vec<i32> {
        self.inner().ignored.iter().copied().collect()
    }

    /// The next caught signal that arrived.
    pub fn take_pending(&self) -> Option<i32> {
        let mut inner = self.inner();
        if inner.pending.is_empty() { None } else { Some(inner.pending.remove(0)) }
    }

    /// Whether a caught signal has arrived.
    pub fn has_pending(&self) -> bool {
        !self.inner().pending.is_empty()
    }

    /// Whether a deadly signal has arrived.
    pub fn is_doomed(&self) -> bool {
        self.inner().killed.is_some()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        {
            let mut inner = self.inner();
            if inner.end.is_some() || signal == 0 {
                return;
            }
            if signal == KILL {
                inner.killed = Some(KILL);
            } else if inner.ignored.contains(&signal) {
                return;
            } else if inner.caught.contains(&signal) {
                inner.pending.push(signal);
            } else if !matches!(signal, 17 | 18 | 23 | 28) {
                // Those four (CHLD, CONT, URG, WINCH) do nothing unless they are caught.
                inner.killed.get_or_insert(signal);
            }
        }
        self.woken.notify_waiters();
    }

    /// Waits until a deadly signal arrives.
    async fn killed(&self) -> i32 {
        loop {
            let woken = self.woken.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if let Some(signal) = self.inner().killed {
                return signal;
            }
            woken.await;
        }
    }

    /// Waits until a caught signal arrives.
    pub async fn interrupted(&self) {
        loop {
            let woken = self.woken.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.has_pending() {
                return;
            }
            woken.await;
        }
    }
}

impl Processes {
    fn table(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Process>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a new process. It is in its parent's group and service, and ignores what its parent ignores.
    pub fn start(&self, name: &str, parent: Option<&Process>) -> Arc<Process> {
        self.enter(name, parent, parent.map_or("", |parent| parent.unit.as_str()))
    }

    /// Enters the first process of a service.
    pub fn start_unit(&self, name: &str, unit: &str) -> Arc<Process> {
        self.enter(name, None, unit)
    }

    /// Ends all processes of a service at once.
    pub fn kill_unit(&self, unit: &str) {
        for process in self.list().into_iter().filter(|process| process.unit == unit) {
            process.signal(KILL);
        }
    }

    fn enter(&self, name: &str, parent: Option<&Process>, unit: &str) -> Arc<Process> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let process = Arc::new(Process {
            id,
            parent: parent.map_or(1, |parent| parent.id),
            unit: unit.to_owned(),
            state: Mutex::new(Inner {
                name: name.to_owned(),
                group: parent.map_or(id, Process::group),
                caught: BTreeSet::new(),
                ignored: parent.map(|parent| parent.ignored().into_iter().collect()).unwrap_or_default(),
                pending: Vec::new(),
                killed: None,
                end: None,
                script: parent.and_then(Process::script),
            }),
            woken: Notify::new(),
        });
        self.table().insert(id, Arc::clone(&process));
        process
    }

    /// A process that still runs.
    pub fn get(&self, id: u32) -> Option<Arc<Process>> {
        self.table().get(&id).cloned()
    }

    /// All that run, by id.
    pub fn list(&self) -> Vec<Arc<Process>> {
        self.table().values().cloned().collect()
    }

    /// Signals every process of a group; whether there was one.
    pub fn signal_group(&self, group: u32, signal: i32) -> bool {
        let members: Vec<_> = self.list().into_iter().filter(|process| process.group() == group).collect();
        for process in &members {
            process.signal(signal);
        }
        !members.is_empty()
    }

    /// Sends a signal as `kill` does: to a process, to its sender's group for 0, to everything else for -1, to a group for any
    /// other negative number. Says whether anyone was there.
    pub fn send(&self, id: i64, signal: i32, own: &Process) -> bool {
        match id {
            0 => self.signal_group(own.group(), signal),
            -1 => {
                for process in self.list().into_iter().filter(|process| process.id != own.id) {
                    process.signal(signal);
                }
                true
            }
            id if id < 0 => u32::try_from(-id).is_ok_and(|group| self.signal_group(group, signal)),
            // Init takes no signal that ends it.
            1 => true,
            id => match u32::try_from(id).ok().and_then(|id| self.get(id)) {
                Some(process) => {
                    process.signal(signal);
                    true
                }
                None => false,
            },
        }
    }

    /// Ends everything at once, as a machine that loses power does.
    pub fn kill_all(&self) {
        for process in self.list() {
            process.signal(KILL);
        }
    }

    /// Runs a process to its end: that of its work, or a deadly signal.
    ///
    /// Cancel safety: a dropped future is a process that was killed.
    pub async fn run(self: &Arc<Self>, process: &Arc<Process>, work: impl Future<Output = End>) -> End {
        struct Leave<'a>(&'a Processes, &'a Process);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.1.inner().end.get_or_insert(End::Signal(KILL));
                self.0.table().remove(&self.1.id);
                self.0.changed.notify_waiters();
            }
        }
        let leave = Leave(self, process);
        let end = tokio::select! {
            biased;
            signal = process.killed() => End::Signal(signal),
            end = work => end,
        };
        // What it did last may have been to send itself a signal.
        let end = process.inner().killed.map_or(end, End::Signal);
        process.inner().end = Some(end);
        drop(leave);
        end
    }

    /// Waits until a process has ended.
    pub async fn wait(&self, process: &Process) -> End {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(end) = process.end() {
                return end;
            }
            changed.await;
        }
    }
}

/// Signals by name, without `SIG`.
const SIGNALS: [(&str, i32); 17] = [
    ("EXIT", 0),
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ABRT", 6),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("WINCH", 28),
];

/// The number of a signal that is given by name or number.
pub fn signal_number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (0..65).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The name of a signal.
pub fn signal_name(number: i32) -> Option<&'static str> {
    SIGNALS.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}
