//! From a folder to a fleet.

mod file;
mod link;
mod piece;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_types::GuestId;

use crate::diagnostic::{Code, Diagnostic, FileKind, Finding, Severity, Target};
use crate::dialect::{HypervisorEntry, LxcFrame, VmFrame};
use crate::model::{Fleet, Guest, Hypervisor};
use crate::resolve::{Draft, Scripts, Surroundings};
use crate::rules::{Completeness, FleetHoles, Rule, View};
use crate::source::{Holes, Source};

use file::Document;
use piece::{Piece, Processed};
use report::Places;

/// Reads the three files of a folder and looks up the scripts that they name.
///
/// All faults of all files are found in one run. See [`Loader`] for more than that.
#[must_use]
pub fn load(dir: &Utf8Path) -> Loaded {
    Loader::new(dir).load()
}

/// What came of reading a folder.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The fleet; absent when there is an error.
    pub fleet: Option<Fleet>,
    /// What is wrong, ordered by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read, for excerpts.
    pub sources: Vec<Arc<Source>>,
}

impl Loaded {
    /// The file of a diagnostic.
    #[must_use]
    pub fn source(&self, path: &Utf8Path) -> Option<&Source> {
        self.sources.iter().find(|source| source.path() == path).map(AsRef::as_ref)
    }

    /// How many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }

    /// How many warnings there are.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }
}

/// Whether warnings are errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Warnings {
    /// They are not.
    #[default]
    Allow,
    /// They are: for CI.
    Deny,
}

/// Reads configurations.
#[derive(Debug)]
pub struct Loader {
    dir: Utf8PathBuf,
    rules: Vec<Box<dyn Rule>>,
    warnings: Warnings,
}

impl Loader {
    /// A loader of the files in this folder, with the rules of Phoenix.
    #[must_use]
    pub fn new(dir: &Utf8Path) -> Self {
        Self { dir: dir.to_owned(), rules: crate::rules::all(), warnings: Warnings::Allow }
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: impl Rule + 'static) -> Self {
        self.rules.push(Box::new(rule));
        self
    }

    /// Whether warnings are errors.
    #[must_use]
    pub fn warnings(mut self, warnings: Warnings) -> Self {
        self.warnings = warnings;
        self
    }

    /// Reads the files. Blocks for as long as the file system does.
    #[must_use]
    pub fn load(&self) -> Loaded {
        self.check(file::read(&self.dir))
    }

    /// Checks texts as if they were the files: what an editor holds that is not saved yet. Scripts are looked for in the
    /// folder all the same.
    #[must_use]
    pub fn load_texts(&self, texts: impl IntoIterator<Item = (FileKind, String)>) -> Loaded {
        self.check(file::texts(&self.dir, texts))
    }

