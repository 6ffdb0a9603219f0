//! What files say, taken apart: the guests one by one, profiles, variables, and the rest of the three documents.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, FileKind, nearest};
use crate::dialect::{LxcFrame, USER_PREFIX, VmFrame};
use crate::rules::ACCEPT;
use crate::source::Written;

use super::Role;
use super::fault::Fault;
use super::merge::merge;
use super::node::{Member, Node, Value};
use super::range;

/// Keys at the top of a file that are for the expansion.
pub(crate) const WORDS: [&str; 4] = ["include", "overlays", "profiles", "vars"];

/// The keys of the guests in a file that holds everything.
const HYPERVISOR: &str = "hypervisor";
const CONTAINERS: [&str; 2] = ["lxc_configs", "lxc"];
const MACHINES: &str = "vms";

/// One guest.
#[derive(Debug, Clone)]
pub(super) struct GuestPart {
    pub(super) kind: FileKind,
    /// Its id, as it is written.
    pub(super) id: String,
    pub(super) at: Written,
    /// Its number in its range, from 1.
    pub(super) n: Option<i64>,
    pub(super) node: Node,
}

#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The documents without their guests.
    pub(super) documents: BTreeMap<FileKind, Node>,
    pub(super) guests: Vec<GuestPart>,
    pub(super) profiles: Vec<Member>,
    pub(super) variables: Vec<Member>,
}

/// Other files that a file names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) includes: Vec<Node>,
    pub(super) overlays: Vec<Node>,
}

/// Whether a document as it is needs no expansion: it has none of the words, no range, and its VMs are a list.
pub(super) fn is_plain(kind: FileKind, node: &Node) -> bool {
    node.members().iter().all(|member| match (kind, member.key.as_str()) {
        (_, key) if WORDS.contains(&key) => false,
        (FileKind::Lxc, "lxc_configs") => member.value.members().iter().all(|guest| !range::looks_like(&guest.key)),
        (FileKind::Vm, "vms") => !matches!(member.value.value, Value::Object(_)),
        _ => true,
    })
}

/// Takes a file apart.
pub(super) fn split(role: Role, node: Node, faults: &mut Vec<Fault>) -> (Parts, Named) {
    let mut parts = Parts::default();
    let mut named = Named::default();
    let top = node.at.clone();
    let Value::Object(members) = node.value else {
        faults.push(Fault::error(Code::WrongType, &top, "the file holds no object").expected("an object"));
        return (parts, named);
    };
    if let Role::Document(kind) = role {
        parts.documents.insert(kind, Node::object(top.clone()));
    } else if role == Role::Fleet {
        parts.documents.insert(FileKind::Lxc, Node::object(top.clone()));
    }
    for member in members {
        let key = member.key.as_str();
        match (key, role) {
            ("include", _) => named.includes.extend(list(member.value)),
            ("overlays", _) => named.overlays.extend(list(member.value)),
            ("profiles", _) => parts.profiles.extend(object(member, faults)),
            ("vars", _) => parts.variables.extend(object(member, faults)),
            ("lxc_configs", Role::Document(FileKind::Lxc)) => parts.containers(member, faults),
            (MACHINES, Role::Document(FileKind::Vm)) => parts.machines(member, faults),
            (_, Role::Document(kind)) => parts.add(kind, member, &top),
            (HYPERVISOR, _) => match member.value.value {
                Value::Object(members) => {
                    parts
                        .documents
                        .entry(FileKind::Hypervisor)
                        .or_insert_with(|| Node::object(member.value.at.clone()));
                    members.into_iter().for_each(|member| parts.add(FileKind::Hypervisor, member, &top));
                }
                _ => faults.push(
                    Fault::error(
                        Code::WrongType,
                        &member.value.at,
                        format!("`{HYPERVISOR}` is {}", member.value.kind()),
                    )
                    .expected("an object: what `phoenix_hypervisor_config.json` holds"),
                ),
            },
            (key, _) if CONTAINERS.contains(&key) => {
                parts.containers(Member { key: CONTAINERS[0].to_owned(), ..member }, faults);
            }
            (MACHINES, _) => parts.machines(member, faults),
            (ACCEPT, _) => parts.add(FileKind::Hypervisor, member, &top),
            (key, _) if key == "$schema" || key.starts_with(USER_PREFIX) => {}
            (key, _) if LxcFrame::KEYS.contains(&key) => parts.add(FileKind::Lxc, member, &top),
            (key, _) if VmFrame::KEYS.contains(&key) => parts.add(FileKind::Vm, member, &top),
            (key, _) => {
                let fault = Fault::error(Code::UnknownKey, &member.at, format!("unknown key `{key}`"));
                let known = WORDS.iter().chain(&CONTAINERS).chain(LxcFrame::KEYS).chain(VmFrame::KEYS);
                let known = known.copied().chain([HYPERVISOR, MACHINES]);
                faults.push(match nearest(key, known.clone()) {
                    Some(near) => fault.help(format!("is `{near}` meant?")),
                    None => fault
                        .expected(format!(
                            "one of {}",
                            known.filter(|key| *key != "$schema").collect::<Vec<_>>().join(", ")
                        ))
                        .help("remove the key; keys that start with `x-` are yours"),
                });
            }
        }
    }
    (parts, named)
}

