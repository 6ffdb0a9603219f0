//! `phoenix-sim check`: recorded verdicts of the real parser against [`grammar::parse_in`].
//!
//! A record is one JSON object a line: `argv`, `accepted`, `exit`, for accepted ones `method` and `params`, for refused ones
//! `stderr` as a list of lines. What cannot be the same in two runs of the real tools is normalised, by these rules:
//!
//! - **locale**: the recordings were made with `LANG=C`, so the check parses in that locale;
//! - **usage**: usage lines are left out of the records, so they are left out on both sides, and blank lines with them;
//! - **order**: the reasons behind `400 Parameter verification failed.` come in the order of a Perl hash; both sides are sorted;
//! - **recorder**: `, <STDIN> line N` in a Perl warning speaks of the recorder's input, and `Wide character in syswrite at …`
//!   is the recorder failing to write down an accepted call whose text the C locale had damaged: it stands for acceptance;
//! - **outside**: what an option reads from a file or from the terminal (`--sshkeys FILE`, a bare `--password`) depends on the
//!   recorder's machine: its value is not compared, and its absence there (`can't open '…'`) stands for acceptance.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::grammar::{self, Locale, Verdict};

/// The outcome of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// How many records the grammar agrees with.
    pub agree: usize,
    /// How many it does not.
    pub differ: usize,
    /// The latter.
    pub differences: Vec<Difference>,
}

/// A record that the grammar does not agree with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The line of the file, from 1.
    pub line: usize,
    /// The command line.
    pub argv: Vec<String>,
    /// What was recorded.
    pub expected: String,
    /// What the grammar says.
    pub actual: String,
}

