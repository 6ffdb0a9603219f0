//! The files: read, parsed, and joined with those that they include.

use std::collections::BTreeSet;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::diagnostic::{Code, FileKind};
use crate::source::Source;

use super::fault::Fault;
use super::fill::{Filler, Own};
use super::node::{Node, Value, place};
use super::parts::{Named, Parts, split};
use super::variable::Variables;
use super::{Given, Role, json, yaml};

/// So many files one configuration may have.
const MAX_FILES: usize = 1000;

/// The files of a configuration, and what they say together.
pub(super) struct Gathering<'a> {
    pub(super) given: &'a Given<'a>,
    pub(super) files: Vec<Arc<Source>>,
    pub(super) parts: Parts,
    pub(super) faults: Vec<Fault>,
    /// Values that files are included with, by the number of the file.
    pub(super) values: Vec<(usize, Node)>,
    /// Variables that paths of files have.
    pub(super) used: BTreeSet<String>,
    overlays: Vec<Parts>,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(given: &'a Given<'a>) -> Self {
        Self {
            given,
            files: Vec::new(),
            parts: Parts::default(),
            faults: Vec::new(),
            values: Vec::new(),
            used: BTreeSet::new(),
            overlays: Vec::new(),
        }
    }

    /// Parses a file and takes what it says.
    pub(super) fn add(&mut self, role: Role, source: &Arc<Source>, path: &mut Vec<Utf8PathBuf>) {
        let number = self.files.len();
        self.files.push(source.clone());
        match parse(source, number) {
            Ok(node) => self.take(role, node, source.path(), path),
            Err(fault) => self.faults.push(*fault),
        }
    }

    fn take(&mut self, role: Role, node: Node, file: &Utf8Path, path: &mut Vec<Utf8PathBuf>) {
        let (parts, Named { includes, overlays }) = split(role, node, &mut self.faults);
        if role == Role::Overlay {
            for named in includes.iter().chain(&overlays) {
                self.faults.push(
                    Fault::error(Code::InvalidInclude, &named.at, "an overlay includes no other files")
                        .help("include it from the file that the overlay changes"),
                );
            }
            self.overlays.push(parts);
            return;
        }
        self.parts.join(parts, &mut self.faults);
        path.push(file.to_owned());
        for named in includes {
            self.named(Role::Fleet, named, file, path);
        }
        for named in overlays {
            self.named(Role::Overlay, named, file, path);
        }
        path.pop();
    }

    /// Reads a file that another one names: by its path, or as `{"path": …, "vars": {…}}`.
    fn named(&mut self, role: Role, mut named: Node, from: &Utf8Path, path: &mut Vec<Utf8PathBuf>) {
        let mut ignored = Vec::new();
        let Given { variables, environment, .. } = self.given;
        let mut known = Variables::new(&self.parts.variables, variables, environment, &mut ignored);
        let mut filler =
            Filler { variables: &mut known, own: Own::default(), everywhere: true, faults: &mut self.faults };
        filler.node(&mut named);
        self.used.append(&mut known.used());
        let values = named.take("vars").map(|member| member.value);
        let target = named.take("path").map_or_else(|| named.clone(), |member| member.value);
        let unknown = named.members().iter().find(|member| !member.key.starts_with(crate::dialect::USER_PREFIX));
        let values_fit = values.as_ref().is_none_or(|values| matches!(values.value, Value::Object(_)));
        let (Some(name), None, true) =
            (target.text(), unknown, values_fit && (role != Role::Overlay || values.is_none()))
        else {
            self.faults.push(
                Fault::error(Code::InvalidInclude, &named.at, "this names no file")
                    .expected("a path, or `{\"path\": …, \"vars\": {…}}` in `include`"),
            );
            return;
        };
        let file = from.parent().unwrap_or(Utf8Path::new("")).join(name);
        if path.contains(&file) {
            let ring: Vec<&str> = path.iter().map(|file| file.as_str()).chain([file.as_str()]).collect();
            self.faults.push(
                Fault::error(Code::IncludeCycle, &target.at, format!("files include each other: {}", ring.join(" → ")))
                    .help("remove one of these `include`"),
            );
            return;
        }
        if values.is_none() && self.files.iter().any(|other| other.path() == file) {
            return;
        }
        if self.files.len() >= MAX_FILES {
            self.faults.push(
                Fault::error(Code::InvalidInclude, &target.at, "too many files are included")
                    .expected(format!("at most {MAX_FILES}")),
            );
            return;
        }
        match (self.given.read)(&file) {
            Ok(text) => {
                self.values.extend(values.map(|values| (self.files.len(), values)));
                self.add(role, &Arc::new(Source::new(file, text)), path);
            }
            Err(error) => self.faults.push(
                Fault::error(Code::InvalidInclude, &target.at, format!("`{file}` cannot be read: {error}"))
                    .help("fix the path: it is relative to the file that names it"),
            ),
        }
    }

    /// Lays the overlays over the rest, in their order.
    pub(super) fn lay_over(&mut self) {
        for over in std::mem::take(&mut self.overlays) {
            self.parts.overlay(over, &mut self.faults);
        }
    }
}

/// Reads a text as what it is: by the name of its file, or where that has no ending by how the text begins.
pub(super) fn parse(source: &Source, number: usize) -> Result<Node, Box<Fault>> {
    let text = source.text();
    let is_json = match source.path().extension() {
        Some("json" | "jsonc") => true,
        Some("yaml" | "yml") => false,
        _ => text.trim_start().starts_with(['{', '/']),
    };
    if source.is_broken() {
        let at = place(number, text.len()..text.len());
        let fault = Fault::error(Code::NotUtf8, &at, "the file is not UTF-8 from here on").help("save it as UTF-8");
        return Err(Box::new(fault));
    }
    if is_json { json::read(&json::uncommented(text), number) } else { yaml::read(text, number) }
}

/// Puts guests back into their documents.
pub(super) fn documents(parts: Parts) -> Vec<(FileKind, Node)> {
    let mut documents: Vec<(FileKind, Node)> = parts.documents.into_iter().collect();
    for (kind, document) in &mut documents {
        let at = document.at.clone();
        let guests = parts.guests.iter().filter(|guest| guest.kind == *kind);
        let (key, value) = match kind {
            FileKind::Hypervisor => continue,
            FileKind::Lxc => {
                let members = guests.map(|guest| super::node::Member {
                    key: guest.id.clone(),
                    at: guest.at.clone(),
                    value: guest.node.clone(),
                });
                ("lxc_configs", Value::Object(members.collect()))
            }
            FileKind::Vm => ("vms", Value::List(guests.map(|guest| guest.node.clone()).collect())),
        };
        if let Some(members) = document.members_mut().filter(|members| !members.iter().any(|member| member.key == key))
        {
            members.push(super::node::Member { key: key.to_owned(), at: at.clone(), value: Node::new(value, at) });
        }
    }
    documents
}
