//! The processes that guest agents started.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// What becomes of the processes that the agent of one VM started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentProcesses {
    last: u32,
    /// By process id; `None` runs.
    processes: BTreeMap<u32, Option<Outcome>>,
}

impl AgentProcesses {
    /// A new process begins. Gives its id.
    pub fn begin(&mut self) -> u32 {
        self.last = self.last.max(150) + 2;
        self.processes.insert(self.last, None);
        self.last
    }

    /// A process has ended. An agent that was started again meanwhile does not remember it.
    pub fn end(&mut self, pid: u32, outcome: Outcome) {
        self.processes.insert(pid, Some(outcome));
    }

    /// What is known of a process: `None` when there is none with this id. One that has ended is forgotten.
    pub fn take(&mut self, pid: u32) -> Option<Option<Outcome>> {
        let known = self.processes.remove(&pid)?;
        if known.is_none() {
            self.processes.insert(pid, None);
        }
        Some(known)
    }

    /// Forgets a process that could not be started. Says whether it could not.
    pub fn take_failed(&mut self, pid: u32) -> bool {
        let failed = |outcome: &Outcome| outcome.exit.is_none() && outcome.signal.is_none();
        let has_failed = self.processes.get(&pid).is_some_and(|known| known.as_ref().is_some_and(failed));
        if has_failed {
            self.processes.remove(&pid);
        }
        has_failed
    }

    /// The agent was started again and knows of none of them.
    pub fn forget(&mut self) {
        self.processes.clear();
    }
}

/// How a process of the agent ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Its status.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to standard output.
    pub out: Vec<u8>,
    /// What it wrote to standard error.
    pub err: Vec<u8>,
    /// Whether more was written than is kept.
    pub truncated: bool,
}

impl Outcome {
    /// The answer of `guest-exec-status` for it, as the tools print it.
    #[must_use]
    pub fn json(&self) -> Json {
        // The agent's base64 is decoded to bytes, and each byte printed as a character of its own.
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let mut object = serde_json::Map::new();
        object.insert("exited".to_owned(), json!(1));
        if let Some(exit) = self.exit {
            object.insert("exitcode".to_owned(), json!(exit));
        }
        if let Some(signal) = self.signal {
            object.insert("signal".to_owned(), json!(signal));
        }
        for (name, bytes) in [("out", &self.out), ("err", &self.err)] {
            if !bytes.is_empty() {
                object.insert(format!("{name}-data"), json!(text(bytes)));
                object.insert(format!("{name}-truncated"), json!(u8::from(self.truncated)));
            }
        }
        Json::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_the_output_become_characters() {
        let outcome = Outcome { exit: Some(3), signal: None, out: "é".into(), err: Vec::new(), truncated: false };
        assert_eq!(outcome.json(), json!({"exited": 1, "exitcode": 3, "out-data": "Ã©", "out-truncated": 0}));
    }
}
