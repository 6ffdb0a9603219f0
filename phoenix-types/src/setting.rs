//! What a guest's settings mean: when two texts say the same, what the tool keeps by itself, and when a change acts.
//!
//! The adapters hold one table of [`KeyRule`]s each; everything here reads such tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::{ConfSection, DiskSize, PropertyString};

/// A change of settings that one `set` command carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Keys with their new values.
    pub set: BTreeMap<String, String>,
    /// Keys that go.
    pub delete: BTreeSet<String>,
}

impl Change {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.delete.is_empty()
    }
}

impl<'a> FromIterator<&'a KeyChange> for Change {
    /// All changes in one; keys that cannot be changed are left out.
    fn from_iter<T: IntoIterator<Item = &'a KeyChange>>(changes: T) -> Self {
        let mut all = Self::default();
        for change in changes {
            match &change.to {
                _ if matches!(change.effect, KeyEffect::Impossible { .. }) => {}
                Some(value) => {
                    all.set.insert(change.key.clone(), value.clone());
                }
                None => {
                    all.delete.insert(change.key.clone());
                }
            }
        }
        all
    }
}

/// One key that is not up to date.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeyChange {
    /// The key, such as `net0`.
    pub key: String,
    /// Its present value; `None` when it is not set.
    pub from: Option<String>,
    /// The value that it should have; `None` when it should not be set.
    pub to: Option<String>,
    /// What the change means for a running guest.
    pub effect: KeyEffect,
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{}: {from} → {to}", self.key),
            (None, Some(to)) => write!(f, "{}: {to}", self.key),
            (Some(from), None) => write!(f, "{}: {from} → removed", self.key),
            (None, None) => f.write_str(&self.key),
        }
    }
}

/// What the change of a key means for a guest that runs. On a stopped guest every possible change acts at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum KeyEffect {
    /// It acts at once.
    Hot,
    /// It goes into the cloud-init drive: it acts after the drive is recreated and the guest has read it at a boot.
    CloudInit,
    /// It waits, as a pending change, for the next cold start.
    Restart,
    /// The tool cannot change it after the guest is made.
    Impossible {
        /// Why, and what to do instead.
        why: &'static str,
    },
}

/// What is known of a key.
#[derive(Debug, Clone, Copy)]
pub struct KeyRule {
    /// The key; for an indexed one its name without the number.
    pub key: &'static str,
    /// Whether it comes with numbers (`net0`, `net1`, …).
    pub form: KeyForm,
    /// How its value is read.
    pub value: ValueRule,
    /// What the guest has when the key is absent.
    pub default: Option<&'static str>,
    /// When a change acts.
    pub effect: EffectRule,
}

/// Whether a key comes once or with numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// Once.
    Single,
    /// With the numbers 0 to this one.
    Indexed(u16),
}

/// When a change of a key acts on a running guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectRule {
    /// Always the same.
    Always(KeyEffect),
    /// A new key acts at once; changing or removing one waits for the next start.
    NewIsHot,
    /// At once, but removing a key with a number of two digits waits (pve-container's hot-unplug pattern takes one digit).
    HotButTwoDigits,
}

/// How a value is read.
#[derive(Debug, Clone, Copy)]
pub enum ValueRule {
    /// As it is.
    Text,
    /// A number; `1.0` is `1`.
    Number,
    /// A yes or no in any of Proxmox's words.
    Flag,
    /// A list whose order matters, separated by blanks, commas or semicolons.
    List,
    /// A list without order and without case, separated the same way.
    Set,
    /// A property string.
    Properties(&'static PropertyRules),
    /// Text in percent encoding, compared after decoding and line by line without blanks at the ends.
    Encoded,
}

/// What is known of a property string.
#[derive(Debug, Clone, Copy)]
pub struct PropertyRules {
    /// The key that may be left out.
    pub default_key: Option<&'static str>,
    /// Keys that stand for two others at once: `virtio=MAC` is `model=virtio,macaddr=MAC`.
    pub alias: Option<PropertyAlias>,
    /// The items that are not plain text without default.
    pub items: &'static [ItemRule],
}

/// Keys of a property string that stand for two others.
#[derive(Debug, Clone, Copy)]
pub struct PropertyAlias {
    /// The names.
    pub names: &'static [&'static str],
    /// The key that gets the name.
    pub name_key: &'static str,
    /// The key that gets the value.
    pub value_key: &'static str,
}

