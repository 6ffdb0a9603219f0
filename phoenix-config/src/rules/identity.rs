//! What stands for one guest alone: name, MAC address, IP address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use phoenix_types::GuestId;

use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::model::{Guest, State};
use crate::rules::{Rule, View};
use crate::source::Segment;

/// Names and addresses stand for one guest each.
#[derive(Debug)]
pub(super) struct Identity;

impl Rule for Identity {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let mut names = Seen::new(Code::DuplicateName);
        let mut macs = Seen::new(Code::DuplicateMac);
        let mut addresses = Seen::new(Code::DuplicateAddress);
        let node = view.hypervisor.network.as_ref();
        for guest in view.guests.values() {
            if view.reads(guest.id, &["name"]) {
                let name = guest.name.as_str().to_ascii_lowercase();
                names.see(name, guest, vec!["name".into()], || format!("the name `{}`", guest.name), findings);
            }
            // A template is never started, so it disturbs nobody.
            for network in guest.networks.iter().flatten().filter(|_| guest.state != State::Template) {
                if let Some(mac) = network.mac {
                    let place = guest.mac_place(network);
                    macs.see(mac, guest, place, || format!("the MAC address {mac}"), findings);
                }
                let known = super::network::reads_link(view, guest, network);
                let on_node = view.reads_node(&["network", "interfaces"])
                    && node.is_some_and(|node| node.bridge == network.bridge && network.vlan.is_none());
                for (address, key) in [(network.address(), "ip"), (network.address6(), "ip6")] {
                    let Some(address) = address.filter(|_| known) else { continue };
                    let place = (address, network.bridge.clone(), network.vlan);
                    addresses.see(place, guest, network.at(key), || format!("the IP address {address}"), findings);
                    if on_node && node.and_then(|node| node.address).is_some_and(|own| own.address() == address) {
                        findings.push(node_address(guest.id, address, network.at(key)));
                    }
                }
            }
        }
    }
}

fn node_address(id: GuestId, address: IpAddr, place: Vec<Segment>) -> Finding {
    Finding::error(Code::DuplicateAddress, Target::Guest(id), format!("the IP address {address} is the node's own"))
        .at(place)
        .label(Target::File(FileKind::Hypervisor), ["network", "interfaces", "address"], "the node has it")
        .help("give the guest an address of its own")
}

/// The guests that were seen with some property.
struct Seen<K> {
    code: Code,
    first: HashMap<K, (GuestId, Vec<Segment>)>,
}

impl<K: Eq + Hash> Seen<K> {
    fn new(code: Code) -> Self {
        Self { code, first: HashMap::new() }
    }

    fn see(
        &mut self,
        key: K,
        guest: &Guest,
        place: Vec<Segment>,
        words: impl FnOnce() -> String,
        findings: &mut Vec<Finding>,
    ) {
        match self.first.get(&key) {
            Some((first, there)) => findings.push(
                Finding::error(self.code, Target::Guest(guest.id), format!("{} is also used by {first}", words()))
                    .at(place)
                    .label(Target::Guest(*first), there.iter().cloned(), "first used here")
                    .help("change one of the two"),
            ),
            None => {
                self.first.insert(key, (guest.id, place));
            }
        }
    }
}
