//! From a folder to a fleet.

mod file;
mod find;
mod link;
mod origins;
mod piece;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_types::GuestId;

use crate::diagnostic::{Code, Diagnostic, FileKind, Finding, Severity, Target};
use crate::dialect::{HypervisorEntry, LxcFrame, VmFrame};
use crate::expand::{Given, Role};
use crate::model::{Fleet, Guest, Hypervisor};
use crate::resolve::{Draft, ResolveContext, Scripts};
use crate::rules::{Accepting, Completeness, FleetHoles, Rule, View};
use crate::source::{Holes, Source};

use file::Document;
use find::Read;
pub use find::has_configuration;
pub use origins::ValueOrigin;
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
    /// How many warnings are not among them because the files accept them (`x-accept`).
    pub accepted: usize,
    /// The files that were read, for excerpts.
    pub sources: Vec<Arc<Source>>,
    /// The documents that the files were expanded to; none where that was not possible. Of plain files these are the files.
    pub documents: BTreeMap<FileKind, Arc<Source>>,
}

impl Loaded {
    fn nothing(sources: Vec<Arc<Source>>) -> Self {
        Self { fleet: None, diagnostics: Vec::new(), accepted: 0, sources, documents: BTreeMap::new() }
    }

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

/// Looks a variable of the environment up.
type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Reads configurations.
pub struct Loader {
    /// Where scripts and secrets are looked for.
    dir: Utf8PathBuf,
    /// The one file that is read, when it is not the folder's.
    file: Option<Utf8PathBuf>,
    variables: BTreeMap<String, String>,
    environment: Environment,
    rules: Vec<Box<dyn Rule>>,
    warnings: Warnings,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { dir, file, variables, environment: _, rules, warnings } = self;
        f.debug_struct("Loader")
            .field("dir", dir)
            .field("file", file)
            .field("variables", variables)
            .field("rules", rules)
            .field("warnings", warnings)
            .finish_non_exhaustive()
    }
}

impl Loader {
    /// A loader of the files in this folder, or of this one file, with the rules of Phoenix.
    #[must_use]
    pub fn new(path: &Utf8Path) -> Self {
        let file = path.is_file().then(|| path.to_owned());
        let dir = match &file {
            Some(file) => file.parent().unwrap_or(Utf8Path::new("")).to_owned(),
            None => path.to_owned(),
        };
        Self {
            dir,
            file,
            variables: BTreeMap::new(),
            environment: Box::new(|_| None),
            rules: crate::rules::all(),
            warnings: Warnings::Allow,
        }
    }

    /// Sets variables of the configuration.
    #[must_use]
    pub fn variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// How variables of the environment are looked up, for those of the configuration that name one. Without it there is
    /// none.
    #[must_use]
    pub fn environment(mut self, look_up: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.environment = Box::new(look_up);
        self
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
        self.check(match &self.file {
            Some(file) => find::one(file),
            None => find::folder(&self.dir),
        })
    }

    /// Checks texts as if they were the files: what an editor holds that is not saved yet. Scripts are looked for in the
    /// folder all the same.
    #[must_use]
    pub fn load_texts(&self, texts: impl IntoIterator<Item = (FileKind, String)>) -> Loaded {
        let source = |kind: FileKind, text| Arc::new(Source::new(self.dir.join(kind.file_name()), text));
        self.check(Read::of(texts.into_iter().map(|(kind, text)| (Role::Document(kind), source(kind, text)))))
    }

    /// Checks a text that holds everything, JSON or YAML, under a name for messages.
    #[must_use]
    pub fn load_text(&self, name: &str, text: impl Into<String>) -> Loaded {
        self.check(Read::of([(Role::Fleet, Arc::new(Source::new(name, text)))]))
    }

    fn check(&self, read: Read) -> Loaded {
        if !read.diagnostics.is_empty() {
            let sources = read.inputs.into_iter().map(|(_, source)| source).collect();
            return Loaded { diagnostics: read.diagnostics, ..Loaded::nothing(sources) };
        }
        let sources: Documents = read.documents().collect();
        let opened = Opened::new(&sources);
        if read.findings.is_empty()
            && self.variables.is_empty()
            && !opened.ask_for_expansion()
            && sources.len() == read.inputs.len()
        {
            let files = sources.values().cloned().collect();
            return Loaded {
                documents: sources.clone(),
                ..self.check_documents(&LoadContext { sources: &sources, files, read: &read }, opened)
            };
        }
        let given = Given { variables: &self.variables, environment: &*self.environment, read: &find::included };
        let expanded = crate::expand::expand(&read.inputs, &given);
        let loaded = if expanded.whole {
            let files = expanded.files;
            let context = LoadContext { sources: &expanded.documents, files, read: &read };
            self.check_documents(&context, Opened::new(&expanded.documents))
        } else {
            Loaded::nothing(expanded.files)
        };
        let mut diagnostics = expanded.diagnostics;
        let accepted = loaded.accepted + Accepting::new(&expanded.documents).keep(&mut diagnostics);
        self.grade(&mut diagnostics);
        let wrong = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        diagnostics.extend(loaded.diagnostics);
        let fleet = loaded.fleet.filter(|_| !wrong);
        Loaded { fleet, diagnostics, accepted, documents: expanded.documents, ..loaded }
    }

