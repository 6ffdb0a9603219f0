//! The fleet, lowered.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_config::EdgeKind;
use phoenix_config::model::{Dependency, Fleet, Kind};
use phoenix_types::{DiskSize, FirewallFile, GuestId, Hostname, KnownSecrets};

use super::error::LowerError;
use super::guest::{Desired, DesiredGuest, Spec};
use super::{container, script, vm};

impl Desired {
    /// Lowers a fleet: all of it, or the named guests and everything that they need.
    ///
    /// # Errors
    /// When a script cannot be read.
    pub fn new(fleet: &Fleet, only: Option<&BTreeSet<GuestId>>) -> Result<Self, LowerError> {
        let wanted: BTreeSet<GuestId> = match only {
            Some(ids) => fleet.graph.closure(ids.iter().copied()),
            None => fleet.guests.keys().copied().collect(),
        };
        let mut guests = BTreeMap::new();
        let secrets = KnownSecrets::default();
        for id in &wanted {
            if let Some(guest) = fleet.guests.get(id) {
                guests.insert(*id, lower(fleet, guest, &secrets)?);
            }
        }
        let order = fleet.graph.order().iter().copied().filter(|id| wanted.contains(id)).collect();
        Ok(Self {
            fleet: fleet.hypervisor.fleet.clone(),
            configured: fleet.guests.keys().copied().collect(),
            guests,
            order,
            dependants: dependants(fleet),
            secrets,
        })
    }
}

fn lower(
    fleet: &Fleet,
    guest: &phoenix_config::model::Guest,
    secrets: &KnownSecrets,
) -> Result<DesiredGuest, LowerError> {
    secrets.learn_from(guest.context.text());
    let context = fleet.context(guest.id).unwrap_or_default();
    let needs: BTreeSet<GuestId> = fleet.graph.needs(guest.id).iter().map(|edge| edge.to).collect();
    let invalid = |source| LowerError::Settings { guest: guest.id, source };
    let spec = match &guest.kind {
        Kind::Container(container) => Spec::Container(Box::new(container::lower(guest, container).map_err(invalid)?)),
        Kind::Vm(vm) => Spec::Vm(Box::new(vm::lower(fleet, guest, vm)?)),
    };
    Ok(DesiredGuest {
        id: guest.id,
        name: guest.name.clone(),
        conditions: conditions(guest, &needs),
        needs: needs.into_iter().collect(),
        spec,
        state: guest.state,
        firewall: guest.firewall.as_ref().map(firewall_file),
        disk: guest.disk,
        first_disk: guest.first_disk(),
        source_disk: source_disk(fleet, guest),
        wait_for: guest.wait_for.clone(),
        health: guest.health.clone(),
        scripts: script::lower(guest, &context)?,
        snapshot_before: guest.lifecycle.before.clone(),
        snapshot_after: guest.lifecycle.after.clone(),
        template_snapshot: guest.template_snapshot.clone(),
        on_failure: guest.on_failure,
        limits: guest.limits,
        notes: guest.description.clone(),
        address: guest.network().and_then(phoenix_config::model::Network::address),
        context: serde_json::to_vec_pretty(&context).unwrap_or_default().into(),
    })
}

/// The dependencies that are more than that the other guest must be done. A clone source must be done whatever is said of it.
fn conditions(guest: &phoenix_config::model::Guest, needs: &BTreeSet<GuestId>) -> BTreeMap<GuestId, Dependency> {
    let source = guest.clone_from.as_ref().map(|source| source.id);
    let said = guest.dependencies.iter().filter(|(id, terms)| **terms != Dependency::default() && Some(**id) != source);
    said.filter(|(id, _)| needs.contains(id)).map(|(id, terms)| (*id, *terms)).collect()
}

/// The arrows of the whole fleet, by the guest that is depended on.
fn dependants(fleet: &Fleet) -> BTreeMap<GuestId, BTreeMap<GuestId, Hostname>> {
    let mut dependants: BTreeMap<GuestId, BTreeMap<GuestId, Hostname>> = BTreeMap::new();
    for guest in fleet.guests.values() {
        for edge in fleet.graph.needs(guest.id).iter().filter(|edge| edge.kind == EdgeKind::Dependency) {
            dependants.entry(edge.to).or_default().insert(guest.id, guest.name.clone());
        }
    }
    dependants
}

/// The disk of the nearest guest along the chain of clone sources that has a size. The graph has no rings.
fn source_disk(fleet: &Fleet, guest: &phoenix_config::model::Guest) -> Option<DiskSize> {
    let source = fleet.guests.get(&guest.clone_from.as_ref()?.id)?;
    source.first_disk().or_else(|| source_disk(fleet, source))
}

fn firewall_file(firewall: &phoenix_config::model::Firewall) -> FirewallFile {
    let mut options = vec![("enable".to_owned(), u8::from(firewall.enabled).to_string())];
    let policies = [("policy_in", firewall.input_policy), ("policy_out", firewall.output_policy)];
    options.extend(policies.into_iter().filter_map(|(key, policy)| Some((key.to_owned(), policy?.to_string()))));
    FirewallFile { options, rules: firewall.rules.clone(), kept: Vec::new() }
}
