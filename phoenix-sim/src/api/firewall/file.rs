//! A firewall file with everything that the API can put into it (pve-firewall `Firewall.pm`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

/// Something with a name, a remark and a list behind it.
#[derive(Debug, Clone, Default)]
pub(super) struct Named<T> {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    pub(super) items: Vec<T>,
}

/// A rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    /// `IN`, `OUT`, `FORWARD` or `GROUP`.
    pub(super) kind: String,
    /// A verdict, or a group's name.
    pub(super) action: String,
    pub(super) enabled: bool,
    /// The other properties by their names in the API.
    pub(super) values: BTreeMap<String, String>,
}

/// A firewall file.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) options: BTreeMap<String, String>,
    pub(super) aliases: Vec<Named<()>>,
    /// The aliases' addresses, in the same order.
    pub(super) alias_values: Vec<String>,
    pub(super) ip_sets: Vec<Named<(String, Option<String>)>>,
    pub(super) rules: Vec<Rule>,
    pub(super) groups: Vec<Named<Rule>>,
}

/// The options of a rule's line in the order of the writer, and their names in the API.
const RULE_OPTIONS: [(&str, &str); 8] = [
    ("-i", "iface"),
    ("-source", "source"),
    ("-dest", "dest"),
    ("-p", "proto"),
    ("-dport", "dport"),
    ("-sport", "sport"),
    ("-log", "log"),
    ("-icmp-type", "icmp-type"),
];

impl Rule {
    fn parse(line: &str) -> Option<Self> {
        let (line, comment) = match line.split_once('#') {
            Some((line, comment)) => (line, Some(comment.trim().to_owned())),
            None => (line, None),
        };
        let mut words = line.split_whitespace();
        let first = words.next()?;
        let kind = first.trim_start_matches('|').to_uppercase();
        let action = words.next()?;
        let mut rule = Self { kind, enabled: !first.starts_with('|'), ..Self::default() };
        match action.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, verdict)) => {
                rule.values.insert("macro".to_owned(), name.to_owned());
                verdict.clone_into(&mut rule.action);
            }
            None => action.clone_into(&mut rule.action),
        }
        while let (Some(option), Some(value)) = (words.next(), words.next()) {
            let option = option.trim_start_matches('-');
            let option = if option == "proto" { "p" } else { option };
            let known = RULE_OPTIONS.iter().find(|(name, _)| &name[1..] == option);
            rule.values.insert(known.map(|(_, name)| (*name).to_owned())?, value.to_owned());
        }
        if let Some(comment) = comment {
            rule.values.insert("comment".to_owned(), comment);
        }
        Some(rule)
    }

    /// The rule as a line.
    pub(super) fn print(&self) -> String {
        let mut text = String::new();
        if !self.enabled {
            text.push('|');
        }
        match self.values.get("macro") {
            Some(name) => {
                let _ = write!(text, "{} {name}({})", self.kind, self.action);
            }
            None => {
                let _ = write!(text, "{} {}", self.kind, self.action);
            }
        }
        for (option, name) in RULE_OPTIONS {
            if let Some(value) = self.values.get(name) {
                let _ = write!(text, " {option} {value}");
            }
        }
        if let Some(comment) = self.values.get("comment") {
            let _ = write!(text, " # {comment}");
        }
        text
    }

    /// The rule as the API gives it.
    pub(super) fn json(&self, pos: Json, digest: &str) -> Json {
        let mut map: Map<String, Json> = self.values.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        map.insert("type".to_owned(), json!(self.kind.to_lowercase()));
        map.insert("action".to_owned(), json!(self.action));
        map.insert("enable".to_owned(), json!(i32::from(self.enabled)));
        map.insert("pos".to_owned(), pos);
        map.insert("digest".to_owned(), json!(digest));
        let address = ["source", "dest"].iter().find_map(|key| self.values.get(*key));
        let version = match (address, self.values.get("proto").map(String::as_str)) {
            (Some(address), _) if address.contains(':') => Some(6),
            (Some(address), _) if address.starts_with(|ch: char| ch.is_ascii_digit()) => Some(4),
            (_, Some("icmp")) => Some(4),
            (_, Some("ipv6-icmp" | "icmpv6")) => Some(6),
            _ => None,
        };
        if let Some(version) = version {
            map.insert("ipversion".to_owned(), json!(version));
        }
        Json::Object(map)
    }
}

