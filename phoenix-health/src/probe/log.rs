//! Has a line been logged since the guest's start?

use std::fmt;
use std::time::Duration;

use camino::Utf8PathBuf;
use phoenix_host::{Command, Effect};
use serde::Serialize;

use super::answer;
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
    /// A file, which must have been written to since the guest's start. Its lines carry no times, so an older line in it
    /// counts too.
    File(#[schemars(with = "String")] Utf8PathBuf),
}

/// What is read at most when the pattern is a regular expression: the last lines.
const LINES: &str = "20000";
const BYTES: usize = 1 << 20;

/// Exit status of the scripts below when the tool is missing; `grep` and `journalctl` do not use it.
const NO_JOURNAL: i32 = 127;

/// `$1`: the text, or nothing for all lines; `$2`: the unit, or nothing; `$3`: how many lines when there is no text.
/// Containers share their boot id with the node, so `--boot` would say too much there; the uptime is the container's own.
const JOURNAL: &str = r#"command -v journalctl >/dev/null 2>&1 || { echo "journalctl is not installed" >&2; exit 127; }
read -r up rest </proc/uptime
set -- "$1" "$2" "$3" --quiet --no-pager --output=cat "--since=-${up%%.*}s"
text=$1 unit=$2 lines=$3
shift 3
if [ -n "$unit" ]; then set -- "$@" "--unit=$unit"; fi
if [ -n "$text" ]; then journalctl "$@" | grep -m 1 -F -e "$text"; else journalctl "$@" "--lines=$lines"; fi"#;

/// `$1`: the text, or nothing for all lines; `$2`: the file; `$3`: how many lines when there is no text.
const FILE: &str = r#"read -r up rest </proc/uptime
start=$(($(date +%s) - ${up%%.*} - 1))
written=$(stat -L -c %Y "$2") || exit 1
[ "$written" -ge "$start" ] || exit 1
if [ -n "$1" ]; then grep -m 1 -F -e "$1" "$2"; else tail -n "$3" "$2"; fi"#;

impl LogProbe {
    pub(super) async fn ask(&self, around: &Surroundings, limit: Duration) -> Answer {
        let text = match &self.pattern {
            Pattern::Text(text) if text.is_empty() || text.contains(['\n', '\r', '\0']) => {
                return Answer::new(Verdict::Never, "what is looked for must be part of one line, and not empty");
            }
            Pattern::Text(text) => text.as_str(),
            Pattern::Regex(_) => "",
        };
        let (script, source) = match &self.source {
            LogSource::Journal { unit } => (JOURNAL, unit.as_deref().unwrap_or_default()),
            LogSource::File(path) if !path.is_absolute() => {
                return Answer::new(Verdict::Never, format!("`{path}` is not an absolute path"));
            }
            LogSource::File(path) => (FILE, path.as_str()),
        };
        let mut command = Command::new("sh", Effect::Read, limit).args(["-c", script, "sh", text, source, LINES]);
        command.output_limit = BYTES;
        let output = match answer::run(around, Place::Guest, command).await {
            Ok(output) => output,
            Err(answer) => return answer,
        };
        if output.status == Some(NO_JOURNAL) {
            return Answer::unanswered(format!("{} cannot be read in this guest", self.source))
                .with_output(answer::both_streams(&output));
        }
        let printed = output.stdout_text();
        match self.pattern.line_in(&printed).filter(|_| output.succeeded()) {
            Some(line) => Answer::yes(format!(
                "logged: {}",
                answer::last_line(line).unwrap_or_else(|| "an empty line".to_owned())
            )),
            None => Answer::no(format!("no line with {} in {} yet", self.pattern, self.source))
                .with_output(answer::clean(&output.stderr)),
        }
    }
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
        assert!(all.starts_with("asked: --quiet --no-pager --output=cat --since=-"), "{all}");
        let (_, asked) = run("asked", "").await;
        assert!(!asked.contains("--unit"), "{asked}");
    }
}