/// What is known of one item of a property string.
#[derive(Debug, Clone, Copy)]
pub struct ItemRule {
    /// Its key.
    pub key: &'static str,
    /// How its value is read.
    pub value: ItemValue,
    /// What its absence means.
    pub absent: Absent,
}

/// How the value of an item is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemValue {
    /// As it is.
    Text,
    /// Without case.
    AnyCase,
    /// A yes or no.
    Flag,
    /// A number.
    Number,
    /// A size.
    Size,
    /// A list without order, separated by semicolons.
    Set,
    /// A volume: one to be made (`STORE:8`) is the one that is there on the same storage.
    Volume,
}

/// What the absence of an item means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Nothing is set.
    Unset,
    /// It counts as this value.
    Is(&'static str),
    /// The tool makes one up (a MAC address, the size of a volume): settings that do not name it keep the one that is there.
    Kept,
    /// The tool writes it; it says nothing.
    Ignored,
}

impl KeyRule {
    /// Whether the rule is about this key.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        match self.form {
            KeyForm::Single => key == self.key,
            KeyForm::Indexed(last) => key
                .strip_prefix(self.key)
                .filter(|digits| !digits.is_empty() && (*digits == "0" || !digits.starts_with('0')))
                .and_then(|digits| digits.parse::<u16>().ok())
                .is_some_and(|index| index <= last),
        }
    }

    fn effect(&self, key: &str, from: Option<&str>, to: Option<&str>) -> KeyEffect {
        match self.effect {
            EffectRule::Always(effect) => effect,
            EffectRule::NewIsHot if from.is_none() => KeyEffect::Hot,
            EffectRule::NewIsHot => KeyEffect::Restart,
            EffectRule::HotButTwoDigits if to.is_none() && key.len() > self.key.len() + 1 => KeyEffect::Restart,
            EffectRule::HotButTwoDigits => KeyEffect::Hot,
        }
    }
}

impl ValueRule {
    /// The value that `wanted` becomes on a guest that has `current`: what the tool keeps by itself is taken over.
    fn merged(self, wanted: &str, current: Option<&str>) -> String {
        match (self, current) {
            (Self::Properties(rules), Some(current)) => rules.merged(wanted, current),
            _ => wanted.to_owned(),
        }
    }

    /// A form that is the same for values that mean the same.
    fn canonical(self, value: &str) -> Canonical {
        match self {
            Self::Text => Canonical::Text(value.to_owned()),
            Self::Number => Canonical::Text(number(value)),
            Self::Flag => Canonical::Text(flag(value)),
            Self::List => Canonical::List(list(value).map(str::to_owned).collect()),
            Self::Set => Canonical::Set(list(value).map(str::to_ascii_lowercase).collect()),
            Self::Properties(rules) => match rules.canonical(value) {
                Some(items) => Canonical::Properties(items),
                None => Canonical::Text(value.to_owned()),
            },
            Self::Encoded => Canonical::List(
                crate::percent_decode(value)
                    .lines()
                    .map(|line| line.trim().to_owned())
                    .filter(|line| !line.is_empty())
                    .collect(),
            ),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Canonical {
    Text(String),
    List(Vec<String>),
    Set(BTreeSet<String>),
    Properties(BTreeMap<String, String>),
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    // pve-common Tools, `split_list`.
    value.split([' ', '\t', '\n', ',', ';', '\0']).filter(|item| !item.is_empty())
}

/// Proxmox's words for yes and no (pve-common JSONSchema, `parse_boolean`).
#[must_use]
pub fn parse_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(true),
        "0" | "off" | "no" | "false" => Some(false),
        _ => None,
    }
}

fn flag(value: &str) -> String {
    parse_flag(value).map_or_else(|| value.to_owned(), |yes| u8::from(yes).to_string())
}

fn number(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => number.to_string(),
        _ => value.to_owned(),
    }
}

impl PropertyRules {
    fn rule(&self, key: &str) -> Option<&ItemRule> {
        self.items.iter().find(|rule| rule.key == key)
    }

    /// The items by key, the default key and aliases spelled out; `None` when the text is no property string.
    #[must_use]
    pub fn items(&self, value: &str) -> Option<BTreeMap<String, String>> {
        let parsed: PropertyString = value.parse().ok()?;
        let mut items = BTreeMap::new();
        if let Some(bare) = parsed.bare() {
            items.insert(self.default_key?.to_owned(), bare.to_owned());
        }
        for (key, value) in parsed.items() {
            match self.alias {
                Some(alias) if alias.names.contains(&key) => {
                    items.insert(alias.name_key.to_owned(), key.to_owned());
                    items.insert(alias.value_key.to_owned(), value.to_owned());
                }
                _ => {
                    items.insert(key.to_owned(), value.to_owned());
                }
            }
        }
        Some(items)
    }

