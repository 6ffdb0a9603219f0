//! What stands between a configuration and its node.

use phoenix_config::Fleet;
use phoenix_config::Severity;
use phoenix_engine::{Examination, Finding};

use super::style::{tame, wrap};
use super::{Canvas, Tone};

/// How many guests a finding names.
const GUESTS: usize = 6;

/// One block a finding, then one sentence about all.
pub(crate) fn report(examination: &Examination, fleet: &Fleet, host: &str, guests: usize, canvas: Canvas) -> String {
    let mut text: String = examination.findings.iter().map(|finding| one(finding, fleet, canvas)).collect();
    let count = |severity: Severity, noun: &str| match examination
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .count()
    {
        0 => None,
        1 => Some(format!("1 {noun}")),
        many => Some(format!("{many} {noun}s")),
    };
    let counts: Vec<String> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    let version = examination.version.as_ref().map_or_else(String::new, |version| format!(" (Proxmox VE {version})"));
    let noun = if guests == 1 { "guest needs" } else { "guests need" };
    let (tone, line) = match (examination.is_good(), counts.is_empty()) {
        (true, true) => (Tone::Good, format!("{} {host}{version} has what {guests} {noun}", canvas.glyph("✓", "OK"))),
        (true, false) => (Tone::Warn, format!("{host}{version}: {}", counts.join(", "))),
        (false, _) => (Tone::Bad, format!("{} {host}{version}: {}", canvas.glyph("✗", "FAILED"), counts.join(", "))),
    };
    text.push_str(&format!("{}\n", canvas.paint(tone, line)));
    text
}

fn one(finding: &Finding, fleet: &Fleet, canvas: Canvas) -> String {
    let (tone, word) = match finding.severity {
        Severity::Error => (Tone::Bad, "error"),
        Severity::Warning => (Tone::Warn, "warning"),
    };
    let label = format!("{word}[{}]:", finding.check);
    let mut text = String::new();
    let indent = label.len() + 1;
    for (index, line) in wrap(&tame(&finding.message), canvas.width.saturating_sub(indent).max(24)).iter().enumerate() {
        let label = if index == 0 { canvas.paint(tone, &label) } else { " ".repeat(label.len()) };
        text.push_str(&format!("{label} {}\n", canvas.paint(Tone::Strong, line)));
    }
    let guests: Vec<String> = finding
        .guests
        .iter()
        .take(GUESTS)
        .map(|id| fleet.guest(*id).map_or_else(|| id.to_string(), |guest| format!("{id} {}", guest.name)))
        .collect();
    let more = match finding.guests.len().checked_sub(GUESTS) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    let at = finding.at.as_ref().map_or_else(String::new, |at| format!("{}:{}:{}", at.file, at.line, at.column));
    for (name, value) in [("at", at), ("guests", guests.join(", ") + &more), ("help", tame(&finding.advice))] {
        let room = canvas.width.saturating_sub(10).max(24);
        for (index, line) in wrap(&value, room).iter().enumerate().filter(|(_, line)| !line.is_empty()) {
            let name = if index == 0 { name } else { "" };
            text.push_str(&format!("  {} {line}\n", canvas.paint(Tone::Faint, format!("{name:<7}"))));
        }
    }
    text.push('\n');
    text
}
