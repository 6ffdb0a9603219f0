//! Proxmox's own keys as they are written: `pct` and `qm`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use phoenix_types::GuestKind;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use super::object::{Key, Opaque, USER_PREFIX};
use crate::proxmox::{Rule, RuleKind, Scalar, find, is_line, keys, scalar_schema, word};

/// The tool whose keys are written.
pub(crate) trait Tool {
    /// Its guests.
    const KIND: GuestKind;
    /// Its name.
    const NAME: &'static str;
}

/// `pct`.
#[derive(Debug, Clone)]
pub(crate) enum Pct {}

impl Tool for Pct {
    const KIND: GuestKind = GuestKind::Container;
    const NAME: &'static str = "pct";
}

/// `qm`.
#[derive(Debug, Clone)]
pub(crate) enum Qm {}

impl Tool for Qm {
    const KIND: GuestKind = GuestKind::Vm;
    const NAME: &'static str = "qm";
}

/// Keys of Proxmox with their values, in the order in which they are written.
#[derive(Debug, Clone)]
pub(crate) struct ProxmoxKeys<T>(pub(crate) Vec<(String, Setting)>, PhantomData<T>);

/// The value of a key.
#[derive(Debug, Clone)]
pub(crate) enum Setting {
    /// One value. A property string is a text.
    Scalar(Scalar),
    /// The items of a property string.
    Items(Vec<(String, Scalar)>),
}

/// Whether a value is one of those that the rule allows. A key without rule takes any value.
fn admits(rule: Option<&Rule>, setting: &Setting) -> bool {
    let any = |scalar: &Scalar| match scalar {
        Scalar::Text(text) => is_line(text),
        Scalar::Flag(_) | Scalar::Number(_) => true,
    };
    match (rule, setting) {
        (Some(rule), Setting::Scalar(scalar)) => rule.admits(scalar),
        (Some(rule), Setting::Items(items)) => {
            rule.kind == RuleKind::Properties
                && items.iter().all(|(name, scalar)| match rule.properties.get(name) {
                    Some(item) => item.admits(scalar),
                    None => any(scalar),
                })
        }
        (None, Setting::Scalar(scalar)) => any(scalar),
        (None, Setting::Items(items)) => items.iter().all(|(_, scalar)| any(scalar)),
    }
}

impl<'de, T: Tool> Deserialize<'de> for ProxmoxKeys<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor<T>(PhantomData<T>);
        impl<'de, T: Tool> Visitor<'de> for KeysVisitor<T> {
            type Value = ProxmoxKeys<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object with keys of `{} set`", T::NAME)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                let mut seen = BTreeSet::new();
                while let Some(Key(key)) = map.next_key()? {
                    if key.starts_with(USER_PREFIX) {
                        map.next_value::<Opaque>()?;
                    } else {
                        let setting: Setting = map.next_value()?;
                        // Those with a key of Phoenix are reported with it, whatever their value is.
                        let rule = find(T::KIND, &key).map(|(_, rule)| rule).filter(|_| word(T::KIND, &key).is_none());
                        if !admits(rule, &setting) {
                            return Err(de::Error::custom(format_args!("`{key}` does not take this value")));
                        }
                        all.push((key.to_string(), setting));
                    }
                    if !seen.insert(key.to_string()) {
                        return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
                    }
                }
                Ok(ProxmoxKeys(all, PhantomData))
            }
        }
        deserializer.deserialize_map(KeysVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SettingVisitor;
        impl<'de> Visitor<'de> for SettingVisitor {
            type Value = Setting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, `true`, `false`, or an object of such")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Setting, A::Error> {
                let mut items: Vec<(String, Scalar)> = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    if items.iter().any(|(known, _)| *known == key) {
                        return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
                    }
                    items.push((key.to_string(), map.next_value()?));
                }
                Ok(Setting::Items(items))
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Setting, E> {
                ScalarVisitor.visit_bool(flag).map(Setting::Scalar)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Setting, E> {
                ScalarVisitor.visit_u64(number).map(Setting::Scalar)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Setting, E> {
                ScalarVisitor.visit_i64(number).map(Setting::Scalar)
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Setting, E> {
                ScalarVisitor.visit_f64(number).map(Setting::Scalar)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Setting, E> {
                ScalarVisitor.visit_str(text).map(Setting::Scalar)
            }
        }
        deserializer.deserialize_any(SettingVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, `true` or `false`")
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number.into()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
        let finite = serde_json::Number::from_f64(number);
        finite.map(Scalar::Number).ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl<T: Tool> schemars::JsonSchema for ProxmoxKeys<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}{}Keys", T::NAME[..1].to_uppercase(), &T::NAME[1..]).into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (mut single, mut numbered) = (serde_json::Map::new(), serde_json::Map::new());
        numbered.insert("^x-".to_owned(), json!({"description": "Yours: Phoenix does not read it."}));
        for (name, rule) in keys(T::KIND).iter().filter(|(name, _)| word(T::KIND, &name.replace("[n]", "0")).is_none())
        {
            match (name.strip_suffix("[n]"), rule.last) {
                (Some(base), Some(last)) => {
                    numbered.insert(format!("^{base}({})$", up_to(last)), rule.schema());
                }
                _ => {
                    single.insert(name.clone(), rule.schema());
                }
            }
        }
        let items: Value = json!({"type": "object", "additionalProperties": scalar_schema()});
        let mut any = scalar_schema();
        if let Some(Value::Array(branches)) = any.get_mut("anyOf") {
            branches.push(items);
        }
        let schema = json!({
            "type": "object",
            "description": format!("Proxmox's own keys, as `{} set` takes them.", T::NAME),
            "properties": single,
            "patternProperties": numbered,
            "additionalProperties": any,
        });
        schemars::Schema::try_from(schema).unwrap_or_default()
    }
}

/// A pattern for the numbers from 0 to `last`, which has at most three digits.
fn up_to(last: u16) -> String {
    match last {
        0..10 => format!("[0-{last}]"),
        10..100 => {
            let (tens, ones) = (last / 10, last % 10);
            let below = if tens > 1 { format!("[1-{}][0-9]|", tens - 1) } else { String::new() };
            format!("[0-9]|{below}{tens}[0-{ones}]")
        }
        // No key has others.
        _ => "[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_up_to_one() {
        for last in [2, 3, 5, 7, 9, 10, 13, 15, 30, 31, 255] {
            let pattern = regex::Regex::new(&format!("^({})$", up_to(last))).unwrap();
            for number in 0..400u16 {
                assert_eq!(pattern.is_match(&number.to_string()), number <= last, "{number} up to {last}");
            }
        }
    }
}
