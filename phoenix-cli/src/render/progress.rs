//! Lines that tell a run as it goes.

use std::fmt;

use phoenix_engine::{Event, EventKind, GuestOutcome, Stage};
use phoenix_types::GuestId;

use super::attempt::attempt_of;
use super::style::{columns, fit, tame};
use super::{Canvas, Overflow, Tone, clock, span};
use crate::history::RunHistory;

/// How much is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// What was done.
    Brief,
    /// Also what begins, every attempt of a gate, and the output of scripts.
    Full,
}

/// How wide the time of a line is.
const CLOCK: usize = 10;

/// How wide the names may be.
const NAME: usize = 16;

/// The line for an event; absent when there is nothing to tell.
pub(crate) fn line(event: &Event, history: &RunHistory, detail: Detail, canvas: Canvas) -> Option<String> {
    // Repeated events, such as the attempts of gates, are shown less and less often.
    let retries = event.guest.and_then(|id| history.guests.get(&id)).map_or(1, |story| story.retries);
    if matches!(event.kind, EventKind::StepRetried { .. }) && detail == Detail::Brief && !retries.is_power_of_two() {
        return None;
    }
    let (tone, text) = tell(event, detail, canvas)?;
    let when = canvas.paint(Tone::Faint, clock(event.at_ms));
    let Some(id) = event.guest else { return Some(format!("{when}  {}\n", canvas.paint(tone, text))) };
    let label = format!("{id:>4} {}", history.guests.get(&id).map_or("", |story| story.name.as_str()));
    let widest = history.guests.values().map(|story| columns(&story.name) + 5).max().unwrap_or(0).min(NAME + 5);
    let label = fit(&label, widest, canvas.glyphs);
    let blank = " ".repeat(widest.saturating_sub(columns(&label)));
    let text = tame(&text);
    let text = match canvas.overflow {
        Overflow::Cut => fit(&text, canvas.width.saturating_sub(CLOCK + widest + 5).max(20), canvas.glyphs),
        Overflow::Keep => text,
    };
    Some(format!("{when}  {}{blank}  {}\n", canvas.paint(Tone::Strong, label), canvas.paint(tone, text)))
}

/// What happens now, for the foot of a terminal; at most `room` lines.
pub(crate) fn foot(history: &RunHistory, now: u64, room: usize, canvas: Canvas) -> Vec<String> {
    let busy: Vec<String> = history
        .stories()
        .filter_map(|(id, story)| {
            let (since, doing) = story.doing.as_ref()?;
            let line = format!("{id:>4} {}  {}  {}", story.name, tame(doing), span(now.saturating_sub(*since)));
            Some(fit(&line, canvas.width.saturating_sub(3), canvas.glyphs))
        })
        .collect();
    let hidden = busy.len().saturating_sub(room);
    let mut lines: Vec<String> = busy
        .iter()
        .take(room)
        .map(|line| {
            format!("{} {}", canvas.paint(Tone::Active, canvas.glyph("▸", ">")), canvas.paint(Tone::Faint, line))
        })
        .collect();
    if hidden > 0 {
        lines.push(canvas.paint(Tone::Faint, format!("  and {hidden} more")));
    }
    lines
}

fn tell(event: &Event, detail: Detail, canvas: Canvas) -> Option<(Tone, String)> {
    let full = detail == Detail::Full;
    let (good, bad) = (canvas.glyph("✓", "+"), canvas.glyph("✗", "X"));
    Some(match &event.kind {
        EventKind::GuestWaiting { on } if !on.is_empty() => (Tone::Faint, format!("waits for {}", List(on))),
        EventKind::StepStarted { summary, .. } if full => (Tone::Faint, format!("{summary} …")),
        EventKind::StepRetried { reason, delay_ms, .. } => {
            (Tone::Warn, format!("busy, tried again in {}: {}", span(*delay_ms), last_line(reason)))
        }
        EventKind::StepFinished { stage: Stage::WaitFor | Stage::Health, .. } => return None,
        EventKind::StepFinished { summary, ms, error: None, .. } => (Tone::Plain, format!("{summary} ({})", span(*ms))),
        EventKind::StepFinished { summary, error: Some(_), .. } => (Tone::Bad, format!("{summary}: failed")),
        EventKind::Output { script, line } if full => (Tone::Faint, format!("{script}: {line}")),
        EventKind::GateAsked { gate, attempt, counted, of, passed: false, detail }
            if full || attempt.is_power_of_two() =>
        {
            let attempt = attempt_of(*attempt, *counted, *of);
            (Tone::Warn, format!("gate `{gate}` not yet, {attempt}: {}", last_line(detail)))
        }
        EventKind::GatePassed { gate, attempts, ms } => {
            let after = if *attempts == 1 {
                "at once".to_owned()
            } else {
                format!("at attempt {attempts}, after {}", span(*ms))
            };
            (Tone::Good, format!("gate `{gate}` passed {after}"))
        }
        EventKind::Notice { text } => (Tone::Warn, text.clone()),
        EventKind::GuestFinished { outcome } => match outcome {
            GuestOutcome::Changed { .. } => (Tone::Good, format!("{good} done")),
            GuestOutcome::Unchanged { .. } if full => (Tone::Good, format!("{good} up to date")),
            GuestOutcome::Unchanged { .. } => return None,
            GuestOutcome::Failed { failure } => (Tone::Bad, format!("{bad} {}", last_line(&failure.message))),
            GuestOutcome::Blocked { by } => (Tone::Warn, format!("not touched: {by} failed")),
            GuestOutcome::NotOurs => (Tone::Warn, "left alone: not managed by Phoenix".to_owned()),
            GuestOutcome::Elsewhere => (Tone::Warn, "left alone: it is on another node of the cluster".to_owned()),
            GuestOutcome::WrongState => (Tone::Warn, "left alone: it cannot get the configured state".to_owned()),
            GuestOutcome::OtherKind => (Tone::Warn, "left alone: it is of the other kind".to_owned()),
            GuestOutcome::Cancelled => (Tone::Warn, "cancelled".to_owned()),
            _ => (Tone::Plain, outcome.word().to_owned()),
        },
        _ => return None,
    })
}

/// The last line that says something.
fn last_line(text: &str) -> &str {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no output")
}

/// Ids as they are read: `900, 103`.
pub(crate) struct List<'a>(pub(crate) &'a [GuestId]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{id}")?;
        }
        Ok(())
    }
}
