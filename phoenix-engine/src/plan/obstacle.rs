//! What stops a guest before its first change.

use serde::Serialize;

use crate::check::Check;

/// An error that a check found before the run. Nothing of the guest is changed until it is solved or the check is skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Obstacle {
    /// The check.
    #[schemars(with = "String")]
    pub check: Check,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub advice: String,
}