/// Why a file of verdicts could not be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The file could not be read.
    #[error("cannot read the recorded verdicts")]
    Read(#[from] io::Error),
    /// A line is not a record.
    #[error("line {line} is not a recorded verdict")]
    Record {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Record {
    accepted: bool,
    argv: Vec<String>,
    exit: i32,
    method: Option<String>,
    params: Option<Json>,
    #[serde(default)]
    stderr: Vec<String>,
}

/// Checks every record of a file; blank lines are skipped.
///
/// # Errors
/// When the file cannot be read or a line is not a record.
///
/// ```
/// let records = r#"{"argv":["qm","start","100"],"accepted":true,"exit":0,"method":"vm_start","params":{"node":"pve","vmid":"100"}}"#;
/// assert_eq!(phoenix_sim::check::run(records.as_bytes())?.agree, 1);
/// # Ok::<(), phoenix_sim::check::CheckError>(())
/// ```
pub fn run(reader: impl BufRead) -> Result<CheckReport, CheckError> {
    let mut report = CheckReport::default();
    for (at, text) in reader.lines().enumerate() {
        let text = text?;
        if text.trim().is_empty() {
            continue;
        }
        let line = at + 1;
        let record: Record = serde_json::from_str(&text).map_err(|source| CheckError::Record { line, source })?;
        match compare(&record) {
            None => report.agree += 1,
            Some((expected, actual)) => {
                report.differ += 1;
                report.differences.push(Difference { line, argv: record.argv, expected, actual });
            }
        }
    }
    Ok(report)
}

/// Expected and actual outcome, when they differ.
fn compare(record: &Record) -> Option<(String, String)> {
    let verdict = grammar::parse_in(&record.argv, Locale::C);
    let damaged = record.stderr.iter().any(|line| line.starts_with("Wide character in syswrite at "));
    let outside: Vec<&str> = match &verdict {
        Verdict::Accepted(call) => call.files.iter().chain(&call.prompts).map(String::as_str).collect(),
        Verdict::Answered(_) => Vec::new(),
    };
    let absent = !outside.is_empty() && record.stderr.iter().any(|line| is_absence(line));
    let expected = if record.accepted {
        accepted(record.method.as_deref().unwrap_or_default(), record.params.as_ref().unwrap_or(&Json::Null), &outside)
    } else if damaged {
        "accepted, with text that the C locale damages".to_owned()
    } else {
        refused(record.exit, record.stderr.iter().flat_map(|text| text.split('\n')), &record.argv)
    };
    let actual = match &verdict {
        Verdict::Accepted(call) => {
            let params = call.params_json();
            if absent || (damaged && params.to_string().contains('\u{fffd}')) {
                expected.clone()
            } else {
                accepted(&call.method, &params, &outside)
            }
        }
        Verdict::Answered(answer) => refused(answer.exit, answer.stderr.lines(), &record.argv),
    };
    (expected != actual).then_some((expected, actual))
}

/// The messages of a file that is not there and of a terminal that gives no password.
fn is_absence(line: &str) -> bool {
    line.starts_with("can't open '") || line == "EOF while reading password" || line == "passwords do not match"
}

fn accepted(method: &str, params: &Json, outside: &[&str]) -> String {
    let mut params = params.clone();
    if let Some(object) = params.as_object_mut() {
        object.retain(|name, _| !outside.contains(&name.as_str()));
    }
    format!("{method} {params}")
}

fn refused<'a>(exit: i32, lines: impl Iterator<Item = &'a str>, argv: &[String]) -> String {
    let tool = argv.first().map_or("", String::as_str);
    let is_usage = |line: &str| {
        line.starts_with("USAGE: ") || line.trim_start().strip_prefix(tool).is_some_and(|rest| rest.starts_with(' '))
    };
    let mut lines: Vec<String> =
        lines.filter(|line| !line.is_empty() && !is_usage(line)).map(without_recorder).collect();
    if lines.iter().any(|line| line == "400 Parameter verification failed.") {
        lines.sort();
    }
    format!("exit {exit}: {}", lines.join("\n"))
}

/// Takes the recorder's traces out of a line, and sorts what one hash order put into it.
fn without_recorder(line: &str) -> String {
    if line.contains("\\nmissing property - ") {
        let (parameter, reasons) = line.split_once(": ").unwrap_or((line, ""));
        let mut reasons: Vec<&str> = reasons.split("\\n").collect();
        reasons.sort_unstable();
        return format!("{parameter}: {}", reasons.join("\\n"));
    }
    match line.split_once(", <STDIN> line ") {
        Some((warning, _)) => format!("{warning}."),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const START: &str = r#"{"argv":["qm","start","100"],"accepted":true,"exit":0,"method":"vm_start","params":{"node":"pve","vmid":"100"}}"#;
    const REASONS: &str = r#"{"argv":["pct","clone","99","1","--full","1"],"accepted":false,"exit":255,"stderr":["400 Parameter verification failed.","vmid: invalid format - value does not look like a valid VM ID","newid: invalid format - value does not look like a valid VM ID"]}"#;
    const DAMAGED: &str = r#"{"argv":["pct","set","103","--description","ünï"],"accepted":false,"exit":255,"stderr":["Wide character in syswrite at /recorder line 17, <STDIN> line 22."]}"#;
    const WARNED: &str = r#"{"argv":["pct","set","103","--arch","é"],"accepted":false,"exit":255,"stderr":["Wide character in die at /usr/share/perl5/PVE/RESTHandler.pm line 1143, <STDIN> line 7.","400 Parameter verification failed.","arch: value '��' does not have a value in the enumeration 'amd64, i386, arm64, armhf, riscv32, riscv64'"]}"#;

    const FILE: &str = r#"{"argv":["qm","set","100","--sshkeys","/k"],"accepted":false,"exit":2,"stderr":["can't open '/k' - No such file or directory"]}"#;

    #[test_case(FILE; "a file that the recorder did not have")]
    #[test_case(START; "accepted")]
    #[test_case(REASONS; "reasons in another order")]
    #[test_case(DAMAGED; "the recorder could not write it down")]
    #[test_case(WARNED; "a warning of the recorder")]
    fn agrees(record: &str) {
        let report = run(record.as_bytes()).expect("a record");
        assert_eq!((report.agree, report.differ), (1, 0), "{:?}", report.differences);
    }

    #[test_case(START, "vm_start", "vm_stop"; "method")]
    #[test_case(START, r#""vmid":"100""#, r#""vmid":"101""#; "parameter")]
    #[test_case(START, r#""accepted":true"#, r#""accepted":false"#; "verdict")]
    #[test_case(REASONS, "255", "2"; "exit status")]
    #[test_case(REASONS, "newid: invalid", "newid: wrong"; "reason")]
    #[test_case(DAMAGED, "ünï", "uni"; "nothing to damage")]
    #[test_case(FILE, "sshkeys", "name"; "no file is read")]
    fn differs(record: &str, from: &str, to: &str) {
        let record = record.replacen(from, to, 1);
        let report = run(record.as_bytes()).expect("a record");
        assert_eq!((report.agree, report.differ), (0, 1));
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let error = run("\n{}".as_bytes()).expect_err("not a record");
        assert_eq!(error.to_string(), "line 2 is not a recorded verdict");
    }
}
