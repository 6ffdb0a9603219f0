//! A guest's network interface.

use std::net::IpAddr;

use phoenix_types::{BridgeName, Hostname, Ipv4Setting, Mac};

use crate::resolve::defaults;

/// The one network interface that Phoenix configures (`net0`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// The name inside a container, `eth0` unless written otherwise. VMs name theirs themselves.
    pub interface: String,
    /// The bridge on the node.
    pub bridge: BridgeName,
    /// Its IPv4 address.
    pub ipv4: Ipv4Setting,
    /// The gateway.
    pub gateway: Option<IpAddr>,
    /// Name servers, in order; the node's own when empty.
    pub nameservers: Vec<IpAddr>,
    /// The DNS search domain: the guest's own, else the hypervisor file's `domain_name` for a VM.
    pub search_domain: Option<Hostname>,
    /// The MAC address. Absent: Proxmox makes one, and it stays.
    pub mac: Option<Mac>,
    /// The VLAN tag, 1 to 4094.
    pub vlan: Option<u16>,
    /// The MTU in bytes.
    pub mtu: Option<u16>,
    /// Whether the guest's firewall looks at this interface (`firewall=1`).
    pub firewall: bool,
}

impl Network {
    /// The interface of a container that is made from a template and says nothing about one: `eth0` on `vmbr0` with DHCP.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            interface: defaults::INTERFACE.to_owned(),
            bridge: defaults::bridge(),
            ipv4: Ipv4Setting::Dhcp,
            gateway: None,
            nameservers: Vec::new(),
            search_domain: None,
            mac: None,
            vlan: None,
            mtu: None,
            firewall: false,
        }
    }

    /// The fixed address, when it has one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.ipv4.address().map(phoenix_types::Cidr::address)
    }
}
