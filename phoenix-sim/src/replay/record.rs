//! The lines of a recorded session.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

/// A line of a session.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Record {
    Run(Run),
    Shell { shell: String },
    Hold { hold_lock: String, seconds: f64 },
    Sleep { sleep: f64 },
}

#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) argv: Vec<String>,
    pub(super) exit: i32,
    #[serde(default)]
    pub(super) stdout: String,
    #[serde(default)]
    pub(super) stderr: String,
    #[serde(default)]
    pub(super) stdin: Option<String>,
    #[serde(default)]
    pub(super) conf_after: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub(super) artifact: Option<Json>,
}
