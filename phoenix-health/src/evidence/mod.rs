//! What a person would look at next when a gate has failed.

mod cause;
mod subject;

use std::fmt;
use std::time::Duration;

use camino::Utf8Path;
use phoenix_host::{Command, Effect, InsideError};
use phoenix_types::gate::Probe;
use serde::Serialize;

use crate::probe::{BACKSTOP, CLOUD_INIT, Report, chain, clean};
use crate::{Answer, ProbeContext};
use subject::Subject;

/// How long the looking around in the guest may take as a whole.
const TIME: Duration = Duration::from_secs(20);

/// How much it may print.
const BYTES: usize = 64 * 1024;

/// What was found in a guest after one of its gates had failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Evidence {
    /// The nearest cause in a sentence, when it is known: `nothing listens on port 9000; step-ca.service is failed: …`.
    pub cause: Option<String>,
    /// The findings, in the order in which a person would look.
    pub sections: Vec<Section>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Section {
    /// What was looked at, such as `listening sockets`.
    pub title: String,
    /// What was seen: text of at most 4 KiB.
    pub text: String,
}

impl Evidence {
    /// The text of a finding; nothing when it was not looked at.
    #[must_use]
    pub fn section(&self, title: &str) -> Option<&str> {
        self.sections.iter().find(|section| section.title == title).map(|section| section.text.as_str())
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cause) = &self.cause {
            writeln!(f, "{cause}")?;
        }
        for section in &self.sections {
            writeln!(f, "{}:", section.title)?;
            for line in section.text.lines() {
                writeln!(f, "    {line}")?;
            }
        }
        Ok(())
    }
}

/// Begins each finding in the output of [`LOOK`], as the beginning of a line. No line of a finding begins so.
const MARK: &str = "@@phoenix@@ ";

/// The section with what [`CLOUD_INIT`] prints.
const CLOUD_INIT_SECTION: &str = "cloud-init";

/// Looks around, each look for 4 s and 40 lines at most. `$1`: a file that the gate asked about, or nothing.
/// Prints; changes nothing. One command, because each one costs a process on the node.
const LOOK: &str = r#"
if command -v timeout >/dev/null 2>&1; then within="timeout 4"; else within=""; fi
look() { title=$1; shift; echo "@@phoenix@@ $title"; $within "$@" 2>&1 | tail -n 40 | sed 's/^@@/ @@/'; }
has() { command -v "$1" >/dev/null 2>&1; }
changed() { $within systemctl show --property=StateChangeTimestampMonotonic --value "$1"; }
failed() {
  $within systemctl --failed --plain --no-legend | while read -r unit rest; do
    echo "$(changed "$unit") $unit $rest"
  done | sort -s -r -n -k 1,1 | cut -d " " -f 2-
}
restarting() { $within systemctl list-units --type=service --state=activating --plain --no-legend | grep auto-restart; }
if [ -n "$1" ]; then
  folder=$(dirname "$1")
  look "folder $folder" ls -la "$folder"
  if has findmnt; then look "mount of $folder" findmnt -n -o TARGET,SOURCE,FSTYPE -T "$folder"; fi
fi
if has systemctl; then
  look "system state" systemctl is-system-running
  echo "@@phoenix@@ failed units"
  failed 2>&1 | tail -n 40
  look "starting units" systemctl list-units --type=service --state=activating --plain --no-legend
  for unit in $({ failed | grep "\.service "; restarting; failed | grep -v "\.service "; } 2>/dev/null | cut -d " " -f 1 | head -n 3); do
    look "journal of $unit" journalctl --boot --no-pager --output=cat --lines=20 "--unit=$unit"
  done
fi
if has ss; then look "listening sockets" ss -ltn; elif has netstat; then look "listening sockets" netstat -ltn; fi
if df -P -l >/dev/null 2>&1; then look "disks" df -P -l; else look "disks" df -P; fi
if has free; then look "memory" free -m; fi
if has journalctl; then
  look "journal" sh -c 'journalctl --boot --no-pager --lines=1000 | grep -v "qemu-ga[^ ]*: info: guest-[a-z-]* called" | tail -n 25'
