//! A run as one HTML page that needs nothing else: what failed and why, all guests, the run over time, every step.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use phoenix_engine::{Failure, GuestOutcome};
use phoenix_types::GuestId;

use super::timeline::{MARKS, mark};
use super::{clock, span, summary};
use crate::chronicle::{Activity, Chronicle, Story};

const STYLE: &str = "\
:root{--fg:#1f2328;--bg:#fff;--faint:#656d76;--line:#d1d9e0;--work:#2f81f7;--gate:#d4a72c;--wait:#d1d9e0;--good:#1a7f37;--bad:#cf222e}
@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--faint:#8d96a0;--line:#30363d;--work:#4493f8;--gate:#d29922;--wait:#30363d;--good:#3fb950;--bad:#f85149}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--faint);font-weight:500}td.n{text-align:right;font-variant-numeric:tabular-nums}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--gate)}.faint{color:var(--faint)}
pre{background:color-mix(in srgb,var(--line) 30%,transparent);padding:.6rem;overflow:auto;border-radius:6px}
svg text{fill:var(--fg);font:12px system-ui,sans-serif}svg .axis{fill:var(--faint)}
.working{fill:var(--work)}.gated{fill:var(--gate)}.waiting{fill:var(--wait)}.done{fill:var(--good)}.failed{fill:var(--bad)}.other{fill:var(--gate)}
section.failure{border-left:4px solid var(--bad);padding-left:1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{color:var(--faint)}dd{margin:0}
";

/// The page.
pub(crate) fn page(title: &str, chronicle: &Chronicle, states: &BTreeMap<GuestId, String>) -> String {
    let verdict = summary::sentence(chronicle);
    let class = if summary::is_good(chronicle) { "good" } else { "bad" };
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p class=\"{class}\">{verdict}</p>\n",
        title = escape(title),
        verdict = escape(&verdict),
    );
    for (id, story) in chronicle.stories() {
        if let Some((_, GuestOutcome::Failed { failure })) = &story.end {
            html.push_str(&failed(id, story, failure));
        }
    }
    html.push_str("<h2>Guests</h2>\n");
    html.push_str(&guests(chronicle, states));
    html.push_str("<h2>Timeline</h2>\n");
    html.push_str(&timeline(chronicle));
    html.push_str("<h2>Steps</h2>\n");
    for (id, story) in chronicle.stories().filter(|(_, story)| !story.steps.is_empty()) {
        html.push_str(&steps(id, story));
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn failed(id: GuestId, story: &Story, failure: &Failure) -> String {
    let mut html = format!(
        "<section class=\"failure\">\n<h2>{id} {}: {}</h2>\n<dl>\n",
        escape(&story.name),
        escape(&failure.message)
    );
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(html, "<dt>{name}</dt><dd>{}</dd>", escape(value));
    };
    field("stage", failure.stage.name());
    if let Some(attempts) = failure.attempts {
        field("attempts", &attempts.to_string());
    }
    field("elapsed", &span(failure.elapsed_ms));
    if let Some(rollback) = &failure.rollback {
        field("rolled back", rollback);
    }
    if let Some(hint) = &failure.hint {
        field("hint", hint);
    }
    html.push_str("</dl>\n");
    let last = ("last output".to_owned(), failure.last_output.clone());
    for (title, text) in std::iter::once(&last).chain(&failure.evidence) {
        if !text.trim().is_empty() {
            let _ = writeln!(html, "<p class=\"faint\">{}</p>\n<pre>{}</pre>", escape(title), escape(text.trim_end()));
        }
    }
    html.push_str("</section>\n");
    html
}

fn class(outcome: Option<&GuestOutcome>) -> &'static str {
    match outcome {
        Some(outcome) if outcome.is_good() => "good",
        Some(GuestOutcome::Failed { .. }) => "bad",
        _ => "warn",
    }
}

