//! Profiles: what several guests share, written once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::{Code, nearest};
use crate::dialect::USER_PREFIX;
use crate::source::Written;

use super::fault::Fault;
use super::merge::merge;
use super::node::{Member, Node, Value};

/// The key that names profiles.
pub(super) const EXTENDS: &str = "extends";

/// So many values one profile may have, all that it extends included.
const MAX_VALUES: usize = 100_000;

struct Profile {
    at: Written,
    node: Node,
}

pub(super) struct Profiles {
    declared: BTreeMap<String, Profile>,
    /// Those that are complete; nothing for one that cannot be.
    complete: BTreeMap<String, Option<Arc<Node>>>,
    used: BTreeSet<String>,
}

impl Profiles {
    pub(super) fn new(members: Vec<Member>, faults: &mut Vec<Fault>) -> Self {
        let mut declared = BTreeMap::new();
        for Member { key, at, value: mut node } in members {
            if key.starts_with(USER_PREFIX) {
                continue;
            }
            if !matches!(node.value, Value::Object(_)) {
                faults.push(
                    Fault::error(Code::WrongType, &node.at, format!("the profile `{key}` is {}", node.kind()))
                        .expected("an object with keys of guests"),
                );
                continue;
            }
            node.of_profile(&Arc::from(key.as_str()));
            declared.insert(key, Profile { at, node });
        }
        Self { declared, complete: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// A guest with everything that it extends.
    pub(super) fn extend(&mut self, guest: Node, faults: &mut Vec<Fault>) -> Node {
        self.extended(guest, &mut Vec::new(), faults).unwrap_or_else(|guest| guest)
    }

    /// The value with everything that it extends; as it is where something of that is wrong.
    fn extended(&mut self, mut node: Node, ring: &mut Vec<String>, faults: &mut Vec<Fault>) -> Result<Node, Node> {
        let Some(Member { value: extends, .. }) = node.take(EXTENDS) else { return Ok(node) };
        let Some(names) = names(&extends, faults) else { return Err(node) };
        let mut base: Option<Node> = None;
        let mut whole = true;
        for (name, at) in names {
            match self.complete(&name, &at, ring, faults) {
                Some(profile) => {
                    let profile = profile.as_ref().clone();
                    base = Some(match base {
                        None => profile,
                        Some(base) => merge(base, profile, faults),
                    });
                }
                None => whole = false,
            }
        }
        if !whole {
            return Err(node);
        }
        Ok(match base {
            Some(base) => merge(base, node, faults),
            None => node,
        })
    }

    fn complete(
        &mut self,
        name: &str,
        at: &Written,
        ring: &mut Vec<String>,
        faults: &mut Vec<Fault>,
    ) -> Option<Arc<Node>> {
        self.used.insert(name.to_owned());
        if let Some(complete) = self.complete.get(name) {
            return complete.clone();
        }
        if let Some(start) = ring.iter().position(|other| other == name) {
            let members: Vec<&str> = ring[start..].iter().map(String::as_str).chain([name]).collect();
            faults.push(
                Fault::error(Code::ProfileCycle, at, format!("profiles extend each other: {}", members.join(" → ")))
                    .help("remove one of these `extends`"),
            );
            return None;
        }
        let Some(profile) = self.declared.get(name) else {
            let fault = Fault::error(Code::UnknownProfile, at, format!("the profile `{name}` is not defined"));
            let near = nearest(name, self.declared.keys().map(String::as_str));
            faults.push(match near {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help("define it under `profiles`, or remove the name"),
            });
            return None;
        };
        let (node, defined) = (profile.node.clone(), profile.at.clone());
        ring.push(name.to_owned());
        let complete = self.extended(node, ring, faults).ok().map(Arc::new);
        ring.pop();
        let complete = complete.filter(|node| {
            let small = node.count() <= MAX_VALUES;
            if !small {
                faults.push(
                    Fault::error(Code::AliasBomb, &defined, format!("the profile `{name}` is too large"))
                        .expected(format!("at most {MAX_VALUES} values, those that it extends included")),
                );
            }
            small
        });
        self.complete.insert(name.to_owned(), complete.clone());
        complete
    }

    /// Profiles that nothing extends.
    pub(super) fn unused(&self) -> Vec<Fault> {
        let unused = self.declared.iter().filter(|(name, _)| !self.used.contains(*name));
        unused
            .map(|(name, profile)| {
                Fault::warning(Code::UnusedName, &profile.at, format!("the profile `{name}` is not used"))
                    .help(format!("use it with `extends: {name}`, or remove it"))
            })
            .collect()
    }
}

/// The names that `extends` holds: one or a list.
fn names(extends: &Node, faults: &mut Vec<Fault>) -> Option<Vec<(String, Written)>> {
    let items = match &extends.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(extends),
    };
    let mut names: Vec<(String, Written)> = Vec::new();
    for item in items {
        let Some(name) = item.text() else {
            faults.push(
                Fault::error(
                    Code::WrongType,
                    &item.at,
                    format!("`{EXTENDS}` names profiles, and this is {}", item.kind()),
                )
                .expected("a profile's name, or a list of names"),
            );
            return None;
        };
        if let Some((_, first)) = names.iter().find(|(other, _)| other == name) {
            faults.push(
                Fault::error(Code::Conflict, &item.at, format!("duplicate profile `{name}`"))
                    .label(first, "the first time")
                    .help("remove one of the two"),
            );
            return None;
        }
        names.push((name.to_owned(), item.at.clone()));
    }
    Some(names)
}