fn list(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(items) => items,
        Value::Null => Vec::new(),
        _ => vec![node],
    }
}

fn object(member: Member, faults: &mut Vec<Fault>) -> Vec<Member> {
    match member.value.value {
        Value::Object(members) => members,
        Value::Null => Vec::new(),
        _ => {
            let message = format!("`{}` is {}", member.key, member.value.kind());
            faults.push(Fault::error(Code::WrongType, &member.value.at, message).expected("an object"));
            Vec::new()
        }
    }
}

impl Parts {
    fn add(&mut self, kind: FileKind, member: Member, top: &Written) {
        let document = self.documents.entry(kind).or_insert_with(|| Node::object(top.clone()));
        if let Some(members) = document.members_mut() {
            members.push(member);
        }
    }

    /// The containers, by id or range.
    fn containers(&mut self, member: Member, faults: &mut Vec<Fault>) {
        match member.value.value {
            Value::Object(members) => {
                for guest in members {
                    self.guest(FileKind::Lxc, guest, faults);
                }
                self.documents.entry(FileKind::Lxc).or_insert_with(|| Node::object(member.at));
            }
            // The loader says what is wrong with it.
            _ => self.add(FileKind::Lxc, member.clone(), &member.at),
        }
    }

    /// The VMs: a list, or an object by id or range.
    fn machines(&mut self, member: Member, faults: &mut Vec<Fault>) {
        self.documents.entry(FileKind::Vm).or_insert_with(|| Node::object(member.at.clone()));
        match member.value.value {
            Value::Object(members) => {
                for guest in members {
                    self.guest(FileKind::Vm, guest, faults);
                }
            }
            Value::List(items) => {
                for node in items {
                    let id = match node.get("vmid").map(|id| &id.value) {
                        Some(Value::Number(id) | Value::Text(id)) => id.clone(),
                        _ => String::new(),
                    };
                    let at = node.get("vmid").map_or_else(|| node.at.clone(), |id| id.at.clone());
                    self.guests.push(GuestPart { kind: FileKind::Vm, id, at, n: None, node });
                }
            }
            _ => self.add(FileKind::Vm, member.clone(), &member.at),
        }
    }

    /// A guest, or all guests of a range.
    fn guest(&mut self, kind: FileKind, member: Member, faults: &mut Vec<Fault>) {
        let Member { key, at, value: node } = member;
        let one = |id: String, n: Option<i64>, mut node: Node| {
            if let (FileKind::Vm, Some(members)) = (kind, node.members_mut())
                && !id.starts_with(USER_PREFIX)
                && !members.iter().any(|member| member.key == "vmid")
            {
                let value = if id.bytes().all(|byte| byte.is_ascii_digit()) && !id.starts_with('0') {
                    Value::Number(id.clone())
                } else {
                    Value::Text(id.clone())
                };
                let value = Node::new(value, at.clone());
                members.insert(0, Member { key: "vmid".to_owned(), at: at.clone(), value });
            }
            GuestPart { kind, id, at: at.clone(), n, node }
        };
        if kind == FileKind::Vm && key.starts_with(USER_PREFIX) {
            return;
        }
        match range::parse(&key) {
            None => self.guests.push(one(key, None, node)),
            Some(Ok(ids)) => {
                self.guests.extend((1..).zip(ids).map(|(n, id)| one(id.to_string(), Some(n), node.clone())));
            }
            Some(Err(expected)) => faults.push(
                Fault::error(Code::InvalidRange, &at, format!("`{key}` is not a range of guest ids"))
                    .expected(expected)
                    .help("write it as `FIRST..LAST`, such as `801..805`"),
            ),
        }
    }