    fn check(&self, read: file::Read) -> Loaded {
        let mut findings = read.findings;
        let mut complete = if findings.is_empty() { Completeness::Whole } else { Completeness::Partial };
        let open = |kind: FileKind, findings: &mut Vec<Finding>| {
            let source = read.sources.get(&kind)?;
            Document::open(kind, source, findings)
        };
        let hypervisor_file = open(FileKind::Hypervisor, &mut findings);
        let lxc_file = open(FileKind::Lxc, &mut findings);
        let vm_file = open(FileKind::Vm, &mut findings);
        if [&hypervisor_file, &lxc_file, &vm_file].iter().filter(|file| file.is_some()).count() < read.sources.len() {
            complete = Completeness::Partial;
        }

        let unread = |kind: FileKind| read.unread.contains(&kind) || read.sources.contains_key(&kind);
        let (entry, node_holes) =
            frame::<HypervisorEntry>(hypervisor_file.as_ref(), unread(FileKind::Hypervisor), &mut findings);
        let (hypervisor, shared_mounts) = match (&entry, &hypervisor_file) {
            (Some(entry), Some(file)) => crate::resolve::hypervisor(entry, file.settings(), &mut findings),
            _ => (Hypervisor::default(), BTreeMap::new()),
        };
        let (lxc_frame, lxc_frame_holes) = frame::<LxcFrame>(lxc_file.as_ref(), unread(FileKind::Lxc), &mut findings);
        if let Some(frame) = &lxc_frame {
            crate::resolve::lxc_frame(frame, &mut findings);
        }
        let (vm_frame, vm_frame_holes) = frame::<VmFrame>(vm_file.as_ref(), unread(FileKind::Vm), &mut findings);

        // Guests below a key that is misspelt are not known.
        if !lxc_frame_holes.spare(&["lxc_configs".into()]) || !vm_frame_holes.spare(&["vms".into()]) {
            complete = Completeness::Partial;
        }

        let lxc_settings = Arc::new(lxc_file.as_ref().map(Document::settings).unwrap_or_default());
        let vm_settings = Arc::new(vm_file.as_ref().map(Document::settings).unwrap_or_default());
        let around = Surroundings {
            hypervisor: &hypervisor,
            hypervisor_entry: entry.as_ref(),
            node_holes: &node_holes,
            vm_defaults: vm_frame.as_ref().and_then(|frame| frame.vm_defaults.as_ref()),
            shared_mounts: &shared_mounts,
            scripts: &Scripts::new(&self.dir),
            lxc_settings: &lxc_settings,
            vm_settings: &vm_settings,
        };
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        for file in [&lxc_file, &vm_file].into_iter().flatten() {
            let (found, whole) = file.pieces(&mut findings);
            pieces.extend(found);
            complete = complete.and(whole);
        }
        let processed = piece::process_all(&pieces, &around);
        let mut gathered = Gathered::default();
        for (piece, processed) in pieces.iter().zip(processed) {
            if processed.id.is_none() {
                complete = Completeness::Partial;
            }
            gathered.take(piece, processed, &vm_frame_holes, &mut findings);
        }
        for id in shared_mounts.keys().filter(|id| complete == Completeness::Whole && !gathered.known.contains_key(id))
        {
            findings.extend(link::unknown_sharer(*id, entry.as_ref()));
        }
        let known: BTreeSet<GuestId> = gathered.known.keys().copied().collect();
        let mut fleet_findings = Vec::new();
        let graph = link::link(&mut gathered, complete, &mut fleet_findings);
        let holes = FleetHoles { guests: std::mem::take(&mut gathered.holes), node: node_holes };
        let view = View {
            guests: &gathered.guests,
            hypervisor: &hypervisor,
            graph: graph.as_ref(),
            known: &known,
            complete,
            holes: &holes,
        };
        for rule in &self.rules {
            rule.check(&view, &mut fleet_findings);
        }
        findings.extend(fleet_findings.into_iter().map(|finding| holes.in_the_whole(finding)));

        let mut diagnostics = Places { sources: &read.sources, guests: &gathered.known }.locate(findings, &self.dir);
        diagnostics.extend(read.strays);
        if self.warnings == Warnings::Deny {
            for diagnostic in &mut diagnostics {
                diagnostic.severity = Severity::Error;
            }
        }
        let wrong = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        let fleet = match graph {
            Some(graph) if !wrong => {
                for guest in gathered.guests.values_mut() {
                    link::finish(guest);
                }
                Some(Fleet { guests: gathered.guests, hypervisor, graph })
            }
            _ => None,
        };
        Loaded { fleet, diagnostics, sources: read.sources.into_values().collect() }
    }
}

/// The guests of all files, and where each of them stands.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    guests: BTreeMap<GuestId, Guest>,
    /// What each container says about its privilege.
    unprivileged: BTreeMap<GuestId, Option<bool>>,
    /// Every id that is written, also those of guests that are too wrong to be read.
    known: BTreeMap<GuestId, (FileKind, usize)>,
    /// What could not be read of guests in which something is wrong.
    holes: BTreeMap<GuestId, Holes>,
}

/// A file without its guests, and what of it could not be read. `there` says whether there is such a file at all.
fn frame<T: serde::de::DeserializeOwned>(
    file: Option<&Document<'_>>,
    there: bool,
    findings: &mut Vec<Finding>,
) -> (Option<T>, Holes) {
    match file {
        Some(file) => file.frame(findings),
        None if there => (None, Holes::everything()),
        None => (None, Holes::default()),
    }
}

impl Gathered {
    fn take(&mut self, piece: &Piece<'_>, processed: Processed, vm_frame_holes: &Holes, findings: &mut Vec<Finding>) {
        findings.extend(processed.findings);
        let place = (piece.file, piece.range.start);
        let Some(id) = processed.id else { return };
        if let Some(first) = self.known.get(&id) {
            let code = if piece.file == FileKind::Lxc && first.0 == FileKind::Lxc {
                Code::DuplicateKey
            } else {
                Code::DuplicateId
            };
            let finding =
                Finding::error(code, Target::At(place.0, place.1), format!("there are two guests with the id {id}"))
                    .label(Target::At(first.0, first.1), [] as [&str; 0], "the first one is here")
                    .help("give one of them another id");
            findings.push(if piece.file == FileKind::Lxc { finding.on_key() } else { finding.at(["vmid"]) });
            return;
        }
        self.known.insert(id, place);
        if let Some(Draft { guest, unprivileged }) = processed.draft {
            let mut holes = processed.holes;
            if piece.file == FileKind::Vm && !vm_frame_holes.is_empty() {
                holes.doubt_defaults(vm_frame_holes, |key| guest.context.writes(&[key]));
            }
            if !holes.is_empty() {
                self.holes.insert(id, holes);
            }
            self.unprivileged.insert(id, unprivileged);
            self.guests.insert(id, guest);
        }
    }
}
