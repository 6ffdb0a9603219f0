//! The plan that destroys guests, dependants first.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_types::{GuestId, Power};

use super::finish::finish;
use super::guest::plan_again;
use super::removed::removed;
use crate::desired::Desired;
use crate::guest::{HIBERNATED, Record};
use crate::observe::{Observed, Present};
use crate::plan::{Disposition, Effect, GuestPlan, Plan, RemovedGuest, Stage, Step, Work};

/// Why guests are not destroyed. Nothing is, when one of them cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemovalRefused {
    /// Others that exist need it.
    #[error("guest {guest} is needed by {}: name them too, or remove the dependency first", list(.by))]
    Needed {
        /// The guest.
        guest: GuestId,
        /// Those that need it.
        by: Vec<GuestId>,
    },
    /// It is neither configured nor on the node.
    #[error("there is no guest {0}: the configuration has none, and nor has the node")]
    Unknown(GuestId),
    /// Phoenix did not make it.
    #[error("guest {0} has no record of Phoenix, so it is not destroyed: destroy it by hand if it is not needed")]
    NotOurs(GuestId),
    /// It is protected on the node.
    #[error(
        "guest {0} is protected: first take that off, with `\"protection\": false` in the configuration and `phoenix up {0}`, or in Proxmox when it is not configured any more"
    )]
    Protected(GuestId),
    /// Its memory is saved on a disk.
    #[error(
        "guest {0} is hibernated, and Proxmox does not destroy it so: `phoenix start {0}` resumes it, or `qm unlock {0}` gives its saved memory up"
    )]
    Hibernated(GuestId),
    /// Clones share its disks.
    #[error("linked clones use the disks of guest {guest}, so Proxmox cannot destroy it: {}", list(.by))]
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

/// A guest that is to be destroyed: one of the configuration, or one that is removed from it.
struct Doomed<'a> {
    id: GuestId,
    name: String,
    needs: BTreeSet<GuestId>,
    present: &'a Present,
}

/// What the guests that are not named, and need one that is, mean for its removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    /// It is refused.
    Forbid,
    /// Everything goes, and guests that are not ours are left alone.
    Allow,
}

/// The plan that destroys the named guests, those among them that are removed from the configuration too: they are stopped and
/// destroyed, each after the ones that need it.
///
/// # Errors
/// Everything that stands against it, guest by guest.
pub fn plan_removal(
    desired: &Desired,
    observed: &Observed,
    ids: &BTreeSet<GuestId>,
) -> Result<Plan, Vec<RemovalRefused>> {
    removal(desired, observed, ids, Others::Forbid).map(|guests| finish(desired, observed, guests))
}

/// The plan that destroys all guests of the configuration that are ours. The others are named and left alone.
///
/// # Errors
/// Everything that stands against it, guest by guest.
pub fn plan_down(desired: &Desired, observed: &Observed) -> Result<Plan, Vec<RemovalRefused>> {
    let is_foreign = |id: &&GuestId| {
        let present = observed.present.get(*id);
        present.is_some_and(|present| present.record(**id).is_none()) && !observed.is_half_made(**id)
    };
    let (foreign, ours): (Vec<&GuestId>, Vec<&GuestId>) = desired.guests.keys().partition(is_foreign);
    let guests = removal(desired, observed, &ours.into_iter().copied().collect(), Others::Allow)?;
    let mut plan = finish(desired, observed, guests);
    let left = foreign
        .iter()
        .map(|id| format!("guest {id} exists and nothing proves that Phoenix created it: it is left alone"));
    plan.remarks.splice(0..0, left);
    Ok(plan)
}

/// The plans that destroy all guests that are removed from the configuration.
pub(super) fn prune(desired: &Desired, observed: &Observed) -> Result<Vec<GuestPlan>, Vec<RemovalRefused>> {
    let ids = removed(desired, observed).into_iter().map(|guest| guest.id).collect();
    removal(desired, observed, &ids, Others::Forbid)
}

/// Makes a guest's plan one that destroys it and creates it again. Its dependants stay.
pub(super) fn replace(plan: &mut GuestPlan, desired: &Desired, observed: &Observed) -> Result<(), RemovalRefused> {
    let Some(guest) = desired.guests.get(&plan.id) else { return Ok(()) };
    let going = [plan.id].into();
    let Some(doomed) = find(desired, observed, &[], plan.id)? else { return Ok(()) };
    let by = linked_clones(observed, plan.id, &going);
    if !by.is_empty() {
        return Err(RemovalRefused::LinkedClones { guest: plan.id, by });
    }
    let (_, steps) = steps(&doomed, observed)?;
    let again = plan_again(guest, desired, observed);
    *plan =
        GuestPlan { disposition: Disposition::Replace, steps: steps.into_iter().chain(again.steps).collect(), ..again };
    Ok(())
}

