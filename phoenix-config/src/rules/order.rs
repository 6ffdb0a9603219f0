//! Who waits for whom, and who is cloned from whom.

use phoenix_types::GuestId;

use crate::diagnostic::{Code, Finding, Severity, Target};
use crate::model::{Dependency, Guest, Role, State, Until};
use crate::rules::{MAX_DEPENDENCY_FAULTS, Rule, View, clone_key, dependency_path};

/// Dependencies and clone sources make sense.
#[derive(Debug)]
pub(super) struct Order;

impl Rule for Order {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        for guest in view.guests.values() {
            let dependencies = guest.dependencies.iter().filter_map(|(id, terms)| Some((*terms, view.guests.get(id)?)));
            let faults =
                dependencies.flat_map(|(terms, dependency)| dependency_findings(view, guest, terms, dependency));
            findings.extend(faults.take(MAX_DEPENDENCY_FAULTS));
            let source = guest.clone_from.as_ref().and_then(|source| view.guests.get(&source.id));
            findings.extend(source.and_then(|source| clone_finding(view, guest, source)));
        }
    }
}

fn dependency_findings(view: &View<'_>, guest: &Guest, terms: Dependency, dependency: &Guest) -> Vec<Finding> {
    if !reads_state(view, guest.id) || !reads_state(view, dependency.id) {
        return Vec::new();
    }
    let target = Target::Guest(guest.id);
    let name = format!("{} (`{}`)", dependency.id, dependency.name);
    let mut findings = Vec::new();
    if dependency.state == State::Template {
        let finding =
            Finding::warning(Code::TemplateDependency, target, format!("the dependency {name} is a template"))
                .at(dependency_path(guest, dependency.id))
                .help(format!("to clone it, write `{}`; otherwise remove the dependency", clone_key(guest)));
        findings.push(finding);
    }
    let is_to_end = terms.until == Until::Completed || dependency.role == Role::Job;
    if guest.state == State::Running && dependency.state == State::Stopped && !is_to_end {
        let message = format!("it runs, but the dependency {name} is never started");
        let finding = Finding::warning(Code::StoppedDependency, target, message)
            .at(dependency_path(guest, dependency.id))
            .label(Target::Guest(dependency.id), ["start_at_boot"], "it runs only while it is provisioned")
            .help("start the dependency at boot, or write `\"state\": \"running\"` there");
        findings.push(finding);
    }
    // Those without a number are started last (pve-manager `API2/Nodes.pm`, `get_start_stop_list`).
    if guest.start_at_boot
        && dependency.start_at_boot
        && view.reads(dependency.id, &["boot_order"])
        && let Some(own) = guest.boot_order
        && dependency.boot_order.is_none_or(|other| other > own)
    {
        let (other, label) = match dependency.boot_order {
            Some(other) => (format!("with {other}"), "the dependency comes later"),
            None => ("without one".to_owned(), "the dependency has none, and comes last"),
        };
        let message = format!("the node starts it with `boot_order` {own}, before its dependency {name} {other}");
        let finding = Finding::warning(Code::BootOrder, target, message)
            .at(["boot_order"])
            .label(Target::Guest(dependency.id), ["boot_order"], label)
            .help("give the dependency the smaller number");
        findings.push(finding);
    }
    findings
}

/// Whether it is known what a guest should be in the end.
pub(super) fn reads_state(view: &View<'_>, id: GuestId) -> bool {
    ["kind", "state", "is_template", "start_at_boot"].iter().all(|key| view.reads(id, &[key]))
}

fn clone_finding(view: &View<'_>, guest: &Guest, source: &Guest) -> Option<Finding> {
    let target = Target::Guest(guest.id);
    let name = format!("{} (`{}`)", source.id, source.name);
    if guest.kind() != source.kind() {
        let message = format!("the clone source {name} is a {}, this is a {}", source.kind(), guest.kind());
        let finding = Finding::error(Code::CloneKind, target, message)
            .at([clone_key(guest)])
            .help(format!("clone a {}", guest.kind()));
        return Some(finding);
    }
    let known = reads_state(view, source.id) && view.reads(source.id, &["template_snapshot_name"]);
    if source.template_snapshot.is_some() || source.state == State::Template || !known {
        return None;
    }
    // Proxmox clones a running container only from a snapshot; everything else it copies as it happens to be.
    let (severity, why) = if source.state == State::Running && source.container().is_some() {
        (Severity::Error, "it runs, so its present state cannot be cloned")
    } else {
        (Severity::Warning, "its state at that time would be cloned")
    };
    let message = format!("the clone source {name} has no snapshot to clone: {why}");
    let finding = Finding::new(severity, Code::NoCloneSnapshot, target, message)
        .at([clone_key(guest)])
        .label(Target::Guest(source.id), [] as [&str; 0], "`template_snapshot_name` is missing here")
        .help("write `template_snapshot_name` there, or make it a template");
    Some(finding)
}
