//! The option tables.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use phoenix_types::{GuestKind, PropertyString, parse_flag};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Scalar;

/// What a key, or an item of a property string, takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(rename = "type", default)]
    pub(crate) kind: RuleKind,
    #[serde(rename = "enum", default)]
    pub(crate) choices: Vec<String>,
    minimum: Option<serde_json::Number>,
    maximum: Option<serde_json::Number>,
    max_length: Option<usize>,
    pattern: Option<String>,
    /// What Proxmox assumes where the key is not set.
    pub(crate) default: Option<String>,
    /// The largest number of a key that comes with numbers: 31 for `net0` to `net31`.
    pub(crate) last: Option<u16>,
    /// The items of a property string.
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, Self>,
    /// Items that stand for two others at once: `virtio=MAC`.
    #[serde(default)]
    aliases: Vec<String>,
    /// Whether the item may be written without its name.
    #[serde(default)]
    pub(crate) default_key: bool,
    #[serde(default)]
    pub(crate) required: bool,
    /// Proxmox's name of a rule that this table does not hold.
    #[serde(default)]
    #[allow(dead_code, reason = "for readers of the table")]
    format: Option<String>,
    #[serde(skip)]
    compiled: OnceLock<Option<Regex>>,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RuleKind {
    Boolean,
    Integer,
    Number,
    String,
    /// A property string.
    #[default]
    Properties,
}

type Table = BTreeMap<String, Rule>;

/// A text without control characters that is not empty, as every value is.
const LINE: &str = r"^[^\x00-\x1f\x7f]+$";

/// The keys of a kind of guest; those that come with numbers end with `[n]`.
pub(crate) fn keys(kind: GuestKind) -> &'static Table {
    static TABLES: OnceLock<[Table; 2]> = OnceLock::new();
    let [containers, machines] = TABLES.get_or_init(|| {
        let text = include_str!("../../data/proxmox-keys.json");
        let mut tables: BTreeMap<String, Table> =
            serde_json::from_str(text).expect("the embedded table is part of this program and read by its tests");
        let mut take = |name: &str| tables.remove(name).unwrap_or_default();
        [take("ct"), take("vm")]
    });
    match kind {
        GuestKind::Container => containers,
        GuestKind::Vm => machines,
    }
}

/// The name of a key in the table, and what it takes; `None` for a key that the table does not have.
pub(crate) fn find(kind: GuestKind, key: &str) -> Option<(&'static str, &'static Rule)> {
    let table = keys(kind);
    if let Some((name, rule)) = table.get_key_value(key).filter(|(_, rule)| rule.last.is_none()) {
        return Some((name, rule));
    }
    let base = key.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &key[base.len()..];
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    let (name, rule) = table.get_key_value(&format!("{base}[n]"))?;
    digits.parse::<u16>().ok().filter(|number| Some(*number) <= rule.last).map(|_| (name.as_str(), rule))
}

/// Whether a key is a place of a VM's disks, by its name in the table.
pub(crate) fn is_drive(name: &str) -> bool {
    ["ide[n]", "sata[n]", "scsi[n]", "virtio[n]"].contains(&name)
}

impl Rule {
    /// Whether the value is one of those that the rule allows. A property string is looked at part by part elsewhere.
    pub(crate) fn admits(&self, value: &Scalar) -> bool {
        match (self.kind, value) {
            (RuleKind::Boolean, Scalar::Flag(_)) => true,
            (RuleKind::Boolean, number) => number.as_f64().is_some_and(|number| number == 0.0 || number == 1.0),
            (RuleKind::Integer, number) => {
                number.as_f64().is_some_and(|number| number.fract() == 0.0 && self.in_range(number))
            }
            (RuleKind::Number, number) => number.as_f64().is_some_and(|number| self.in_range(number)),
            (RuleKind::String | RuleKind::Properties, Scalar::Text(text)) => self.admits_text(text),
            (RuleKind::String | RuleKind::Properties, _) => false,
        }
    }

    /// Whether the value, as Proxmox writes it in a property string, is one of those that the rule allows.
    pub(crate) fn admits_written(&self, text: &str) -> bool {
        match self.kind {
            RuleKind::Boolean => parse_flag(text).is_some(),
            RuleKind::Integer => {
                text.parse::<i64>().is_ok_and(|_| text.parse().is_ok_and(|number| self.in_range(number)))
            }
            RuleKind::Number => text.parse::<f64>().is_ok_and(|number| number.is_finite() && self.in_range(number)),
            RuleKind::String | RuleKind::Properties => self.admits_text(text),
        }
    }

