//! From what a validator says to what a person needs.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use phoenix_types::GuestKind;
use serde_json::Value;

use super::foreign::{Foreign, foreign};
use super::{Part, compiled};
use crate::diagnostic::{Code, FileKind, Finding, Target, nearest};
use crate::proxmox;
use crate::source::Segment;

/// What faults are explained with.
pub(super) struct Explanation<'a> {
    pub(super) root: &'a Value,
    pub(super) value: &'a Value,
    pub(super) target: Target,
}

/// What a fault leaves unread.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// The places that are wrong.
    pub(super) wrong: Vec<Vec<Segment>>,
    /// The places of keys that were perhaps meant by keys that nobody knows.
    pub(super) meant: Vec<Vec<Segment>>,
}

impl Unread {
    fn and(mut self, other: Self) -> Self {
        self.wrong.extend(other.wrong);
        self.meant.extend(other.meant);
        self
    }
}

impl Explanation<'_> {
    /// What a fault is, as one finding or, for a choice of which one branch is meant, those of that branch. At most `room`
    /// of them are made.
    pub(super) fn findings(&self, fault: &ValidationError<'_>, room: usize) -> Vec<Finding> {
        let path = self.segments(fault.instance_path().as_str());
        let schema = self.schema_of(fault);
        match fault.kind() {
            Kind::AdditionalProperties { unexpected } => {
                unexpected.iter().take(room).map(|key| self.unknown_key(&path, key, schema)).collect()
            }
            Kind::Required { property } => vec![self.missing_key(&path, property, schema)],
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match self.meant(fault, context) {
                Some(branch) => branch.iter().flat_map(|fault| self.findings(fault, room)).take(room).collect(),
                None => vec![self.wrong_value(fault, &path, schema)],
            },
            _ => vec![self.wrong_value(fault, &path, schema)],
        }
    }

    /// What a fault leaves unread: the places that are wrong, and those that were perhaps meant.
    pub(super) fn unread(&self, fault: &ValidationError<'_>) -> Unread {
        let path = self.segments(fault.instance_path().as_str());
        match fault.kind() {
            Kind::AdditionalProperties { unexpected } => {
                let known = known_keys(self.schema_of(fault));
                let place = |key: &str| path.iter().cloned().chain([key.into()]).collect::<Vec<Segment>>();
                Unread {
                    meant: unexpected.iter().filter_map(|key| nearest(key, known.iter().copied())).map(place).collect(),
                    wrong: unexpected.iter().map(|key| place(key)).collect(),
                }
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match self.meant(fault, context) {
                Some(branch) => branch.iter().map(|fault| self.unread(fault)).fold(Unread::default(), Unread::and),
                None => Unread { wrong: vec![path], meant: Vec::new() },
            },
            _ => Unread { wrong: vec![path], meant: Vec::new() },
        }
    }

    /// The branch that is meant: the one whose kind of value fits, and only something inside it does not.
    fn meant<'b>(
        &self,
        fault: &ValidationError<'_>,
        context: &'b [Vec<ValidationError<'static>>],
    ) -> Option<&'b [ValidationError<'static>]> {
        let here = fault.instance_path().as_str();
        let inner = |branch: &&'b Vec<ValidationError<'static>>| {
            !branch.is_empty()
                && branch.iter().all(|fault| {
                    let deeper = fault.instance_path().as_str().len() > here.len();
                    let structural = matches!(
                        fault.kind(),
                        Kind::AdditionalProperties { .. } | Kind::Required { .. } | Kind::AnyOf { .. }
                    );
                    (deeper || structural) && !matches!(fault.kind(), Kind::AnyOf { context } if !deeper && self.meant(fault, context).is_none())
                })
        };
        context.iter().find(inner).map(Vec::as_slice)
    }

    fn unknown_key(&self, path: &[Segment], key: &str, schema: Option<&Value>) -> Finding {
        let known = known_keys(schema);
        let finding = Finding::error(Code::UnknownKey, self.target, format!("the key `{key}` is not known here"))
            .at(path.iter().cloned())
            .at([key])
            .on_key();
        if let Some(help) = of_proxmox(key, &known) {
            return finding.help(help);
        }
        let meant = foreign(key);
        let named = match meant {
            Some(Foreign::Keys(keys)) => keys.iter().find(|word| known.contains(word)).copied(),
            Some(Foreign::NoKey) => None,
            None => nearest(key, known.iter().copied()),
        };
        if let Some(tool @ ("pct" | "qm")) = named {
            return finding.help(format!("write Proxmox's own key for it below `{tool}`"));
        }
        if let Some(near) = named {
            return finding.expected(format!("`{near}`")).help(format!("did you mean `{near}`?"));
        }
        if let Some(Foreign::NoKey) = meant {
            return finding.help(format!(
                "Phoenix has no key for `{key}` yet: set it on the node, where Phoenix leaves it alone, and remove it here"
            ));
        }
        if let Some((near, owner)) = elsewhere(key) {
            return finding.help(format!("`{near}` belongs to {owner}; else remove it: your own keys start with `x-`"));
        }
        let finding = match known.as_slice() {
            [] => finding,
            few if few.len() <= 12 => finding.expected(format!("one of {}", quoted(few))),
            _ => finding,
        };
        finding.help("remove it; your own keys start with `x-`")
    }

    fn missing_key(&self, path: &[Segment], property: &Value, schema: Option<&Value>) -> Finding {
        let key = property.as_str().unwrap_or_default();
        let description = schema
            .and_then(|schema| schema.get("properties")?.get(key)?.get("description")?.as_str())
            .map_or_else(String::new, |words| format!(": {}", lower_case(words.trim_end_matches('.'))));
        Finding::error(Code::MissingKey, self.target, format!("the key `{key}` is missing"))
            .at(path.iter().cloned())
            .help(format!("add `{key}`{description}"))
    }

    fn wrong_value(&self, fault: &ValidationError<'_>, path: &[Segment], schema: Option<&Value>) -> Finding {
        let found = self.value_at(path).unwrap_or(&Value::Null);
        let expected = schema.and_then(|schema| expected(self.root, schema, fault.kind()));
        let shown = self.shown(found, path);
        let name = self.name(path);
        let wrong_type = of_wrong_type(fault);
        let is_id = expected.as_deref().is_some_and(|words| words.starts_with("a guest id"));
        let is_mac = path.last() == Some(&Segment::from("mac_address"));
        let multicast = matches!(
            found.as_str().map(str::parse::<phoenix_types::Mac>),
            Some(Err(phoenix_types::InvalidMac::Multicast(_)))
        );
        let (code, message) = match found {
            Value::Number(_) | Value::String(_) if is_id && !wrong_type => {
                (Code::InvalidId, format!("{name} is {shown}, which is not a guest id"))
            }
            _ if is_mac && multicast => (Code::MulticastMac, format!("{name} is {shown}, a multicast address")),
            _ if wrong_type => (Code::WrongType, format!("{name} is {}", article(found))),
            _ => (Code::InvalidValue, format!("{name} cannot be {shown}")),
        };
        let mut finding = Finding::error(code, self.target, message).at(path.iter().cloned());
        if code == Code::MulticastMac {
            finding = finding.help("make the second digit even");
        } else if let Value::String(text) = found
            && let Some(options) = schema.map(|schema| options(self.root, schema)).filter(|options| !options.is_empty())
            && let Some(near) = nearest(text, options.iter().map(String::as_str))
        {
            finding = finding.help(format!("did you mean `{near}`?"));
        }
        match expected {
            Some(expected) => finding.expected(expected),
            None => finding,
        }
    }

    /// What a value is called in a message.
    fn name(&self, path: &[Segment]) -> String {
        match path {
            [.., Segment::Key(key)] => format!("`{key}`"),
            [.., Segment::Key(key), Segment::Index(index)] => format!("entry {} of `{key}`", index + 1),
            [] if matches!(self.target, Target::File(_)) => "the file".to_owned(),
            _ => "this".to_owned(),
        }
    }

    /// A value as it is shown in a message: short, and without secrets.
    fn shown(&self, value: &Value, path: &[Segment]) -> String {
        let secret = path.iter().any(|segment| match segment {
            Segment::Key(key) => ["password", "secret", "headers"].iter().any(|word| key.contains(word)),
            Segment::Index(_) => false,
        });
        if secret {
            return "the value".to_owned();
        }
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if short.len() < text.len() { format!("`{short}…`") } else { format!("`{short}`") }
    }

    /// A JSON pointer as a path; whether a number is an index or a key, the value knows.
    fn segments(&self, pointer: &str) -> Vec<Segment> {
        let mut at = Some(self.value);
        let mut path = Vec::new();
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            match at {
                Some(Value::Array(items)) => {
                    let index = part.parse().unwrap_or(usize::MAX);
                    at = items.get(index);
                    path.push(Segment::Index(index));
                }
                _ => {
                    at = at.and_then(|value| value.get(&part));
                    path.push(Segment::Key(part));
                }
            }
        }
        path
    }

    fn value_at(&self, path: &[Segment]) -> Option<&Value> {
        path.iter().try_fold(self.value, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(index),
        })
    }

    /// The schema whose keyword the value does not meet.
    fn schema_of(&self, fault: &ValidationError<'_>) -> Option<&Value> {
        let keyword = fault.schema_path().as_str();
        let (parent, _) = keyword.rsplit_once('/')?;
        self.root.pointer(parent)
    }
}