    fn canonical(&self, value: &str) -> Option<BTreeMap<String, String>> {
        let mut items = self.items(value)?;
        for rule in self.items {
            match rule.absent {
                Absent::Ignored => {
                    items.remove(rule.key);
                }
                Absent::Is(default) => {
                    items.entry(rule.key.to_owned()).or_insert_with(|| default.to_owned());
                }
                Absent::Unset | Absent::Kept => {}
            }
        }
        for (key, value) in &mut items {
            if let Some(rule) = self.rule(key) {
                *value = rule.value.canonical(value);
            }
        }
        Some(items)
    }

    fn merged(&self, wanted: &str, current: &str) -> String {
        let (Ok(mut merged), Some(named), Some(present)) =
            (wanted.parse::<PropertyString>(), self.items(wanted), self.items(current))
        else {
            return wanted.to_owned();
        };
        for rule in self.items.iter().filter(|rule| rule.value == ItemValue::Volume) {
            let Some(old) = present.get(rule.key) else { continue };
            // It came out of a property string, so it can be written into one.
            match named.get(rule.key) {
                // Options alone are those of the volume that is there.
                None if merged.bare().is_none() && self.default_key == Some(rule.key) => {
                    let _ = merged.set_bare(old);
                }
                Some(new) if is_same_new_volume(new, old) && merged.bare() == Some(new) => {
                    let _ = merged.set_bare(old);
                }
                Some(new) if is_same_new_volume(new, old) => {
                    let _ = merged.set(rule.key, old);
                }
                Some(_) | None => {}
            }
        }
        for rule in self.items.iter().filter(|rule| rule.absent == Absent::Kept && !named.contains_key(rule.key)) {
            if let Some(value) = present.get(rule.key) {
                let _ = merged.set(rule.key, value);
            }
        }
        merged.to_string()
    }
}

/// Whether `new` asks for a new volume of some size, or for one of cloud-init, on the storage that `old` is on.
fn is_same_new_volume(new: &str, old: &str) -> bool {
    match (new.split_once(':'), old.split_once(':')) {
        (Some((storage, "cloudinit")), Some((there, name))) => storage == there && name.contains("cloudinit"),
        (Some((storage, size)), Some((there, name))) => {
            storage == there && is_volume_size(size) && !is_volume_size(name)
        }
        _ => false,
    }
}

/// Whether what is behind a storage's name is the size of a volume to be made.
#[must_use]
pub fn is_volume_size(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

impl ItemValue {
    fn canonical(self, value: &str) -> String {
        match self {
            Self::Text | Self::Volume => value.to_owned(),
            Self::AnyCase => value.to_ascii_uppercase(),
            Self::Flag => flag(value),
            Self::Number => number(value),
            Self::Size => value.parse::<DiskSize>().map_or_else(|_| value.to_owned(), |size| size.bytes().to_string()),
            Self::Set => value.split(';').collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(";"),
        }
    }
}

/// The rule of a table for a key.
#[must_use]
pub fn rule_of<'a>(rules: &'a [KeyRule], key: &str) -> Option<&'a KeyRule> {
    rules.iter().find(|rule| rule.matches(key))
}

