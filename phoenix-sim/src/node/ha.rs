//! What the HA manager knows: the guests that it looks after, and what it was asked to do with them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A start or a stop that somebody asked the HA manager for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    /// `start` or `shutdown` or `stop`.
    pub(crate) action: String,
    /// When it is carried out, in the node's time.
    pub(crate) due: Duration,
}

/// Starts and stops under way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Requests {
    /// Those that are not carried out yet, by guest.
    pub(crate) waiting: BTreeMap<u32, Request>,
    /// The guests on which the HA manager itself works now.
    #[serde(skip)]
    pub(crate) acting: BTreeSet<u32>,
}

/// A guest that the HA manager looks after.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Resource {
    /// What the HA manager wants of it.
    pub(crate) state: String,
    /// The lines of its section.
    pub(crate) options: BTreeMap<String, String>,
}
