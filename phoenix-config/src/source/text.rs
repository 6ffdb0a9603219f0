//! One file's text.

use std::ops::Range;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::Origins;

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A place in a file, as people and editors count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Location {
    /// The file.
    #[schemars(with = "String")]
    pub file: Utf8PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The same place in bytes.
    pub span: Span,
}

/// One file's text, as it was read, or a document that files were expanded to.
#[derive(Debug)]
pub struct Source {
    path: Utf8PathBuf,
    text: String,
    broken: bool,
    /// Where the parts of an expanded document were written.
    origins: Option<Origins>,
    index: OnceLock<Index>,
    shown: OnceLock<String>,
}

/// What makes lines and columns quick to count, also in a file of one long line.
#[derive(Debug)]
struct Index {
    /// Where each line begins.
    lines: Vec<usize>,
    /// How many characters there are before each block.
    chars: Vec<usize>,
}

/// So many bytes lie between two counts of characters.
const BLOCK: usize = 4096;

impl Index {
    fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let counts = text.as_bytes().chunks(BLOCK).scan(0, |before, block| {
            let start = *before;
            *before += chars(block);
            Some(start)
        });
        Self { lines: std::iter::once(0).chain(breaks).collect(), chars: counts.collect() }
    }

    /// How many characters there are before a place between two of them.
    fn chars_before(&self, text: &str, at: usize) -> usize {
        let block = at / BLOCK;
        let before = self.chars.get(block).copied().unwrap_or_else(|| {
            self.chars.last().copied().unwrap_or(0) + text.as_bytes().chunks(BLOCK).last().map_or(0, chars)
        });
        before + text.as_bytes().get(block * BLOCK..at).map_or(0, chars)
    }
}

/// How many characters begin in these bytes.
fn chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

impl Source {
    /// A text with the path that it came from.
    #[must_use]
    pub fn new(path: impl Into<Utf8PathBuf>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            broken: false,
            origins: None,
            index: OnceLock::new(),
            shown: OnceLock::new(),
        }
    }

    /// A document that files were expanded to.
    pub(crate) fn expanded(path: impl Into<Utf8PathBuf>, text: impl Into<String>, origins: Origins) -> Self {
        Self { origins: Some(origins), ..Self::new(path, text) }
    }

    /// The same file with other text of the same length: what is shown of it stays.
    pub(crate) fn uncommented(&self, text: String) -> Self {
        let source = Self::new(self.path.clone(), text);
        Self { shown: self.shown().to_owned().into(), ..source }
    }

    /// Where the parts of an expanded document were written; absent for a file as it is.
    pub(crate) fn origins(&self) -> Option<&Origins> {
        self.origins.as_ref()
    }

    /// The part of a file that is text, up to where it stops being UTF-8.
    pub(crate) fn broken(path: impl Into<Utf8PathBuf>, text: impl Into<String>) -> Self {
        Self { broken: true, ..Self::new(path, text) }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The path that it came from.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text as it may be shown: plain secrets are stars, and everything else stands where it is in the text.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.shown.get_or_init(|| super::mask::mask(&self.text))
    }

    /// Line and column of a range of bytes. A range beyond the end is cut. In an expanded document: of the place that a
    /// person wrote it at.
    #[must_use]
    pub fn location(&self, range: Range<usize>) -> Location {
        if let Some(written) = self.origins.as_ref().and_then(|origins| origins.location(&range)) {
            return written;
        }
        let start = self.char_boundary(range.start);
        let end = self.char_boundary(range.end).max(start);
        let index = self.index.get_or_init(|| Index::new(&self.text));
        let line = index.lines.partition_point(|first| *first <= start);
        let first = index.lines.get(line - 1).copied().unwrap_or(0);
        let column = index.chars_before(&self.text, start) - index.chars_before(&self.text, first) + 1;
        Location { file: self.path.clone(), line, column, span: Span { start, end } }
    }

    /// The byte where a line and a column in bytes stand, both from 1, as serde_json counts them.
    pub(crate) fn offset(text: &str, line: usize, column: usize) -> usize {
        let first = if line <= 1 {
            0
        } else {
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .nth(line - 2)
                .map_or(text.len(), |(at, _)| at + 1)
        };
        (first + column.saturating_sub(1)).min(text.len())
    }

    fn char_boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters() {
        let source = Source::new("x.json", "ab\nä→c\n");
        let at = source.text().find('c').unwrap();
        let location = source.location(at..at + 1);
        assert_eq!((location.line, location.column), (2, 3));
        assert_eq!(source.location(0..1).line, 1);
        let end = source.location(99..120);
        assert_eq!((end.line, end.column, end.span.start), (3, 1, source.text().len()));
        let inside = source.text().find('→').unwrap() + 1;
        assert_eq!(source.location(inside..inside).column, 2);
    }

    #[test]
    fn columns_of_long_lines() {
        let source = Source::new("x.json", "ä".repeat(BLOCK) + "\n" + &"→".repeat(BLOCK));
        for at in [0, 2, BLOCK - 2, BLOCK, BLOCK + 2, 2 * BLOCK] {
            assert_eq!(source.location(at..at).column, at / 2 + 1, "{at}");
        }
        let end = source.text().len();
        assert_eq!((source.location(end..end).line, source.location(end..end).column), (2, BLOCK + 1));
    }

    #[test]
    fn offsets_of_lines_and_columns() {
        assert_eq!(Source::offset("ab\ncd\n", 1, 1), 0);
        assert_eq!(Source::offset("ab\ncd\n", 2, 2), 4);
        assert_eq!(Source::offset("ab", 9, 1), 2);
    }
}