    /// Makes errors of warnings where they are denied.
    fn grade(&self, diagnostics: &mut [Diagnostic]) {
        if self.warnings == Warnings::Deny {
            for diagnostic in diagnostics {
                diagnostic.severity = Severity::Error;
            }
        }
    }

    fn check_documents(&self, context: &LoadContext<'_>, opened: Opened<'_>) -> Loaded {
        let LoadContext { sources, files, read } = context;
        let mut findings = read.findings.clone();
        findings.extend(read.nothing(&self.dir));
        let mut complete = if findings.is_empty() { Completeness::Whole } else { Completeness::Partial };
        findings.extend(opened.findings);
        let [hypervisor_file, lxc_file, vm_file] = opened.documents;
        if [&hypervisor_file, &lxc_file, &vm_file].iter().filter(|file| file.is_some()).count() < sources.len() {
            complete = Completeness::Partial;
        }

        let unread = |kind: FileKind| read.unread.contains(&kind) || sources.contains_key(&kind);
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
        let usual_pct = crate::resolve::usual_pct(entry.as_ref(), &mut findings);
        let usual_qm = crate::resolve::usual_qm(vm_frame.as_ref(), &mut findings);

        // Guests below a key that is misspelt are not known.
        if !lxc_frame_holes.spare(&["lxc_configs".into()]) || !vm_frame_holes.spare(&["vms".into()]) {
            complete = Completeness::Partial;
        }

        let lxc_settings = Arc::new(lxc_file.as_ref().map(Document::settings).unwrap_or_default());
        let vm_settings = Arc::new(vm_file.as_ref().map(Document::settings).unwrap_or_default());
        let context = ResolveContext {
            hypervisor: &hypervisor,
            hypervisor_entry: entry.as_ref(),
            node_holes: &node_holes,
            vm_defaults: vm_frame.as_ref().and_then(|frame| frame.vm_defaults.as_ref()),
            usual_pct: &usual_pct,
            usual_qm: &usual_qm,
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
        let processed = piece::process_all(&pieces, &context);
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

        findings.extend(crate::rules::unknown_codes(sources));
        let places = Places { sources, guests: &gathered.known };
        let before = findings.len();
        let accepting = Accepting::new(sources);
        findings.retain(|finding| {
            finding.severity == Severity::Error || !accepting.accepts(places.base(finding.target), finding)
        });
        let mut accepted = before - findings.len();
        let mut diagnostics = places.locate(findings, &self.dir);
        let mut strays = read.strays(files);
        accepted += accepting.keep(&mut strays);
        diagnostics.extend(strays);
        self.grade(&mut diagnostics);
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
        Loaded { fleet, diagnostics, accepted, ..Loaded::nothing(files.clone()) }
    }
}

type Documents = BTreeMap<FileKind, Arc<Source>>;

/// What the documents were read from.
struct LoadContext<'a> {
    sources: &'a Documents,
    /// The files that people wrote.
    files: Vec<Arc<Source>>,
    read: &'a Read,
}

/// The documents, their tops taken apart.
struct Opened<'a> {
    documents: [Option<Document<'a>>; 3],
    findings: Vec<Finding>,
}

impl<'a> Opened<'a> {
    fn new(sources: &'a Documents) -> Self {
        let mut findings = Vec::new();
        let documents = FileKind::ALL.map(|kind| Document::open(kind, sources.get(&kind)?, &mut findings));
        Self { documents, findings }
    }

    /// Whether one of them cannot be read as it is: it has a word of the expansion, or comments.
    fn ask_for_expansion(&self) -> bool {
        !self.findings.is_empty() || self.documents.iter().flatten().any(Document::asks_for_expansion)
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
            let finding = Finding::error(code, Target::At(place.0, place.1), format!("duplicate guest id {id}"))
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
