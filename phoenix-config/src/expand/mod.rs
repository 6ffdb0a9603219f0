//! What is before the loader: from the files that a person writes to the three documents that it reads.
//!
//! Formats (JSON with comments, YAML), includes, overlays, profiles, ranges and variables end here. For plain files that
//! use none of them the documents are the files, byte for byte. For all others each document has a map of origins, so that
//! whatever is said about a value is said about the place where a person wrote it.
//!
//! The order: files with what they include, then overlays, then profiles, then `${…}`.

mod emit;
mod fault;
mod files;
mod fill;
mod json;
mod merge;
mod node;
mod parts;
mod profile;
mod range;
mod scalar;
mod template;
mod variable;
mod yaml;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use camino::Utf8Path;

use crate::diagnostic::{Code, Diagnostic, FileKind};
use crate::source::{Origins, Source};

use fault::Fault;
use files::Gathering;
use fill::{Filler, Own};
use node::Node;
pub(crate) use parts::WORDS;
use profile::Profiles;
pub(crate) use range::{looks_like as is_range, parse as parse_range};
use variable::Variables;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of the three documents.
    Document(FileKind),
    /// Everything in one file.
    Fleet,
    /// Changes of what the others say.
    Overlay,
}

/// What the expansion knows of the world outside the files.
pub(crate) struct Given<'a> {
    /// Variables that the command line sets.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// Looks a variable of the environment up.
    pub(crate) environment: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file that another one names.
    pub(crate) read: &'a dyn Fn(&Utf8Path) -> io::Result<String>,
}

/// What the files come to.
#[derive(Debug, Default)]
pub(crate) struct Expanded {
    pub(crate) documents: BTreeMap<FileKind, Arc<Source>>,
    /// Every file that took part.
    pub(crate) files: Vec<Arc<Source>>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Whether the documents can be read: nothing is wrong with the files.
    pub(crate) whole: bool,
}

/// So many values all guests together may have.
const MAX_VALUES: usize = 20_000_000;

/// Expands files to documents.
pub(crate) fn expand(inputs: &[(Role, Arc<Source>)], given: &Given<'_>) -> Expanded {
    if let Some(plain) = plain(inputs, given) {
        return plain;
    }
    let mut gathering = Gathering::new(given);
    let main = inputs.first().map(|(_, source)| source.path().to_owned()).unwrap_or_default();
    for (role, source) in inputs {
        gathering.add(*role, source, &mut Vec::new());
    }
    gathering.lay_over();
    let Gathering { files, mut parts, mut faults, values, used, .. } = gathering;
    let mut variables = Variables::new(&parts.variables, given.variables, given.environment, &mut faults);
    variables.use_too(used);
    for (file, values) in &values {
        variables.include(*file, values, &mut faults);
    }
    let mut profiles = Profiles::new(std::mem::take(&mut parts.profiles), &mut faults);
    let everywhere = !variables.is_empty();
    let mut size = 0;
    for guest in &mut parts.guests {
        let node = std::mem::replace(&mut guest.node, Node::object(guest.at.clone()));
        guest.node = profiles.extend(node, &mut faults);
        size += guest.node.count();
        if size > MAX_VALUES {
            faults.push(
                Fault::error(Code::AliasBomb, &guest.at, "the guests are too large together")
                    .expected(format!("at most {MAX_VALUES} values")),
            );
            break;
        }
        merge::resolve_list_changes(&mut guest.node, &mut faults);
        let own = Own { id: guest.id.parse().ok(), n: guest.n, name: None };
        let everywhere = everywhere || guest.n.is_some();
        let mut filler = Filler { variables: &mut variables, own, everywhere, faults: &mut faults };
        fill_guest(&mut guest.node, &mut filler);
    }
    for document in parts.documents.values_mut() {
        merge::resolve_list_changes(document, &mut faults);
        let mut filler = Filler { variables: &mut variables, own: Own::default(), everywhere, faults: &mut faults };
        filler.node(document);
    }
    faults.extend(profiles.unused());
    // Where something is wrong it is not known what would be used.
    if !faults.iter().any(Fault::is_error) {
        faults.extend(variables.unused());
    }
    let whole = !faults.iter().any(Fault::is_error);
    let files: Arc<[Arc<Source>]> = files.into();
    let mut documents = BTreeMap::new();
    if whole {
        for (kind, node) in files::documents(parts) {
            let (text, entries) = emit::text(&node);
            let origins = Origins::new(files.clone(), entries);
            documents.insert(kind, Arc::new(Source::expanded(main.with_file_name(kind.file_name()), text, origins)));
        }
    }
    let mut diagnostics: Vec<Diagnostic> = faults.into_iter().map(|fault| fault.diagnostic(&files)).collect();
    diagnostics.sort_by(|one, other| (&one.location, one.code).cmp(&(&other.location, other.code)));
    diagnostics.dedup();
    Expanded { documents, files: files.to_vec(), diagnostics, whole }
}

/// Fills a guest in: its name first, since other texts may have it.
fn fill_guest(guest: &mut Node, filler: &mut Filler<'_>) {
    if let Some(name) = guest.members_mut().and_then(|members| members.iter_mut().find(|member| member.key == "name")) {
        filler.node(&mut name.value);
        filler.own.name = name.value.text().map(str::to_owned);
    }
    filler.node(guest);
}

/// The files as they are, when they are the three documents and use nothing that has to be expanded; comments become blanks.
fn plain(inputs: &[(Role, Arc<Source>)], given: &Given<'_>) -> Option<Expanded> {
    if !given.variables.is_empty() {
        return None;
    }
    let mut documents = BTreeMap::new();
    for (role, source) in inputs {
        let Role::Document(kind) = role else { return None };
        let text = json::uncommented(source.text());
        // A file that cannot be read stays as it is: the loader says what is wrong with it.
        if let Ok(node) = json::read(&text, 0)
            && !parts::is_plain(*kind, &node)
        {
            return None;
        }
        let document = if text == source.text() || source.is_broken() {
            source.clone()
        } else {
            Arc::new(source.uncommented(text))
        };
        documents.insert(*kind, document);
    }
    let files = inputs.iter().map(|(_, source)| source.clone()).collect();
    Some(Expanded { documents, files, diagnostics: Vec::new(), whole: true })
}

/// A text of YAML as JSON, as it is.
#[cfg(test)]
pub(crate) fn yaml_as_json(text: &str) -> Option<String> {
    yaml::read(text, 0).ok().map(|node| emit::compact(&node))
}
