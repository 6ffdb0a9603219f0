//! What a text must contain.

use std::fmt;

use regex::Regex;
use serde::{Serialize, Serializer};

/// A text or a regular expression that must be found somewhere.
#[derive(Debug, Clone, schemars::JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pattern {
    /// These characters as they are.
    Text(String),
    /// A regular expression of the `regex` crate (linear time, no look-around).
    Regex(#[schemars(with = "String")] Regex),
}

/// A text that is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a regular expression: {reason}")]
pub struct InvalidPattern {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Pattern {
    /// A regular expression.
    ///
    /// # Errors
    /// When `text` is none, or would need more than a MiB of memory.
    pub fn regex(text: &str) -> Result<Self, InvalidPattern> {
        regex::RegexBuilder::new(text)
            .size_limit(1 << 20)
            .build()
            .map(Self::Regex)
            .map_err(|error| InvalidPattern { text: text.to_owned(), reason: error.to_string() })
    }

    pub(crate) fn is_found_in(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => text.contains(wanted.as_str()),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    pub(crate) fn line_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.lines().find(|line| self.is_found_in(line))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "`{text}`"),
            Self::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, text) = match self {
            Self::Text(text) => ("text", text.as_str()),
            Self::Regex(regex) => ("regex", regex.as_str()),
        };
        serializer.collect_map([(kind, text)])
    }
}
