//! What a guest's configuration means for its inside: disks, mounts, addresses, name.

use std::net::{IpAddr, Ipv4Addr};

use phoenix_types::{ConfSection, GuestKind, PropertyString};

use crate::disks::{mounts, root_volume};
use crate::ground::{HeldNode, NODE, conf_path};
use crate::running::Facts;

/// Reads a running guest's configuration again when it has changed.
pub(crate) fn refresh(state: &mut dyn HeldNode, vmid: u32) {
    let Some(kind) = state.guest_kind(vmid) else { return };
    let Ok(text) = state.files.read(&conf_path(kind, vmid)) else { return };
    let known = state.inside.get(&vmid).and_then(|running| running.facts.text.as_ref());
    if known.is_some_and(|known| known.is_same(&text)) {
        return;
    }
    let Some(conf) = state.conf(kind, vmid) else { return };
    let facts = Facts {
        text: Some(text),
        root: root_volume(state, vmid),
        mounts: if kind == GuestKind::Container { mounts(state, vmid) } else { Vec::new() },
        addresses: addresses(&conf.live, kind, vmid),
        hostname: conf.live.get(if kind == GuestKind::Container { "hostname" } else { "name" }).map_or_else(
            || if kind == GuestKind::Container { format!("CT{vmid}") } else { format!("VM{vmid}") },
            str::to_owned,
        ),
        environment: conf
            .live
            .raw
            .iter()
            .filter(|(key, _)| key == "lxc.environment")
            .filter_map(|(_, value)| value.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
            .collect(),
    };
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.facts = facts;
    }
}

fn addresses(conf: &ConfSection, kind: GuestKind, vmid: u32) -> Vec<IpAddr> {
    let key = if kind == GuestKind::Container { "net" } else { "ipconfig" };
    let mut found = Vec::new();
    let interfaces = (0..32).filter(|n| conf.get(&format!("net{n}")).is_some());
    for n in interfaces {
        let setting = conf.get(&format!("{key}{n}")).and_then(|text| text.parse::<PropertyString>().ok());
        let given = setting.as_ref().and_then(|setting| setting.get("ip"));
        match given.and_then(|ip| ip.split('/').next()).and_then(|ip| ip.parse::<IpAddr>().ok()) {
            Some(address) => found.push(address),
            None if given == Some("dhcp") || (given.is_none() && kind == GuestKind::Vm) => found.push(leased(vmid, n)),
            None => {}
        }
        let second = setting.as_ref().and_then(|setting| setting.get("ip6"));
        found.extend(second.and_then(|ip| ip.split('/').next()).and_then(|ip| ip.parse::<IpAddr>().ok()));
    }
    found
}

/// The address that a guest gets by DHCP: always the same one, from the range for tests (RFC 2544).
fn leased(vmid: u32, interface: u32) -> IpAddr {
    let [_, _, high, low] = vmid.wrapping_add(interface.wrapping_mul(9973)).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(198, 18 + (high >> 7), high & 0x7f, low.clamp(1, 254)))
}

/// The addresses of a running guest: those of its configuration, the first one in the world's words if that has none.
pub(crate) fn addresses_of(state: &mut dyn HeldNode, vmid: u32) -> Vec<IpAddr> {
    refresh(state, vmid);
    let mut addresses = state.inside.get(&vmid).map(|running| running.facts.addresses.clone()).unwrap_or_default();
    if let Some(configured) = state.worlds.of(vmid).address() {
        match addresses.first_mut() {
            Some(first) if *first == leased(vmid, 0) => *first = configured,
            Some(_) => {}
            None => addresses.push(configured),
        }
    }
    addresses
}

/// The running guest that has an address.
pub(crate) fn owner(state: &mut dyn HeldNode, address: IpAddr) -> Option<u32> {
    let running: Vec<u32> = state.inside.keys().copied().collect();
    running.into_iter().find(|vmid| addresses_of(state, *vmid).contains(&address))
}

/// The running guest that has a name.
pub(crate) fn named(state: &mut dyn HeldNode, name: &str) -> Option<u32> {
    let running: Vec<u32> = state.inside.keys().copied().collect();
    let short = name.split('.').next().unwrap_or(name);
    running.into_iter().find(|vmid| {
        refresh(state, *vmid);
        state.inside.get(vmid).is_some_and(|running| running.facts.hostname == name || running.facts.hostname == short)
    })
}

/// Whether a name or an address is the node's: loopback, its name, its addresses.
pub(crate) fn is_node(state: &dyn HeldNode, host: &str) -> bool {
    if matches!(host, "127.0.0.1" | "::1" | "localhost" | NODE) {
        return true;
    }
    if let Some(addresses) = &state.worlds.addresses {
        return addresses.iter().any(|address| host.parse() == Ok(*address));
    }
    let hosts = state.files.text("/etc/hosts").unwrap_or_default();
    let found = hosts.lines().any(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next();
        let names: Vec<&str> = words.collect();
        names.contains(&NODE) && (address == Some(host) || names.contains(&host))
    });
    // A bridge's own address in `/etc/network/interfaces` is the node's as well.
    let interfaces = state.files.text("/etc/network/interfaces").unwrap_or_default();
    found
        || interfaces.lines().any(|line| {
            line.trim().strip_prefix("address ").is_some_and(|address| address.split('/').next() == Some(host))
        })
}

/// Whether the node serves NFS at a name or an address: at its own, and, unless the world lists those, at every address that no
/// guest has, since no one says which address its bridges have.
pub(crate) fn serves_nfs(state: &dyn HeldNode, host: &str) -> bool {
    if is_node(state, host) {
        return true;
    }
    let Ok(address) = host.parse::<IpAddr>() else { return false };
    let claimed = || {
        [GuestKind::Container, GuestKind::Vm].into_iter().any(|kind| {
            state.guest_ids(kind).into_iter().any(|vmid| {
                state.conf(kind, vmid).is_some_and(|conf| addresses(&conf.live, kind, vmid).contains(&address))
            })
        })
    };
    state.worlds.addresses.is_none() && !claimed()
}
