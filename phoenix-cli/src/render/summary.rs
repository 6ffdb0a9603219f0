//! How a run ended: what failed and why, and a table of all guests.

use std::collections::BTreeMap;

use phoenix_engine::{Failure, GuestOutcome};
use phoenix_types::GuestId;

use super::style::{columns, tame, wrap};
use super::timeline::tone;
use super::{Canvas, Column, Overflow, Table, Tone, folded, span};
use crate::history::{RunHistory, Story};

/// How many lines of output are shown for a failure.
const OUTPUT_LINES: usize = 12;

/// The guests, one row each. `states` says what each is: running, stopped, template.
pub(crate) fn guests(history: &RunHistory, states: &BTreeMap<GuestId, String>, canvas: Canvas) -> String {
    let mut table = Table::new([
        Column::right("ID"),
        Column::left("NAME").giving_way(8),
        Column::left("KIND").with_room(),
        Column::left("STATE"),
        Column::left("RESULT").giving_way(12),
        Column::right("GATES").with_room(),
        Column::right("TIME").with_room(),
    ]);
    for (id, story) in history.stories() {
        let outcome = story.end.as_ref().map(|(_, outcome)| outcome);
        let state = states.get(&id).cloned();
        table.row([
            (Tone::Strong, id.to_string()),
            (Tone::Plain, story.name.clone()),
            (Tone::Faint, story.kind.to_string()),
            (Tone::Plain, state.unwrap_or_else(|| "-".to_owned())),
            (outcome.map_or(Tone::Warn, tone), outcome.map_or_else(|| "unknown".to_owned(), result)),
            (Tone::Plain, gates(story)),
            (Tone::Plain, time(story)),
        ]);
    }
    table.render(canvas)
}

/// How many of its gates passed; nothing where there is none.
pub(super) fn gates(story: &Story) -> String {
    match story.gates.len() {
        0 => String::new(),
        all => format!("{}/{all}", story.passed),
    }
}

/// How long it was worked on; nothing where it was not.
pub(super) fn time(story: &Story) -> String {
    if story.busy_ms() == 0 { String::new() } else { span(story.busy_ms()) }
}

/// The guests that were not touched because a guest failed.
pub(super) fn held_back(history: &RunHistory, failed: GuestId) -> Vec<String> {
    history
        .stories()
        .filter(|(_, other)| matches!(&other.end, Some((_, GuestOutcome::Blocked { by })) if *by == failed))
        .map(|(other, story)| format!("{other} {}", story.name))
        .collect()
}

pub(super) fn result(outcome: &GuestOutcome) -> String {
    match outcome {
        GuestOutcome::Blocked { by } => format!("blocked by {by}"),
        GuestOutcome::Changed { steps: 1, .. } => "done, 1 step".to_owned(),
        GuestOutcome::Changed { steps, .. } => format!("done, {steps} steps"),
        outcome => outcome.word().to_owned(),
    }
}

/// One sentence about the whole run, with a sign.
pub(crate) fn verdict(history: &RunHistory, canvas: Canvas) -> String {
    let (tone, sign) = match is_good(history) {
        true => (Tone::Good, canvas.glyph("✓", "OK")),
        false => (Tone::Bad, canvas.glyph("✗", "FAILED")),
    };
    let lines = wrap(&format!("{sign} {}", sentence(history)), canvas.width);
    lines.iter().map(|line| format!("{}\n", canvas.paint(tone, line))).collect()
}

/// Whether every guest is up to date.
pub(super) fn is_good(history: &RunHistory) -> bool {
    history.stories().all(|(_, story)| story.end.as_ref().is_some_and(|(_, outcome)| outcome.is_good()))
}

/// One sentence about the whole run.
pub(super) fn sentence(history: &RunHistory) -> String {
    let mut counts: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for (_, story) in history.stories() {
        let (rank, word) = match story.end.as_ref().map(|(_, outcome)| outcome) {
            Some(GuestOutcome::Changed { .. }) => (0, "done"),
            Some(GuestOutcome::Unchanged { .. }) => (1, "unchanged"),
            Some(GuestOutcome::Failed { .. }) => (2, "failed"),
            Some(outcome) => (3, outcome.word()),
            None => (4, "unknown"),
        };
        *counts.entry((rank, word)).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|((_, word), count)| format!("{count} {word}")).collect();
    let all = history.order.len();
    let noun = if all == 1 { "guest" } else { "guests" };
    format!("{all} {noun}: {} in {}", parts.join(", "), span(history.now))
}

