//! The named rules by which recorded and simulated output are made comparable.
//!
//! Each rule takes out what differs between any two runs of the real tools themselves: random values, times, rates, and the
//! order of Perl's hashes. Nothing else is touched: a rule never drops a whole line unless the line is noise of waiting.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use regex::{Captures, Regex};

/// A rule: its name, what it looks for, and what is there afterwards.
#[derive(Debug)]
pub struct Rule {
    /// The name, for the documentation.
    pub name: &'static str,
    /// What is random or measured in it.
    pub why: &'static str,
    pattern: &'static str,
    replacement: &'static str,
}

/// All rules that replace text.
pub const RULES: [Rule; 24] = [
    Rule {
        name: "lock-wait",
        why: "a worker of the command before may still hold the lock for a moment",
        pattern: r"(?m)^trying to acquire lock\.\.\.\n OK\n",
        replacement: "",
    },
    Rule {
        name: "mac",
        why: "generated MAC addresses are random behind the prefix",
        pattern: r"BC:24:11:[0-9A-F]{2}:[0-9A-F]{2}:[0-9A-F]{2}",
        replacement: "<mac>",
    },
    Rule {
        name: "uuid",
        why: "random",
        pattern: r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        replacement: "<uuid>",
    },
    Rule {
        name: "digest",
        why: "taken over texts with random values",
        pattern: r"\b[0-9a-f]{40}\b",
        replacement: "<digest>",
    },
    Rule {
        name: "fingerprint",
        why: "ssh host keys are random",
        pattern: r"SHA256:[A-Za-z0-9+/]{43}",
        replacement: "SHA256:<fingerprint>",
    },
    Rule {
        name: "upid",
        why: "process ids and start times",
        pattern: r"UPID:pve:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:",
        replacement: "UPID:pve:<start>:",
    },
    Rule {
        name: "snaptime",
        why: "seconds since 1970",
        pattern: r#"(snaptime"?: ?|snaptime: )\d{10}"#,
        replacement: "${1}<time>",
    },
    Rule { name: "ctime", why: "seconds since 1970", pattern: r"ctime=\d{10}", replacement: "ctime=<time>" },
    Rule {
        name: "time",
        why: "the local time",
        pattern: r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}",
        replacement: "<time>",
    },
    Rule {
        name: "ls-time",
        why: "the local time",
        pattern: r"[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2} ",
        replacement: "<time> ",
    },
    Rule {
        name: "tar-rate",
        why: "how fast tar was",
        pattern: r"(Total bytes read: \d+) \([^)]*\)",
        replacement: "${1} (<rate>)",
    },
    Rule {
        name: "rsync-statistics",
        why: "what was in the container, and how fast it was copied",
        pattern: r"(?m)^((?:Number of|Total|Literal|Matched|File list|sent|total size)[^\d\n]*)[\d.,].*$",
        replacement: "${1}<count>",
    },
    Rule {
        name: "fsck-usage",
        why: "how much of the file system was in use",
        pattern: r"(clean|:)([ ,]) ?\d+/(\d+) files( \([^)]*\))?, \d+/(\d+) blocks",
        replacement: "${1}${2} <used>/${3} files, <used>/${5} blocks",
    },
    Rule {
        name: "trimmed",
        why: "how much of the file system was free",
        pattern: r"[\d.]+ [GMK]iB \(\d+ bytes\) trimmed",
        replacement: "<free> trimmed",
    },
    Rule {
        name: "df-usage",
        why: "how much of the file system was in use",
        pattern: r"(?m)^((?:rootfs|mp\d+) +\S+) .* (/\S*)$",
        replacement: "${1} <usage> ${2}",
    },
    Rule {
        name: "loop-device",
        why: "the next free one is taken",
        pattern: r"/dev/loop\d+",
        replacement: "/dev/loop<n>",
    },
    Rule {
        name: "space",
        why: "how full the test node's disks were",
        pattern: r"(?m)^(\S+ +\S+ +active) +\d+ +\d+ +\d+ +[\d.]+%$",
        replacement: "${1} <space>",
    },
    Rule {
        name: "list-pid",
        why: "process ids",
        pattern: r"(?m)^( *\d+ .* (?:running|paused) +\d+ +[\d.]+) [1-9]\d* *$",
        replacement: "${1} <pid>",
    },
    Rule {
        name: "agent-pid",
        why: "process ids in the guest",
        pattern: r#"(?m)^(   "pid" :) \d+$"#,
        replacement: "${1} <pid>",
    },
    Rule {
        name: "password-hash",
        why: "the salt is random",
        pattern: r"(?m)^(cipassword:) \$5\$[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}$",
        replacement: "${1} <hash>",
    },
    Rule { name: "pid", why: "process ids", pattern: r"(?m)^(pid: |\s*PID )\d+$", replacement: "${1}<pid>" },
    Rule {
        name: "uptime",
        why: "how long ago it was started",
        pattern: r"(?m)^uptime: [1-9]\d*$",
        replacement: "uptime: <time>",
    },
    Rule {
        name: "counters",
        why: "measured in the guest",
        pattern: r"(?m)^(mem|disk|netin|netout|diskread|diskwrite|maxdisk|freemem|memhost|balloon_min): [1-9]\d*$",
        replacement: "${1}: <count>",
    },
    Rule {
        name: "pressure",
        why: "measured on the node",
        pattern: r"(?m)^(pressure\w+): [\d.]+$",
        replacement: "${1}: <share>",
    },
];

