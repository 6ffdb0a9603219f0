//! Dependencies as they are written.

use std::borrow::Cow;
use std::fmt;

use phoenix_types::GuestId;
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer as _, MapAccess, Visitor};

use super::object;
use crate::model::{Dependency, Need, Until};

/// A dependency: an id, or an object with a condition.
#[derive(Debug, Clone)]
pub(crate) struct DependencyEntry {
    pub(crate) on: GuestId,
    pub(crate) terms: Dependency,
}

object! {
    /// A dependency with a condition.
    ConditionEntry {
        /// The guest that is needed.
        "on" => on: GuestId,
        /// How far it must be: `started` (it runs), `healthy` (its scripts ran and its gates passed) or `completed` (a job has run and is off). Default: `healthy`.
        "until" => until: Option<Until>,
        /// Whether this guest also begins when the other one fails or is not in the configuration. Default: false.
        "optional" => optional: Option<bool>,
    }
}

impl From<ConditionEntry> for DependencyEntry {
    fn from(entry: ConditionEntry) -> Self {
        let need = if entry.optional == Some(true) { Need::Optional } else { Need::Required };
        Self { on: entry.on, terms: Dependency { until: entry.until.unwrap_or_default(), need } }
    }
}

impl<'de> Deserialize<'de> for DependencyEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DependencyVisitor;
        impl<'de> Visitor<'de> for DependencyVisitor {
            type Value = DependencyEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a guest id, or an object with `on`")
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<DependencyEntry, E> {
                GuestId::deserialize(id.into_deserializer()).map(bare)
            }

            fn visit_i64<E: de::Error>(self, id: i64) -> Result<DependencyEntry, E> {
                GuestId::deserialize(id.into_deserializer()).map(bare)
            }

            fn visit_f64<E: de::Error>(self, id: f64) -> Result<DependencyEntry, E> {
                GuestId::deserialize(id.into_deserializer()).map(bare)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<DependencyEntry, E> {
                object::from_str(text).map(bare)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DependencyEntry, A::Error> {
                object::from_map::<ConditionEntry, A>(map).map(DependencyEntry::from)
            }
        }
        deserializer.deserialize_any(DependencyVisitor)
    }
}

fn bare(on: GuestId) -> DependencyEntry {
    DependencyEntry { on, terms: Dependency::default() }
}

impl schemars::JsonSchema for DependencyEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Dependency".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let id = generator.subschema_for::<GuestId>();
        let condition = generator.subschema_for::<ConditionEntry>();
        schemars::json_schema!({"anyOf": [id, condition]})
    }
}
