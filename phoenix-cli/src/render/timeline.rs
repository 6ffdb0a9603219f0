//! The run over time, one row a guest.

use phoenix_engine::GuestOutcome;

use super::style::{columns, fit};
use super::{Canvas, Tone};
use crate::history::{Activity, RunHistory, Story};

/// How many columns the names may take.
const LABEL: usize = 24;

/// Steps between two marks of the axis that people can count in, in milliseconds.
pub(super) const MARKS: [u64; 17] = [
    100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000,
    3_600_000, 7_200_000,
];

/// A sign of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Empty,
    Busy(Activity),
    End(Tone),
}

/// Draws the timeline of a run that took some time; of a run without any, nothing.
pub(crate) fn timeline(history: &RunHistory, canvas: Canvas) -> String {
    let rows: Vec<(String, &Story)> =
        history.stories().map(|(id, story)| (format!("{id} {}", story.name), story)).collect();
    let label = rows.iter().map(|(label, _)| columns(label)).max().unwrap_or(0).min(LABEL);
    let Some(width) = canvas.width.checked_sub(label + 4).filter(|width| *width >= 16) else { return String::new() };
    if history.now == 0 {
        return String::new();
    }
    let scale = Scale { total: history.now, width };
    let mut text = format!("{}{}\n", " ".repeat(label + 2), canvas.paint(Tone::Faint, scale.axis()));
    let mut drawn = Vec::new();
    for (name, story) in rows {
        let name = fit(&name, label, canvas.glyphs);
        let blank = " ".repeat(label - columns(&name));
        let cells = scale.row(story);
        let row = paint(&cells, canvas);
        drawn.extend(cells);
        text.push_str(format!("{name}{blank}  {row}").trim_end());
        text.push('\n');
    }
    text.push_str(&legend(&drawn, label, canvas));
    text
}

/// Time on columns.
struct Scale {
    total: u64,
    width: usize,
}

impl Scale {
    fn column(&self, at: u64) -> usize {
        let column = u128::from(at) * self.width as u128 / u128::from(self.total.max(1));
        usize::try_from(column).unwrap_or(usize::MAX).min(self.width - 1)
    }

    /// Marks at round times, as many as there is room for.
    fn axis(&self) -> String {
        let room = |step: u64| self.width as u64 * step / self.total.max(1);
        let step = MARKS.into_iter().find(|step| room(*step) >= 9).unwrap_or(self.total.div_ceil(4)).max(1);
        let mut line = String::new();
        for index in 0.. {
            let at = index * step;
            if at > self.total {
                break;
            }
            let column = self.column(at);
            let mark = format!("|{}", mark(at));
            if column + mark.len() <= self.width {
                line.push_str(&" ".repeat(column.saturating_sub(line.len())));
                line.push_str(&mark);
            }
        }
        line
    }

    fn row(&self, story: &Story) -> Vec<Cell> {
        let mut cells = vec![Cell::Empty; self.width];
        // Work is drawn over gates and gates over waiting, so that even a short piece of work is seen.
        for activity in [Activity::Waiting, Activity::Gated, Activity::Working] {
            for period in story.periods.iter().filter(|period| period.activity == activity) {
                let (from, to) = (self.column(period.from), self.column(period.to.unwrap_or(self.total)));
                // A period ends before the column in which the next one begins, unless it is all inside that column.
                for cell in cells.iter_mut().take(to.max(from + 1)).skip(from) {
                    *cell = Cell::Busy(activity);
                }
            }
        }
        if let Some((at, outcome)) = &story.end
            && let Some(cell) = cells.get_mut(self.column(*at))
        {
            *cell = Cell::End(tone(outcome));
        }
        cells
    }
}

/// A round moment: `90s` is `1:30`.
pub(super) fn mark(at: u64) -> String {
    match at {
        0 => "0".to_owned(),
        at if at % 1000 != 0 => format!("{}.{}s", at / 1000, at % 1000 / 100),
        at if at < 60_000 => format!("{}s", at / 1000),
        at if at < 3_600_000 => format!("{}:{:02}", at / 60_000, at / 1000 % 60),
        at => format!("{}h{:02}", at / 3_600_000, at / 60_000 % 60),
    }
}

/// The tone of a way to end.
pub(super) fn tone(outcome: &GuestOutcome) -> Tone {
    match outcome {
        GuestOutcome::Changed { .. } | GuestOutcome::Unchanged { .. } => Tone::Good,
        GuestOutcome::Failed { .. } => Tone::Bad,
        _ => Tone::Warn,
    }
}

fn sign(cell: Cell, canvas: Canvas) -> (Tone, &'static str) {
    match cell {
        Cell::Empty => (Tone::Plain, " "),
        Cell::Busy(Activity::Waiting) => (Tone::Faint, canvas.glyph("·", ".")),
        Cell::Busy(Activity::Gated) => (Tone::Warn, canvas.glyph("░", "-")),
        Cell::Busy(Activity::Working) => (Tone::Active, canvas.glyph("█", "#")),
        Cell::End(Tone::Good) => (Tone::Good, canvas.glyph("✓", "+")),
        Cell::End(Tone::Bad) => (Tone::Bad, canvas.glyph("✗", "X")),
        Cell::End(_) => (Tone::Warn, canvas.glyph("■", "!")),
    }
}

fn paint(cells: &[Cell], canvas: Canvas) -> String {
    cells
        .chunk_by(|a, b| a == b)
        .map(|run| {
            let (tone, sign) = sign(run[0], canvas);
            canvas.paint(tone, sign.repeat(run.len()))
        })
        .collect()
}

/// What the signs that were drawn mean.
fn legend(drawn: &[Cell], label: usize, canvas: Canvas) -> String {
    let entries = [
        (Cell::Busy(Activity::Waiting), "waits for others"),
        (Cell::Busy(Activity::Working), "works"),
        (Cell::Busy(Activity::Gated), "gate not passed yet"),
        (Cell::End(Tone::Good), "done"),
        (Cell::End(Tone::Bad), "failed"),
        (Cell::End(Tone::Warn), "not touched"),
    ];
    // Where the names leave no room for the longest entry it begins at the margin.
    let label = if label + 24 > canvas.width { 0 } else { label };
    let indent = " ".repeat(label);
    let mut text = indent.clone();
    let mut used = label;
    for (cell, meaning) in entries.into_iter().filter(|(cell, _)| drawn.contains(cell)) {
        let (tone, sign) = sign(cell, canvas);
        let wide = columns(sign) + columns(meaning) + 3;
        if used + wide > canvas.width && used > label {
            text.push_str(&format!("\n{indent}"));
            used = label;
        }
        text.push_str(&format!("  {} {}", canvas.paint(tone, sign), canvas.paint(Tone::Faint, meaning)));
        used += wide;
    }
    format!("{text}\n")
}
