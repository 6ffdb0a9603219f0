//! Processes that can be distinguished from every other one: on this machine, on another, in another container, before and after a boot.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process, with what tells it from every other one that ever had its number.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Process {
    /// The machine's id (`/etc/machine-id`).
    #[serde(default)]
    pub machine: String,
    /// The boot of its kernel.
    pub boot: String,
    /// The namespace that its number belongs to: each container has its own.
    #[serde(default)]
    pub namespace: String,
    /// Its number.
    pub pid: u32,
    /// When it started, in ticks since the boot; 0 when that is not known. Numbers are used again.
    #[serde(default)]
    pub started: u64,
}

/// Whether a process still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It is there.
    Alive,
    /// It is gone.
    Dead,
    /// It cannot be seen from here: it is on another machine or in another container.
    Unknown,
}

/// What a machine shows: its own facts, and the line of one process in `/proc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    machine: String,
    boot: String,
    namespace: String,
    /// State and start of the process; `None` when there is none with that number.
    process: Option<(char, u64)>,
}

impl Sight {
    /// Reads what [`FACTS`] prints.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut next = || lines.next().map(|line| line.trim().to_owned());
        Some(Self { machine: next()?, boot: next()?, namespace: next()?, process: stat(&next().unwrap_or_default()) })
    }

    fn here(pid: u32) -> Self {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
        Self {
            machine: read("/etc/machine-id"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            namespace: fs::read_link("/proc/self/ns/pid")
                .map(|link| link.to_string_lossy().into_owned())
                .unwrap_or_default(),
            process: stat(&read(&format!("/proc/{pid}/stat"))),
        }
    }

    /// The process itself, of which this is the sight.
    pub(crate) fn process(self, pid: u32) -> Process {
        let started = self.process.map_or(0, |(_, started)| started);
        Process { machine: self.machine, boot: self.boot, namespace: self.namespace, pid, started }
    }

    pub(crate) fn liveness(&self, of: &Process) -> Liveness {
        if self.boot != of.boot {
            // The same machine, before it booted last.
            let is_same = !of.machine.is_empty() && self.machine == of.machine;
            return if is_same { Liveness::Dead } else { Liveness::Unknown };
        }
        if !of.namespace.is_empty() && self.namespace != of.namespace {
            return Liveness::Unknown;
        }
        match self.process {
            Some(('Z' | 'X', _)) | None => Liveness::Dead,
            Some((_, started)) if of.started != 0 && started != of.started => Liveness::Dead,
            Some(_) => Liveness::Alive,
        }
    }
}

/// Prints, a line each, what [`Sight`] holds of the process `$1`.
pub(crate) const FACTS: &str = r#"cat /etc/machine-id 2> /dev/null || echo
cat /proc/sys/kernel/random/boot_id
readlink /proc/self/ns/pid
cat "/proc/$1/stat" 2> /dev/null || echo
"#;

/// State and start of a process (`proc_pid_stat(5)`). The name in parentheses may hold anything.
fn stat(line: &str) -> Option<(char, u64)> {
    let (_, fields) = line.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.nth(18)?.parse().ok()?))
}

/// The number of a process, from its line.
pub(crate) fn pid(line: &str) -> Option<u32> {
    line.split_whitespace().next()?.parse().ok()
}

impl Process {
    /// This process.
    #[must_use]
    pub fn this() -> Self {
        let pid = std::process::id();
        Sight::here(pid).process(pid)
    }

    /// Whether it lives, as far as this machine can see.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        Sight::here(self.pid).liveness(self)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn this_process_is_alive() {
        let me = Process::this();
        assert!(me.started > 0 && !me.namespace.is_empty(), "{me:?}");
        assert_eq!(me.liveness(), Liveness::Alive);
        // Process numbers on Linux end far below this one.
        assert_eq!(Process { pid: u32::MAX, ..me }.liveness(), Liveness::Dead);
    }

    fn process() -> Process {
        Process { machine: "m".into(), boot: "b".into(), namespace: "pid:[1]".into(), pid: 7, started: 100 }
    }

    #[test_case("m\nb\npid:[1]\n7 (a b) c) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 100 1 1\n", Liveness::Alive; "the process itself")]
    #[test_case("m\nb\npid:[1]\n7 (x) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 101 1 1\n", Liveness::Dead; "another one with its number")]
    #[test_case("m\nb\npid:[1]\n7 (x) Z 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 100 1 1\n", Liveness::Dead; "ended and not yet waited for")]
    #[test_case("m\nb\npid:[1]\n\n", Liveness::Dead; "none with its number")]
    #[test_case("m\nb\npid:[2]\n\n", Liveness::Unknown; "another container of the machine")]
    #[test_case("m\nc\npid:[1]\n\n", Liveness::Dead; "the machine has booted since")]
    #[test_case("n\nc\npid:[1]\n\n", Liveness::Unknown; "another machine")]
    fn sights(text: &str, expected: Liveness) {
        assert_eq!(Sight::parse(text).unwrap().liveness(&process()), expected);
    }

    #[test]
    fn a_process_that_an_older_version_wrote_down_is_known_by_its_number_alone() {
        let old: Process = serde_json::from_str(r#"{"boot": "b", "pid": 7}"#).unwrap();
        let here = "m\nb\npid:[1]\n7 (x) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 100 1 1\n";
        assert_eq!(Sight::parse(here).unwrap().liveness(&old), Liveness::Alive);
        assert_eq!(Sight::parse("m\nc\npid:[1]\n\n").unwrap().liveness(&old), Liveness::Unknown);
    }
}