/// What has to change so that a guest with the settings `current` has `wanted` and lacks `absent`. Values are compared by
/// meaning, and what the tool makes up by itself is kept. Keys that neither names are left alone. Sorted by key.
#[must_use]
pub fn difference(
    rules: &[KeyRule],
    wanted: &BTreeMap<String, String>,
    absent: &BTreeSet<String>,
    current: &ConfSection,
) -> Vec<KeyChange> {
    let mut changes = Vec::new();
    for (key, value) in wanted {
        let rule = rule_of(rules, key);
        let reading = rule.map_or(ValueRule::Text, |rule| rule.value);
        let from = current.get(key);
        let to = reading.merged(value, from);
        let effective = from.or_else(|| rule.and_then(|rule| rule.default));
        if effective.is_some_and(|effective| reading.canonical(effective) == reading.canonical(&to)) {
            continue;
        }
        let effect = rule.map_or(KeyEffect::Restart, |rule| rule.effect(key, from, Some(&to)));
        changes.push(KeyChange { key: key.clone(), from: from.map(str::to_owned), to: Some(to), effect });
    }
    for key in absent.iter().filter(|key| !wanted.contains_key(*key)) {
        let Some(from) = current.get(key) else { continue };
        let rule = rule_of(rules, key);
        let same = |rule: &KeyRule| {
            rule.default.is_some_and(|default| rule.value.canonical(default) == rule.value.canonical(from))
        };
        if rule.is_some_and(same) {
            continue;
        }
        let effect = rule.map_or(KeyEffect::Restart, |rule| rule.effect(key, Some(from), None));
        changes.push(KeyChange { key: key.clone(), from: Some(from.to_owned()), to: None, effect });
    }
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    const NET: PropertyRules = PropertyRules {
        default_key: Some("model"),
        alias: Some(PropertyAlias { names: &["virtio"], name_key: "model", value_key: "macaddr" }),
        items: &[
            ItemRule { key: "macaddr", value: ItemValue::AnyCase, absent: Absent::Kept },
            ItemRule { key: "firewall", value: ItemValue::Flag, absent: Absent::Is("0") },
            ItemRule { key: "type", value: ItemValue::Text, absent: Absent::Ignored },
            ItemRule { key: "trunks", value: ItemValue::Set, absent: Absent::Unset },
        ],
    };
    const RULES: &[KeyRule] = &[
        KeyRule {
            key: "net",
            form: KeyForm::Indexed(31),
            value: ValueRule::Properties(&NET),
            default: None,
            effect: EffectRule::HotButTwoDigits,
        },
        KeyRule {
            key: "onboot",
            form: KeyForm::Single,
            value: ValueRule::Flag,
            default: Some("0"),
            effect: EffectRule::Always(KeyEffect::Hot),
        },
        KeyRule {
            key: "tags",
            form: KeyForm::Single,
            value: ValueRule::Set,
            default: None,
            effect: EffectRule::Always(KeyEffect::Hot),
        },
    ];

    fn change(key: &str, wanted: &str, current: Option<&str>) -> Option<String> {
        let wanted = BTreeMap::from([(key.to_owned(), wanted.to_owned())]);
        let mut section = ConfSection::default();
        section.keys.extend(current.map(|value| (key.to_owned(), value.to_owned())));
        difference(RULES, &wanted, &BTreeSet::new(), &section).pop().map(|change| change.to.unwrap())
    }

    #[test_case("net0", "virtio,bridge=vmbr0", "virtio=BC:24:11:00:00:01,bridge=vmbr0,type=veth"; "generated parts")]
    #[test_case("net0", "virtio=bc:24:11:00:00:01,bridge=vmbr0,firewall=0", "bridge=vmbr0,virtio=BC:24:11:00:00:01"; "order, case and default")]
    #[test_case("net0", "model=virtio,trunks=2;1", "virtio,trunks=1;2"; "default key and sets")]
    #[test_case("onboot", "1", "yes"; "words for yes")]
    #[test_case("tags", "b;a", "a b"; "separators and order")]
    fn the_same_meaning(key: &str, wanted: &str, current: &str) {
        assert_eq!(change(key, wanted, Some(current)), None);
    }

    #[test]
    fn a_rewritten_key_keeps_its_generated_part() {
        assert_eq!(
            change("net0", "virtio,bridge=vmbr1", Some("virtio=BC:24:11:00:00:01,bridge=vmbr0")).unwrap(),
            "virtio,bridge=vmbr1,macaddr=BC:24:11:00:00:01"
        );
    }

    #[test]
    fn absence_is_the_default() {
        assert_eq!(change("onboot", "0", None), None);
        assert_eq!(change("onboot", "1", None).as_deref(), Some("1"));
    }

    #[test]
    fn only_named_keys_go() {
        let mut section = ConfSection::default();
        for index in [3, 10] {
            section.keys.insert(format!("net{index}"), "virtio".to_owned());
        }
        section.keys.insert("onboot".to_owned(), "0".to_owned());
        let absent = ["net3", "net10", "net4", "onboot"].map(str::to_owned).into();
        let changes = difference(RULES, &BTreeMap::new(), &absent, &section);
        let seen: Vec<_> = changes.iter().map(|change| (change.key.as_str(), change.effect)).collect();
        assert_eq!(seen, [("net10", KeyEffect::Restart), ("net3", KeyEffect::Hot)]);
        assert_eq!(changes.iter().collect::<Change>().delete.len(), 2);
    }
}