/// What a run that was killed leaves half done.
pub(crate) fn killed(history: &RunHistory, canvas: Canvas) -> String {
    let half: Vec<String> = history
        .stories()
        .filter_map(|(id, story)| {
            let (since, doing) = story.doing.as_ref()?;
            let time = span(history.now.saturating_sub(*since));
            Some(format!("  {}\n", folded(&format!("{id} {}: {} (after {time})", story.name, tame(doing)), 4, canvas)))
        })
        .collect();
    let mut text = format!("{}\n", canvas.paint(Tone::Warn, "killed during these steps:"));
    if half.is_empty() {
        text = format!("{}\n", canvas.paint(Tone::Warn, "killed; no step was running"));
    }
    text.extend(half);
    text.push_str(&format!("{}\n", sentence(history)));
    text.push_str(
        "run the same command again: it waits for orphaned tasks on the node, then completes or undoes the rest\n",
    );
    text
}

/// What failed, each with its evidence, what to do, and who is blocked by it.
pub(crate) fn failures(history: &RunHistory, canvas: Canvas) -> String {
    let mut text = String::new();
    for (id, story) in history.stories() {
        let Some((_, GuestOutcome::Failed { failure })) = &story.end else { continue };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&failed(id, story, failure, canvas));
        let blocked = held_back(history, id);
        if !blocked.is_empty() {
            field(&mut text, "held back", &blocked.join(", "), canvas);
        }
    }
    text
}

fn failed(id: GuestId, story: &Story, failure: &Failure, canvas: Canvas) -> String {
    let mut text = String::new();
    let title = format!("{id} {}: {}", story.name, tame(&failure.message));
    for (index, line) in wrap(&title, canvas.width.saturating_sub(LABEL.len() + 1)).iter().enumerate() {
        let label = if index == 0 { canvas.paint(Tone::Bad, LABEL) } else { " ".repeat(LABEL.len()) };
        text.push_str(&format!("{label} {}\n", canvas.paint(Tone::Strong, line)));
    }
    field(&mut text, "stage", failure.stage.name(), canvas);
    block(&mut text, "attempts", &failure.asked.join("\n"), canvas);
    field(&mut text, "elapsed", &span(failure.elapsed_ms), canvas);
    let output = if failure.last_output.trim().is_empty() { "none" } else { &failure.last_output };
    block(&mut text, "last output", output, canvas);
    for (title, evidence) in &failure.evidence {
        block(&mut text, title, evidence, canvas);
    }
    if let Some(rollback) = &failure.rollback {
        field(&mut text, "rolled back", rollback, canvas);
    }
    if let Some(hint) = &failure.hint {
        field(&mut text, "hint", hint, canvas);
    }
    text
}

/// What a failure begins with.
const LABEL: &str = "error:";

/// The width of the names of fields.
const FIELD: usize = 11;

fn field(text: &mut String, name: &str, value: &str, canvas: Canvas) {
    let room = canvas.width.saturating_sub(FIELD + 4).max(20);
    for (index, line) in wrap(&tame(value), room).iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        text.push_str(&format!("  {}  {line}\n", canvas.paint(Tone::Faint, format!("{name:<FIELD$}"))));
    }
}

/// Output as it was, the last lines of it.
fn block(text: &mut String, name: &str, value: &str, canvas: Canvas) {
    let lines: Vec<&str> = value.trim_end().lines().collect();
    match lines.as_slice() {
        [] => {}
        [line] if name.len() <= FIELD && line.len() + FIELD + 4 <= canvas.width => field(text, name, line, canvas),
        lines => {
            let left_out = lines.len().saturating_sub(OUTPUT_LINES);
            let note = if left_out > 0 {
                format!(" (the last {OUTPUT_LINES} of {} lines)", lines.len())
            } else {
                String::new()
            };
            text.push_str(&format!("  {}\n", canvas.paint(Tone::Faint, format!("{name}{note}"))));
            let bar = canvas.paint(Tone::Faint, canvas.glyph("│", "|"));
            for line in lines[left_out..].iter().flat_map(|line| pieces(&tame(line), canvas)) {
                text.push_str(format!("    {bar} {line}").trim_end());
                text.push('\n');
            }
        }
    }
}

/// A line of output as it fits a terminal, broken where it must be: what it says is kept to the last sign. Elsewhere it stays
/// in one piece.
fn pieces(line: &str, canvas: Canvas) -> Vec<String> {
    const BAR: usize = 6;
    if canvas.overflow == Overflow::Keep {
        return vec![line.to_owned()];
    }
    let room = canvas.width.saturating_sub(BAR).max(20);
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        let wide = columns(c.encode_utf8(&mut [0; 4]));
        if used + wide > room {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}
