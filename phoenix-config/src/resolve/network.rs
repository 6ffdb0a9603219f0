//! Network interfaces.

use phoenix_types::{Ipv4Setting, Mac};

use super::{ResolveContext, defaults, either};
use crate::diagnostic::{Code, Finding, Target};
use crate::dialect::{NetworkEntry, OneOrMany, Real, VmNetworkEntry, Whole};
use crate::model::Network;

/// The key of the interfaces.
const KEY: &str = "network_config";

/// The interfaces of a container; `None` where nothing is written.
pub(super) fn of_container(
    entries: Option<OneOrMany<NetworkEntry>>,
    mac: Option<Mac>,
    firewall: bool,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Option<Vec<Network>> {
    let networks: Vec<Network> = match entries {
        None if mac.is_none() => return None,
        None => vec![Network { firewall, ..Network::usual() }],
        Some(entries) => entries
            .placed(KEY)
            .enumerate()
            .map(|(index, (path, entry))| {
                let (servers, other) = (("nameservers", entry.nameservers), ("nameserver", entry.nameserver));
                let nameservers = either(servers, other, target, &path, findings);
                Network {
                    interface: entry.name.map_or_else(|| format!("eth{index}"), String::from),
                    bridge: entry.bridge.unwrap_or_else(defaults::bridge),
                    ipv4: entry.ip.unwrap_or(Ipv4Setting::Dhcp),
                    gateway: entry.gw.map(|address| address.0),
                    ipv6: entry.ip6,
                    gateway6: entry.gw6.map(|address| address.0),
                    nameservers: nameservers.map_or_else(Vec::new, |list| list.0),
                    search_domain: entry.searchdomain,
                    mac: entry.mac_address,
                    vlan: small(entry.vlan),
                    trunks: entry
                        .trunks
                        .into_iter()
                        .flatten()
                        .filter_map(|vlan| vlan.get().to_string().parse().ok())
                        .collect(),
                    mtu: small(entry.mtu),
                    rate: entry.rate.map(Real::get),
                    link_down: entry.link_down.unwrap_or(false),
                    host_managed: entry.host_managed.unwrap_or(false),
                    firewall: entry.firewall.unwrap_or(firewall),
                    path,
                    ..Network::usual()
                }
            })
            .collect(),
    };
    Some(with_mac(networks, mac, target, findings))
}

/// The interfaces of a VM. Where nothing is written, it has one.
pub(super) fn of_vm(
    entries: Option<OneOrMany<VmNetworkEntry>>,
    bridge: Option<phoenix_types::BridgeName>,
    mac: Option<Mac>,
    firewall: bool,
    inputs: &ResolveContext<'_>,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Vec<Network> {
    let bridge = bridge.unwrap_or_else(defaults::bridge);
    let networks: Vec<Network> = match entries {
        None => vec![Network { bridge, firewall, search_domain: inputs.domain(), ..Network::usual() }],
        Some(entries) => entries
            .placed(KEY)
            .map(|(path, entry)| {
                let (servers, other) = (("nameserver", entry.nameserver), ("nameservers", entry.nameservers));
                let nameservers = either(servers, other, target, &path, findings);
                Network {
                    model: entry.model.map(|model| model.0),
                    bridge: entry.bridge.unwrap_or_else(|| bridge.clone()),
                    ipv4: entry.ip.unwrap_or(Ipv4Setting::Dhcp),
                    gateway: entry.gw.map(|address| address.0),
                    ipv6: entry.ip6,
                    gateway6: entry.gw6.map(|address| address.0),
                    nameservers: nameservers.map_or_else(Vec::new, |list| list.0),
                    search_domain: entry.searchdomain.or_else(|| inputs.domain()),
                    mac: entry.mac_address,
                    vlan: small(entry.vlan),
                    trunks: entry.trunks.into_iter().flatten().map(|vlan| vlan.0).collect(),
                    mtu: small(entry.mtu),
                    rate: entry.rate.map(Real::get),
                    queues: entry.queues.and_then(|queues| u8::try_from(queues.get()).ok()),
                    link_down: entry.link_down.unwrap_or(false),
                    firewall: entry.firewall.unwrap_or(firewall),
                    path,
                    ..Network::usual()
                }
            })
            .collect(),
    };
    with_mac(networks, mac, target, findings)
}

fn small<const MIN: u32, const MAX: u32>(number: Option<Whole<MIN, MAX>>) -> Option<u16> {
    number.and_then(|number| u16::try_from(number.get()).ok())
}

/// The interfaces, the first with the MAC address that the guest itself has.
fn with_mac(mut networks: Vec<Network>, mac: Option<Mac>, target: Target, findings: &mut Vec<Finding>) -> Vec<Network> {
    let Some(mac) = mac else { return networks };
    match networks.first_mut() {
        Some(first) if first.mac.is_some() => findings.push(
            Finding::error(Code::Conflict, target, "the first interface has a MAC address in two places")
                .at(["mac_address"])
                .on_key()
                .label(target, first.at("mac_address"), "the other one")
                .help("keep one of the two"),
        ),
        Some(first) => first.mac = Some(mac),
        None => findings.push(
            Finding::error(Code::Conflict, target, "the guest has a MAC address, but no network interface")
                .at(["mac_address"])
                .on_key()
                .label(target, ["network_config"], "no interface here")
                .help("remove `mac_address`, or add an interface"),
        ),
    }
    networks
}
