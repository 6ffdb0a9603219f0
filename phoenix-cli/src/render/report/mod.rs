//! A run as one HTML page that needs nothing else: what failed and why, all guests, the run over time, every step.

mod drawing;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use phoenix_engine::{Failure, GuestOutcome};
use phoenix_types::GuestId;

use super::markup::escape;
use super::{clock, span, summary};
use crate::history::{RunHistory, Story};

const STYLE: &str = "\
:root{color-scheme:light dark;--fg:#1f2328;--bg:#fff;--faint:#59636e;--line:#d1d9e0;--soft:#f3f5f8;--work:#2f81f7;--gate:#d4a72c;--wait:#d1d9e0;--good:#1a7f37;--warn:#8a6100;--bad:#cf222e}
@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--faint:#9198a1;--line:#30363d;--soft:#161b22;--work:#4493f8;--gate:#d29922;--wait:#3d444d;--good:#3fb950;--warn:#d29922;--bad:#f85149}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin-bottom:.3rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:.95rem;font-weight:500;color:var(--faint);margin:.9rem 0 .3rem}
p{margin:.3rem 0}.verdict{font-size:1.1rem;font-weight:600}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--faint);font-weight:500}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.said{overflow-wrap:anywhere}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.faint{color:var(--faint)}
pre{background:var(--soft);padding:.5rem .7rem;margin:.3rem 0;overflow:auto;max-height:24rem;border-radius:6px;font-size:13px}
svg{min-width:44rem;width:100%;display:block}svg text{fill:var(--fg);font:12px system-ui,sans-serif}svg .axis{fill:var(--faint)}svg line{stroke:var(--line)}
.working{fill:var(--work)}.gated{fill:var(--gate)}.waiting{fill:var(--wait)}.done{fill:var(--good)}.failed{fill:var(--bad)}.other{fill:var(--warn)}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;color:var(--faint);font-size:.85rem}.key i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px}
.key .waiting{background:var(--wait)}.key .working{background:var(--work)}.key .gated{background:var(--gate)}.key .done{background:var(--good);border-radius:50%}.key .failed{background:var(--bad);border-radius:50%}
section.failure{border-left:4px solid var(--bad);padding-left:1rem;margin-top:1.5rem}section.failure h2{margin-top:0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.6rem 0}dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}
details{margin:.2rem 0}summary{cursor:pointer}
";

/// What a page is about.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    /// What was done where: `phoenix up on pve`.
    pub(crate) title: &'a str,
    /// When, and by what.
    pub(crate) when: &'a str,
    /// What each guest is when it went well.
    pub(crate) states: &'a BTreeMap<GuestId, String>,
}

/// The page.
pub(crate) fn page(subject: &Subject<'_>, history: &RunHistory) -> String {
    let class = if summary::is_good(history) { "good" } else { "bad" };
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <p class=\"verdict {class}\">{verdict}</p>\n<p class=\"faint\">{when}</p>\n",
        title = escape(subject.title),
        verdict = escape(&summary::sentence(history)),
        when = escape(subject.when),
    );
    for (id, story) in history.stories() {
        if let Some((_, GuestOutcome::Failed { failure })) = &story.end {
            html.push_str(&failed(id, story, failure, &summary::held_back(history, id)));
        }
    }
    html.push_str("<h2>Guests</h2>\n");
    html.push_str(&guests(history, subject.states));
    html.push_str("<h2>Timeline</h2>\n");
    html.push_str(&drawing::timeline(history));
    html.push_str(&longest_chain(history));
    html.push_str("<h2>Steps</h2>\n");
    for (id, story) in history.stories().filter(|(_, story)| !story.steps.is_empty()) {
        html.push_str(&steps(id, story));
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn failed(id: GuestId, story: &Story, failure: &Failure, held_back: &[String]) -> String {
    let mut html = format!(
        "<section class=\"failure\">\n<h2>{id} {} failed</h2>\n<p>{}</p>\n<dl>\n",
        escape(&story.name),
        escape(&failure.message)
    );
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(html, "<dt>{name}</dt><dd>{}</dd>", escape(value));
        }
    };
    field("stage", failure.stage.name());
    field("attempts", &failure.attempts.map_or_else(String::new, |attempts| attempts.to_string()));
    field("elapsed", &span(failure.elapsed_ms));
    field("held back", &held_back.join(", "));
    field("rolled back", failure.rollback.as_deref().unwrap_or_default());
    field("hint", failure.hint.as_deref().unwrap_or_default());
    html.push_str("</dl>\n");
    let last = ("last output".to_owned(), failure.last_output.clone());
    for (title, text) in std::iter::once(&last).chain(&failure.evidence) {
        if !text.trim().is_empty() {
            let _ = writeln!(html, "<h3>{}</h3>\n<pre>{}</pre>", escape(title), escape(text.trim_end()));
        }
    }
    html.push_str(&attempts(story));
    html.push_str("</section>\n");
    html
}

