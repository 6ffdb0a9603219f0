//! Configuration files that describe guests as they are on a node.
//!
//! What the files say, Phoenix would change nothing about; other settings are left alone and listed.
//! What a guest was made from is not kept by Proxmox, so there is a note in its place.

mod container;
mod entry;
mod firewall;
mod vm;

use std::collections::{BTreeMap, BTreeSet};

use phoenix_types::{ConfSection, GuestId, GuestKind};
use serde::Serialize;

use crate::adopt;
use crate::desired::Desired;
use crate::guest::{Record, is_mark};
use crate::observe::Observed;
use crate::plan::Plan;
use entry::{Entry, Guest};

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

/// The guest whose template a linked clone's disk rests on (pve-storage: `base-ID-disk-N`, `basevol-ID-disk-N`), when that is
/// described too. A template's own disk is called so as well.
fn linked_to(guest: GuestId, live: &ConfSection, disk: &str, ids: &BTreeSet<GuestId>) -> Option<GuestId> {
    let value = live.get(disk)?;
    let base = ["/base-", ":base-", "/basevol-", ":basevol-"].iter().find_map(|mark| value.split_once(mark))?.1;
    base.split('-').next()?.parse().ok().filter(|id| *id != guest && ids.contains(id))
}
