//! What stands for one guest alone: name, MAC address, IP address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use phoenix_types::GuestId;

use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::model::{Guest, State};
use crate::rules::{Rule, View};

/// Names and addresses stand for one guest each.
#[derive(Debug)]
pub(super) struct Identity;

impl Rule for Identity {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let mut names = Seen::new(Code::DuplicateName, &["name"]);
        let mut macs = Seen::new(Code::DuplicateMac, &["mac_address"]);
        let mut addresses = Seen::new(Code::DuplicateAddress, &["network_config", "ip"]);
        let node = view.hypervisor.network.as_ref();
        for guest in view.guests.values() {
            if view.reads(guest.id, &["name"]) {
                let name = guest.name.as_str().to_ascii_lowercase();
                names.see(name, guest, || format!("the name `{}`", guest.name), findings);
            }
            // A template is never started, so it disturbs nobody.
            let Some(network) = guest.network.as_ref().filter(|_| guest.state != State::Template) else { continue };
            if let Some(mac) = network.mac {
                macs.see(mac, guest, || format!("the MAC address {mac}"), findings);
            }
            let Some(address) = network.address().filter(|_| super::network::reads_link(view, guest)) else { continue };
            let place = (address, network.bridge.clone(), network.vlan);
            addresses.see(place, guest, || format!("the IP address {address}"), findings);
            let on_node = view.reads_node(&["network", "interfaces"])
                && node.is_some_and(|node| node.bridge == network.bridge && network.vlan.is_none());
            if on_node && node.and_then(|node| node.address).is_some_and(|own| own.address() == address) {
                findings.push(node_address(guest.id, address));
            }
        }
    }
}

fn node_address(id: GuestId, address: IpAddr) -> Finding {
    Finding::error(Code::DuplicateAddress, Target::Guest(id), format!("the IP address {address} is the node's own"))
        .at(["network_config", "ip"])
        .label(Target::File(FileKind::Hypervisor), ["network", "interfaces", "address"], "the node has it")
        .help("give the guest an address of its own")
}

/// The guests that were seen with some property.
struct Seen<K> {
    code: Code,
    path: &'static [&'static str],
    first: HashMap<K, GuestId>,
}

impl<K: Eq + Hash> Seen<K> {
    fn new(code: Code, path: &'static [&'static str]) -> Self {
        Self { code, path, first: HashMap::new() }
    }

    fn see(&mut self, key: K, guest: &Guest, words: impl FnOnce() -> String, findings: &mut Vec<Finding>) {
        match self.first.get(&key) {
            Some(first) => findings.push(
                Finding::error(self.code, Target::Guest(guest.id), format!("{} is also used by {first}", words()))
                    .at(self.path.iter().copied())
                    .label(Target::Guest(*first), self.path.iter().copied(), "first used here")
                    .help("change one of the two"),
            ),
            None => {
                self.first.insert(key, guest.id);
            }
        }
    }
}
