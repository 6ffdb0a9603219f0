//! Addresses within their networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use phoenix_types::Ipv6Setting;

use crate::diagnostic::{Code, Finding, Target};
use crate::model::{Guest, Network};
use crate::rules::{Rule, View};

/// Addresses fit their networks, gateways can be reached.
#[derive(Debug)]
pub(super) struct Addresses;

impl Rule for Addresses {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        for guest in view.guests.values() {
            for network in guest.networks.iter().flatten() {
                check(view, guest, network, findings);
            }
        }
    }
}

/// The network behind the node's bridge, when it is known.
fn bridge_network(view: &View<'_>, guest: &Guest, network: &Network) -> Option<IpNet> {
    let node = view.hypervisor.network.as_ref()?;
    let known = view.reads_node(&["network"]) && reads_link(view, guest, network);
    if !known || node.bridge != network.bridge || network.vlan.is_some() {
        return None;
    }
    node.address.map(phoenix_types::Cidr::network).or(view.hypervisor.subnet)
}

/// Whether it is known which network a guest's interface is plugged into.
pub(super) fn reads_link(view: &View<'_>, guest: &Guest, network: &Network) -> bool {
    let places = [network.at("bridge"), network.at("vlan"), vec!["network_bridge".into()]];
    places.iter().all(|place| view.reads_place(guest.id, place))
}

fn check(view: &View<'_>, guest: &Guest, network: &Network, findings: &mut Vec<Finding>) {
    let target = Target::Guest(guest.id);
    if let Some(gateway) = network.gateway6 {
        findings.extend(gateway6_finding(guest, network, gateway));
    }
    let Some(own) = network.ipv4.address() else {
        if network.gateway.is_some() && view.reads_place(guest.id, &network.at("ip")) {
            findings.push(
                Finding::warning(Code::Conflict, target, "without a fixed address the gateway has no effect")
                    .at(network.at("gw"))
                    .label(target, network.at("ip"), "the address comes from elsewhere")
                    .help("remove `gw`, or give the guest an address"),
            );
        }
        return;
    };
    let address = own.address();
    if own.is_reserved() {
        findings.push(
            Finding::error(
                Code::ReservedAddress,
                target,
                format!("{address} is the first or the last address of {}", own.network()),
            )
            .at(network.at("ip"))
            .expected("an address of a machine")
            .help("choose one in between"),
        );
    } else if let Some(bridge) = bridge_network(view, guest, network).filter(|bridge| !bridge.contains(&address)) {
        findings.push(
            Finding::warning(
                Code::OutsideSubnet,
                target,
                format!("{address} is outside {bridge}, the network of the bridge `{}`", network.bridge),
            )
            .at(network.at("ip"))
            .expected(format!("an address in {bridge}"))
            .help("choose another address, or another bridge"),
        );
    }
    if let Some(gateway) = network.gateway {
        findings.extend(gateway_finding(guest, network, own, gateway));
    }
}

/// The IPv6 gateway. One of the link itself (`fe80::1`) is in every network.
fn gateway6_finding(guest: &Guest, network: &Network, gateway: Ipv6Addr) -> Option<Finding> {
    let target = Target::Guest(guest.id);
    let Some(Ipv6Setting::Static(own)) = network.ipv6 else {
        let finding =
            Finding::warning(Code::Conflict, target, "without a fixed IPv6 address the gateway has no effect");
        return Some(finding.at(network.at("gw6")).help("remove `gw6`, or give the guest an address in `ip6`"));
    };
    if gateway.is_unicast_link_local() || own.contains(gateway.into()) || own.prefix_len() == 128 {
        return None;
    }
    let message = format!("the gateway {gateway} is outside {}", own.network());
    let finding = Finding::warning(Code::GatewayOutside, target, message)
        .at(network.at("gw6"))
        .label(target, network.at("ip6"), "the guest's network")
        .expected(format!("an address in {}, or one that begins with `fe80:`", own.network()))
        .help("fix the gateway, or the prefix length of the address");
    Some(finding)
}

fn gateway_finding(guest: &Guest, network: &Network, own: phoenix_types::Cidr, gateway: Ipv4Addr) -> Option<Finding> {
    let target = Target::Guest(guest.id);
    let gateway = IpAddr::V4(gateway);
    if gateway == own.address() {
        let finding = Finding::warning(Code::OwnGateway, target, format!("the gateway {gateway} is the guest itself"))
            .at(network.at("gw"))
            .help("name the router; a guest that is the router itself needs no gateway");
        return Some(finding);
    }
    // A network of one address has no room for a gateway: the route to it is then made by itself, as hosters want it.
    if own.contains(gateway) || own.prefix_len() == 32 {
        return None;
    }
    let finding =
        Finding::warning(Code::GatewayOutside, target, format!("the gateway {gateway} is outside {}", own.network()))
            .at(network.at("gw"))
            .label(target, network.at("ip"), "the guest's network")
            .expected(format!("an address in {}", own.network()))
            .help("fix the gateway, or the prefix length of the address");
    Some(finding)
}
