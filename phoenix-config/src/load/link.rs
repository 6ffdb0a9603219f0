//! What a guest has from others: its clone source's snapshot and privilege, its place in the graph.

use std::collections::BTreeMap;

use phoenix_types::GuestId;

use super::Gathered;
use crate::diagnostic::{Code, FileKind, Finding, Target, nearest_number};
use crate::dialect::HypervisorEntry;
use crate::graph::{Cycle, Edge, EdgeKind, Graph};
use crate::model::{Guest, Kind, Need, State};
use crate::rules::{Completeness, clone_key};

/// Builds the graph, and gives clones what they have from their sources. No graph when it has a ring.
pub(super) fn link(gathered: &mut Gathered, complete: Completeness, findings: &mut Vec<Finding>) -> Option<Graph> {
    undefined(gathered, complete, findings);
    let needs = gathered.guests.iter().map(|(id, guest)| (*id, edges(guest))).collect();
    let graph = match Graph::new(needs) {
        Ok(graph) => graph,
        Err(cycles) => {
            findings.extend(cycles.iter().filter_map(|cycle| ring(cycle, &gathered.guests)));
            return None;
        }
    };
    for &id in graph.order() {
        let Some(source_id) =
            gathered.guests.get(&id).and_then(|guest| guest.clone_from.as_ref()).map(|source| source.id)
        else {
            continue;
        };
        let Some(source) = gathered.guests.get(&source_id) else { continue };
        // Proxmox cannot convert a guest with snapshots to a template, so a template is cloned as it is.
        let snapshot = source.template_snapshot.clone().filter(|_| source.state != State::Template);
        let known = gathered.holes.get(&source_id).is_none_or(|holes| holes.spare(&["unprivileged".into()]));
        let privilege = source.container().filter(|_| known).map(|container| container.unprivileged);
        let written = gathered.unprivileged.get(&id).copied().flatten();
        if let (Some(written), Some(inherited)) = (written, privilege)
            && written != inherited
        {
            findings.push(
                Finding::error(
                    Code::PrivilegeOfClone,
                    Target::Guest(id),
                    format!("`unprivileged` is {written}, but the clone source {source_id} has {inherited}"),
                )
                .at(["unprivileged"])
                .label(Target::Guest(source_id), ["unprivileged"], "the clone source")
                .help("write the same for both, or make the guest from a template"),
            );
        }
        if let Some(guest) = gathered.guests.get_mut(&id) {
            if let Some(clone) = &mut guest.clone_from {
                clone.snapshot = snapshot;
            }
            if let (Kind::Container(container), Some(inherited)) = (&mut guest.kind, privilege) {
                container.unprivileged = inherited;
            }
        }
    }
    Some(graph)
}

fn edges(guest: &Guest) -> Vec<Edge> {
    let dependencies = guest.dependencies.keys().map(|to| Edge { to: *to, kind: EdgeKind::Dependency });
    let source = guest.clone_from.iter().map(|source| Edge { to: source.id, kind: EdgeKind::CloneSource });
    dependencies.chain(source).collect()
}

fn undefined(gathered: &Gathered, complete: Completeness, findings: &mut Vec<Finding>) {
    if complete == Completeness::Partial {
        return;
    }
    let texts: Vec<String> = gathered.known.keys().map(ToString::to_string).collect();
    let help = |id: GuestId| {
        let near = nearest_number(&id.to_string(), texts.iter().map(String::as_str)).map(str::to_owned);
        match near.and_then(|near| Some((near.parse::<GuestId>().ok()?, near))) {
            Some((near_id, near)) => match gathered.guests.get(&near_id) {
                Some(guest) => format!("did you mean {near} (`{}`)?", guest.name),
                None => format!("did you mean {near}?"),
            },
            None => "describe that guest, or remove the id".to_owned(),
        }
    };
    for (&id, guest) in &gathered.guests {
        let required = guest.dependencies.iter().filter(|(_, terms)| terms.need == Need::Required);
        let missing = required.map(|(to, _)| to).filter(|to| !gathered.known.contains_key(to));
        for to in missing.take(crate::rules::MAX_DEPENDENCY_FAULTS) {
            findings.push(
                Finding::error(
                    Code::UnknownDependency,
                    Target::Guest(id),
                    format!("the dependency {to} is not defined"),
                )
                .at(crate::rules::dependency_path(guest, *to))
                .help(help(*to)),
            );
        }
        let Some(source) = guest.clone_from.as_ref().map(|source| source.id) else { continue };
        if !gathered.known.contains_key(&source) {
            findings.push(
                Finding::error(
                    Code::UnknownCloneSource,
                    Target::Guest(id),
                    format!("the clone source {source} is not defined"),
                )
                .at([clone_key(guest)])
                .help(help(source)),
            );
        }
    }
}

/// The finding of a ring, member by member.
fn ring(cycle: &Cycle, guests: &BTreeMap<GuestId, Guest>) -> Option<Finding> {
    let members = &cycle.0;
    let path = |from: GuestId, to: GuestId| match guests.get(&from) {
        Some(guest) if guest.dependencies.contains_key(&to) => crate::rules::dependency_path(guest, to),
        Some(guest) => vec![clone_key(guest).into()],
        None => Vec::new(),
    };
    let names: Vec<String> = members
        .iter()
        .chain(members.first())
        .map(|id| match guests.get(id) {
            Some(guest) => format!("{id} ({})", guest.name),
            None => id.to_string(),
        })
        .collect();
    let arrows: Vec<(GuestId, GuestId)> =
        members.iter().copied().zip(members.iter().copied().cycle().skip(1)).collect();
    let message = match members.as_slice() {
        [one] => format!("the guest {one} depends on itself"),
        _ => format!("dependency cycle: {}", names.join(" → ")),
    };
    let (from, to) = arrows.first().copied()?;
    let finding = Finding::error(Code::Cycle, Target::Guest(from), message)
        .at(path(from, to))
        .help("remove one of these dependencies");
    let labelled = arrows.iter().skip(1).fold(finding, |finding, (from, to)| {
        finding.label(Target::Guest(*from), path(*from, *to), format!("{from} needs {to}"))
    });
    Some(labelled)
}

/// Every place in `shared_volumes` that names a guest nobody describes.
pub(super) fn unknown_sharer(id: GuestId, entry: Option<&HypervisorEntry>) -> Vec<Finding> {
    let volumes = entry.and_then(|entry| entry.shared_volumes.as_ref()).map(|shared| &shared.volumes);
    let mut found = Vec::new();
    for (name, volume) in volumes.into_iter().flatten() {
        for key in volume.mounts.0.keys().filter(|key| key.parse() == Ok(id)) {
            found.push(
                Finding::warning(
                    Code::UnknownSharer,
                    Target::File(FileKind::Hypervisor),
                    format!("the shared volume `{name}` names the guest {id}, which is not defined"),
                )
                .at(["shared_volumes", name, "mounts", key])
                .on_key()
                .help("describe that guest, or remove the id"),
            );
        }
    }
    found
}

/// The last touch, after the rules have seen what is written: what stands twice is kept once.
pub(super) fn finish(guest: &mut Guest) {
    if let Some(firewall) = &mut guest.firewall {
        let mut index = 0;
        while index < firewall.rules.len() {
            let (before, rest) = firewall.rules.split_at(index);
            if rest.first().is_some_and(|rule| before.iter().any(|other| crate::rules::same_rule(other, rule))) {
                firewall.rules.remove(index);
            } else {
                index += 1;
            }
        }
    }
    if guest.lifecycle.after.is_some() && guest.lifecycle.after == guest.template_snapshot {
        guest.lifecycle.after = None;
    }
}
