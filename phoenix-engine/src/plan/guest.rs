//! The plan for one guest.

use std::collections::BTreeMap;

use phoenix_config::model::Dependency;
use phoenix_types::{GuestId, GuestKind, Hostname, Power};
use serde::Serialize;

use super::obstacle::Obstacle;
use super::step::{Difference, Step};
use crate::digest::Digest;
use crate::guest::Record;

/// What a plan does with a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// It does not exist and is made.
    Create,
    /// It was being made when a run was cut off, and is finished.
    Finish,
    /// It exists and is changed.
    Update,
    /// It exists and is up to date.
    Keep,
    /// It exists, but Phoenix did not make it: left alone.
    NotOurs,
    /// It exists on another node of the cluster: left alone.
    Elsewhere,
    /// It would be made or changed, and an obstacle, its own or that of a guest that it needs, stops it.
    Held,
    /// It is ours, and of the other kind than the configuration says: left alone.
    OtherKind,
    /// It cannot get the configured state: a template that should be none, or a guest with snapshots that should be a template. Left
    /// alone.
    WrongState,
    /// It is destroyed.
    Destroy,
    /// It is destroyed and created again, because that was asked for.
    Replace,
}

impl Disposition {
    /// Whether the guest is not touched because it is not what the configuration describes.
    #[must_use]
    pub fn leaves_alone(self) -> bool {
        matches!(self, Self::NotOurs | Self::Elsewhere | Self::OtherKind | Self::WrongState)
    }
}

/// The plan for one guest.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct GuestPlan {
    /// The guest.
    pub id: GuestId,
    /// Its name.
    pub name: String,
    /// Container or VM.
    pub kind: GuestKind,
    /// What happens to it.
    pub disposition: Disposition,
    /// The guests that must be done first.
    pub needs: Vec<GuestId>,
    /// What is said about these beyond that they must be done: how far each must be, and whether this guest can do without it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<GuestId, Dependency>,
    /// Digests over what the configuration says of it, by its parts: settings, gates, scripts and the rest. What is approved with
    /// a plan is all of it, also what no command shows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Digest>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The gates that are asked in the end, by name.
    pub gates: Vec<String>,
    /// What differs and stays so: changes that cannot be made, or only by making the guest again. The reason says what to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<Difference>,
    /// What stops it before its first change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<Obstacle>,
    /// What a person should know: what a rollback means, what is left alone.
    pub remarks: Vec<String>,
    /// How long it is down, and who is without it, when it runs and is stopped or restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// What is on the guest and not managed by the configuration: left alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmanaged: Vec<Unmanaged>,
    /// The record that the guest's scripts are judged by.
    #[serde(skip)]
    pub(crate) record: Record,
    /// Whether it ran before.
    #[serde(skip)]
    pub(crate) power: Power,
}

impl GuestPlan {
    /// What the guest waits for of one that it needs.
    #[must_use]
    pub fn terms(&self, need: GuestId) -> Dependency {
        self.conditions.get(&need).copied().unwrap_or_default()
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What a change costs those who use the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Outage {
    /// The guest is down for at most so many seconds: the sum of `parts`. Absent when it stays down. Scripts that run after
    /// its start are not counted: nothing bounds them but their own deadline.
    pub up_to_seconds: Option<u64>,
    /// What that is made of. All of them are bounds after which Phoenix gives up or continues, not what is usual.
    pub parts: Vec<OutagePart>,
    /// The guests that run, and are without it meanwhile: those that depend on it, and what depends on those.
    pub affects: BTreeMap<GuestId, Hostname>,
}

/// One part of the time that a guest is down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct OutagePart {
    /// What takes the time, as in "2m to shut down".
    pub what: String,
    /// At most so many seconds.
    pub up_to_seconds: u64,
}

/// A setting that the configuration does not manage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Unmanaged {
    /// The setting, the key of a raw line, or `firewall`.
    pub key: String,
    /// What it is, secrets masked.
    pub value: String,
}