fi"#;

/// Looks around in the guest and concludes. `asked` is the question that was not answered with yes, if there was one, and its
/// last answer.
///
/// It takes at most 20 s (and a few more when the host is slow to end it), runs one command inside, and changes nothing.
///
/// Cancel safety: nothing is left behind but what the host leaves of a command that it ends.
pub async fn gather_evidence(context: &ProbeContext, asked: Option<(&Probe, &Answer)>) -> Evidence {
    let subject = asked.map(|(probe, _)| Subject::of(probe)).unwrap_or_default();
    let ((mut sections, obstacle), on_host) =
        tokio::join!(look_inside(context, &subject), look_on_host(context, subject.host_path.as_deref()));
    if context.agent.is_some() {
        // Commands reach a VM through its agent, so whether it answers is known already.
        let text = obstacle.clone().unwrap_or_else(|| "answers".to_owned());
        sections.insert(0, Section { title: "guest agent".to_owned(), text });
    }
    sections.splice(0..0, on_host);
    let mut evidence = Evidence { cause: None, sections };
    let answer = asked.map(|(_, answer)| answer);
    evidence.cause = obstacle.or_else(|| cause::nearest(&evidence, &subject, answer));
    evidence
}

async fn look_inside(context: &ProbeContext, subject: &Subject) -> (Vec<Section>, Option<String>) {
    let path = subject.path.as_ref().map_or("", |path| path.as_str());
    let program = format!("{LOOK}\nif has cloud-init; then look {CLOUD_INIT_SECTION} sh -c '{CLOUD_INIT}'; fi\nexit 0");
    let mut look = Command::new("sh", Effect::Read, TIME).args(["-c", &program, "sh", path]);
    look.output_limit = BYTES;
    match tokio::time::timeout(TIME + BACKSTOP, context.inside.exec(look)).await {
        Ok(Ok(output)) => (parse(&output.stdout_text()), None),
        Ok(Err(error)) => {
            let seen = if let InsideError::Deadline { tail, .. } = &error { parse(tail) } else { Vec::new() };
            (seen, Some(obstacle(&error)))
        }
        Err(_) => (Vec::new(), Some("the guest no longer answers to commands".to_owned())),
    }
}

/// The folder of a file on the node, without a process.
async fn look_on_host(context: &ProbeContext, path: Option<&Utf8Path>) -> Option<Section> {
    let folder = path?.parent()?;
    let listing = async {
        match context.host.stat(folder).await {
            Ok(None) => "No such file or directory".to_owned(),
            Ok(Some(_)) => match context.host.list(folder).await {
                Ok(names) => clean(names.join("\n").as_bytes()),
                Err(error) => chain(&error),
            },
            Err(error) => chain(&error),
        }
    };
    let text = tokio::time::timeout(TIME, listing).await.unwrap_or_else(|_| "no answer".to_owned());
    Some(Section { title: format!("folder {folder} on the host"), text })
}

/// Why nothing can be looked at is mostly the cause itself.
fn obstacle(error: &InsideError) -> String {
    match error {
        InsideError::Deadline { .. } => "the guest runs commands very slowly or not at all".to_owned(),
        error => chain(error),
    }
}

fn parse(text: &str) -> Vec<Section> {
    let finding = |part: &str| {
        let (title, text) = part.split_once('\n').unwrap_or((part, ""));
        let text = match title == CLOUD_INIT_SECTION && Report::is_of_files(text) {
            true => Report::parse(text).to_string(),
            false => clean(text.as_bytes()),
        };
        Section { title: clean(title.as_bytes()), text }
    };
    let text = format!("\n{text}");
    // What stands before the first mark is the end of something whose beginning was cut off.
    text.split(&format!("\n{MARK}")).skip(1).map(finding).filter(|section| !section.text.is_empty()).collect()
}

#[cfg(test)]
mod tests;