fn compiled() -> &'static [(Regex, &'static str)] {
    static COMPILED: OnceLock<Vec<(Regex, &'static str)>> = OnceLock::new();
    COMPILED.get_or_init(|| {
        RULES.iter().filter_map(|rule| Some((Regex::new(rule.pattern).ok()?, rule.replacement))).collect()
    })
}

/// Applies the rules to pairs of texts, and remembers which of our tasks stands for which recorded one.
#[derive(Debug, Default)]
pub struct Names {
    tasks: BTreeMap<String, String>,
}

impl Names {
    /// Both texts with everything replaced that cannot be the same.
    #[must_use]
    pub fn normalise(&self, recorded: &str, ours: &str) -> (String, String) {
        (normalised(recorded), normalised(ours))
    }

    /// Remembers the tasks that a run started: later runs name them.
    pub fn learn(&mut self, recorded: &str, ours: &str) {
        self.tasks.extend(upids(recorded).map(str::to_owned).zip(upids(ours).map(str::to_owned)));
    }

    /// Puts our tasks in place of the recorded ones.
    pub fn translate(&self, argv: &mut [String]) {
        for word in argv.iter_mut().filter(|word| word.contains("UPID:")) {
            for (recorded, ours) in &self.tasks {
                if word.contains(recorded.as_str()) {
                    *word = word.replace(recorded.as_str(), ours);
                }
            }
        }
    }
}

fn upids(text: &str) -> impl Iterator<Item = &str> {
    text.split(['"', '\n', ' ']).filter(|word| word.starts_with("UPID:"))
}

/// A text with every rule applied.
#[must_use]
pub fn normalised(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, replacement) in compiled() {
        if pattern.is_match(&text) {
            text = pattern
                .replace_all(&text, |found: &Captures<'_>| {
                    let mut expanded = String::new();
                    found.expand(replacement, &mut expanded);
                    expanded
                })
                .into_owned();
        }
    }
    super::values::normalised(&sort_keys(&sort_reasons(&text)))
}

/// Rule `hash-order`: the reasons of a refusal come in the order of a Perl hash.
fn sort_reasons(text: &str) -> String {
    if !text.starts_with("400 Parameter verification failed.\n") && !text.starts_with("format error\n") {
        return text.to_owned();
    }
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.sort_unstable();
    lines.concat()
}

/// Rule `key-order`: the ssh host keys are made in the order of a Perl hash.
fn sort_keys(text: &str) -> String {
    const BEGIN: &str = "Creating SSH host key ";
    let Some(begin) = text.find(BEGIN) else { return text.to_owned() };
    let (front, rest) = text.split_at(begin);
    let mut blocks: Vec<String> = Vec::new();
    let mut tail = String::new();
    for line in rest.split_inclusive('\n') {
        if line.starts_with(BEGIN) {
            blocks.push(line.to_owned());
        } else if let (true, Some(block)) = (line.starts_with("done: ") && tail.is_empty(), blocks.last_mut()) {
            block.push_str(line);
        } else {
            tail.push_str(line);
        }
    }
    blocks.sort();
    format!("{front}{}{tail}", blocks.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles_and_has_its_own_name() {
        assert_eq!(compiled().len(), RULES.len());
        let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
    }

    #[test]
    fn random_values_vanish_and_the_rest_stays() {
        assert_eq!(
            normalised("net0: name=eth0,hwaddr=BC:24:11:C6:64:6C\nsnaptime: 1795292172\n"),
            "net0: name=eth0,hwaddr=<mac>\nsnaptime: <time>\n"
        );
        assert_ne!(normalised("hwaddr=52:54:00:00:00:01"), normalised("hwaddr=52:54:00:00:00:02"));
    }
}
