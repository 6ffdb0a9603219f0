//! Faults of the files as plain data. The program renders them.

mod code;
mod finding;
mod nearest;

use std::fmt;

use phoenix_types::GuestId;
use serde::{Deserialize, Serialize};

pub use code::Code;
pub use finding::{FileKind, Finding, Shows, Target};
pub use nearest::nearest;
pub(crate) use nearest::nearest_number;

use crate::source::Location;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is done before it is fixed.
    Error,
    /// It works, but not as it reads.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The stable code, such as `PHX0105`.
    #[schemars(with = "String")]
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    #[serde(flatten)]
    pub location: Location,
    /// The same place as a JSON pointer into the file.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What would be right there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// How the value came to the guests that have it, where they do not write it themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<Through>,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// How a value came to the guests that have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct Through {
    /// The profile that has it; absent for the guests of a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The guests.
    pub guests: Vec<GuestId>,
}

impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let mut guests: Vec<String> = self.guests.iter().take(SHOWN).map(ToString::to_string).collect();
        if self.guests.len() > SHOWN {
            guests.push(format!("{} more", self.guests.len() - SHOWN));
        }
        let guests = guests.join(", ");
        match &self.profile {
            Some(profile) => write!(f, "in the profile `{profile}`, used by {guests}"),
            None => write!(f, "in the guests {guests}"),
        }
    }
}

/// A place that has to do with a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct Label {
    /// Where it is.
    #[serde(flatten)]
    pub location: Location,
    /// What it has to do with it.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    /// One line: `file:line:column: error[PHX0105]: message; expected … (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, severity, location, message, expected, through, help, .. } = self;
        write!(f, "{}:{}:{}: {severity}[{code}]: {message}", location.file, location.line, location.column)?;
        if let Some(expected) = expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(through) = through {
            write!(f, "; {through}")?;
        }
        if let Some(help) = help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}