    fn in_range(&self, number: f64) -> bool {
        let bound = |limit: &Option<serde_json::Number>| limit.as_ref().and_then(serde_json::Number::as_f64);
        bound(&self.minimum).is_none_or(|least| number >= least)
            && bound(&self.maximum).is_none_or(|most| number <= most)
    }

    fn admits_text(&self, text: &str) -> bool {
        let pattern = self.compiled.get_or_init(|| Regex::new(self.pattern.as_deref().unwrap_or(LINE)).ok());
        pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
            && self.max_length.is_none_or(|most| text.chars().count() <= most)
            && (self.choices.is_empty() || self.choices.iter().any(|choice| choice == text))
    }

    /// The item of a property string; names that stand for two items are the one that holds the name.
    pub(crate) fn item(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or_else(|| {
            // The value behind such a name is a MAC address.
            self.aliases.iter().any(|alias| alias == name).then(|| self.properties.get("macaddr"))?
        })
    }

    /// The items of a property string. A value without name has that of the item that may be written so, or an empty one.
    pub(crate) fn parts<'a>(&'a self, parsed: &'a PropertyString) -> impl Iterator<Item = (&'a str, &'a str)> {
        let bare = parsed.bare().map(|value| (self.default_item().unwrap_or_default(), value));
        bare.into_iter().chain(parsed.items())
    }

    /// The name of the item that may be written without its name.
    pub(crate) fn default_item(&self) -> Option<&str> {
        self.properties.iter().find(|(_, item)| item.default_key).map(|(name, _)| name.as_str())
    }

    /// What a value should be, for messages: `a whole number from 1 to 8192`.
    pub(crate) fn expected(&self) -> String {
        let range = |what: &str| match (&self.minimum, &self.maximum) {
            (Some(least), Some(most)) => format!("{what} from {least} to {most}"),
            (Some(least), None) => format!("{what} of at least {least}"),
            (None, Some(most)) => format!("{what} of at most {most}"),
            (None, None) => what.to_owned(),
        };
        match self.kind {
            RuleKind::Boolean => "`true` or `false`".to_owned(),
            RuleKind::Integer => range("a whole number"),
            RuleKind::Number => range("a number"),
            RuleKind::String if !self.choices.is_empty() => {
                let quoted: Vec<String> = self.choices.iter().map(|choice| format!("`{choice}`")).collect();
                format!("one of {}", quoted.join(", "))
            }
            RuleKind::String => match &self.pattern {
                Some(pattern) => format!("a text that matches `{}`", plain(pattern)),
                None => "a line of text".to_owned(),
            },
            RuleKind::Properties => {
                let names: Vec<&str> = self.properties.keys().map(String::as_str).collect();
                format!("an object with some of the keys {}, or Proxmox's text for it", names.join(", "))
            }
        }
    }

    /// The JSON Schema of a value.
    pub(crate) fn schema(&self) -> Value {
        let mut schema = match self.kind {
            RuleKind::Boolean => json!({"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}]}),
            RuleKind::Integer => json!({"type": "integer"}),
            RuleKind::Number => json!({"type": "number"}),
            RuleKind::String => self.text_schema(),
            RuleKind::Properties => {
                let items: serde_json::Map<String, Value> =
                    self.properties.iter().map(|(name, item)| (name.clone(), item.schema())).collect();
                json!({"anyOf": [
                    self.text_schema(),
                    {"type": "object", "properties": items, "additionalProperties": scalar_schema()},
                ]})
            }
        };
        for (key, bound) in [("minimum", &self.minimum), ("maximum", &self.maximum)] {
            if let Some(bound) = bound {
                schema[key] = json!(bound);
            }
        }
        if let Some(default) = &self.default {
            schema["description"] = json!(format!("Proxmox's default: {default}."));
        }
        schema["errorMessage"] = json!(self.expected());
        schema
    }

    fn text_schema(&self) -> Value {
        let mut schema = json!({"type": "string", "pattern": self.pattern.as_deref().unwrap_or(LINE)});
        if !self.choices.is_empty() {
            schema["enum"] = json!(self.choices);
        }
        if let Some(most) = self.max_length {
            schema["maxLength"] = json!(most);
        }
        schema
    }
}

/// A pattern without the parts that only a program needs.
fn plain(pattern: &str) -> &str {
    pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern)
}

