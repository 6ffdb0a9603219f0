//! What a guest waits for before its first step.

use phoenix_types::GuestId;
use serde::{Deserialize, Serialize};

/// How a guest depends on another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, schemars::JsonSchema)]
pub struct Dependency {
    /// How far the other guest must be.
    pub until: Until,
    /// Whether this guest can do without it.
    pub need: Need,
}

/// How far a guest must be before the first step of one that depends on it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// It runs. Its own scripts and gates are not awaited.
    Started,
    /// It is done: its scripts ran and its gates passed.
    #[default]
    Healthy,
    /// It has done its work and is off, as a job is.
    Completed,
}

impl std::fmt::Display for Until {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
        })
    }
}

/// Whether a guest can do without one that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// It cannot: if the other guest fails, it is not changed.
    #[default]
    Required,
    /// It can: it waits for the end of the work on the other guest, however that ends.
    Optional,
}

/// What a guest is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It offers something for as long as it runs.
    #[default]
    Service,
    /// It runs its scripts once for each version of them, and is off afterwards.
    Job,
}

impl Dependency {
    /// As a person would write it: the id alone, or an object where more is to be said.
    pub(crate) fn written(self, on: GuestId) -> serde_json::Value {
        match self {
            Self { until: Until::Healthy, need: Need::Required } => serde_json::json!(on),
            Self { until, need: Need::Required } => serde_json::json!({"on": on, "until": until}),
            Self { until, need: Need::Optional } => serde_json::json!({"on": on, "until": until, "optional": true}),
        }
    }
}
