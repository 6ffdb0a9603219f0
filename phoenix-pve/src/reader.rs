//! Property strings read into types, and printed from them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use phoenix_types::{PropertyRules, PropertyString, parse_flag};

use crate::InvalidSettings;

/// The items of one property string, removed one by one; what is left at the end is unknown.
#[derive(Debug)]
pub struct PropertyReader<'a> {
    key: &'a str,
    text: &'a str,
    items: BTreeMap<String, String>,
}

impl<'a> PropertyReader<'a> {
    /// Reads the value `text` of `key`.
    ///
    /// # Errors
    /// When it is no property string.
    pub fn new(key: &'a str, text: &'a str, rules: &PropertyRules) -> Result<Self, InvalidSettings> {
        let items = rules
            .items(text)
            .ok_or_else(|| InvalidSettings::value(key, text, "it is not a list of `name=value` joined by commas"))?;
        Ok(Self { key, text, items })
    }

    fn invalid(&self, name: &str, value: &str) -> InvalidSettings {
        InvalidSettings::value(self.key, self.text, format!("`{name}` cannot be `{value}`"))
    }

    /// The text of an item.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.items.remove(name)
    }

    /// An item as a type.
    ///
    /// # Errors
    /// When its text is no such thing.
    pub fn take<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, InvalidSettings> {
        let Some(value) = self.items.remove(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| self.invalid(name, &value))
    }

    /// An item that has to be there.
    ///
    /// # Errors
    /// When it is not, or its text is no such thing.
    pub fn need<T: FromStr>(&mut self, name: &str) -> Result<T, InvalidSettings> {
        let missing = || InvalidSettings::value(self.key, self.text, format!("`{name}` is missing"));
        let missing = missing();
        self.take(name)?.ok_or(missing)
    }

    /// A yes or no.
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, InvalidSettings> {
        let Some(value) = self.items.remove(name) else { return Ok(None) };
        parse_flag(&value).map(Some).ok_or_else(|| self.invalid(name, &value))
    }

    /// Items of a list joined by semicolons.
    ///
    /// # Errors
    /// When one of them is no such thing.
    pub fn list<T: FromStr, C: FromIterator<T>>(&mut self, name: &str) -> Result<C, InvalidSettings> {
        let Some(value) = self.items.remove(name) else { return Ok(std::iter::empty().collect()) };
        let items = value.split(';').filter(|item| !item.is_empty());
        items.map(|item| item.parse().map_err(|_| self.invalid(name, item))).collect()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When an item is left that nobody asked for.
    pub fn finish(self) -> Result<(), InvalidSettings> {
        match self.items.keys().next() {
            None => Ok(()),
            Some(name) => Err(InvalidSettings::value(self.key, self.text, format!("`{name}` is not known"))),
        }
    }
}

/// A property string under construction, which knows the key it is for.
#[derive(Debug)]
pub struct PropertyWriter<'a> {
    key: &'a str,
    text: PropertyString,
}

impl<'a> PropertyWriter<'a> {
    /// An empty one for `key`.
    #[must_use]
    pub fn new(key: &'a str) -> Self {
        Self { key, text: PropertyString::new() }
    }

    /// One that begins with a value without name.
    ///
    /// # Errors
    /// When the value cannot be written.
    pub fn with_bare(key: &'a str, value: impl fmt::Display) -> Result<Self, InvalidSettings> {
        let value = value.to_string();
        // Without a name in front, an `=` would be read as one.
        if value.is_empty() || value.contains('=') {
            return Err(InvalidSettings::value(key, value, "it is empty or holds `=`, which would be read as a name"));
        }
        let text = PropertyString::with_bare(value).map_err(|source| InvalidSettings::property(key, source))?;
        Ok(Self { key, text })
    }

    /// Adds an item.
    ///
    /// # Errors
    /// When the value is empty or cannot be written.
    pub fn put(&mut self, name: &str, value: impl fmt::Display) -> Result<&mut Self, InvalidSettings> {
        let value = value.to_string();
        if value.is_empty() {
            return Err(InvalidSettings::value(self.key, value, format!("`{name}` is empty")));
        }
        self.text.set(name, value).map_err(|source| InvalidSettings::property(self.key, source))?;
        Ok(self)
    }

    /// Adds an item when there is one.
    ///
    /// # Errors
    /// When the value is empty or cannot be written.
    pub fn put_some(&mut self, name: &str, value: Option<impl fmt::Display>) -> Result<&mut Self, InvalidSettings> {
        if let Some(value) = value {
            self.put(name, value)?;
        }
        Ok(self)
    }

    /// Adds a yes or no when there is one, always as `1` or `0`.
    ///
    /// # Errors
    /// Never in practice.
    pub fn put_flag(&mut self, name: &str, value: Option<bool>) -> Result<&mut Self, InvalidSettings> {
        self.put_some(name, value.map(u8::from))
    }

    /// Adds a list joined by semicolons when it is not empty.
    ///
    /// # Errors
    /// When an item cannot be written or holds a semicolon.
    pub fn put_list<T: fmt::Display>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
    ) -> Result<&mut Self, InvalidSettings> {
        let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
        if let Some(item) = items.iter().find(|item| item.is_empty() || item.contains(';')) {
            return Err(InvalidSettings::value(self.key, item, format!("an item of `{name}` is empty or holds `;`")));
        }
        if !items.is_empty() {
            self.put(name, items.join(";"))?;
        }
        Ok(self)
    }

    /// The text.
    #[must_use]
    pub fn finish(&self) -> String {
        self.text.to_string()
    }
}
