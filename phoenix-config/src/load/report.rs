//! From findings to diagnostics: where things stand.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use camino::Utf8Path;
use phoenix_types::GuestId;

use crate::diagnostic::{Code, Diagnostic, FileKind, Finding, Label, Severity, Shows, Target, Through};
use crate::source::{Filled, Location, Segment, Source, Span, locate};

/// Knows where every guest stands.
pub(super) struct Places<'a> {
    pub(super) sources: &'a BTreeMap<FileKind, Arc<Source>>,
    pub(super) guests: &'a BTreeMap<GuestId, (FileKind, usize)>,
}

impl Places<'_> {
    /// Diagnostics in the order of files and places, each once.
    pub(super) fn locate(&self, findings: Vec<Finding>, dir: &Utf8Path) -> Vec<Diagnostic> {
        let mut found: Vec<(FileKind, Diagnostic)> = few(findings)
            .into_iter()
            .map(|finding| {
                let (kind, range) = self.range(finding.target, &finding.path, finding.shows);
                let location = self.location(kind, range.clone(), dir);
                let labels = finding.labels.into_iter().map(|(target, path, message)| {
                    let (kind, range) = self.range(target, &path, Shows::Value);
                    Label { location: self.location(kind, range, dir), message }
                });
                let labels = labels.chain(self.variables(kind, &range)).collect();
                let diagnostic = Diagnostic {
                    code: finding.code,
                    severity: finding.severity,
                    pointer: self.pointer(finding.target, &finding.path),
                    labels,
                    through: self.through(finding.target, kind, &range),
                    location,
                    message: finding.message,
                    expected: finding.expected,
                    help: finding.help,
                };
                (kind, diagnostic)
            })
            .collect();
        found.sort_by(|(a_kind, a), (b_kind, b)| {
            let expanded = self.sources.get(a_kind).is_some_and(|source| source.origins().is_some());
            let files = if expanded { a.location.file.cmp(&b.location.file) } else { a_kind.cmp(b_kind) };
            let key = |diagnostic: &Diagnostic| (diagnostic.location.span, diagnostic.code);
            files.then_with(|| key(a).cmp(&key(b))).then_with(|| a.message.cmp(&b.message))
        });
        found.dedup_by(|(_, again), (_, first)| again == first || joined(first, again));
        let alone = |through: &Through| through.profile.is_none() && through.guests.len() == 1;
        let found = found.into_iter().map(|(_, diagnostic)| diagnostic);
        found.map(|found| Diagnostic { through: found.through.filter(|through| !alone(through)), ..found }).collect()
    }

    /// Where the variables of an expanded value have their values from.
    fn variables(&self, kind: FileKind, range: &Range<usize>) -> Vec<Label> {
        let Some(origins) = self.sources.get(&kind).and_then(|source| source.origins()) else { return Vec::new() };
        let filled = origins.written(range).and_then(|written| written.variables.as_deref()).unwrap_or_default();
        let label = |filled: &Filled| {
            let location = origins.declaration(filled)?;
            Some(Label { location, message: format!("the variable `{}`", filled.name) })
        };
        filled.iter().filter_map(label).collect()
    }

    /// The guest of an expanded value, and the profile that it is from.
    fn through(&self, target: Target, kind: FileKind, range: &Range<usize>) -> Option<Through> {
        let written = self.sources.get(&kind)?.origins()?.written(range)?;
        let guest = match target {
            Target::Guest(id) => id,
            Target::At(kind, offset) => *self.guests.iter().find(|(_, place)| **place == (kind, offset))?.0,
            Target::File(_) => return None,
        };
        Some(Through { profile: written.profile.as_deref().map(str::to_owned), guests: vec![guest] })
    }

    pub(super) fn base(&self, target: Target) -> (FileKind, usize) {
        match target {
            Target::Guest(id) => self.guests.get(&id).copied().unwrap_or((FileKind::Lxc, 0)),
            Target::File(kind) => (kind, 0),
            Target::At(kind, offset) => (kind, offset),
        }
    }

    fn location(&self, kind: FileKind, range: Range<usize>, dir: &Utf8Path) -> Location {
        match self.sources.get(&kind) {
            Some(source) => source.location(range),
            None => Location { file: dir.join(kind.file_name()), line: 1, column: 1, span: Span { start: 0, end: 0 } },
        }
    }

    fn range(&self, target: Target, path: &[Segment], shows: Shows) -> (FileKind, Range<usize>) {
        let (kind, offset) = self.base(target);
        let Some(source) = self.sources.get(&kind) else { return (kind, 0..0) };
        let text = source.text();
        let place = locate(text, offset, path);
        let key = match shows {
            Shows::Key if path.is_empty() => key_before(text, offset),
            Shows::Key => place.key,
            Shows::Value => None,
        };
        // A whole object is shown by its first brace: nobody wants to see all of it.
        let value = match text.as_bytes().get(place.value.start) {
            Some(b'{' | b'[') => place.value.start..place.value.start + 1,
            _ => place.value,
        };
        (kind, key.unwrap_or(value))
    }

    fn pointer(&self, target: Target, path: &[Segment]) -> String {
        let (kind, offset) = self.base(target);
        let mut pointer = match (target, kind) {
            (Target::File(_), _) | (_, FileKind::Hypervisor) => String::new(),
            (Target::Guest(id), FileKind::Lxc) => format!("/lxc_configs/{id}"),
            (Target::At(..), FileKind::Lxc) => self
                .sources
                .get(&kind)
                .and_then(|source| source.text().get(key_before(source.text(), offset)?))
                .map_or_else(String::new, |key| format!("/lxc_configs/{}", key.trim_matches('"'))),
            (_, FileKind::Vm) => self.element(kind, offset),
        };
        for segment in path {
            pointer.push_str(&segment.to_string());
        }
        pointer
    }

    /// The pointer of a VM: by its place among those that are known.
    fn element(&self, kind: FileKind, offset: usize) -> String {
        let before = self.guests.values().filter(|(other, place)| *other == kind && *place < offset).count();
        format!("/vms/{before}")
    }
}

