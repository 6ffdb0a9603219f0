//! The parameters of an API call.

use std::collections::BTreeMap;

/// The locale that the tool runs in: it decides how arguments beyond ASCII arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    /// `C.UTF-8` and the like: text arrives as it was written.
    #[default]
    Utf8,
    /// `C`: every byte beyond ASCII becomes U+FFFD. The recordings were made so.
    C,
}

/// One value of an API call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamValue {
    /// Nearly all parameters; booleans are `0` or `1`.
    Text(String),
    /// A parameter of array type, such as `command` of the guest agent's `exec`.
    List(Vec<String>),
}

/// The parameters of an API call, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params(pub(super) BTreeMap<String, ParamValue>);

impl Params {
    /// A parameter's text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            ParamValue::Text(text) => Some(text),
            ParamValue::List(_) => None,
        }
    }

    /// A parameter of array type; empty when it was not given.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(ParamValue::List(texts)) => texts,
            _ => &[],
        }
    }

    /// A boolean parameter.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|text| text == "1")
    }

    /// The names and texts of all parameters but the arrays.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| match value {
            ParamValue::Text(text) => Some((name.as_str(), text.as_str())),
            ParamValue::List(_) => None,
        })
    }

    /// Sets a parameter, such as one that was read from a file or a terminal.
    pub fn set(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.insert(name.into(), ParamValue::Text(text.into()));
    }

    /// Takes a parameter out.
    pub fn remove(&mut self, name: &str) -> Option<ParamValue> {
        self.0.remove(name)
    }
}
