//! Has a line been logged since the guest's start?

use std::fmt;
use std::time::Duration;

use camino::Utf8PathBuf;
use phoenix_host::{Command, Effect, Output};
use serde::Serialize;

use super::start::{self, Era, START, Start};
use super::{answer, moment};
use crate::{Answer, Pattern, Place, Surroundings, Verdict};

/// A line that must have been logged inside the guest since it started.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LogProbe {
    /// Where it is logged.
    pub source: LogSource,
    /// What the line contains.
    pub pattern: Pattern,
}

/// Where a line is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogSource {
    /// The systemd journal, of one unit or as a whole. Lines from before the guest's start do not count.
    Journal {
        /// The unit, such as `step-ca.service`.
        unit: Option<String>,
    },
    /// A file. A line counts when the time that it begins with is of this life of the guest; one without a time counts in a
    /// file that was made since the guest's start.
    File(#[schemars(with = "String")] Utf8PathBuf),
}

/// What is read at most when the pattern is a regular expression: the last lines.
const LINES: &str = "20000";
const BYTES: usize = 1 << 20;

/// Exit status of the script below when the tool is missing; `grep` and `journalctl` do not use it.
const NO_JOURNAL: i32 = 127;

/// `$1`: the text, or nothing for all lines; `$2`: the unit, or nothing; `$3`: how many lines when there is no text.
/// The journal knows the boots apart, whatever the clock does. A container has a boot id of its own where LXC gives it one; without it
/// the container's uptime has to do.
const JOURNAL: &str = r#"command -v journalctl >/dev/null 2>&1 || { echo "journalctl is not installed" >&2; exit 127; }
since=--boot
if [ -e /run/systemd/container ] && [ ! -e /dev/.lxc-boot-id ]; then
  read -r up rest </proc/uptime
  since=--since=-${up%%.*}s
fi
text=$1 unit=$2 lines=$3
set -- --quiet --no-pager --output=cat "$since"
if [ -n "$unit" ]; then set -- "$@" "--unit=$unit"; fi
if [ -n "$text" ]; then journalctl "$@" | grep -m 1 -F -e "$text"; else journalctl "$@" "--lines=$lines"; fi"#;

/// `$1`: the text, or nothing for all lines; `$2`: the file; `$3`: how many lines at most. Prints the lines, then when the file was
/// written and made, the time zone, and the guest's start: last, because the end of too much output is kept.
const FILE: &str = r#"times=$(stat -L -c '%Y %W' "$2") || exit 1
if [ -n "$1" ]; then grep -F -e "$1" "$2" | tail -n "$3"; else tail -n "$3" "$2"; fi
echo
echo "$times"
date +%z"#;

impl LogProbe {
    pub(super) async fn ask(&self, around: &Surroundings, limit: Duration) -> Answer {
        let text = match &self.pattern {
            Pattern::Text(text) if text.is_empty() || text.contains(['\n', '\r', '\0']) => {
                return Answer::new(Verdict::Never, "what is looked for must be part of one line, and not empty");
            }
            Pattern::Text(text) => text.as_str(),
            Pattern::Regex(_) => "",
        };
        match &self.source {
            LogSource::Journal { unit } => {
                self.ask_journal(around, limit, text, unit.as_deref().unwrap_or_default()).await
            }
            LogSource::File(path) if !path.is_absolute() => {
                Answer::new(Verdict::Never, format!("`{path}` is not an absolute path"))
            }
            LogSource::File(path) => self.ask_file(around, limit, text, path.as_str()).await,
        }
    }

    async fn ask_journal(&self, around: &Surroundings, limit: Duration, text: &str, unit: &str) -> Answer {
        let output = match run(around, limit, [JOURNAL, "sh", text, unit, LINES]).await {
            Ok(output) => output,
            Err(answer) => return answer,
        };
        if output.status == Some(NO_JOURNAL) {
            return Answer::unanswered(format!("{} cannot be read in this guest", self.source))
                .with_output(answer::both_streams(&output));
        }
        let printed = output.stdout_text();
        match self.pattern.line_in(&printed).filter(|_| output.succeeded()) {
            Some(line) => logged(line),
            None => self.not_yet().with_output(answer::clean(&output.stderr)),
        }
    }

