//! What the inside of guests is like, as `world.json` tells it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the inside of a guest is like.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GuestWorld {}
