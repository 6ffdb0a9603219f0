//! Which files there are.

#![cfg_attr(not(test), expect(clippy::disallowed_methods, reason = "configuration files are read here"))]

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::diagnostic::{Code, Diagnostic, FileKind, Finding, Label, Severity, Target, nearest};
use crate::expand::Role;
use crate::source::{Location, Source, Span};

/// A file that holds everything.
const FLEET: &str = "phoenix";

/// A file that changes what the others say.
const OVERRIDE: &str = "phoenix.override";

/// Endings of files that hold one of the three documents, and of those that hold everything.
const JSON: [&str; 2] = ["json", "jsonc"];
const ANY: [&str; 3] = ["yaml", "json", "jsonc"];

/// Every name that is read, and what it is for.
fn names() -> impl Iterator<Item = (Role, String)> {
    let documents = FileKind::ALL.into_iter().flat_map(|kind| {
        let stem = kind.file_name().trim_end_matches(".json");
        JSON.map(|ending| (Role::Document(kind), format!("{stem}.{ending}")))
    });
    let fleet = ANY.map(|ending| (Role::Fleet, format!("{FLEET}.{ending}")));
    let over = ANY.map(|ending| (Role::Overlay, format!("{OVERRIDE}.{ending}")));
    documents.chain(fleet).chain(over)
}

/// Whether a folder has a configuration.
#[must_use]
pub fn has_configuration(dir: &Utf8Path) -> bool {
    names().any(|(role, name)| role != Role::Overlay && dir.join(name).exists())
}

/// What there is to read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) inputs: Vec<(Role, Arc<Source>)>,
    /// Documents that are there and cannot be read.
    pub(super) unread: BTreeSet<FileKind>,
    pub(super) findings: Vec<Finding>,
    /// Whole diagnostics: about files that are none of the three.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The folder whose other files are looked at.
    folder: Option<Utf8PathBuf>,
}

/// The files of a folder.
pub(super) fn folder(dir: &Utf8Path) -> Read {
    let mut read = Read { folder: Some(dir.to_owned()), ..Read::default() };
    for (role, name) in names() {
        read.add(role, &dir.join(name));
    }
    let mut main: Vec<&(Role, Arc<Source>)> = read.inputs.iter().filter(|(role, _)| *role != Role::Overlay).collect();
    main.sort_by_key(|(role, _)| *role != Role::Fleet);
    let mut doubled = Vec::new();
    for (index, (role, source)) in main.iter().enumerate() {
        let rivals = |other: &Role| other == role || *other == Role::Fleet;
        if let Some((_, first)) = main[..index].iter().find(|(other, _)| rivals(other)) {
            doubled.push(several(first.path(), source.path()));
        }
    }
    read.diagnostics.extend(doubled);
    read
}

/// One file that holds everything.
pub(super) fn one(file: &Utf8Path) -> Read {
    let mut read = Read::default();
    read.add(Role::Fleet, file);
    read
}

/// The text of a file that another one names.
pub(super) fn included(file: &Utf8Path) -> io::Result<String> {
    let text = String::from_utf8(std::fs::read(file)?);
    text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error().to_string()))
}

impl Read {
    pub(super) fn of(inputs: impl IntoIterator<Item = (Role, Arc<Source>)>) -> Self {
        Self { inputs: inputs.into_iter().collect(), ..Self::default() }
    }