    async fn ask_file(&self, around: &Surroundings, limit: Duration, text: &str, path: &str) -> Answer {
        let script = format!("{FILE}\n{START}");
        let output = match run(around, limit, [script.as_str(), "sh", text, path, LINES]).await {
            Ok(output) => output,
            Err(answer) => return answer,
        };
        if !output.succeeded() {
            return self.not_yet().with_output(answer::both_streams(&output));
        }
        let printed = output.stdout_text();
        let mut lines: Vec<&str> = printed.lines().collect();
        let facts = lines.split_off(lines.len().saturating_sub(3));
        let Some((file, zone, start)) = facts_of(&facts) else {
            return Answer::unanswered(format!("the times of {} and of the guest's start cannot be read", self.source))
                .with_output(answer::both_streams(&output));
        };
        let mut best = self.not_yet();
        for line in lines.into_iter().filter(|line| self.pattern.is_found_in(line)) {
            let Some(time) = moment::of_line(line, zone, start.now).or(file.born) else {
                best = self.timeless(&file, &start);
                continue;
            };
            match start.era(time) {
                Era::Since => return logged(line),
                Era::Before if moment::of_line(line, zone, start.now).is_none() => best = self.timeless(&file, &start),
                Era::Before => {}
                era => best = start::untold(era, "the line").map_or(best, Answer::unanswered),
            }
        }
        best
    }

    fn not_yet(&self) -> Answer {
        Answer::no(format!("no line with {} in {} yet", self.pattern, self.source))
    }

    /// A line without a time is there, in a file from before the start.
    fn timeless(&self, file: &LogFile, start: &Start) -> Answer {
        if start.era(file.written) == Era::Before {
            return self.not_yet();
        }
        Answer::unanswered(format!(
            "a line with {} is in {}, but it bears no time and the file is older than the guest's start, so nobody can tell \
             whether it is newer: let its writer put times on its lines, or ask the journal",
            self.pattern, self.source
        ))
    }
}

/// When a log file was written and made; the second where its file system keeps that.
#[derive(Debug)]
struct LogFile {
    written: i64,
    born: Option<i64>,
}

/// What [`FILE`] and [`START`] print behind the lines: the file, the time zone, the guest's start.
fn facts_of<'l>(lines: &[&'l str]) -> Option<(LogFile, &'l str, Start)> {
    let [times, zone, start] = lines else { return None };
    let (written, born) = times.split_once(' ')?;
    let born = born.trim().parse().ok().filter(|time| *time > 0);
    Some((LogFile { written: written.parse().ok()?, born }, zone, Start::parse(start)?))
}

async fn run<const N: usize>(around: &Surroundings, limit: Duration, words: [&str; N]) -> Result<Output, Answer> {
    let mut command = Command::new("sh", Effect::Read, limit).arg("-c").args(words);
    command.output_limit = BYTES;
    answer::run(around, Place::Guest, command).await
}

fn logged(line: &str) -> Answer {
    Answer::yes(format!("logged: {}", answer::last_line(line).unwrap_or_else(|| "an empty line".to_owned())))
}

impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal { unit: Some(unit) } => write!(f, "the journal of {unit}"),
            Self::Journal { unit: None } => f.write_str("the journal"),
            Self::File(path) => write!(f, "`{path}`"),
        }
    }
}

impl fmt::Display for LogProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line with {} in {}", self.pattern, self.source)
    }
}

#[cfg(test)]
mod tests {
    use phoenix_host::{Host as _, Local};

    use super::*;

    /// The journal's script in the real shell of this machine, with a `journalctl` that prints what it is asked for.
    #[tokio::test]
    async fn the_journals_script_runs_in_a_real_shell() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let stub = folder.path().join("journalctl");
        std::fs::write(&stub, "#!/bin/sh\nprintf 'asked: %s\\n' \"$*\"\necho 'serving -x HTTPS'\n").unwrap();
        std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o755)).unwrap();
        let run = async |text: &str, unit: &str| {
            let path = format!("PATH={}:/usr/bin:/bin", folder.path().display());
            let script = Command::new("env", Effect::Read, Duration::from_secs(20)).args([
                path.as_str(),
                "sh",
                "-c",
                JOURNAL,
                "sh",
                text,
                unit,
                LINES,
            ]);
            let output = Local.run(script).await.unwrap();
            (output.status, output.stdout_text().into_owned())
        };
        assert_eq!(run("-x HTTPS", "step ca; exit 3").await, (Some(0), "serving -x HTTPS\n".to_owned()));
        assert_eq!(run("s.rving", "").await, (Some(1), String::new()));
        let (status, all) = run("", "step-ca.service").await;
        assert_eq!(status, Some(0));
        assert!(all.contains("--unit=step-ca.service --lines=20000\nserving"), "{all}");
        assert!(all.starts_with("asked: --quiet --no-pager --output=cat --boot"), "{all}");
        let (_, asked) = run("asked", "").await;
        assert!(!asked.contains("--unit"), "{asked}");
    }
}
