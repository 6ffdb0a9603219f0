//! Has a line been logged since the guest's start?

use std::time::Duration;

use phoenix_host::{Command, Effect, Output};
use phoenix_types::gate::{LogProbe, LogSource, Place};

use super::start::{self, Era, START, Start};
use super::{answer, moment};
use crate::{Answer, Ask, ProbeContext, Verdict};

/// How many lines of a file are read at most: the last ones.
const LINES: &str = "20000";
const BYTES: usize = 1 << 20;

/// Exit status of the script below when the tool is missing; `grep` and `journalctl` do not use it.
const NO_JOURNAL: i32 = 127;

/// `$1`: the text, or nothing for all lines; `$2`: the unit, or nothing; `$3`: how many lines when there is no text.
/// The journal knows the boots apart, whatever the clock does. A container has a boot id of its own where LXC gives it one; without it
/// the container's uptime has to do. What the guest agent logs of what it is asked is no sign of anything.
const JOURNAL: &str = r#"command -v journalctl >/dev/null 2>&1 || { echo "journalctl is not installed" >&2; exit 127; }
since=--boot
if [ -e /run/systemd/container ] && [ ! -e /dev/.lxc-boot-id ]; then
  read -r up rest </proc/uptime
  since=--since=-${up%%.*}s
fi
text=$1 unit=$2 lines=$3
set -- --quiet --no-pager --output=cat "$since"
if [ -n "$unit" ]; then set -- "$@" "--unit=$unit"; fi
agent='^info: guest-[a-z-]* called'
if [ -n "$text" ]; then journalctl "$@" | grep -v "$agent" | grep -m 1 -F -e "$text"
else journalctl "$@" "--lines=$lines" | grep -v "$agent"; fi"#;

/// `$1`: the text, or nothing for all lines; `$2`: the file; `$3`: how many lines at most. Prints the lines, then when the file was
/// written and made, the time zone, and the guest's start: last, because the end of too much output is kept.
const FILE: &str = r#"times=$(stat -L -c '%Y %W' "$2") || exit 1
agent='qemu-ga[^ ]*: info: guest-[a-z-]* called'
if [ -n "$1" ]; then grep -F -e "$1" "$2" | grep -v "$agent" | tail -n "$3"; else tail -n "$3" "$2" | grep -v "$agent"; fi
echo
echo "$times"
date +%z"#;

impl Ask for LogProbe {
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer {
        if self.contains.is_empty() || self.contains.contains(['\n', '\r', '\0']) {
            return Answer::new(Verdict::Never, "what is looked for must be part of one line, and not empty");
        }
        let (Ok(answer) | Err(answer)) = match &self.source {
            LogSource::Journal { unit } => ask_journal(self, context, limit, unit.as_deref().unwrap_or_default()).await,
            LogSource::File(path) if !path.is_absolute() => {
                Err(Answer::new(Verdict::Never, format!("`{path}` is not an absolute path")))
            }
            LogSource::File(path) => ask_file(self, context, limit, path.as_str()).await,
        };
        answer
    }
}

async fn ask_journal(probe: &LogProbe, context: &ProbeContext, limit: Duration, unit: &str) -> Result<Answer, Answer> {
    let output = run(context, limit, [JOURNAL, "sh", &probe.contains, unit, LINES]).await?;
    if output.status == Some(NO_JOURNAL) {
        return Err(Answer::unanswered(format!("{} cannot be read in this guest", probe.source))
            .with_output(answer::both_streams(&output)));
    }
    let printed = output.stdout_text();
    let line = printed.lines().find(|line| line.contains(&probe.contains));
    Ok(match line.filter(|_| output.succeeded()) {
        Some(line) => logged(line),
        None => not_yet(probe).with_output(answer::clean(&output.stderr)),
    })
}

async fn ask_file(probe: &LogProbe, context: &ProbeContext, limit: Duration, path: &str) -> Result<Answer, Answer> {
    let script = format!("{FILE}\n{START}");
    let output = run(context, limit, [script.as_str(), "sh", &probe.contains, path, LINES]).await?;
    if !output.succeeded() {
        return Err(not_yet(probe).with_output(answer::both_streams(&output)));
    }
    let printed = output.stdout_text();
    let lines: Vec<&str> = printed.lines().collect();
    let (lines, facts) = lines.split_at(lines.len().saturating_sub(3));
    let Some((file, zone, start)) = facts_of(facts) else {
        let what = format!("the times of {} and of the guest's start cannot be read", probe.source);
        return Err(Answer::unanswered(what).with_output(answer::both_streams(&output)));
    };
    let mut best = not_yet(probe);
    for line in lines.iter().filter(|line| line.contains(&probe.contains)) {
        let Some(time) = moment::of_line(line, zone, start.now).or(file.born) else {
            best = timeless(probe, &file, &start);
            continue;
        };
        match start.era(time) {
            Era::Since => return Ok(logged(line)),
            Era::Before if moment::of_line(line, zone, start.now).is_none() => best = timeless(probe, &file, &start),
            Era::Before => {}
            era => best = start::untold(era, "the line").map_or(best, Answer::unanswered),
        }
    }
    Ok(best)
}

fn not_yet(probe: &LogProbe) -> Answer {
    Answer::no(format!("no line with `{}` in {} yet", probe.contains, probe.source))
}

/// A line without a time is there, in a file from before the start.
fn timeless(probe: &LogProbe, file: &LogFile, start: &Start) -> Answer {
    if start.era(file.written) == Era::Before {
        return not_yet(probe);
    }
    Answer::unanswered(format!(
        "a line with `{}` is in {}, but it has no time and the file is older than the guest's start, so it is unclear whether it is newer: add times to the lines, or use the journal",
        probe.contains, probe.source
    ))
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

async fn run<const N: usize>(context: &ProbeContext, limit: Duration, words: [&str; N]) -> Result<Output, Answer> {
    let mut command = Command::new("sh", Effect::Read, limit).arg("-c").args(words);
    command.output_limit = BYTES;
    context.run(Place::Guest, command).await
}

fn logged(line: &str) -> Answer {
    Answer::yes(format!("logged: {}", answer::last_line(line).unwrap_or_else(|| "an empty line".to_owned())))
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
        let (status, all) = run("asked", "step-ca.service").await;
        assert_eq!(status, Some(0));
        assert_eq!(all, "asked: --quiet --no-pager --output=cat --boot --unit=step-ca.service\n");
        let (_, asked) = run("asked", "").await;
        assert!(!asked.contains("--unit"), "{asked}");
    }
}
