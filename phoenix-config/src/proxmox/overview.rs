//! All keys, for the reference.

use phoenix_types::GuestKind;

use super::table::RuleKind;
use super::{Word, keys, word};

/// A key of Proxmox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name; `[n]` stands for a number.
    pub key: &'static str,
    /// The key of Phoenix that stands for it. Absent: it is written below `pct` or `qm`.
    pub word: Option<&'static str>,
    /// What Proxmox assumes where it is not set.
    pub default: Option<&'static str>,
    /// Its value, in a few words.
    pub value: String,
    /// The items of a property string.
    pub items: Vec<&'static str>,
}

/// Every key of a kind of guest that a configuration can set.
#[must_use]
pub fn overview(kind: GuestKind) -> Vec<KeyRow> {
    let rows = keys(kind).iter().filter_map(|(key, rule)| {
        let ours = match word(kind, &key.replace("[n]", "0")) {
            Some(Word::Own) => return None,
            Some(Word::Key(ours)) => Some(ours),
            None => None,
        };
        let value = match rule.kind {
            RuleKind::Properties => "items".to_owned(),
            RuleKind::Boolean | RuleKind::Integer | RuleKind::Number | RuleKind::String => rule.expected(),
        };
        let items = rule.properties.keys().map(String::as_str).collect();
        Some(KeyRow { key, word: ours, default: rule.default.as_deref(), value, items })
    });
    rows.collect()
}
