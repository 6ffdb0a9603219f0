//! Proxmox's own keys: checked, and printed as the tools take them.

use std::collections::BTreeMap;

use phoenix_types::{GuestKind, PropertyString};

use crate::diagnostic::{Code, Finding, Target, nearest};
use crate::dialect::{ProxmoxKeys, Setting, Tool};
use crate::proxmox::{Rule, RuleKind, Word, find, is_drive, keys, word};

/// The keys of a guest over those of its defaults, as the tools take them.
pub(super) fn settings<T: Tool>(
    own: Option<&ProxmoxKeys<T>>,
    usual: &BTreeMap<String, String>,
    target: Target,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, String> {
    let mut settings = usual.clone();
    settings.extend(all(own, target, findings));
    settings
}

/// The defaults at `path` of a file, as the tools take them.
pub(super) fn defaults<T: Tool>(
    usual: Option<&ProxmoxKeys<T>>,
    target: Target,
    path: &[&str],
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, String> {
    let mut found = Vec::new();
    let settings = all(usual, target, &mut found);
    findings.extend(found.into_iter().map(|mut finding| {
        let below = std::mem::take(&mut finding.path);
        finding.path = path.iter().map(|key| (*key).into()).chain(below).collect();
        finding
    }));
    settings
}

fn all<T: Tool>(
    keys: Option<&ProxmoxKeys<T>>,
    target: Target,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, String> {
    let written = keys.into_iter().flat_map(|keys| &keys.0);
    written.filter_map(|(key, value)| Some((key.clone(), printed::<T>(key, value, target, findings)?))).collect()
}

/// The value of one key; `None` when it cannot be used.
fn printed<T: Tool>(key: &str, setting: &Setting, target: Target, findings: &mut Vec<Finding>) -> Option<String> {
    let at = |finding: Finding| finding.at([T::NAME, key]).on_key();
    if let Some(word) = word(T::KIND, key) {
        findings.push(at(of_a_word(key, word, target)));
        return None;
    }
    if !key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b)) || key.is_empty() {
        let finding = match key.strip_prefix("lxc.") {
            Some(_) => {
                Finding::error(Code::Conflict, target, format!("`{key}` is a line of LXC, not a key of Proxmox"))
                    .help(format!("write it into `lxc_options`: \"{key}: …\""))
            }
            None => Finding::error(Code::UnknownKey, target, format!("`{key}` is not a key of Proxmox"))
                .help("remove it; your own keys start with `x-`"),
        };
        findings.push(at(finding));
        return None;
    }
    let Some((name, rule)) = find(T::KIND, key) else {
        findings.push(at(unknown_key::<T>(key, target)));
        return text_of(None, setting);
    };
    let text = text_of(Some(rule), setting)?;
    if rule.kind == RuleKind::Properties {
        let place = |finding: Finding, item: &str| match setting {
            Setting::Items(items) if items.iter().any(|(name, _)| name == item) => finding.at([T::NAME, key, item]),
            _ => finding.at([T::NAME, key]),
        };
        findings.extend(items(name, rule, &text, key, target).into_iter().map(|(item, finding)| place(finding, &item)));
    }
    Some(text)
}

fn of_a_word(key: &str, word: Word, target: Target) -> Finding {
    match word {
        Word::Key(ours) => Finding::error(Code::Conflict, target, format!("`{key}` has a key of Phoenix: `{ours}`"))
            .help(format!("write `{ours}` of the guest instead")),
        Word::Own => Finding::error(Code::Conflict, target, format!("`{key}` is set by Proxmox itself"))
            .help("remove it; the guest keeps what it has"),
    }
}

fn unknown_key<T: Tool>(key: &str, target: Target) -> Finding {
    let message = format!("`{key}` is not a key of `{} set` that Phoenix knows; it is passed on as it is", T::NAME);
    let finding = Finding::warning(Code::UnknownProxmoxKey, target, message);
    let other = match T::KIND {
        GuestKind::Container => GuestKind::Vm,
        GuestKind::Vm => GuestKind::Container,
    };
    let known = keys(T::KIND).keys().map(|name| name.trim_end_matches("[n]"));
    match nearest(key.trim_end_matches(|c: char| c.is_ascii_digit()), known) {
        _ if find(other, key).is_some() => finding.help(format!("it is a key of {}", plural(other))),
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help("remove it, unless your Proxmox is newer than this Phoenix"),
    }
}

fn plural(kind: GuestKind) -> &'static str {
    match kind {
        GuestKind::Container => "containers",
        GuestKind::Vm => "VMs",
    }
}

/// A value as the tools take it; `None` for an object that cannot be written as a property string, which the reader has refused.
fn text_of(rule: Option<&Rule>, setting: &Setting) -> Option<String> {
    let items = match setting {
        Setting::Scalar(scalar) => return Some(scalar.to_string()),
        Setting::Items(items) => items,
    };
    let default = rule.and_then(Rule::default_item);
    let mut text = PropertyString::new();
    for (name, scalar) in items {
        let value = scalar.to_string();
        if default == Some(name) && !value.contains('=') {
            text.set_bare(&value).ok()?;
        } else {
            text.set(name, &value).ok()?;
        }
    }
    Some(text.to_string()).filter(|text| !text.is_empty())
}

/// What is wrong with the items of a property string, with the name of each.
fn items(name: &str, rule: &Rule, text: &str, key: &str, target: Target) -> Vec<(String, Finding)> {
    let parsed: PropertyString = match text.parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            let message = format!("`{key}` cannot be read: {error}");
            return vec![(
                String::new(),
                Finding::error(Code::InvalidValue, target, message).expected(rule.expected()),
            )];
        }
    };
    let mut found = Vec::new();
    for (item, value) in rule.parts(&parsed) {
        match rule.item(item) {
            Some(known) if !known.admits_written(value) => {
                let what = if item.is_empty() { "its first value".to_owned() } else { format!("`{item}`") };
                let finding =
                    Finding::error(Code::InvalidValue, target, format!("{what} of `{key}` cannot be `{value}`"));
                found.push((item.to_owned(), finding.expected(known.expected())));
            }
            Some(_) => {}
            None if item.is_empty() => {
                let finding = Finding::error(Code::InvalidValue, target, format!("`{value}` of `{key}` has no name"));
                found.push((String::new(), finding.expected(rule.expected())));
            }
            None => {
                let message = format!("`{item}` is not a part of `{key}` that Phoenix knows; it is passed on as it is");
                let finding = Finding::warning(Code::UnknownProxmoxKey, target, message);
                let near = nearest(item, rule.properties.keys().map(String::as_str));
                let finding = match near {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help("remove it, unless your Proxmox is newer than this Phoenix"),
                };
                found.push((item.to_owned(), finding));
            }
        }
    }
    let has = |item: &str| rule.parts(&parsed).any(|(name, _)| name == item);
    // Options without a volume are those of the root disk.
    let may_lack = |item: &str| (is_drive(name) && item == "file") || (name == "rootfs" && item == "volume");
    let missing = rule.properties.iter().filter(|(item, rule)| rule.required && !has(item) && !may_lack(item));
    found.extend(missing.map(|(item, known)| {
        let finding = Finding::error(Code::MissingKey, target, format!("`{item}` of `{key}` is missing"));
        (String::new(), finding.help(format!("add `{item}`: {}", known.expected())))
    }));
    found
}
