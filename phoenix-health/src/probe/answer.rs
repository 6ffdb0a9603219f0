//! What a probe found.

use std::time::Duration;

use phoenix_host::{HostError, InsideError, Output, SecretError};
use serde::Serialize;

use crate::seconds;

/// How much of a probe's output is kept, in bytes: its end.
pub(crate) const OUTPUT_KEPT: usize = 4096;

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Answer {
    /// Yes, or which kind of no.
    pub verdict: Verdict,
    /// The finding in a few words, such as `exit status 1: connection refused`.
    pub said: String,
    /// The end of the output of what was run, at most 4 KiB, bytes that are no text replaced.
    pub output: String,
}

/// Yes, or which kind of no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The answer is yes.
    Yes,
    /// The answer is no.
    No,
    /// The question could not be put: the guest is off, its agent is silent, the node is out of reach.
    Unanswered,
    /// The answer is no, and stays so whatever happens.
    Never,
    /// The answer is no until the guest was rebooted.
    NeedsReboot,
}

impl Answer {
    /// An answer in a few words.
    #[must_use]
    pub fn new(verdict: Verdict, said: impl Into<String>) -> Self {
        Self { verdict, said: said.into(), output: String::new() }
    }

    /// A yes.
    #[must_use]
    pub fn yes(said: impl Into<String>) -> Self {
        Self::new(Verdict::Yes, said)
    }

    /// A no.
    #[must_use]
    pub fn no(said: impl Into<String>) -> Self {
        Self::new(Verdict::No, said)
    }

    /// The question could not be put.
    #[must_use]
    pub fn unanswered(said: impl Into<String>) -> Self {
        Self::new(Verdict::Unanswered, said)
    }

    pub(crate) fn with_output(mut self, output: String) -> Self {
        self.output = output;
        self
    }
}

pub(crate) fn from_inside(error: &InsideError, limit: Duration) -> Answer {
    match error {
        InsideError::Deadline { tail, .. } => late(tail, limit),
        InsideError::Host(error) => from_host(error, limit),
        InsideError::ExecRefused { .. } => Answer::new(Verdict::Never, format!("{error}: {ALLOW_EXEC}")),
        _ => Answer::unanswered(chain(error)),
    }
}

pub(crate) fn from_host(error: &HostError, limit: Duration) -> Answer {
    match error {
        HostError::Deadline { tail, .. } => late(tail, limit),
        _ => Answer::unanswered(chain(error)),
    }
}

/// What prevents a secret from being read. A variable of this process stays as it is; a file may still come.
pub(crate) fn from_secret(error: &SecretError) -> Answer {
    let verdict = match error {
        SecretError::NotSet(_) | SecretError::NoCredentials(_) | SecretError::NoProgram => Verdict::Never,
        SecretError::File { .. }
        | SecretError::NotOneLine(_)
        | SecretError::Command { .. }
        | SecretError::Failed { .. } => Verdict::Unanswered,
    };
    Answer::new(verdict, chain(error))
}

/// What to do about an agent that runs no programs.
const ALLOW_EXEC: &str = "allow `guest-exec` and `guest-exec-status` in the guest (RHEL and its kin: `/etc/sysconfig/qemu-ga`; \
    SELinux: `setsebool -P virt_qemu_ga_run_unconfined on`), or write `\"guest_agent\": {\"exec\": false}`";

fn late(tail: &str, limit: Duration) -> Answer {
    Answer::no(format!("no answer within {}", seconds::display(limit))).with_output(clean(tail.as_bytes()))
}

/// An error with its sources, each once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// The end of some output as text that is safe to show: not UTF-8 and control characters replaced, line ends made `\n`.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(OUTPUT_KEPT)..]);
    let text = text.replace("\r\n", "\n");
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.trim_end().chars().map(shown).collect()
}

/// Both streams of a command in one text: what it printed, then what it complained.
pub(crate) fn both_streams(output: &Output) -> String {
    match (clean(&output.stdout), clean(&output.stderr)) {
        (out, err) if err.is_empty() => out,
        (out, err) if out.is_empty() => err,
        (out, err) => clean(format!("{out}\n{err}").as_bytes()),
    }
}

/// The last line that says something, shortened for one line of a report.
pub(crate) fn last_line(text: &str) -> Option<String> {
    const LONGEST: usize = 200;
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(if line.chars().count() > LONGEST {
        line.chars().take(LONGEST).chain(std::iter::once('…')).collect()
    } else {
        line.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_at_its_beginning_and_harmless() {
        let mut flood = vec![b'x'; 100_000];
        flood.extend_from_slice(b"\x1b[31m\xff end\r\n");
        let text = clean(&flood);
        assert!(text.len() <= OUTPUT_KEPT + 8, "{}", text.len());
        assert!(text.ends_with("\u{fffd}[31m\u{fffd} end"), "{text}");
    }

    #[test]
    fn the_last_line_is_short() {
        assert_eq!(last_line("a\n b \n\n").as_deref(), Some("b"));
        assert_eq!(last_line(&"ü".repeat(500)).unwrap().chars().count(), 201);
        assert_eq!(last_line(" \n"), None);
    }
}
