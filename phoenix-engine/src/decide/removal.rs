//! The plan that destroys guests, dependants first.

use std::collections::BTreeSet;

use phoenix_types::{GuestId, Power};

use super::finish::finish;
use crate::desired::{Desired, DesiredGuest};
use crate::guest::Record;
use crate::observe::Observed;
use crate::plan::{Disposition, Effect, GuestPlan, Plan, Stage, Step, Work};

/// Why guests are not destroyed. Nothing is, when one of them cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemovalRefused {
    /// Others that exist need it.
    #[error("guest {guest} is needed by {}: name them too, or take the dependency out first", list(.by))]
    Needed {
        /// The guest.
        guest: GuestId,
        /// Those that need it.
        by: Vec<GuestId>,
    },
    /// Phoenix did not make it.
    #[error("guest {0} carries no record of Phoenix, so it is not destroyed: destroy it by hand when it is not needed")]
    NotOurs(GuestId),
    /// It is protected on the node.
    #[error("guest {0} is protected: configure `\"protection\": false` and run `phoenix up {0}` first")]
    Protected(GuestId),
    /// Clones share its disks.
    #[error("linked clones stand on the disks of guest {guest}, which Proxmox does not destroy under them: {}", list(.by))]
    LinkedClones {
        /// The guest.
        guest: GuestId,
        /// Those clones.
        by: Vec<GuestId>,
    },
    /// It is on another node.
    #[error("guest {guest} is on node `{node}`: run Phoenix there")]
    Elsewhere {
        /// The guest.
        guest: GuestId,
        /// The node.
        node: String,
    },
}

fn list(ids: &[GuestId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The plan that destroys the named guests: those that exist are stopped and destroyed, each after the ones that need it.
///
/// # Errors
/// Everything that stands against it, guest by guest.
pub fn plan_removal(
    desired: &Desired,
    observed: &Observed,
    ids: &BTreeSet<GuestId>,
) -> Result<Plan, Vec<RemovalRefused>> {
    let mut refused = Vec::new();
    let mut guests = Vec::new();
    for id in desired.order.iter().rev().filter(|id| ids.contains(id)) {
        let Some(guest) = desired.guests.get(id) else { continue };
        // A guest that is nowhere is gone already.
        if !observed.present.contains_key(id) && !observed.elsewhere.contains_key(id) {
            continue;
        }
        if let Some(node) = observed.elsewhere.get(id) {
            refused.push(RemovalRefused::Elsewhere { guest: *id, node: node.clone() });
            continue;
        }
        let dependants: Vec<GuestId> =
            desired.guests.values().filter(|other| other.needs.contains(id)).map(|other| other.id).collect();
        let by: Vec<GuestId> = dependants
            .iter()
            .copied()
            .filter(|other| !ids.contains(other))
            .filter(|other| observed.present.contains_key(other) || observed.elsewhere.contains_key(other))
            .collect();
        if !by.is_empty() {
            refused.push(RemovalRefused::Needed { guest: *id, by });
            continue;
        }
        let by = linked_clones(observed, *id, ids);
        if !by.is_empty() {
            refused.push(RemovalRefused::LinkedClones { guest: *id, by });
            continue;
        }
        match steps(guest, observed) {
            Ok((disposition, record, steps)) => guests.push(GuestPlan {
                id: *id,
                name: guest.name.to_string(),
                kind: guest.kind(),
                disposition,
                needs: dependants
                    .into_iter()
                    .filter(|other| ids.contains(other) && observed.present.contains_key(other))
                    .collect(),
                steps,
                gates: Vec::new(),
                unmet: Vec::new(),
                obstacles: Vec::new(),
                remarks: Vec::new(),
                outage: None,
                unmanaged: Vec::new(),
                record,
                power: observed.present.get(id).map_or(Power::Stopped, |present| present.power),
            }),
            Err(refusal) => refused.push(refusal),
        }
    }
    if refused.is_empty() { Ok(finish(desired, observed, guests)) } else { Err(refused) }
}

/// The guests, whoever made them, whose disks are changes to the disks of a template, other than those that go with it. Their
/// volumes name it: `STORE:base-9000-disk-0/vm-700-disk-0` (pve-storage).
fn linked_clones(observed: &Observed, id: GuestId, going: &BTreeSet<GuestId>) -> Vec<GuestId> {
    let bases = [format!("base-{id}-disk-"), format!("basevol-{id}-disk-")];
    let stands_on = |value: &str| bases.iter().any(|base| value.contains(base.as_str()));
    let others = observed.present.iter().filter(|(other, _)| **other != id && !going.contains(other));
    others
        .filter(|(_, present)| present.conf.live.keys.values().any(|value| stands_on(value)))
        .map(|(other, _)| *other)
        .collect()
}

fn steps(guest: &DesiredGuest, observed: &Observed) -> Result<(Disposition, Record, Vec<Step>), RemovalRefused> {
    let Some(present) = observed.present.get(&guest.id) else {
        return Ok((Disposition::Keep, Record::new(guest.id), Vec::new()));
    };
    let step = |stage, summary: &str, reason: &str, work| Step::new(stage, summary, reason, Effect::Destroy, work);
    if present.kind == guest.kind() && observed.is_half_made(guest.id) {
        let reason = "a run that died was making or destroying it";
        let steps = vec![
            step(Stage::Unlock, "take off its lock", reason, Work::BreakLock),
            step(Stage::Destroy, "destroy what is left of it", "asked for", Work::Destroy),
        ];
        return Ok((Disposition::Destroy, Record::new(guest.id), steps));
    }
    let record =
        present.record(guest.id).filter(|_| present.kind == guest.kind()).ok_or(RemovalRefused::NotOurs(guest.id))?;
    if present.conf.live.get("protection") == Some("1") {
        return Err(RemovalRefused::Protected(guest.id));
    }
    let mut steps = Vec::new();
    if present.power != Power::Stopped {
        steps.push(step(Stage::Stop, "stop", "it runs", Work::Stop));
    }
    steps.push(step(Stage::Destroy, "destroy with all its disks", "asked for", Work::Destroy));
    Ok((Disposition::Destroy, record, steps))
}
