//! Reports as text.

use std::error::Error;
use std::fmt::Write as _;

use phoenix_sim::check::CheckReport;
use phoenix_sim::replay::ReplayReport;
use serde::Serialize;

use crate::Format;

/// An error with what is behind it.
pub(crate) fn chain(path: &str, error: &dyn Error) -> String {
    let mut text = format!("{path}: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// A report in the form that was asked for.
pub(crate) fn print<T: Serialize>(report: &T, format: &Format, human: impl Fn(&T) -> String) -> Result<String, String> {
    match format {
        Format::Human => Ok(human(report)),
        Format::Json => serde_json::to_string(report).map(|text| text + "\n").map_err(|error| error.to_string()),
    }
}

/// What `check` found.
pub(crate) fn checked(report: &CheckReport) -> String {
    let mut text = format!("agree: {}\ndiffer: {}\n", report.agree, report.differ);
    for difference in &report.differences {
        let _ = write!(
            text,
            "\nline {}: {:?}\n  expected: {}\n  actual:   {}\n",
            difference.line,
            difference.argv,
            difference.expected.replace('\n', "\n            "),
            difference.actual.replace('\n', "\n            "),
        );
    }
    text
}

/// What `replay` found.
pub(crate) fn replayed(report: &ReplayReport) -> String {
    let mut text = format!("matched: {}\ndiffering: {}\n", report.matched, report.differing);
    for difference in &report.differences {
        let _ = write!(text, "\nline {}: {:?}\n{}", difference.line, difference.argv, difference.diff);
    }
    if !report.excluded.is_empty() {
        let _ = write!(text, "\nnot compared: {}\n", report.excluded.len());
    }
    for excluded in &report.excluded {
        let _ = writeln!(text, "  line {}: {:?}: {}", excluded.line, excluded.argv, excluded.reason);
    }
    text
}