/// The keys of an object.
fn known_keys(schema: Option<&Value>) -> Vec<&str> {
    schema
        .and_then(|schema| schema.get("properties")?.as_object())
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

/// The key of another object that was probably meant, and whose key it is.
fn elsewhere(key: &str) -> Option<(&'static str, &'static str)> {
    let owners = [(Part::Guest(FileKind::Lxc), "a container"), (Part::Guest(FileKind::Vm), "a VM")];
    owners.into_iter().find_map(|(part, owner)| {
        let mut keys = compiled(part).root.get("properties")?.as_object()?.keys().map(String::as_str);
        let meant = match foreign(key) {
            Some(Foreign::Keys(words)) => keys.find(|key| words.contains(key)),
            Some(Foreign::NoKey) => None,
            None => nearest(key, keys),
        };
        meant.map(|near| (near, owner))
    })
}

/// Whether another kind of value would be right.
fn of_wrong_type(fault: &ValidationError<'_>) -> bool {
    match fault.kind() {
        Kind::Type { .. } => true,
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => context.iter().all(|branch| {
            branch
                .iter()
                .any(|inner| inner.instance_path().as_str() == fault.instance_path().as_str() && of_wrong_type(inner))
        }),
        _ => false,
    }
}

/// What would be right, in words: the schema's own, or made from its keywords.
fn expected(root: &Value, schema: &Value, fault: &Kind) -> Option<String> {
    let schema = resolved(root, schema);
    if let Some(words) = words(schema) {
        return Some(words);
    }
    if let Some(options) = Some(options(root, schema)).filter(|options| !options.is_empty()) {
        return Some(format!("one of {}", quoted(&options.iter().map(String::as_str).collect::<Vec<_>>())));
    }
    if let (Some(low), Some(high)) = (schema.get("minimum"), schema.get("maximum")) {
        let whole = schema.get("type").is_some_and(|kind| kind.to_string().contains("integer"));
        return Some(format!("a {} from {low} to {high}", if whole { "whole number" } else { "number" }));
    }
    if let Kind::Type { .. } = fault {
        return Some(types(schema.get("type")?));
    }
    let branches = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    let parts: Vec<String> = branches.iter().filter_map(|branch| branch_words(root, branch, fault)).collect();
    if parts.is_empty() { None } else { Some(parts.join(", or ")) }
}

fn branch_words(root: &Value, branch: &Value, fault: &Kind) -> Option<String> {
    let branch = resolved(root, branch);
    if branch.get("type").is_some_and(|kind| kind == "null") {
        return None;
    }
    expected(root, branch, fault).or_else(|| branch.get("type").map(types))
}

/// The schema itself, or the one that it refers to.
fn resolved<'v>(root: &'v Value, schema: &'v Value) -> &'v Value {
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// The words that a schema has for people who write something else: VS Code shows them too.
fn words(schema: &Value) -> Option<String> {
    let own = schema.get("errorMessage").and_then(Value::as_str);
    let words = own.or_else(|| {
        let branches = schema.get("anyOf")?.as_array()?;
        let mut with_words = branches.iter().filter_map(|branch| branch.get("errorMessage")?.as_str());
        let first = with_words.next()?;
        let others = branches.iter().filter(|branch| branch.get("type").is_none_or(|kind| kind != "null")).count();
        (others == 1).then_some(first)
    })?;
    Some(words.trim_end_matches('.').to_owned())
}

/// The words that a schema allows, when it allows only some.
fn options(root: &Value, schema: &Value) -> Vec<String> {
    let schema = resolved(root, schema);
    let own = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let branches = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let inner = branches.flat_map(|branch| match branch.get("const").and_then(Value::as_str) {
        Some(word) => vec![word.to_owned()],
        None => options(root, branch),
    });
    own.filter_map(|option| option.as_str().map(str::to_owned)).chain(inner).collect()
}

fn types(kind: &Value) -> String {
    let one = |kind: &str| match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "nothing",
    };
    match kind {
        Value::String(kind) => one(kind).to_owned(),
        Value::Array(kinds) => {
            let kinds: Vec<&str> =
                kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").map(one).collect();
            kinds.join(" or ")
        }
        _ => "something else".to_owned(),
    }
}

/// What kind of value it is.
fn article(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A sentence as it continues after a colon.
fn lower_case(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// What to do with a key of Proxmox that is written beside the keys of a guest.
fn of_proxmox(key: &str, known: &[&str]) -> Option<String> {
    let tools = [("pct", GuestKind::Container), ("qm", GuestKind::Vm)];
    let (tool, kind) = tools.into_iter().find(|(tool, _)| known.contains(tool))?;
    match proxmox::word(kind, key) {
        Some(proxmox::Word::Key(ours)) => Some(format!("did you mean `{ours}`?")),
        Some(proxmox::Word::Own) => None,
        None if proxmox::find(kind, key).is_some() => Some(format!("it is a key of Proxmox: write it below `{tool}`")),
        None => tools
            .into_iter()
            .find(|(_, other)| proxmox::find(*other, key).is_some() && proxmox::word(*other, key).is_none())
            .map(|(tool, _)| {
                format!("Proxmox has it for the other kind of guest only, where it is written below `{tool}`")
            }),
    }
}
