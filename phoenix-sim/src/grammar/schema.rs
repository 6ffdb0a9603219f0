//! The checks of `PVE::JSONSchema`: `check_object`, `check_prop` and `check_type`, in its order and words.

use std::collections::BTreeMap;
use std::fmt;

use super::format;
use super::perl;
use super::properties::{Kind, Property, Schema};

/// Reasons by parameter, as the tools print them after `400 Parameter verification failed.`
///
/// The real order is that of a Perl hash, which changes from run to run; here it is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons(BTreeMap<String, String>);

impl Reasons {
    /// Adds a reason. Several for one parameter are joined with a backslash and an `n`, not with a newline
    /// (`add_error` joins with a single-quoted string).
    pub fn add(&mut self, parameter: impl Into<String>, reason: impl Into<String>) {
        let reason = reason.into();
        self.0
            .entry(parameter.into())
            .and_modify(|known| {
                known.push_str("\\n");
                known.push_str(&reason);
            })
            .or_insert(reason);
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parameter and reason, sorted by parameter.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(parameter, reason)| (parameter.as_str(), reason.as_str()))
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(parameter, reason)| writeln!(f, "{parameter}: {reason}"))
    }
}

impl<P: Into<String>, R: Into<String>> FromIterator<(P, R)> for Reasons {
    fn from_iter<I: IntoIterator<Item = (P, R)>>(reasons: I) -> Self {
        let mut all = Self::default();
        for (parameter, reason) in reasons {
            all.add(parameter, reason);
        }
        all
    }
}

/// Whether keys that the schema does not know are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Refused,
    Taken,
}

/// Values by key, as a check reads them.
pub(crate) trait Values {
    fn get(&self, key: &str) -> Option<&str>;
    /// The keys that carry a single value.
    fn keys(&self) -> Vec<&str>;
}

impl Values for BTreeMap<String, String> {
    fn get(&self, key: &str) -> Option<&str> {
        Self::get(self, key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        Self::keys(self).map(String::as_str).collect()
    }
}

/// Checks a set of values (`check_object`). `path` is what names in messages begin with; empty at the top.
pub(crate) fn check_object(path: &str, schema: &Schema, values: &impl Values, unknown: Unknown, reasons: &mut Reasons) {
    let full = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for name in schema.required.iter().filter(|name| values.get(name).is_none()) {
        reasons.add(full(name), "property is missing and it is not optional");
    }
    for key in values.keys() {
        let (Some(property), Some(value)) = (schema.properties.get(key), values.get(key)) else { continue };
        if let Err(reason) = check_value(&full(key), property, value) {
            reasons.add(full(key), reason);
        }
    }
    for key in values.keys() {
        match schema.properties.get(key) {
            Some(property) => {
                if let Some(other) = property.requires.as_ref().filter(|other| values.get(other).is_none()) {
                    reasons.add(full(other), format!("missing property - '{}' requires this property", full(key)));
                }
            }
            None if unknown == Unknown::Refused => reasons.add(
                full(key),
                "property is not defined in schema and the schema does not allow additional properties",
            ),
            None => {}
        }
    }
}

/// Checks one value (`check_prop`): type, format, pattern, lengths, range, enumeration. The first failure is the reason.
fn check_value(path: &str, property: &Property, value: &str) -> Result<(), String> {
    if let Some(kind) = property.kind {
        let fits = match kind {
            Kind::String => true,
            Kind::Boolean => value == "0" || value == "1",
            Kind::Integer => perl::is_integer(value),
            Kind::Number => perl::is_number(value),
            Kind::Array => return Err("type check ('array') failed".to_owned()),
        };
        if !fits {
            return Err(format!("type check ('{}') failed - got '{value}'", kind.name()));
        }
    }
    if let Some(name) = &property.format {
        format::check(name, value, path).map_err(|message| format!("invalid format - {message}"))?;
    }
    if let Some(pattern) = &property.pattern
        && !perl::matches(pattern, value)
    {
        return Err("value does not match the regex pattern".to_owned());
    }
    if let Some(most) = property.max_length
        && value.chars().count() > most
    {
        return Err(format!("value may only be {most} characters long"));
    }
    if let Some(least) = property.min_length
        && value.chars().count() < least
    {
        return Err(format!("value must be at least {least} characters long"));
    }
    if (property.maximum.is_some() || property.minimum.is_some()) && perl::is_number(value) {
        let number = perl::numeric(value);
        if let Some(most) = &property.maximum
            && most.as_f64().is_some_and(|limit| number > limit)
        {
            return Err(format!("value must have a maximum value of {most}"));
        }
        if let Some(least) = &property.minimum
            && least.as_f64().is_some_and(|limit| number < limit)
        {
            return Err(format!("value must have a minimum value of {least}"));
        }
    }
    if let Some(choices) = &property.choices
        && !choices.iter().any(|choice| choice == value)
    {
        return Err(format!("value '{value}' does not have a value in the enumeration '{}'", choices.join(", ")));
    }
    Ok(())
}
