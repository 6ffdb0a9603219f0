//! Network interfaces (`netN`).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use phoenix_pve::{InvalidSettings, PropertyReader, PropertyWriter, check_item, check_net};
use phoenix_types::{
    Absent, BridgeName, InterfaceName, Ipv4Setting, Ipv6Setting, ItemRule, ItemValue, Mac, PropertyRules, VlanRange,
};

/// A network interface. Without a MAC address Proxmox makes one up, and it is kept from then on.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    /// Its name inside, such as `eth0`.
    pub name: InterfaceName,
    /// The bridge that it is plugged into.
    pub bridge: BridgeName,
    /// Its address on the wire.
    pub mac: Option<Mac>,
    /// IPv4.
    pub ip: Option<Ipv4Setting>,
    /// The IPv4 gateway.
    pub gw: Option<Ipv4Addr>,
    /// IPv6.
    pub ip6: Option<Ipv6Setting>,
    /// The IPv6 gateway.
    pub gw6: Option<Ipv6Addr>,
    /// Whether the firewall looks at its packets. Default: not.
    pub firewall: bool,
    /// The VLAN, 1 to 4094.
    pub tag: Option<u16>,
    /// VLANs that are let through.
    pub trunks: BTreeSet<VlanRange>,
    /// The most that it may send, in megabytes a second.
    pub rate: Option<f64>,
    /// The size of its packets, 64 to 65535.
    pub mtu: Option<u32>,
    /// Whether its cable is out. Default: not.
    pub link_down: bool,
    /// Whether the node sets its address up from the outside (Proxmox VE 9.1). Default: not.
    pub host_managed: bool,
}

/// pve-container `LXC/Config.pm`, `$netconf_desc`; `type=veth` is always written.
pub(crate) const RULES: PropertyRules = PropertyRules {
    default_key: None,
    alias: None,
    items: &[
        ItemRule { key: "hwaddr", value: ItemValue::AnyCase, absent: Absent::Kept },
        ItemRule { key: "type", value: ItemValue::Text, absent: Absent::Ignored },
        // An address that nobody sets is the guest's own matter.
        ItemRule { key: "ip", value: ItemValue::Text, absent: Absent::Is("manual") },
        ItemRule { key: "firewall", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "link_down", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "host-managed", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "trunks", value: ItemValue::Set, absent: Absent::Unset },
        ItemRule { key: "rate", value: ItemValue::Number, absent: Absent::Unset },
    ],
};

impl Net {
    /// An interface on a bridge, everything else as Proxmox has it.
    #[must_use]
    pub fn new(name: InterfaceName, bridge: BridgeName) -> Self {
        Self {
            name,
            bridge,
            mac: None,
            ip: None,
            gw: None,
            ip6: None,
            gw6: None,
            firewall: false,
            tag: None,
            trunks: BTreeSet::new(),
            rate: None,
            mtu: None,
            link_down: false,
            host_managed: false,
        }
    }

    pub(crate) fn print(&self, key: &str) -> Result<String, InvalidSettings> {
        check_net(key, self.tag, self.rate)?;
        if let Some(range) = self.trunks.iter().find(|range| !range.is_single()) {
            return Err(InvalidSettings::value(key, range.to_string(), "a container lets single VLANs through"));
        }
        check_item(key, "mtu", self.mtu, 64..=65535)?;
        let mut text = PropertyWriter::new(key);
        text.put("name", &self.name)?
            .put("bridge", &self.bridge)?
            .put_flag("firewall", self.firewall.then_some(true))?
            .put_some("gw", self.gw)?
            .put_some("gw6", self.gw6)?
            .put_flag("host-managed", self.host_managed.then_some(true))?
            .put_some("hwaddr", self.mac)?
            .put_some("ip", self.ip)?
            .put_some("ip6", self.ip6)?
            .put_flag("link_down", self.link_down.then_some(true))?
            .put_some("mtu", self.mtu)?
            .put_some("rate", self.rate)?
            .put_some("tag", self.tag)?
            .put_list("trunks", &self.trunks)?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &RULES)?;
        items.text("type");
        let net = Self {
            name: items.need("name")?,
            bridge: items.need("bridge")?,
            mac: items.take("hwaddr")?,
            ip: items.take("ip")?,
            gw: items.take("gw")?,
            ip6: items.take("ip6")?,
            gw6: items.take("gw6")?,
            firewall: items.flag("firewall")?.unwrap_or_default(),
            tag: items.take("tag")?,
            trunks: items.list("trunks")?,
            rate: items.take("rate")?,
            mtu: items.take("mtu")?,
            link_down: items.flag("link_down")?.unwrap_or_default(),
            host_managed: items.flag("host-managed")?.unwrap_or_default(),
        };
        items.finish()?;
        Ok(net)
    }
}
