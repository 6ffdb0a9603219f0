//! Workers as the node remembers them.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A worker that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Its unique id: `UPID:node:PID:PSTART:START:type:id:user:`.
    pub(crate) upid: String,
    /// Its type, such as `vzstart`.
    pub(crate) kind: String,
    /// What it is about, mostly a guest's id.
    pub(crate) id: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Jiffies since boot at its start.
    pub(crate) pstart: u64,
    /// Seconds since 1970 at its start.
    pub(crate) start: i64,
    /// What it printed.
    pub(crate) log: String,
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TaskEnd {
    /// Well.
    Ok,
    /// Well, with so many warnings.
    Warnings(u32),
    /// With an error.
    Error(String),
}

impl std::fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ok => f.write_str("OK"),
            Self::Warnings(count) => write!(f, "WARNINGS: {count}"),
            Self::Error(message) => f.write_str(message),
        }
    }
}

impl Task {
    /// A worker that starts `up` after the node came up, at `start` seconds since 1970.
    pub(crate) fn new(pid: u32, up: Duration, start: i64, kind: &str, id: &str) -> Self {
        let pstart = u64::try_from(up.as_millis() / 10).unwrap_or(u64::MAX);
        let upid = format!("UPID:{}:{pid:08X}:{pstart:08X}:{start:08X}:{kind}:{id}:root@pam:", crate::grammar::NODE);
        Self { upid, kind: kind.to_owned(), id: id.to_owned(), pid, pstart, start, log: String::new() }
    }
}

/// A worker that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// The worker.
    pub(crate) task: Task,
    /// How it ended.
    pub(crate) end: TaskEnd,
    /// Seconds since 1970 at its end.
    pub(crate) at: i64,
}

/// The workers that run, and those that ended; oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tasks {
    ended: VecDeque<Ended>,
    /// Not kept: a worker that is a part of this process ends with it, whichever way.
    #[serde(skip)]
    running: Vec<Task>,
}

impl Tasks {
    /// How many are remembered.
    const KEPT: usize = 200;

    /// Takes in a worker that starts.
    pub(crate) fn begin(&mut self, task: Task) {
        self.running.push(task);
    }

    /// Takes over a worker that ended.
    pub(crate) fn end(&mut self, task: Task, end: TaskEnd, at: i64) {
        self.running.retain(|other| other.upid != task.upid);
        if self.ended.len() == Self::KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { task, end, at });
    }

    /// Those that run, oldest first.
    pub(crate) fn running(&self) -> impl DoubleEndedIterator<Item = &Task> {
        self.running.iter()
    }

    /// Those that ended, oldest first.
    pub(crate) fn ended(&self) -> impl DoubleEndedIterator<Item = &Ended> {
        self.ended.iter()
    }
}
