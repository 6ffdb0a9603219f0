//! What a clone has from its source and must not keep.

use std::collections::BTreeMap;

use phoenix_config::model::State;
use phoenix_types::{GuestId, SnapshotName};

use crate::desired::{ContainerOrigin, Desired, DesiredGuest, Spec, VmOrigin};
use crate::digest::Digest;
use crate::guest::{PendingWork, Record, mounted_by};
use crate::observe::Observed;

/// The record that a guest begins with.
pub(super) fn first_record(guest: &DesiredGuest, desired: &Desired, observed: &Observed) -> Record {
    let mut record = Record::new(guest.id, desired.fleet.clone());
    record.needs = Some(guest.needs.iter().copied().collect());
    if let Some(source) = guest.clone_source() {
        record.volumes = volumes_of(source, snapshot_of(guest), desired, observed);
        if !is_clean(source, desired, observed) {
            record.pending.insert(PendingWork::Identity);
        }
    }
    let shares_nothing = begins_clean(guest) && !record.pending.contains(&PendingWork::Identity);
    record.cleaned = guest.state == State::Template && !boots(guest) && shares_nothing;
    record
}

/// The NFS volumes whose lines in fstab come along with a clone's disk. Their digest is nobody's, so that all are looked at.
fn volumes_of(
    source: GuestId,
    snapshot: Option<&SnapshotName>,
    desired: &Desired,
    observed: &Observed,
) -> BTreeMap<String, Digest> {
    let mut targets: Vec<String> = Vec::new();
    if let Some(present) = observed.present.get(&source) {
        let old = snapshot.and_then(|name| present.conf.snapshots.get(name.as_str()));
        let old = old.and_then(|section| Record::find(section.description.as_deref()?));
        targets.extend(present.record(source).into_iter().chain(old).flat_map(|record| record.volumes.into_keys()));
    }
    let mut from = desired.guests.get(&source);
    while let Some(guest) = from {
        if let Spec::Vm(vm) = &guest.spec {
            targets.extend(mounted_by(vm).into_keys());
        }
        // One that is not there yet may never run, and then keeps its own source's.
        from = guest
            .clone_source()
            .filter(|_| !observed.present.contains_key(&guest.id))
            .and_then(|id| desired.guests.get(&id));
    }
    targets.into_iter().map(|target| (target, Digest::of([b"of its source".as_slice()]))).collect()
}

fn snapshot_of(guest: &DesiredGuest) -> Option<&SnapshotName> {
    match &guest.spec {
        Spec::Container(spec) => match &spec.origin {
            ContainerOrigin::Clone { snapshot, .. } => snapshot.as_ref(),
            ContainerOrigin::Template(_) => None,
        },
        Spec::Vm(spec) => match &spec.origin {
            VmOrigin::Clone { snapshot, .. } => snapshot.as_ref(),
            VmOrigin::Image(_) => None,
        },
    }
}

/// Whether clones of a guest share nothing with it that they must not. True of the templates that Phoenix makes; what others
/// made nobody knows.
fn is_clean(id: GuestId, desired: &Desired, observed: &Observed) -> bool {
    match (observed.present.get(&id), desired.guests.get(&id)) {
        (Some(present), _) if present.conf.is_template() => present.record(id).is_some_and(|record| record.cleaned),
        (_, Some(guest)) => guest.state == State::Template && (boots(guest) || begins_clean(guest)),
        (_, None) => false,
    }
}

/// Whether a template is worked in, and so cleaned, before it becomes one.
fn boots(guest: &DesiredGuest) -> bool {
    !guest.scripts.is_empty() || !guest.health.is_empty() || !guest.wait_for.is_empty()
}

/// Whether a template that never boots has nothing that its clones must not share. A cloud image has none of it; in a container
/// `pct create` makes ssh host keys. A clone that has its source's is started for that, and cleaned.
fn begins_clean(guest: &DesiredGuest) -> bool {
    match &guest.spec {
        Spec::Container(spec) => matches!(spec.origin, ContainerOrigin::Clone { .. }),
        Spec::Vm(_) => true,
    }
}
