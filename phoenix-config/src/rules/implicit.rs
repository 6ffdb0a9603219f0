//! Guests that a guest needs without saying so: its NFS server, and whom it asks before its scripts run.

use std::collections::BTreeMap;

use phoenix_types::GuestId;
use phoenix_types::gate::Probe;

use crate::diagnostic::{Code, Finding, Target};
use crate::model::Guest;
use crate::rules::{Rule, View};
use crate::source::Segment;

/// What a guest uses of another one is behind a dependency.
#[derive(Debug)]
pub(super) struct Implicit;

impl Rule for Implicit {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let Some(graph) = view.graph else { return };
        let mut by_name: BTreeMap<String, GuestId> = BTreeMap::new();
        for guest in view.guests.values() {
            by_name.insert(guest.name.to_string(), guest.id);
            let address = guest.network().and_then(crate::model::Network::address);
            by_name.extend(address.map(|address| (address.to_string(), guest.id)));
        }
        for guest in view.guests.values().filter(|guest| view.reads(guest.id, &["dependencies"])) {
            for (host, path, what) in uses(guest) {
                let Some(&other) = by_name.get(&host).filter(|other| **other != guest.id) else { continue };
                if graph.closure([guest.id]).contains(&other) {
                    continue;
                }
                let name = view
                    .guests
                    .get(&other)
                    .map_or_else(|| other.to_string(), |other| format!("{} (`{}`)", other.id, other.name));
                findings.push(
                    Finding::warning(
                        Code::ImplicitDependency,
                        Target::Guest(guest.id),
                        format!("{what} is guest {name}, which is no dependency"),
                    )
                    .at(path)
                    .help(format!("add `\"{other}\"` to `dependencies`")),
                );
            }
        }
    }
}

/// Hosts that a guest uses before it is done, where it names them, and what they are for it.
fn uses(guest: &Guest) -> Vec<(String, Vec<Segment>, &'static str)> {
    let mut uses = Vec::new();
    for (index, gate) in guest.wait_for.iter().enumerate() {
        gate.probe.each(&mut |probe| {
            let host = match probe {
                Probe::Tcp(tcp) => tcp.address.clone(),
                Probe::Http(http) => http.address.clone(),
                _ => None,
            };
            uses.extend(host.map(|host| (host, vec!["wait_for".into(), index.into()], "what is waited for")));
        });
    }
    for (index, volume) in guest.vm().into_iter().flat_map(|vm| vm.volumes.iter().enumerate()) {
        uses.push((volume.server.clone(), vec!["volumes".into(), index.into()], "the NFS server"));
    }
    uses
}
