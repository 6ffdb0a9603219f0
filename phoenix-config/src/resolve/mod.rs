//! From what is written to what is meant: defaults applied, texts that hold structure taken apart, scripts found.

mod container;
pub(crate) mod defaults;
mod dependencies;
mod firewall;
mod gate;
mod hypervisor;
mod limits;
mod network;
mod proxmox;
mod raw;
mod scripts;
mod state;
mod vm;

use std::collections::BTreeMap;
use std::sync::Arc;

use phoenix_types::{GuestId, Hostname};
use serde_json::Value;

pub(crate) use container::container;
pub(crate) use hypervisor::{hypervisor, lxc_frame, usual_pct, usual_qm};
pub(crate) use scripts::Scripts;
pub(crate) use vm::vm;

use crate::diagnostic::{Code, Finding, Target};
use crate::dialect::{GateEntries, HypervisorEntry, VmDefaultsEntry};
use crate::model::{Guest, Hypervisor, MountPoint, OnFailure};
use crate::source::{Holes, Segment};

/// What a guest is resolved against.
pub(crate) struct ResolveContext<'a> {
    pub(crate) hypervisor: &'a Hypervisor,
    pub(crate) hypervisor_entry: Option<&'a HypervisorEntry>,
    /// What of the hypervisor file could not be read.
    pub(crate) node_holes: &'a Holes,
    pub(crate) vm_defaults: Option<&'a VmDefaultsEntry>,
    /// Proxmox's own keys of every container, and of every VM.
    pub(crate) usual_pct: &'a BTreeMap<String, String>,
    pub(crate) usual_qm: &'a BTreeMap<String, String>,
    pub(crate) shared_mounts: &'a BTreeMap<GuestId, Vec<MountPoint>>,
    pub(crate) scripts: &'a Scripts,
    pub(crate) lxc_settings: &'a Arc<Value>,
    pub(crate) vm_settings: &'a Arc<Value>,
}

impl ResolveContext<'_> {
    fn on_failure(&self, written: Option<OnFailure>) -> OnFailure {
        written.unwrap_or(self.hypervisor.on_failure)
    }

    fn domain(&self) -> Option<Hostname> {
        self.hypervisor.domain.clone()
    }
}

/// A guest before its place in the fleet is known.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) guest: Guest,
    /// What the container says about its privilege; a clone that says nothing is what its source is.
    pub(crate) unprivileged: Option<bool>,
}

/// The one that is written of two keys with one meaning.
fn either<T>(
    (first_key, first): (&str, Option<T>),
    (second_key, second): (&str, Option<T>),
    target: Target,
    parents: &[Segment],
    findings: &mut Vec<Finding>,
) -> Option<T> {
    if first.is_some() && second.is_some() {
        let path = |key: &str| parents.iter().cloned().chain([key.into()]).collect::<Vec<Segment>>();
        findings.push(
            Finding::error(Code::Conflict, target, format!("`{first_key}` and `{second_key}` are the same key"))
                .at(path(second_key))
                .on_key()
                .label(target, path(first_key), "the other one")
                .help(format!("keep `{first_key}`")),
        );
    }
    first.or(second)
}

/// The gates of `health_check` or of its other name, with the key that is written.
fn health(
    one: Option<GateEntries>,
    many: Option<GateEntries>,
    scripts: &Scripts,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Vec<phoenix_types::gate::Gate> {
    let key = if one.is_none() && many.is_some() { "health_checks" } else { "health_check" };
    let entries = either(("health_check", one), ("health_checks", many), target, &[], findings);
    gate::gates(entries, gate::Purpose::Health, key, scripts, target, findings)
}

/// Notes that the tools keep, with room for the record of what Phoenix did (it is in them too, in a comment).
fn notes(
    text: Option<crate::dialect::Notes>,
    scripts: usize,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let text = String::from(text?);
    let room = defaults::NOTES.saturating_sub(defaults::RECORD + scripts * defaults::RECORD_OF_SCRIPT);
    let length = text.chars().count();
    if length > room {
        findings.push(
            Finding::error(
                Code::InvalidValue,
                target,
                format!("`description` has {length} characters, which leaves no room for the record of Phoenix"),
            )
            .at(["description"])
            .expected(format!("at most {room} characters"))
            .help("shorten it"),
        );
    }
    if text.contains(RECORD_MARK) {
        findings.push(
            Finding::error(
                Code::InvalidValue,
                target,
                format!("`description` contains `{RECORD_MARK}`, which starts the record of Phoenix"),
            )
            .at(["description"])
            .help("remove this comment from the text"),
        );
    }
    Some(text)
}

/// How the record of what Phoenix did begins in a guest's notes.
const RECORD_MARK: &str = "<!-- phoenix:";

/// Tags. A single one that is called `0` is none for Proxmox.
fn tags(
    written: Option<Vec<crate::dialect::Tag>>,
    target: Target,
    findings: &mut Vec<Finding>,
) -> std::collections::BTreeSet<String> {
    let tags: std::collections::BTreeSet<String> = written.into_iter().flatten().map(String::from).collect();
    if tags.len() == 1 && tags.contains("0") {
        findings.push(
            Finding::error(Code::InvalidValue, target, "Proxmox takes a single tag `0` for none")
                .at(["tags"])
                .help("choose another tag"),
        );
    }
    tags
}

/// Features in order; one that is named again runs once.
fn features(
    names: Vec<crate::dialect::FeatureName>,
    kind: phoenix_types::GuestKind,
    scripts: &Scripts,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Vec<crate::model::Script> {
    let mut found: Vec<crate::model::Script> = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        if found.iter().any(|script| script.name == name.as_str()) {
            findings.push(
                Finding::warning(Code::RepeatedFeature, target, format!("duplicate feature `{name}`"))
                    .at(["features"])
                    .nth(index)
                    .help("remove it: it runs once"),
            );
            continue;
        }
        match scripts.feature(kind, name.as_str()) {
            Ok(script) => found.push(script),
            Err(missing) => findings.push(missing.finding(target, name.as_str()).at(["features"]).nth(index)),
        }
    }
    found
}

/// The script that runs after all features.
fn application(
    name: Option<crate::dialect::FeatureName>,
    scripts: &Scripts,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Option<crate::model::Script> {
    let name = name?;
    match scripts.application(name.as_str()) {
        Ok(script) => Some(script),
        Err(missing) => {
            findings.push(missing.finding(target, name.as_str()).at(["application_script"]));
            None
        }
    }
}
