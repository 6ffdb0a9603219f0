//! The files, and what they would still change.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_types::{GuestId, GuestKind};
use serde::Serialize;

use super::entry::{Entry, Guest};
use super::{container, vm};
use crate::adopt;
use crate::desired::Desired;
use crate::guest::{Record, is_mark};
use crate::observe::Observed;
use crate::plan::Plan;

/// Configuration files made from what runs on a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Export {
    /// The text of `phoenix_lxc_configs.json`; absent without a container.
    pub containers: Option<String>,
    /// The text of `phoenix_vm_configs.json`; absent without a VM.
    pub machines: Option<String>,
    /// What the files do not tell of a guest.
    pub remarks: BTreeMap<GuestId, Vec<String>>,
}

#[derive(Serialize)]
struct Containers {
    lxc_configs: BTreeMap<GuestId, Entry>,
}

#[derive(Serialize)]
struct Machines {
    vms: Vec<Entry>,
}

/// Describes the guests with these ids. Pure: the same node gives the same files.
#[must_use]
pub fn export(observed: &Observed, ids: &BTreeSet<GuestId>) -> Export {
    let mut files = Export::default();
    let (mut containers, mut machines) = (BTreeMap::new(), Vec::new());
    for (id, present) in observed.present.iter().filter(|(id, _)| ids.contains(id)) {
        let mut guest = Guest::new(present);
        match present.kind {
            GuestKind::Container => container::describe(*id, ids, &mut guest),
            GuestKind::Vm => vm::describe(*id, ids, &mut guest),
        }
        let (entry, remarks) = guest.finish();
        match present.kind {
            GuestKind::Container => {
                containers.insert(*id, entry);
            }
            GuestKind::Vm => machines.push(entry),
        }
        if !remarks.is_empty() {
            files.remarks.insert(*id, remarks);
        }
    }
    files.containers = (!containers.is_empty()).then(|| text(&Containers { lxc_configs: containers }));
    files.machines = (!machines.is_empty()).then(|| text(&Machines { vms: machines }));
    files
}

/// What `up` would still change about the guests of `observed`, were they Phoenix's and described by `desired`, which was made
/// from files that [`export()`] wrote. Empty when those say all that Phoenix looks at. Locked guests are left out.
#[must_use]
pub fn remaining(desired: &Desired, observed: &Observed) -> Plan {
    let mut bare = observed.clone();
    for present in bare.present.values_mut() {
        let live = &mut present.conf.live;
        live.raw.retain(|line| !is_mark(line));
        live.description = live.description.as_deref().map(Record::strip);
    }
    adopt::supposed(desired, &bare)
}

fn text(value: &impl Serialize) -> String {
    // Values made of strings, numbers and lists have a text always.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
