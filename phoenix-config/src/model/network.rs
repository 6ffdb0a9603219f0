//! A guest's network interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use phoenix_types::{BridgeName, Hostname, Ipv4Setting, Ipv6Setting, Mac, VlanRange};

use crate::resolve::defaults;
use crate::source::Segment;

/// A network interface that Phoenix configures (`netN`).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Network {
    /// The name inside a container, `eth0` unless written otherwise. VMs name theirs themselves.
    pub interface: String,
    /// The card that a VM sees, as Proxmox calls it. Absent: VirtIO.
    pub model: Option<String>,
    /// The bridge on the node.
    pub bridge: BridgeName,
    /// Its IPv4 address.
    pub ipv4: Ipv4Setting,
    /// The gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Its IPv6 address. Absent: it has none that Phoenix sets.
    pub ipv6: Option<Ipv6Setting>,
    /// The IPv6 gateway.
    pub gateway6: Option<Ipv6Addr>,
    /// Name servers, in order; the node's own when empty.
    pub nameservers: Vec<IpAddr>,
    /// The DNS search domain: the guest's own, else the hypervisor file's `domain_name` for a VM.
    pub search_domain: Option<Hostname>,
    /// The MAC address. Absent: Proxmox makes one, and it stays.
    pub mac: Option<Mac>,
    /// The VLAN tag, 1 to 4094.
    pub vlan: Option<u16>,
    /// VLANs that it lets through beside its own.
    pub trunks: Vec<VlanRange>,
    /// The MTU in bytes.
    pub mtu: Option<u16>,
    /// The most that it sends, in megabytes a second.
    pub rate: Option<f64>,
    /// How many packet queues the card of a VM has.
    pub queues: Option<u8>,
    /// Whether its cable is out.
    pub link_down: bool,
    /// Whether the node sets the addresses of a container from the outside.
    pub host_managed: bool,
    /// Whether the guest's firewall looks at this interface (`firewall=1`).
    pub firewall: bool,
    /// Where it is written in the guest's object.
    pub(crate) path: Vec<Segment>,
}

impl Network {
    /// The interface of a container that is made from a template and says nothing about one: `eth0` on `vmbr0` with DHCP.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            interface: defaults::INTERFACE.to_owned(),
            model: None,
            bridge: defaults::bridge(),
            ipv4: Ipv4Setting::Dhcp,
            gateway: None,
            ipv6: None,
            gateway6: None,
            nameservers: Vec::new(),
            search_domain: None,
            mac: None,
            vlan: None,
            trunks: Vec::new(),
            mtu: None,
            rate: None,
            queues: None,
            link_down: false,
            host_managed: false,
            firewall: false,
            path: vec!["network_config".into()],
        }
    }

    /// The fixed address, when it has one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.ipv4.address().map(phoenix_types::Cidr::address)
    }

    /// The fixed IPv6 address, when it has one.
    #[must_use]
    pub fn address6(&self) -> Option<IpAddr> {
        match self.ipv6 {
            Some(Ipv6Setting::Static(cidr)) => Some(cidr.address()),
            Some(Ipv6Setting::Auto | Ipv6Setting::Dhcp | Ipv6Setting::Manual) | None => None,
        }
    }

    /// Where one of its keys is written in the guest's object.
    #[must_use]
    pub fn at(&self, key: &str) -> Vec<Segment> {
        self.path.iter().cloned().chain([key.into()]).collect()
    }
}
