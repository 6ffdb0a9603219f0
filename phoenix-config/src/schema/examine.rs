//! What is wrong with a part that the types refuse: everything, not only the first thing.

use phoenix_types::GuestId;
use serde_json::Value;

use super::explain::Explanation;
use super::rest::{Rest, rest};
use super::{Part, compiled};
use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::source::{MAX_DEPTH, Scan, Source, scan};

/// So many faults of one part are reported; more do not help.
const MAX_FINDINGS: usize = 100;

/// Parts larger than this, in bytes, are told their first fault only: a tree of their values would take many times the
/// memory of the file.
const MAX_EXAMINED: usize = 4 << 20;

/// What a text is that cannot be read at all. `base` is where it is in its file.
pub(crate) fn unreadable(error: &serde_json::Error, text: &str, base: usize, kind: FileKind) -> Finding {
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or(&words);
    if error.is_data() {
        return Finding::error(Code::WrongType, Target::At(kind, base), "the file holds no object")
            .expected("an object");
    }
    // serde_json points at the last byte that it read.
    let within = Source::offset(text, error.line(), error.column());
    let at = base + within;
    if text.starts_with('\u{feff}') {
        return Finding::error(
            Code::NotJson,
            Target::At(kind, base),
            "the text begins with a byte order mark, which is not JSON",
        )
        .help("save it as UTF-8 without byte order mark");
    }
    let before = text.get(..within).unwrap_or("").trim_end();
    if before.ends_with(',') && text.get(within..).is_some_and(|rest| rest.starts_with(['}', ']'])) {
        return Finding::error(
            Code::NotJson,
            Target::At(kind, base + before.len() - 1),
            "this is not JSON: there is a comma after the last entry",
        )
        .help("remove the comma");
    }
    let finding = Finding::error(Code::NotJson, Target::At(kind, at), format!("this is not JSON: {words}"));
    match words {
        _ if words.starts_with("EOF") => {
            finding.help("the text ends before everything is closed: look for a missing `}` or `]`")
        }
        "expected `,` or `}`" | "expected `,` or `]`" => finding.help("put a comma between the two"),
        "key must be a string" => finding.help("put the key in double quotes; comments are not JSON"),
        _ => finding.help("fix the value here"),
    }
}

/// A part that the types refuse, looked at closely.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    /// Everything that is wrong with it.
    pub(crate) findings: Vec<Finding>,
    /// What can be read of it all the same; absent where nothing can.
    pub(crate) rest: Option<Rest>,
}

/// Everything that is wrong with one guest. `base` is where its text is in its file.
pub(crate) fn examine_guest(kind: FileKind, text: &str, base: usize, error: &serde_json::Error) -> Examined {
    examine(Part::Guest(kind), kind, text, Target::At(kind, base), error, base, &scan(text, 0))
}

/// Everything that is wrong with a file but for its guests. `frame` is its text without them, `whole` with them.
pub(crate) fn examine_frame(kind: FileKind, frame: &str, whole: &str, error: &serde_json::Error) -> Examined {
    examine(Part::Frame(kind), kind, frame, Target::File(kind), error, 0, &scan(whole, 0))
}

fn scan_findings(kind: FileKind, scanned: &Scan, base: usize) -> Vec<Finding> {
    let duplicates = scanned.duplicates.iter().take(MAX_FINDINGS).map(|duplicate| {
        Finding::error(
            Code::DuplicateKey,
            Target::At(kind, base + duplicate.again.start),
            format!("duplicate key `{}`", duplicate.key),
        )
        .label(Target::At(kind, base + duplicate.first.start), [] as [&str; 0], "first used here")
        .help("keep one of the two")
    });
    let deep = scanned.too_deep.map(|at| {
        Finding::error(Code::TooDeep, Target::At(kind, base + at), "objects and lists are nested too deeply here")
            .expected(format!("at most {MAX_DEPTH} of them"))
            .help("flatten the value")
    });
    duplicates.chain(deep).collect()
}

fn examine(
    part: Part,
    kind: FileKind,
    text: &str,
    target: Target,
    error: &serde_json::Error,
    base: usize,
    scanned: &Scan,
) -> Examined {
    let mut findings = scan_findings(kind, scanned, base);
    if scanned.too_deep.is_some() {
        return Examined { findings, rest: None };
    }
    let only_the_first = |findings: &mut Vec<Finding>| {
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or(&words);
        let place = match part {
            Part::Guest(_) => Target::At(kind, base + Source::offset(text, error.line(), error.column())),
            Part::Frame(_) => target,
        };
        let code = [
            ("invalid type", Code::WrongType),
            ("unknown field", Code::UnknownKey),
            ("missing field", Code::MissingKey),
            ("duplicate field", Code::DuplicateKey),
        ];
        let code =
            code.iter().find(|(start, _)| words.starts_with(start)).map_or(Code::InvalidValue, |(_, code)| *code);
        findings.push(Finding::error(code, place, words));
    };
    if text.len() > MAX_EXAMINED {
        if findings.is_empty() {
            only_the_first(&mut findings);
        }
        return Examined { findings, rest: None };
    }
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            findings.push(unreadable(&error, text, base, kind));
            return Examined { findings, rest: None };
        }
    };
    let compiled = compiled(part);
    let explanation = Explanation { root: &compiled.root, value: &value, target };
    for fault in compiled.validator.iter_errors(&value) {
        let room = MAX_FINDINGS.saturating_sub(findings.len());
        let made = explanation.findings(&fault, room + 1);
        if made.len() > room {
            findings.extend(made.into_iter().take(room));
            findings.push(Finding::error(Code::InvalidValue, target, "too many errors; the rest are not shown"));
            break;
        }
        for finding in made {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    if findings.is_empty() {
        // The types know rules that a schema cannot say.
        only_the_first(&mut findings);
    }
    Examined { findings, rest: rest(part, value, scanned) }
}

/// The id of a VM that could not be read as a whole.
pub(crate) fn vmid(text: &str) -> Option<GuestId> {
    let value: Value = serde_json::from_str(text).ok()?;
    serde_json::from_value(value.get("vmid")?.clone()).ok()
}