    /// Reads a file when it is there.
    fn add(&mut self, role: Role, path: &Utf8Path) {
        let kind = match role {
            Role::Document(kind) => kind,
            Role::Fleet | Role::Overlay => FileKind::Lxc,
        };
        let bytes = match std::fs::metadata(path) {
            Ok(data) if data.is_file() => std::fs::read(path),
            Ok(_) => return self.unreadable(role, kind, format!("`{path}` is not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => Err(error),
        };
        let source = match bytes.map(String::from_utf8) {
            Ok(Ok(text)) => Source::new(path, text),
            Ok(Err(error)) => {
                let at = error.utf8_error().valid_up_to();
                let good = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
                if let Role::Document(kind) = role {
                    let fault =
                        Finding::error(Code::NotUtf8, Target::At(kind, at), "the file is not UTF-8 from here on");
                    self.findings.push(fault.help("save it as UTF-8"));
                }
                Source::broken(path, good)
            }
            Err(error) => return self.unreadable(role, kind, format!("`{path}` cannot be read: {error}")),
        };
        self.inputs.push((role, Arc::new(source)));
    }

    fn unreadable(&mut self, role: Role, kind: FileKind, message: String) {
        if role == Role::Document(kind) {
            self.unread.insert(kind);
        }
        self.findings.push(Finding::error(Code::NoFile, Target::File(kind), message));
    }

    /// The documents among the files.
    pub(super) fn documents(&self) -> impl Iterator<Item = (FileKind, Arc<Source>)> {
        self.inputs.iter().filter_map(|(role, source)| match role {
            Role::Document(kind) => Some((*kind, source.clone())),
            Role::Fleet | Role::Overlay => None,
        })
    }

    /// Without a file of guests there is nothing to do.
    pub(super) fn nothing(&self, dir: &Utf8Path) -> Option<Finding> {
        let has_guests = |(role, _): &(Role, Arc<Source>)| {
            matches!(role, Role::Document(FileKind::Lxc | FileKind::Vm) | Role::Fleet)
        };
        (self.findings.is_empty() && !self.inputs.iter().any(has_guests)).then(|| {
            let names = [FileKind::Lxc, FileKind::Vm].map(FileKind::file_name);
            let message = format!("`{dir}` has none of `{FLEET}.yaml`, `{}` and `{}`", names[0], names[1]);
            Finding::error(Code::NoFile, Target::File(FileKind::Lxc), message)
                .help("name the folder or the file of the configuration with `-C`, or write one of the files")
        })
    }

    /// Files that are called like configuration files, and that nothing reads: most likely one is misspelt. Schemas may lie
    /// next to the files.
    pub(super) fn strays(&self, files: &[Arc<Source>]) -> Vec<Diagnostic> {
        let Some(dir) = &self.folder else { return Vec::new() };
        let known: Vec<String> = names().map(|(_, name)| name).collect();
        let entries = dir.read_dir_utf8().into_iter().flatten().flatten();
        let mut found: Vec<String> = entries.map(|entry| entry.file_name().to_owned()).collect();
        found.retain(|name| {
            let endings = [".json", ".jsonc", ".yaml", ".yml"];
            let stem =
                endings.iter().find_map(|ending| name.strip_suffix(ending)).filter(|stem| !stem.ends_with(".schema"));
            let alike = |stem: &str| stem.starts_with("phoenix_") || nearest(stem, [FLEET, OVERRIDE]).is_some();
            stem.is_some_and(alike) && !known.contains(name) && !files.iter().any(|file| file.path() == dir.join(name))
        });
        found.sort_unstable();
        found.iter().map(|name| stray(&dir.join(name), name, nearest(name, known.iter().map(String::as_str)))).collect()
    }
}

fn stray(path: &Utf8Path, name: &str, near: Option<&str>) -> Diagnostic {
    let help = match near {
        Some(near) => {
            format!("did you mean `{near}`? rename it, or use a name that does not look like a configuration file")
        }
        None => "give it a name that does not begin with `phoenix_`, or move it away".to_owned(),
    };
    about(Code::StrayFile, Severity::Warning, path, format!("unused file `{name}`"), help)
}

fn several(first: &Utf8Path, again: &Utf8Path) -> Diagnostic {
    let name = |path: &Utf8Path| path.file_name().unwrap_or_default().to_owned();
    let message = format!("`{}` and `{}` both hold this configuration", name(first), name(again));
    let help = "name one of them with `-C FILE`, or move one away".to_owned();
    let mut found = about(Code::SeveralConfigurations, Severity::Error, again, message, help);
    found.labels.push(Label { location: top(first), message: "the other one".to_owned() });
    found
}

/// A diagnostic about a whole file.
fn about(code: Code, severity: Severity, path: &Utf8Path, message: String, help: String) -> Diagnostic {
    Diagnostic {
        code,
        severity,
        location: top(path),
        pointer: String::new(),
        message,
        expected: None,
        labels: Vec::new(),
        through: None,
        help: Some(help),
    }
}

fn top(path: &Utf8Path) -> Location {
    Location { file: path.to_owned(), line: 1, column: 1, span: Span { start: 0, end: 0 } }
}
