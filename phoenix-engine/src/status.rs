//! Configured and actual, side by side.

use phoenix_config::model::State;
use phoenix_types::{GuestId, GuestKind, Power};
use serde::Serialize;

use crate::desired::Desired;
use crate::guest::Record;
use crate::observe::Observed;
use crate::plan::{Difference, Disposition, Plan, Unmanaged};

/// Whose guest it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// Phoenix made it.
    Ours,
    /// It exists without a record of Phoenix.
    NotOurs,
    /// It does not exist.
    Absent,
    /// It is on another node.
    Elsewhere,
    /// It is ours, and removed from the configuration.
    Removed,
}

/// One guest, configured and actual.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct GuestStatus {
    /// The guest.
    pub id: GuestId,
    /// Its configured name.
    pub name: String,
    /// Container or VM.
    pub kind: GuestKind,
    /// What it should be; absent when it is removed from the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured: Option<State>,
    /// Whether it runs; absent when it does not exist here.
    pub power: Option<Power>,
    /// Whether it is a template on the node.
    pub template: bool,
    /// Whose it is.
    pub ownership: Ownership,
    /// The lock that something holds on it.
    pub lock: Option<String>,
    /// How many steps `up` would take.
    pub pending: usize,
    /// What differs and stays so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<Difference>,
    /// What a person should know.
    pub remarks: Vec<String>,
    /// What is on it and not managed by the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmanaged: Vec<Unmanaged>,
    /// Its record.
    pub record: Option<Record>,
}

/// Puts configuration and node side by side. `plan` is the one of `up`.
#[must_use]
pub fn status(desired: &Desired, observed: &Observed, plan: &Plan) -> Vec<GuestStatus> {
    let configured = plan.guests.iter().filter_map(|planned| {
        let guest = desired.guests.get(&planned.id)?;
        let present = observed.present.get(&planned.id);
        Some(GuestStatus {
            id: planned.id,
            name: planned.name.clone(),
            kind: planned.kind,
            configured: Some(guest.state),
            power: present.map(|present| present.power),
            template: present.is_some_and(|present| present.conf.is_template()),
            ownership: match planned.disposition {
                Disposition::Create => Ownership::Absent,
                Disposition::Held if present.is_none() => Ownership::Absent,
                Disposition::NotOurs => Ownership::NotOurs,
                Disposition::Elsewhere => Ownership::Elsewhere,
                Disposition::Finish
                | Disposition::Update
                | Disposition::Keep
                | Disposition::Held
                | Disposition::Destroy
                | Disposition::Replace
                | Disposition::OtherKind
                | Disposition::WrongState => Ownership::Ours,
            },
            lock: present.and_then(|present| present.conf.lock()).map(str::to_owned),
            pending: planned.steps.len(),
            unmet: planned.unmet.clone(),
            remarks: planned.remarks.clone(),
            unmanaged: planned.unmanaged.clone(),
            record: present.and_then(|present| present.record(planned.id)),
        })
    });
    let removed = plan.removed.iter().map(|guest| {
        let present = observed.present.get(&guest.id);
        GuestStatus {
            id: guest.id,
            name: guest.name.clone(),
            kind: guest.kind,
            configured: None,
            power: Some(guest.power),
            template: present.is_some_and(|present| present.conf.is_template()),
            ownership: Ownership::Removed,
            lock: present.and_then(|present| present.conf.lock()).map(str::to_owned),
            pending: 0,
            unmet: Vec::new(),
            remarks: vec![format!("it is removed from the configuration: {}", guest.advice())],
            unmanaged: Vec::new(),
            record: present.and_then(|present| present.record(guest.id)),
        }
    });
    configured.chain(removed).collect()
}
