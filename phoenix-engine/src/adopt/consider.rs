//! Which guests can be taken over.

use std::collections::BTreeSet;

use phoenix_config::model::State;
use phoenix_types::{GuestId, GuestKind};

use super::adoption::{Adoptee, Adoption, NotAdoptable};
use super::{claim, take};
use crate::decide::{Provision, Provisioned, as_configured, plan};
use crate::desired::{Desired, DesiredGuest};
use crate::guest::{NOTES_LIMIT, Proof, Record};
use crate::observe::{Observed, Present};
use crate::plan::Plan;

/// Decides which guests can be taken over: the named ones, or all of the configuration. Pure.
///
/// # Errors
/// When guests were named, everything that stands against one of them; none is taken over then.
pub fn plan_adoption(
    desired: &Desired,
    observed: &Observed,
    named: Option<&BTreeSet<GuestId>>,
    provisioned: Provisioned,
) -> Result<Adoption, Vec<NotAdoptable>> {
    let (mut guests, mut ours, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for guest in desired.guests.values().filter(|guest| named.is_none_or(|named| named.contains(&guest.id))) {
        match consider(guest, desired, observed, provisioned) {
            Ok(Standing::Ours) => ours.push(guest.id),
            Ok(Standing::Adoptable(adoptee)) => match claimed_by(&adoptee) {
                Some(by) if named.is_none() => left.push(NotAdoptable::Managed { guest: guest.id, by }),
                claim => guests.push(with_claim(*adoptee, claim)),
            },
            Err(why) => left.push(why),
        }
    }
    if named.is_some() && !left.is_empty() {
        return Err(left);
    }
    let then = afterwards(desired, observed, &guests);
    Ok(Adoption { guests, ours, left, then })
}

/// What `up` would do if every guest that could be taken over were, with its scripts run.
pub(crate) fn supposed(desired: &Desired, observed: &Observed) -> Plan {
    let considered = desired.guests.values().map(|guest| consider(guest, desired, observed, Provisioned::Already));
    let adoptees = considered.filter_map(|standing| match standing {
        Ok(Standing::Adoptable(adoptee)) => Some(*adoptee),
        Ok(Standing::Ours) | Err(_) => None,
    });
    afterwards(desired, observed, &adoptees.collect::<Vec<_>>())
}

enum Standing {
    Ours,
    Adoptable(Box<Adoptee>),
}

fn consider(
    guest: &DesiredGuest,
    desired: &Desired,
    observed: &Observed,
    provisioned: Provisioned,
) -> Result<Standing, NotAdoptable> {
    let id = guest.id;
    if let Some(node) = observed.elsewhere.get(&id) {
        return Err(NotAdoptable::Elsewhere { guest: id, node: node.clone() });
    }
    let Some(present) = observed.present.get(&id) else { return Err(NotAdoptable::Absent { guest: id }) };
    let (actual, configured) = (present.kind, guest.kind());
    if actual != configured {
        return Err(NotAdoptable::OtherKind { guest: id, actual, configured });
    }
    if observed.is_half_made(id) {
        return Err(NotAdoptable::HalfMade { guest: id });
    }
    let proof = present.proof(id);
    match proof {
        Proof::Record(_) | Proof::Lost(_) | Proof::Unfinished(_) => return Ok(Standing::Ours),
        Proof::Newer(_) => return Err(NotAdoptable::OtherVersion { guest: id }),
        Proof::Shell | Proof::OtherFleet(_) | Proof::CloneOf(_) | Proof::Nothing => {}
    }
    if let Some(lock) = present.conf.lock() {
        return Err(NotAdoptable::Locked { guest: id, lock: lock.to_owned(), tool: actual.tool() });
    }
    if present.conf.is_template() && guest.state != State::Template {
        return Err(NotAdoptable::Template { guest: id });
    }
    let notes = present.conf.live.description.as_deref().unwrap_or_default();
    let mut remarks = Vec::new();
    let record = match proof {
        Proof::OtherFleet(_) => moved(notes, desired, present),
        _ => None,
    };
    if let Proof::CloneOf(source) = proof {
        remarks.push(format!("its notes contain the record of its clone source {source}: it gets its own record"));
    }
    let record = match record {
        Some(record) => record,
        None => as_configured(guest, desired, present, provisioned)
            .map_err(|error| NotAdoptable::Settings { guest: id, reason: error.to_string() })?,
    };
    let length = record.insert_into(notes).chars().count();
    if length > NOTES_LIMIT {
        return Err(NotAdoptable::NotesFull { guest: id, length });
    }
    let adoptee = Adoptee { id, name: guest.name.to_string(), kind: actual, remarks, record, seen: present.clone() };
    Ok(Standing::Adoptable(Box::new(adoptee)))
}

/// The record of a guest of another fleet, as this fleet continues it.
fn moved(notes: &str, desired: &Desired, present: &Present) -> Option<Record> {
    let mut record = Record { fleet: desired.fleet.clone(), ..Record::find(notes)? };
    if present.kind == GuestKind::Container {
        record.check = Some(record.fresh_check());
    }
    Some(record)
}

/// Who else manages it: another fleet, as its record says, or another tool, as its notes or tags say.
fn claimed_by(adoptee: &Adoptee) -> Option<String> {
    match adoptee.seen.proof(adoptee.id) {
        Proof::OtherFleet(fleet) => Some(format!("the fleet `{fleet}`")),
        _ => claim::claimed_by(&adoptee.seen.conf.live),
    }
}

fn with_claim(mut adoptee: Adoptee, claim: Option<String>) -> Adoptee {
    if let Some(by) = claim {
        let warning = "two tools that manage one guest undo each other's work";
        adoptee.remarks.push(format!("its notes or tags say that it is managed by {by}: {warning}"));
    }
    adoptee
}

/// What `up` does with these guests when they carry their records.
fn afterwards(desired: &Desired, observed: &Observed, adoptees: &[Adoptee]) -> Plan {
    let mut observed = observed.clone();
    for adoptee in adoptees {
        let mut present = adoptee.seen.clone();
        take::write_into(&mut present.conf.live, present.kind, &adoptee.record);
        observed.present.insert(adoptee.id, present);
    }
    let ids: BTreeSet<GuestId> = adoptees.iter().map(|adoptee| adoptee.id).collect();
    plan(desired, &observed, Provision::WhenChanged).only(|id| ids.contains(&id)).rehearsed(desired, &observed)
}