fn removal(
    desired: &Desired,
    observed: &Observed,
    ids: &BTreeSet<GuestId>,
    others: Others,
) -> Result<Vec<GuestPlan>, Vec<RemovalRefused>> {
    let mut refused = Vec::new();
    let removed = removed(desired, observed);
    let mut doomed: BTreeMap<GuestId, Doomed<'_>> = BTreeMap::new();
    for id in ids {
        match find(desired, observed, &removed, *id) {
            Ok(Some(guest)) => _ = doomed.insert(*id, guest),
            Ok(None) => {}
            Err(refusal) => refused.push(refusal),
        }
    }
    let is_there = |id: &GuestId| observed.present.contains_key(id) || observed.elsewhere.contains_key(id);
    let needing = |id: GuestId| -> BTreeSet<GuestId> {
        let configured = desired.guests.values().filter(|other| other.needs.contains(&id)).map(|other| other.id);
        let removed = removed.iter().filter(|other| other.needs.contains(&id)).map(|other| other.id);
        configured.chain(removed).filter(is_there).collect()
    };
    let mut guests = Vec::new();
    for id in dependants_first(&doomed) {
        let guest = &doomed[&id];
        let needing = needing(id);
        let by: Vec<GuestId> = needing.difference(ids).copied().collect();
        if others == Others::Forbid && !by.is_empty() {
            refused.push(RemovalRefused::Needed { guest: id, by });
            continue;
        }
        let by = linked_clones(observed, id, ids);
        if !by.is_empty() {
            refused.push(RemovalRefused::LinkedClones { guest: id, by });
            continue;
        }
        match steps(guest, observed) {
            Ok((record, steps)) => guests.push(GuestPlan {
                id,
                name: guest.name.clone(),
                kind: guest.present.kind,
                disposition: Disposition::Destroy,
                needs: needing.into_iter().filter(|other| doomed.contains_key(other)).collect(),
                conditions: BTreeMap::new(),
                steps,
                gates: Vec::new(),
                unmet: Vec::new(),
                obstacles: Vec::new(),
                remarks: Vec::new(),
                outage: None,
                inputs: BTreeMap::new(),
                unmanaged: Vec::new(),
                record: record.unwrap_or_else(|| Record::new(id, desired.fleet.clone())),
                power: guest.present.power,
            }),
            Err(refusal) => refused.push(refusal),
        }
    }
    if refused.is_empty() { Ok(guests) } else { Err(refused) }
}

/// The guest, as far as its removal needs it; `None` when it is gone already.
fn find<'a>(
    desired: &Desired,
    observed: &'a Observed,
    removed: &[RemovedGuest],
    id: GuestId,
) -> Result<Option<Doomed<'a>>, RemovalRefused> {
    if let Some(node) = observed.elsewhere.get(&id) {
        return Err(RemovalRefused::Elsewhere { guest: id, node: node.clone() });
    }
    let configured = desired.guests.get(&id);
    match (observed.present.get(&id), configured, removed.iter().find(|guest| guest.id == id)) {
        (Some(present), Some(guest), _) => {
            let needs = guest.needs.iter().copied().collect();
            Ok(Some(Doomed { id, name: guest.name.to_string(), needs, present }))
        }
        (Some(present), None, Some(guest)) => {
            Ok(Some(Doomed { id, name: guest.name.clone(), needs: guest.needs.clone(), present }))
        }
        (Some(_), None, None) => Err(RemovalRefused::NotOurs(id)),
        (None, Some(_), _) => Ok(None),
        (None, None, _) => Err(RemovalRefused::Unknown(id)),
    }
}

/// The guests in an order in which each comes after those that need it.
fn dependants_first(doomed: &BTreeMap<GuestId, Doomed<'_>>) -> Vec<GuestId> {
    let needs = |guest: &Doomed<'_>| -> Vec<GuestId> {
        guest.needs.iter().copied().filter(|need| *need != guest.id && doomed.contains_key(need)).collect()
    };
    // How many of those that are left need each guest.
    let mut needed: BTreeMap<GuestId, usize> = doomed.keys().map(|id| (*id, 0)).collect();
    for need in doomed.values().flat_map(needs) {
        needed.entry(need).and_modify(|count| *count += 1);
    }
    let mut free: BTreeSet<GuestId> = needed.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut order: Vec<GuestId> = Vec::with_capacity(doomed.len());
    // Records that people edited may form a ring, of which one has to be the first.
    while let Some(id) = free.pop_first().or_else(|| needed.first_key_value().map(|(id, _)| *id)) {
        order.push(id);
        needed.remove(&id);
        for need in needs(&doomed[&id]) {
            if let Some(count) = needed.get_mut(&need) {
                *count -= 1;
                if *count == 0 {
                    free.insert(need);
                }
            }
        }
    }
    order
}

/// The guests, managed or not, whose disks are changes to the disks of a template, other than those that go with it. Their
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

fn steps(guest: &Doomed<'_>, observed: &Observed) -> Result<(Option<Record>, Vec<Step>), RemovalRefused> {
    let Doomed { id, present, .. } = *guest;
    let step = |stage, summary: &str, reason: &str, work| Step::new(stage, summary, reason, Effect::Destroy, work);
    if observed.is_half_made(id) {
        let reason = "a run that died was creating or destroying it";
        let steps = vec![
            step(Stage::Unlock, "remove its lock", reason, Work::BreakLock),
            step(Stage::Destroy, "destroy its remnants", "asked for", Work::Destroy),
        ];
        return Ok((None, steps));
    }
    let record = present.record(id).ok_or(RemovalRefused::NotOurs(id))?;
    if present.conf.live.get("protection") == Some("1") {
        return Err(RemovalRefused::Protected(id));
    }
    if present.conf.lock() == Some(HIBERNATED) {
        return Err(RemovalRefused::Hibernated(id));
    }
    let mut steps = Vec::new();
    if present.power != Power::Stopped {
        steps.push(step(Stage::Stop, "stop", "it runs", Work::Stop));
    }
    steps.push(step(Stage::Destroy, "destroy with all its disks", "asked for", Work::Destroy));
    Ok((Some(record), steps))
}
