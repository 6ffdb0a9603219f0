//! What the option tables say of one option, parameter or key.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Number;

/// The type of a value, as `PVE::JSONSchema::check_type` knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Array,
}

impl Kind {
    /// The name in messages and usage lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
        }
    }
}

/// One option, parameter or key of a property string.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Property {
    #[serde(rename = "type")]
    pub(crate) kind: Option<Kind>,
    pub(crate) format: Option<String>,
    #[serde(rename = "enum")]
    pub(crate) choices: Option<Vec<String>>,
    pub(crate) pattern: Option<String>,
    pub(crate) minimum: Option<Number>,
    pub(crate) maximum: Option<Number>,
    #[serde(rename = "minLength")]
    pub(crate) min_length: Option<usize>,
    #[serde(rename = "maxLength")]
    pub(crate) max_length: Option<usize>,
    #[serde(default)]
    pub(crate) optional: bool,
    /// Another key that must be given too.
    pub(crate) requires: Option<String>,
    /// May be written without `key=`.
    #[serde(default)]
    pub(crate) default_key: bool,
    /// This key is another name of that one.
    pub(crate) alias: Option<String>,
    /// When used as an alias, the key itself is the value of that other key (`virtio=MAC` sets `model`).
    #[serde(rename = "keyAlias")]
    pub(crate) key_alias: Option<String>,
    pub(crate) index_max: Option<u32>,
}

impl Property {
    /// An optional property of one type without further rules.
    pub(crate) fn optional(kind: Kind) -> Self {
        Self {
            kind: Some(kind),
            format: None,
            choices: None,
            pattern: None,
            minimum: None,
            maximum: None,
            min_length: None,
            max_length: None,
            optional: true,
            requires: None,
            default_key: false,
            alias: None,
            key_alias: None,
            index_max: None,
        }
    }

    /// True for the formats that end in `-list`.
    pub(crate) fn is_list(&self) -> bool {
        self.format.as_deref().is_some_and(|format| format.contains("-list"))
    }
}

/// A set of properties with what is asked of it often, prepared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    pub(crate) properties: BTreeMap<String, Arc<Property>>,
    /// Names that must be present.
    pub(crate) required: Vec<String>,
    /// The key that may stand without its name.
    pub(crate) default_key: Option<String>,
    /// Keys printed together with another: `model` with `macaddr`.
    pub(crate) combined: BTreeMap<String, String>,
}

impl Schema {
    /// Expands `net[n]` and prepares the lookups.
    pub(crate) fn new(raw: BTreeMap<String, Property>) -> Self {
        let mut properties = BTreeMap::new();
        for (name, property) in raw {
            let shared = Arc::new(property);
            match (name.strip_suffix("[n]"), shared.index_max) {
                (Some(base), Some(last)) => {
                    properties.extend((0..=last).map(|index| (format!("{base}{index}"), Arc::clone(&shared))));
                }
                _ => {
                    properties.insert(name, shared);
                }
            }
        }
        Self::of(properties)
    }

    /// Prepares the lookups over expanded properties.
    pub(crate) fn of(properties: BTreeMap<String, Arc<Property>>) -> Self {
        let mut schema = Self::default();
        for (name, property) in &properties {
            if !property.optional && property.alias.is_none() {
                schema.required.push(name.clone());
            }
            if property.default_key {
                schema.default_key = Some(name.clone());
            }
            if let (Some(alias), Some(key)) = (&property.alias, &property.key_alias) {
                schema.combined.insert(key.clone(), alias.clone());
            }
        }
        schema.properties = properties;
        schema
    }
}

/// A parameter that the command line gives in another form than the API takes it (`param_mapping` of pct, qm, pvesm).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// The option names a file on the node; the API gets its content.
    File,
    /// Without a value it is asked for on the terminal.
    Prompt,
}