/// Takes the guests of a diagnostic that says the same of the same place.
fn joined(first: &mut Diagnostic, again: &Diagnostic) -> bool {
    let (Some(through), Some(others)) = (&first.through, &again.through) else { return false };
    let same = Diagnostic { pointer: first.pointer.clone(), through: first.through.clone(), ..again.clone() };
    if through.profile != others.profile || same != *first {
        return false;
    }
    if let Some(through) = &mut first.through {
        through
            .guests
            .extend(others.guests.iter().filter(|guest| !through.guests.contains(guest)).copied().collect::<Vec<_>>());
    }
    true
}

/// So many findings of one kind about one guest or file are reported; each costs a walk through its text.
const MAX_ALIKE: usize = 100;

/// Not more findings than anybody reads: of many that are alike the first ones, and how many more there are.
fn few(findings: Vec<Finding>) -> Vec<Finding> {
    let mut counts: BTreeMap<(Target, Code, Severity), usize> = BTreeMap::new();
    let mut kept: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| {
            let count = counts.entry((finding.target, finding.code, finding.severity)).or_default();
            *count += 1;
            *count <= MAX_ALIKE
        })
        .collect();
    let more = counts.into_iter().filter(|(_, count)| *count > MAX_ALIKE);
    kept.extend(more.map(|((target, code, severity), count)| {
        Finding::new(
            severity,
            code,
            target,
            format!("there are {} more faults of this kind in here", count - MAX_ALIKE),
        )
    }));
    kept
}

/// The key of the member whose value begins at `at`.
fn key_before(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(..at)?.trim_end().strip_suffix(':')?.trim_end();
    let end = before.len();
    let inner = before.strip_suffix('"')?;
    let mut open = inner.rfind('"')?;
    while inner.get(..open)?.ends_with('\\') {
        open = inner.get(..open)?.rfind('"')?;
    }
    Some(open..end)
}
