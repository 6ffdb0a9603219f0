//! Guests that exist and are configured, but carry no record of Phoenix: taking them over.
//!
//! The state is taken as it is. Nothing about a guest changes but its notes, and for a container the one raw line next to
//! them; what differs from the configuration is changed by the next `up`, which says so first.

mod claim;
mod take;

use std::collections::BTreeSet;

use phoenix_config::model::State;
use phoenix_types::{GuestId, GuestKind};
use serde::Serialize;

use crate::decide::{Provision, Provisioned, as_configured, plan};
use crate::desired::{Desired, DesiredGuest};
use crate::guest::{NOTES_LIMIT, Proof, Record};
use crate::observe::{Observed, Present};
use crate::plan::Plan;

pub use take::AdoptError;

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
    seen: Present,
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
