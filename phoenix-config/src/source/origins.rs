//! Where the parts of an expanded document were written.

use std::ops::Range;
use std::sync::Arc;

use super::{Location, Source};

/// A place in one of the files that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The number of the file.
    pub(crate) file: usize,
    /// The bytes of it.
    pub(crate) span: Range<usize>,
    /// The profile whose text this is.
    pub(crate) profile: Option<Arc<str>>,
    /// The variables that were filled in.
    pub(crate) variables: Option<Arc<[Filled]>>,
}

/// A variable that was filled in, and where it has its value from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) name: String,
    /// The file and the bytes of its declaration; absent for one that the command line declares.
    pub(crate) at: Option<(usize, Range<usize>)>,
}

/// The map from the text of an expanded document to the files that people wrote.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    files: Arc<[Arc<Source>]>,
    /// Every key and value of the document, by where it begins.
    entries: Vec<(Range<usize>, Written)>,
}

impl Origins {
    pub(crate) fn new(files: Arc<[Arc<Source>]>, mut entries: Vec<(Range<usize>, Written)>) -> Self {
        entries.sort_by_key(|(range, _)| range.start);
        Self { files, entries }
    }

    /// The innermost key or value around a range.
    pub(crate) fn written(&self, range: &Range<usize>) -> Option<&Written> {
        let before = self.entries.partition_point(|(entry, _)| entry.start <= range.start);
        let around = self.entries.get(..before)?.iter().rev().find(|(entry, _)| entry.end > range.start);
        around.map(|(_, written)| written)
    }

    /// Every key and value that begins in a range.
    pub(crate) fn within(&self, range: &Range<usize>) -> impl Iterator<Item = &Written> {
        let first = self.entries.partition_point(|(entry, _)| entry.start < range.start);
        let inside = self.entries.get(first..).unwrap_or_default().iter();
        let end = range.end;
        inside.take_while(move |(entry, _)| entry.start < end).map(|(_, written)| written)
    }

    /// Where a range was written.
    pub(super) fn location(&self, range: &Range<usize>) -> Option<Location> {
        let written = self.written(range)?;
        Some(self.files.get(written.file)?.location(written.span.clone()))
    }

    /// Where a variable was declared.
    pub(crate) fn declaration(&self, filled: &Filled) -> Option<Location> {
        let (file, span) = filled.at.as_ref()?;
        Some(self.files.get(*file)?.location(span.clone()))
    }
}