fn guests(chronicle: &Chronicle, states: &BTreeMap<GuestId, String>) -> String {
    let mut html = String::from(
        "<table>\n<tr><th>id</th><th>name</th><th>kind</th><th>state</th><th>result</th><th>gates</th><th>time</th></tr>\n",
    );
    for (id, story) in chronicle.stories() {
        let outcome = story.end.as_ref().map(|(_, outcome)| outcome);
        let state = states.get(&id).filter(|_| outcome.is_some_and(GuestOutcome::is_good)).map_or("-", String::as_str);
        let _ = writeln!(
            html,
            "<tr><td class=\"n\">{id}</td><td>{}</td><td>{}</td><td>{state}</td><td class=\"{}\">{}</td><td class=\"n\">{}/{}</td><td class=\"n\">{}</td></tr>",
            escape(&story.name),
            story.kind,
            class(outcome),
            escape(&outcome.map_or_else(|| "unknown".to_owned(), summary::result)),
            story.passed,
            story.gates.len(),
            span(story.busy_ms()),
        );
    }
    html.push_str("</table>\n");
    html
}

/// The width of the drawing, and where the names end, in pixels.
const WIDTH: u64 = 1080;
const NAMES: u64 = 180;
const ROW: u64 = 24;

fn timeline(chronicle: &Chronicle) -> String {
    let total = chronicle.now.max(1);
    let x = |at: u64| {
        NAMES + u64::try_from(u128::from(at) * u128::from(WIDTH - NAMES) / u128::from(total)).unwrap_or(WIDTH)
    };
    let height = (chronicle.order.len() as u64 + 1) * ROW + 4;
    let mut html =
        format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"what each guest did when\">\n");
    let step = MARKS.into_iter().find(|step| x(*step) - NAMES >= 70).unwrap_or(total).max(1);
    for at in (0..=total).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let x = x(at);
        let _ = writeln!(
            html,
            "<line x1=\"{x}\" y1=\"16\" x2=\"{x}\" y2=\"{height}\" stroke=\"var(--line)\"/><text class=\"axis\" x=\"{}\" y=\"12\">{}</text>",
            x + 2,
            mark(at)
        );
    }
    for (row, (id, story)) in chronicle.stories().enumerate() {
        let y = (row as u64 + 1) * ROW;
        let _ = writeln!(html, "<text x=\"0\" y=\"{}\">{id} {}</text>", y + 12, escape(&story.name));
        for period in &story.periods {
            let (from, to) = (period.from, period.to.unwrap_or(total));
            let (class, what) = match period.activity {
                Activity::Waiting => ("waiting", "waits for others"),
                Activity::Working => ("working", "works"),
                Activity::Gated => ("gated", "gate not passed yet"),
            };
            let _ = writeln!(
                html,
                "<rect class=\"{class}\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"16\"><title>{what}: {} to {}</title></rect>",
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
            let title = escape(&summary::result(outcome));
            let _ = writeln!(
                html,
                "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"5\"><title>{title}: {}</title></circle>",
                x(*at),
                y + 8,
                clock(*at)
            );
        }
    }
    html.push_str("</svg>\n");
    html
}

fn steps(id: GuestId, story: &Story) -> String {
    let mut html = format!(
        "<details>\n<summary>{id} {} ({})</summary>\n<table>\n<tr><th>begins</th><th>takes</th><th>stage</th><th>step</th></tr>\n",
        escape(&story.name),
        story.steps.len()
    );
    for step in &story.steps {
        let error = step
            .error
            .as_ref()
            .map_or_else(String::new, |error| format!("<br><span class=\"bad\">{}</span>", escape(error)));
        let _ = writeln!(
            html,
            "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}{error}</td></tr>",
            clock(step.from),
            span(step.ms),
            step.stage.name(),
            escape(&step.summary),
        );
    }
    html.push_str("</table>\n</details>\n");
    html
}

/// For markup, where a few signs mean something; other control characters are not allowed in it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.extend(c.escape_default()),
            c => escaped.push(c),
        }
    }
    escaped
}