fn remark(text: &str) -> (String, Option<String>) {
    match text.split_once('#') {
        Some((text, comment)) => (text.trim().to_owned(), Some(comment.trim().to_owned())),
        None => (text.trim().to_owned(), None),
    }
}

fn with_remark(text: &str, comment: Option<&String>) -> String {
    comment.map_or_else(|| text.to_owned(), |comment| format!("{text} # {comment}"))
}

impl File {
    /// Reads a file. Lines that make no sense are left out, as the real reader does.
    pub(super) fn parse(text: &str) -> Self {
        let mut file = Self::default();
        let mut section = String::new();
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some((name, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                section = name.to_lowercase();
                let comment = rest.trim().strip_prefix('#').map(|comment| comment.trim().to_owned());
                if let Some(name) = section.strip_prefix("ipset ") {
                    file.ip_sets.push(Named { name: name.trim().to_owned(), comment, items: Vec::new() });
                } else if let Some(name) = section.strip_prefix("group ") {
                    file.groups.push(Named { name: name.trim().to_owned(), comment, items: Vec::new() });
                }
                continue;
            }
            match section.as_str() {
                "options" => {
                    if let Some((key, value)) = line.split_once(':') {
                        file.options.insert(key.trim().to_owned(), value.trim().to_owned());
                    }
                }
                "aliases" => {
                    let (line, comment) = remark(line);
                    if let Some((name, cidr)) = line.split_once(' ') {
                        file.aliases.push(Named { name: name.to_owned(), comment, items: Vec::new() });
                        file.alias_values.push(cidr.trim().to_owned());
                    }
                }
                "rules" => file.rules.extend(Rule::parse(line)),
                name if name.starts_with("ipset ") => {
                    if let Some(set) = file.ip_sets.last_mut() {
                        set.items.push(remark(line));
                    }
                }
                name if name.starts_with("group ") => {
                    if let Some(group) = file.groups.last_mut() {
                        group.items.extend(Rule::parse(line));
                    }
                }
                _ => {}
            }
        }
        file
    }

    /// The file's text; empty when there is nothing in it.
    pub(super) fn print(&self) -> String {
        let mut text = String::new();
        let mut section = |head: String, lines: Vec<String>| {
            let _ = write!(text, "{head}\n\n");
            for line in lines {
                text.push_str(&line);
                text.push('\n');
            }
            text.push('\n');
        };
        if !self.options.is_empty() {
            let lines = self.options.iter().map(|(key, value)| format!("{key}: {value}"));
            section("[OPTIONS]".to_owned(), lines.collect());
        }
        if !self.aliases.is_empty() {
            let lines = self.aliases.iter().zip(&self.alias_values);
            let lines =
                lines.map(|(alias, cidr)| with_remark(&format!("{} {cidr}", alias.name), alias.comment.as_ref()));
            section("[ALIASES]".to_owned(), lines.collect());
        }
        for set in &self.ip_sets {
            let lines = set.items.iter().map(|(cidr, comment)| with_remark(cidr, comment.as_ref()));
            section(with_remark(&format!("[IPSET {}]", set.name), set.comment.as_ref()), lines.collect());
        }
        if !self.rules.is_empty() {
            section("[RULES]".to_owned(), self.rules.iter().map(Rule::print).collect());
        }
        for group in &self.groups {
            let head = with_remark(&format!("[group {}]", group.name), group.comment.as_ref());
            section(head, group.items.iter().map(Rule::print).collect());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_real_tools_is_read_and_written_unchanged() {
        let text = "[OPTIONS]\n\nenable: 1\npolicy_in: DROP\n\n[ALIASES]\n\ngw 10.0.0.1\n\n[IPSET lan]\n\n10.0.0.0/8\n\n[RULES]\n\n\
                    |GROUP web\n|IN ACCEPT -p icmp -icmp-type echo-request # changed\nIN SSH(ACCEPT) -i net0\n\n";
        assert_eq!(File::parse(text).print(), text);
    }
}
