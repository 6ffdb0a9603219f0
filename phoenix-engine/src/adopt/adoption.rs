//! What becomes of a guest that is to be taken over.

use phoenix_types::{GuestId, GuestKind};
use serde::Serialize;

use crate::guest::{NOTES_LIMIT, Record};
use crate::observe::Present;
use crate::plan::Plan;

/// Why a guest is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, schemars::JsonSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotAdoptable {
    /// It does not exist.
    #[error("guest {guest} does not exist: `phoenix up` creates it")]
    Absent {
        /// The guest.
        guest: GuestId,
    },
    /// Its id is taken by the other kind of guest.
    #[error("guest {guest} is a {actual} on the node, and the configuration describes a {configured}")]
    OtherKind {
        /// The guest.
        guest: GuestId,
        /// What it is on the node.
        actual: GuestKind,
        /// What it is in the configuration.
        configured: GuestKind,
    },
    /// It is on another node.
    #[error("guest {guest} is on node `{node}`: run Phoenix there")]
    Elsewhere {
        /// The guest.
        guest: GuestId,
        /// The node.
        node: String,
    },
    /// Somebody works on it.
    #[error(
        "guest {guest} is locked (`{lock}`): wait for the task that holds the lock, or remove a stale lock with `{tool} unlock {guest}`"
    )]
    Locked {
        /// The guest.
        guest: GuestId,
        /// The lock.
        lock: String,
        /// The tool that takes it off.
        tool: &'static str,
    },
    /// A template never runs again.
    #[error(
        "guest {guest} is a template, but the configuration describes a guest that runs: set `is_template`, or choose another id"
    )]
    Template {
        /// The guest.
        guest: GuestId,
    },
    /// A record that this program cannot read.
    #[error("guest {guest} has a record of another version of Phoenix: use that one")]
    OtherVersion {
        /// The guest.
        guest: GuestId,
    },
    /// A run that died was making it.
    #[error("guest {guest} was being created by an interrupted run: `phoenix up` completes it")]
    HalfMade {
        /// The guest.
        guest: GuestId,
    },
    /// Its notes or tags say that something else manages it. The user adopts it by naming it.
    #[error("guest {guest} is managed by {by} according to its notes or tags: name it to adopt it anyway")]
    Managed {
        /// The guest.
        guest: GuestId,
        /// Who.
        by: String,
    },
    /// Its notes have no room for a record.
    #[error(
        "the notes of guest {guest} are full: they would have {length} characters, but Proxmox keeps {NOTES_LIMIT}"
    )]
    NotesFull {
        /// The guest.
        guest: GuestId,
        /// How long they would be.
        length: usize,
    },
    /// Its configured settings cannot be written.
    #[error("the settings of guest {guest} cannot be written: {reason}")]
    Settings {
        /// The guest.
        guest: GuestId,
        /// Why.
        reason: String,
    },
}

/// A guest that is taken over.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Adoptee {
    /// The guest.
    pub id: GuestId,
    /// Its configured name.
    pub name: String,
    /// Container or VM.
    pub kind: GuestKind,
    /// What a person should know.
    pub remarks: Vec<String>,
    /// The record that it gets.
    pub record: Record,
    #[serde(skip)]
    pub(super) seen: Present,
}

/// Which guests are taken over, and what follows.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Adoption {
    /// Those that are.
    pub guests: Vec<Adoptee>,
    /// Those that carry a record already.
    pub ours: Vec<GuestId>,
    /// Those that are not, and why.
    pub left: Vec<NotAdoptable>,
    /// What `up` does with the guests that are taken over, from then on.
    pub then: Plan,
}
