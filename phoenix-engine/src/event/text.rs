//! An event in one plain line, for programs that only log.

use std::fmt;

use phoenix_types::GuestId;

use super::{Event, EventKind, GuestOutcome};

/// Ids as they are read: `100, 103`.
fn ids(ids: &[GuestId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "times are shown to a tenth of a second")]
fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1000.0)
}

impl fmt::Display for Event {
    /// `12.3 s 103: create: made from local:vztmpl/debian-12.tar.zst (4.0 s)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", seconds(self.at_ms))?;
        if let Some(guest) = self.guest {
            write!(f, " {guest}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunStarted { guests, steps, .. } => write!(f, "run started: {guests} guests, {steps} steps"),
            Self::GuestWaiting { on } => write!(f, "waits for {}", ids(on)),
            Self::GuestStarted { name, steps } => write!(f, "{name} started: {steps} steps"),
            Self::StepStarted { stage, summary } => write!(f, "{}: {summary}", stage.name()),
            Self::StepHeld { stage, ms } => write!(f, "{}: waited {} for other guests", stage.name(), seconds(*ms)),
            Self::StepRetried { stage, reason, delay_ms } => {
                write!(f, "{}: retried in {}: {reason}", stage.name(), seconds(*delay_ms))
            }
            Self::StepFinished { stage, summary, ms, error } => {
                write!(f, "{}: {summary} ({})", stage.name(), seconds(*ms))?;
                error.iter().try_for_each(|error| write!(f, " failed: {error}"))
            }
            Self::Output { script, line } => write!(f, "{script}: {line}"),
            Self::GateAsked { gate, attempt, passed, detail, .. } => {
                let answer = if *passed { "yes" } else { "no" };
                write!(f, "gate `{gate}`, attempt {attempt}: {answer}: {detail}")
            }
            Self::GatePassed { gate, attempts, ms } => {
                write!(f, "gate `{gate}` passed at attempt {attempts}, after {}", seconds(*ms))
            }
            Self::Notice { text } => f.write_str(text),
            Self::GuestFinished { outcome } => outcome.fmt(f),
            Self::RunFinished { counts } => {
                let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
                write!(f, "run finished: {}", counts.join(", "))
            }
        }
    }
}

impl fmt::Display for GuestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Failed { failure } => write!(f, " ({}): {}", failure.stage.name(), failure.message),
            Self::Blocked { by } => write!(f, " by {by}"),
            Self::Changed { .. }
            | Self::Unchanged { .. }
            | Self::NotOurs
            | Self::OtherKind
            | Self::WrongState
            | Self::Elsewhere
            | Self::Cancelled => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    #[test]
    fn an_event_is_one_line() {
        let guest = GuestId::new(103).ok();
        let line = |guest, kind| Event { seq: 1, at_ms: 12_340, guest, kind }.to_string();
        let finished = |error: Option<&str>| EventKind::StepFinished {
            stage: Stage::Define,
            summary: "make it".to_owned(),
            ms: 4_000,
            error: error.map(str::to_owned),
        };
        assert_eq!(line(guest, finished(None)), "12.3 s 103: define: make it (4.0 s)");
        assert_eq!(line(guest, finished(Some("no space"))), "12.3 s 103: define: make it (4.0 s) failed: no space");
        let counts = [("done", 2), ("failed", 1)].into();
        assert_eq!(line(None, EventKind::RunFinished { counts }), "12.3 s: run finished: 2 done, 1 failed");
        let by = GuestId::new(100).unwrap();
        let kind = EventKind::GuestFinished { outcome: GuestOutcome::Blocked { by } };
        assert_eq!(line(guest, kind), "12.3 s 103: blocked by 100");
    }
}