/// When the gates of a guest said no, and how.
fn attempts(story: &Story) -> String {
    if story.refusals.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<details>\n<summary>Every attempt that did not pass ({})</summary>\n<div class=\"wide\"><table>\n\
         <tr><th class=\"n\">at</th><th>gate</th><th class=\"n\">attempt</th><th>answer</th></tr>\n",
        story.refusals.len()
    );
    for refusal in &story.refusals {
        let _ = writeln!(
            html,
            "<tr><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"said\">{}</td></tr>",
            clock(refusal.at),
            escape(&refusal.gate),
            refusal.attempt,
            escape(refusal.said.trim_end()),
        );
    }
    html.push_str("</table></div>\n</details>\n");
    html
}

fn class(outcome: Option<&GuestOutcome>) -> &'static str {
    match outcome {
        Some(outcome) if outcome.is_good() => "good",
        Some(GuestOutcome::Failed { .. }) => "bad",
        _ => "warn",
    }
}

fn guests(history: &RunHistory, states: &BTreeMap<GuestId, String>) -> String {
    let mut html = String::from(
        "<div class=\"wide\"><table>\n<tr><th class=\"n\">id</th><th>name</th><th>kind</th><th>state</th><th>result</th><th class=\"n\">gates</th><th class=\"n\">time</th></tr>\n",
    );
    for (id, story) in history.stories() {
        let outcome = story.end.as_ref().map(|(_, outcome)| outcome);
        let state = states.get(&id).map_or("-", String::as_str);
        let _ = writeln!(
            html,
            "<tr><td class=\"n\">{id}</td><td>{}</td><td>{}</td><td>{state}</td><td class=\"{}\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&story.name),
            story.kind,
            class(outcome),
            escape(&outcome.map_or_else(|| "unknown".to_owned(), summary::result)),
            summary::gates(story),
            summary::time(story),
        );
    }
    html.push_str("</table></div>\n");
    html
}

/// Which guests, one after the other, made the run as long as it was.
fn longest_chain(history: &RunHistory) -> String {
    let chain = history.longest_chain();
    if chain.len() < 2 {
        return String::new();
    }
    let links: Vec<String> = chain
        .iter()
        .filter_map(|id| history.guests.get(id).map(|story| (id, story)))
        .map(|(id, story)| format!("{id} {} ({})", escape(&story.name), span(story.busy_ms())))
        .collect();
    format!("<p class=\"faint\">Critical path: {}</p>\n", links.join(" → "))
}

fn steps(id: GuestId, story: &Story) -> String {
    let open = if story.steps.iter().any(|step| step.error.is_some()) { " open" } else { "" };
    let noun = if story.steps.len() == 1 { "step" } else { "steps" };
    let mut html = format!(
        "<details{open}>\n<summary>{id} {} <span class=\"faint\">{} {noun}</span></summary>\n<div class=\"wide\"><table>\n\
         <tr><th class=\"n\">begins</th><th class=\"n\">takes</th><th>stage</th><th>step</th></tr>\n",
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
            "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td class=\"said\">{}{error}</td></tr>",
            clock(step.from),
            span(step.ms),
            step.stage.name(),
            escape(&step.summary),
        );
    }
    html.push_str("</table></div>\n</details>\n");
    html
}