/// The JSON Schema of a value that no table describes.
pub(crate) fn scalar_schema() -> Value {
    json!({"anyOf": [{"type": ["boolean", "number"]}, {"type": "string", "pattern": LINE}]})
}

/// Whether a text may be a value that no table describes.
pub(crate) fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_ascii_control())
}

/// Whether a configuration file can say that a guest has `value` at `key` of Proxmox, in the words of the tool: the key has
/// no key of Phoenix, and the value is one that the option tables allow. A key that they do not have takes any line of text.
#[must_use]
pub fn takes(kind: GuestKind, key: &str, value: &str) -> bool {
    if super::word(kind, key).is_some() || !is_line(value) {
        return false;
    }
    let Some((_, rule)) = find(kind, key) else { return true };
    if rule.kind != RuleKind::Properties {
        return rule.admits_written(value);
    }
    let Ok(parsed) = value.parse::<PropertyString>() else { return false };
    rule.parts(&parsed).all(|(item, value)| match rule.item(item) {
        Some(item) => item.admits_written(value),
        None => !item.is_empty(),
    })
}

/// The value of a key as a person writes it: `1` of a flag is `true`, and a number is a number.
#[must_use]
pub fn written(kind: GuestKind, key: &str, value: &str) -> Value {
    let rule = find(kind, key).map(|(_, rule)| rule.kind);
    let number = || value.parse::<serde_json::Number>().ok().map(Value::Number);
    let typed = match rule {
        Some(RuleKind::Boolean) => parse_flag(value).map(Value::Bool),
        Some(RuleKind::Integer | RuleKind::Number) => number(),
        Some(RuleKind::String | RuleKind::Properties) | None => None,
    };
    typed.unwrap_or_else(|| json!(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test]
    fn every_pattern_compiles() {
        fn check(name: &str, rule: &Rule) {
            let pattern = rule.pattern.as_deref().unwrap_or(LINE);
            assert!(Regex::new(pattern).is_ok(), "{name}: {pattern}");
            rule.properties.iter().for_each(|(item, rule)| check(&format!("{name}.{item}"), rule));
        }
        for kind in [GuestKind::Container, GuestKind::Vm] {
            keys(kind).iter().for_each(|(name, rule)| check(name, rule));
        }
    }

    #[test_case(GuestKind::Vm, "scsi30", Some("scsi[n]"))]
    #[test_case(GuestKind::Vm, "scsi31", None)]
    #[test_case(GuestKind::Vm, "scsi01", None)]
    #[test_case(GuestKind::Vm, "scsi", None)]
    #[test_case(GuestKind::Vm, "numa", Some("numa"))]
    #[test_case(GuestKind::Vm, "numa0", Some("numa[n]"))]
    #[test_case(GuestKind::Vm, "efidisk0", Some("efidisk0"))]
    #[test_case(GuestKind::Vm, "efidisk1", None)]
    #[test_case(GuestKind::Container, "dev0", Some("dev[n]"))]
    #[test_case(GuestKind::Container, "bios", None)]
    fn keys_are_found(kind: GuestKind, key: &str, name: Option<&str>) {
        assert_eq!(find(kind, key).map(|(name, _)| name), name);
    }

    #[test_case("balloon", "1024", true)]
    #[test_case("balloon", "-1", false)]
    #[test_case("cpulimit", "1.5", true)]
    #[test_case("cpulimit", "129", false)]
    #[test_case("bios", "ovmf", true)]
    #[test_case("bios", "uefi", false)]
    #[test_case("numa", "yes", true)]
    #[test_case("numa", "2", false)]
    #[test_case("machine", "q35", true)]
    #[test_case("serial0", "socket", true)]
    #[test_case("serial0", "tcp", false)]
    fn written_values(key: &str, text: &str, good: bool) {
        let (_, rule) = find(GuestKind::Vm, key).unwrap();
        let rule = rule.default_item().map_or(rule, |item| &rule.properties[item]);
        assert_eq!(rule.admits_written(text), good);
    }
}
