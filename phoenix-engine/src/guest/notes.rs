//! What the configuration says in a guest's notes, among what people write there.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Lines that Phoenix wrote into a guest's notes: where people wrote around them they are found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ManagedText {
    /// How many lines.
    #[serde(rename = "l")]
    lines: usize,
    /// The digest over them.
    #[serde(rename = "d")]
    digest: Digest,
}

impl ManagedText {
    /// What is kept about a text; `None` for an empty one.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let lines = lines(text);
        (!lines.is_empty()).then(|| Self { lines: lines.len(), digest: digest(&lines) })
    }

    /// The text itself, where notes contain it.
    pub(crate) fn text(&self, notes: &str) -> Option<String> {
        let lines = lines(notes);
        self.find(&lines).map(|range| lines[range].join("\n"))
    }

    fn find(&self, lines: &[&str]) -> Option<Range<usize>> {
        // A record is text that anybody can edit.
        let count = self.lines.max(1);
        let at = lines.windows(count).position(|window| digest(window) == self.digest)?;
        Some(at..at + count)
    }
}

fn lines(text: &str) -> Vec<&str> {
    let text = text.trim_end().trim_start_matches(['\n', '\r']);
    text.lines().map(str::trim_end).collect()
}

fn digest(lines: &[&str]) -> Digest {
    Digest::of(lines.iter().map(|line| line.as_bytes()))
}

/// Notes, without the record, that say what is configured: in the place of what Phoenix wrote there before, or else before
/// everything that people wrote. Their text stays as it is.
pub(crate) fn with_managed_text(notes: &str, before: Option<&ManagedText>, wanted: Option<&str>) -> String {
    let have = lines(notes);
    let wanted = wanted.unwrap_or_default();
    let there = ManagedText::of(wanted).and_then(|managed| managed.find(&have));
    if there.is_some() {
        return notes.to_owned();
    }
    let wanted = lines(wanted);
    match before.and_then(|managed| managed.find(&have)) {
        // The empty line that parted it from what follows goes with it.
        Some(range) if wanted.is_empty() => {
            let rest = have[range.end..].iter().skip_while(|line| line.is_empty());
            let kept: Vec<&str> = have[..range.start].iter().chain(rest).copied().collect();
            kept.join("\n").trim_end().to_owned()
        }
        Some(range) => [&have[..range.start], &wanted[..], &have[range.end..]].concat().join("\n"),
        None if wanted.is_empty() => notes.to_owned(),
        None if have.is_empty() => wanted.join("\n"),
        None => format!("{}\n\n{}", wanted.join("\n"), have.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("", None, Some("Mine."), "Mine."; "first")]
    #[test_case("Theirs.", None, Some("Mine."), "Mine.\n\nTheirs."; "beside what people wrote")]
    #[test_case("Mine.", Some("Mine."), None, ""; "no longer configured")]
    #[test_case("Above\nMine.\ntwo\n\nBelow", Some("Mine.\ntwo"), None, "Above\nBelow"; "taken out from between")]
    #[test_case("Above\nMine.\nBelow", Some("Mine."), Some("New\ntext"), "Above\nNew\ntext\nBelow"; "replaced in its place")]
    #[test_case("Above\nMine. Edited.", Some("Mine."), None, "Above\nMine. Edited."; "what people made of it is theirs")]
    #[test_case("Above\nMine.", None, Some("Mine."), "Above\nMine."; "there already")]
    #[test_case("Theirs.  ", Some("Mine."), None, "Theirs.  "; "nothing of ours")]
    fn the_configured_passage_is_settled(notes: &str, before: Option<&str>, wanted: Option<&str>, then: &str) {
        let before = before.and_then(ManagedText::of);
        assert_eq!(with_managed_text(notes, before.as_ref(), wanted), then);
        assert_eq!(with_managed_text(then, wanted.and_then(ManagedText::of).as_ref(), wanted), then, "and stays so");
    }
}
