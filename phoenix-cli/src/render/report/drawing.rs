//! The run over time, as a picture in the page.

use std::fmt::Write as _;

use super::class;
use crate::history::{Activity, RunHistory, Story};
use crate::render::markup::escape;
use crate::render::style::{Glyphs, columns, fit};
use crate::render::timeline::{MARKS, mark};
use crate::render::{clock, summary};

/// The width of the drawing, where the names end and the time does, in its own units.
const WIDTH: u64 = 1080;
const RIGHT: u64 = WIDTH - 14;
const ROW: u64 = 24;

/// How wide a letter of a name is, and how many columns names may take.
const LETTER: usize = 7;
const NAME: usize = 36;

/// What lasted how long.
pub(super) fn timeline(history: &RunHistory) -> String {
    let total = history.now.max(1);
    let names: Vec<String> =
        history.stories().map(|(id, story)| fit(&format!("{id} {}", story.name), NAME, Glyphs::Unicode)).collect();
    let widest = names.iter().map(|name| columns(name)).max().unwrap_or(0);
    let left = (widest * LETTER + 16) as u64;
    let x = |at: u64| left + u64::try_from(u128::from(at) * u128::from(RIGHT - left) / u128::from(total)).unwrap_or(0);
    let height = (history.order.len() as u64 + 1) * ROW + 4;
    let mut html = format!(
        "<div class=\"wide\"><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"timeline of the guests\">\n"
    );
    let step = MARKS.into_iter().find(|step| x(*step) - left >= 70).unwrap_or(total).max(1);
    for at in (0..=total).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let x = x(at);
        let _ = writeln!(html, "<line x1=\"{x}\" y1=\"4\" x2=\"{x}\" y2=\"{height}\"/>");
        // A sign at the very end would be cut off.
        if x + 36 < WIDTH {
            let _ = writeln!(html, "<text class=\"axis\" x=\"{}\" y=\"13\">{}</text>", x + 4, mark(at));
        }
    }
    for (row, (name, (_, story))) in names.iter().zip(history.stories()).enumerate() {
        let y = (row as u64 + 1) * ROW;
        let _ = writeln!(html, "<text x=\"0\" y=\"{}\">{}</text>", y + 12, escape(name));
        html.push_str(&bars(story, y, total, x));
    }
    html.push_str("</svg></div>\n");
    html.push_str(
        "<p class=\"key\"><span><i class=\"waiting\"></i>waits for others</span><span><i class=\"working\"></i>works</span>\
         <span><i class=\"gated\"></i>gate not passed yet</span><span><i class=\"done\"></i>done</span><span><i class=\"failed\"></i>failed</span></p>\n",
    );
    html
}

/// One guest's row.
fn bars(story: &Story, y: u64, total: u64, x: impl Fn(u64) -> u64) -> String {
    let mut html = String::new();
    for period in &story.periods {
        let (from, to) = (period.from, period.to.unwrap_or(total));
        let (class, what) = match period.activity {
            Activity::Waiting => ("waiting", "waits for others"),
            Activity::Working => ("working", "works"),
            Activity::Gated => ("gated", "gate not passed yet"),
        };
        // Waiting is thin, so that work is what is seen first.
        let (top, tall) = if period.activity == Activity::Waiting { (y + 6, 4) } else { (y, 16) };
        let _ = writeln!(
            html,
            "<rect class=\"{class}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{tall}\"><title>{what}: {} to {}</title></rect>",
            x(from),
            x(to).saturating_sub(x(from)).max(1),
            clock(from),
            clock(to),
        );
    }
    if let Some((at, outcome)) = &story.end {
        let class = match class(Some(outcome)) {
            "good" => "done",
            "bad" => "failed",
            _ => "other",
        };
        let _ = writeln!(
            html,
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"5\"><title>{}: {}</title></circle>",
            x(*at),
            y + 8,
            escape(&summary::result(outcome)),
            clock(*at)
        );
    }
    html
}