    /// Takes what another file says as well. The two may not contradict each other.
    pub(super) fn join(&mut self, other: Self, faults: &mut Vec<Fault>) {
        for (kind, document) in other.documents {
            match self.documents.get_mut(&kind) {
                None => {
                    self.documents.insert(kind, document);
                }
                Some(own) => join_objects(own, document, faults),
            }
        }
        for (own, others) in [(&mut self.profiles, other.profiles), (&mut self.variables, other.variables)] {
            for member in others {
                match own.iter().find(|own| own.key == member.key) {
                    None => own.push(member),
                    Some(first) if first.value.same(&member.value) => {}
                    Some(first) => faults.push(conflict(&member.key, &first.at, &member.at)),
                }
            }
        }
        for guest in other.guests {
            match self.guests.iter().find(|own| !guest.id.is_empty() && own.kind == guest.kind && own.id == guest.id) {
                None => self.guests.push(guest),
                Some(first) if first.node.same(&guest.node) => {}
                Some(first) => faults.push(conflict(&guest.id, &first.at, &guest.at)),
            }
        }
    }

    /// Lays an overlay over what the files say.
    pub(super) fn overlay(&mut self, over: Self, faults: &mut Vec<Fault>) {
        for (kind, document) in over.documents {
            let own = self.documents.remove(&kind);
            let merged = own.map_or_else(|| document.clone(), |own| merge(own, document.clone(), faults));
            self.documents.insert(kind, merged);
        }
        overlay_members(&mut self.profiles, over.profiles, faults);
        let variables = over.variables.into_iter().map(|member| short_over_long(member, &self.variables)).collect();
        overlay_members(&mut self.variables, variables, faults);
        for guest in over.guests {
            let own =
                self.guests.iter().position(|own| !guest.id.is_empty() && own.kind == guest.kind && own.id == guest.id);
            match own {
                Some(index) if matches!(guest.node.value, Value::Null) => {
                    self.guests.remove(index);
                }
                Some(index) => {
                    let own = &mut self.guests[index];
                    let base = std::mem::replace(&mut own.node, Node::object(guest.at.clone()));
                    own.node = merge(base, guest.node, faults);
                }
                None => self.guests.push(guest),
            }
        }
    }
}

/// A value of a variable over its declaration: it is the new default.
fn short_over_long(member: Member, declared: &[Member]) -> Member {
    let long = declared.iter().any(|own| own.key == member.key && matches!(own.value.value, Value::Object(_)));
    if !long || matches!(member.value.value, Value::Object(_) | Value::Null) {
        return member;
    }
    let default = Member { key: "default".to_owned(), at: member.at.clone(), value: member.value };
    Member { value: Node::new(Value::Object(vec![default]), member.at.clone()), ..member }
}

fn overlay_members(own: &mut Vec<Member>, over: Vec<Member>, faults: &mut Vec<Fault>) {
    let at = super::node::place(0, 0..0);
    let base = Node::new(Value::Object(std::mem::take(own)), at.clone());
    if let Value::Object(members) = merge(base, Node::new(Value::Object(over), at), faults).value {
        *own = members;
    }
}

fn join_objects(own: &mut Node, other: Node, faults: &mut Vec<Fault>) {
    let (Some(members), Value::Object(others)) = (own.members_mut(), other.value) else { return };
    for other in others {
        match members.iter_mut().find(|member| member.key == other.key) {
            None => members.push(other),
            Some(member) if member.value.same(&other.value) || other.key == "$schema" => {}
            Some(member)
                if matches!((&member.value.value, &other.value.value), (Value::Object(_), Value::Object(_))) =>
            {
                join_objects(&mut member.value, other.value, faults);
            }
            Some(member) => faults.push(conflict(&other.key, &member.at, &other.at)),
        }
    }
}

fn conflict(name: &str, first: &Written, again: &Written) -> Fault {
    Fault::error(Code::IncludeConflict, again, format!("`{name}` is defined twice, with different content"))
        .label(first, "the first one is here")
        .help("keep one of them, or change it with an overlay")
}
