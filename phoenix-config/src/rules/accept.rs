//! Warnings that somebody has looked at and accepts: `"x-accept": ["PHX0407"]` at the place or around it, or with a reason:
//! `{"code": "PHX0407", "reason": "…"}`. At the top of a file it counts for the whole configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, FileKind, Finding, Severity, Target, nearest};
use crate::source::{Segment, Source, find};

/// The key with the codes.
pub(crate) const ACCEPT: &str = "x-accept";

/// What the documents accept.
pub(crate) struct Accepting<'a> {
    /// The documents that accept something at all.
    texts: BTreeMap<FileKind, &'a str>,
}

impl<'a> Accepting<'a> {
    pub(crate) fn new(sources: &'a BTreeMap<FileKind, Arc<Source>>) -> Self {
        let texts = sources.iter().map(|(kind, source)| (*kind, source.text()));
        Self { texts: texts.filter(|(_, text)| text.contains(ACCEPT)).collect() }
    }

    /// Whether a warning is accepted, at its place in a document or for the whole configuration.
    pub(crate) fn accepts(&self, (kind, offset): (FileKind, usize), finding: &Finding) -> bool {
        let at_place = |text: &&str| is_accepted(text, offset, &finding.path, finding.code);
        self.texts.get(&kind).is_some_and(at_place) || self.everywhere(finding.code)
    }

    /// Whether a code is accepted for the whole configuration.
    fn everywhere(&self, code: Code) -> bool {
        self.texts.values().any(|text| is_accepted(text, 0, &[], code))
    }

    /// Takes the warnings out that are accepted for the whole configuration, and says how many.
    pub(crate) fn keep(&self, diagnostics: &mut Vec<Diagnostic>) -> usize {
        let before = diagnostics.len();
        diagnostics.retain(|found| found.severity == Severity::Error || !self.everywhere(found.code));
        before - diagnostics.len()
    }
}

/// Whether an object at a place or around it accepts a code. A list of one may be written as its one element.
fn is_accepted(text: &str, offset: usize, path: &[Segment], code: Code) -> bool {
    let mut around: Vec<Segment> = Vec::new();
    let mut next = path.iter();
    loop {
        let key = around.iter().cloned().chain([ACCEPT.into()]).collect::<Vec<_>>();
        let listed = find(text, offset, &key).and_then(|place| text.get(place.value));
        if listed.is_some_and(|listed| codes(listed).iter().any(|entry| entry == code.as_str())) {
            return true;
        }
        let Some(segment) = next.next() else { return false };
        around.push(segment.clone());
        if find(text, offset, &around).is_none() {
            around.pop();
        }
    }
}

/// The codes of a list.
fn codes(text: &str) -> Vec<String> {
    let entries: Vec<Value> = match serde_json::from_str(text) {
        Ok(Value::Array(entries)) => entries,
        Ok(one) => vec![one],
        Err(_) => Vec::new(),
    };
    let code = |entry: &Value| entry.as_str().or_else(|| entry.get("code")?.as_str()).map(str::to_owned);
    entries.iter().filter_map(code).collect()
}

/// What is accepted for the whole configuration and is not a code.
pub(crate) fn unknown(sources: &BTreeMap<FileKind, Arc<Source>>) -> Vec<Finding> {
    let known = || Code::ALL.iter().map(|code| code.as_str());
    let mut found = Vec::new();
    for (kind, source) in sources {
        let listed = find(source.text(), 0, &[ACCEPT.into()]).and_then(|place| source.text().get(place.value));
        for code in listed.map(codes).unwrap_or_default() {
            if known().any(|known| known == code) {
                continue;
            }
            let finding = Finding::warning(Code::InvalidValue, Target::File(*kind), format!("`{code}` is not a code"))
                .at([ACCEPT]);
            found.push(match nearest(&code, known()) {
                Some(near) => finding.help(format!("is `{near}` meant?")),
                None => finding.help("write a code such as `PHX0502`"),
            });
        }
    }
    found
}
