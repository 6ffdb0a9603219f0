//! The variables of a shell.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What a variable holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Text(String),
    Array(BTreeMap<i64, String>),
    Map(BTreeMap<String, String>),
}

/// One variable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variable {
    /// `None` when it is declared but has no value.
    pub(super) data: Option<Data>,
    pub(super) exported: bool,
    pub(super) readonly: bool,
}

/// All variables of a shell. A copy costs nothing until one of them changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables(Arc<BTreeMap<String, Variable>>);

impl Variables {
    pub(super) fn get(&self, name: &str) -> Option<&Variable> {
        self.0.get(name)
    }

    /// The text of a variable; of an array its element 0.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)?.data.as_ref()? {
            Data::Text(text) => Some(text),
            Data::Array(array) => array.get(&0).map(String::as_str),
            Data::Map(map) => map.get("0").map(String::as_str),
        }
    }

    pub(super) fn entry(&mut self, name: &str) -> &mut Variable {
        Arc::make_mut(&mut self.0).entry(name.to_owned()).or_default()
    }

    pub(super) fn set(&mut self, name: &str, text: impl Into<String>) {
        let text = text.into();
        match &mut self.entry(name).data {
            Some(Data::Array(array)) => {
                array.insert(0, text);
            }
            Some(Data::Map(map)) => {
                map.insert("0".to_owned(), text);
            }
            data => *data = Some(Data::Text(text)),
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Variable> {
        if self.0.contains_key(name) { Arc::make_mut(&mut self.0).remove(name) } else { None }
    }

    /// Puts a variable back as it was.
    pub(super) fn restore(&mut self, name: &str, variable: Option<Variable>) {
        match variable {
            Some(variable) => {
                Arc::make_mut(&mut self.0).insert(name.to_owned(), variable);
            }
            None => {
                self.remove(name);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.0.iter().map(|(name, variable)| (name.as_str(), variable))
    }

    /// What programs are given.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let exported = self.iter().filter(|(_, variable)| variable.exported);
        exported
            .filter_map(|(name, variable)| match &variable.data {
                Some(Data::Text(text)) => Some((name.to_owned(), text.clone())),
                _ => None,
            })
            .collect()
    }
}
