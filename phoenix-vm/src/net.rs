//! Network cards (`netN`) and what cloud-init tells the guest about them (`ipconfigN`).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use phoenix_pve::{InvalidSettings, PropertyReader, PropertyWriter, check_item, check_net};
use phoenix_types::{
    Absent, BridgeName, Ipv4Setting, Ipv6Setting, ItemRule, ItemValue, Mac, PropertyAlias, PropertyRules, VlanRange,
};

use crate::NetModel;

/// A network card. Without a MAC address Proxmox makes one up, and it is kept from then on.
#[derive(Debug, Clone, PartialEq)]
pub struct VmNet {
    /// The card.
    pub model: NetModel,
    /// The bridge that it is plugged into.
    pub bridge: BridgeName,
    /// Its address on the wire.
    pub mac: Option<Mac>,
    /// Whether the firewall looks at its packets. Default: not.
    pub firewall: bool,
    /// The VLAN, 1 to 4094.
    pub tag: Option<u16>,
    /// VLANs that are let through.
    pub trunks: BTreeSet<VlanRange>,
    /// The most that it may send, in megabytes a second.
    pub rate: Option<f64>,
    /// The size of its packets, 1 to 65520; 1 is the bridge's. VirtIO only.
    pub mtu: Option<u32>,
    /// Its queues, up to 64.
    pub queues: Option<u8>,
    /// Whether its cable is out. Default: not.
    pub link_down: bool,
}

/// qemu-server `QemuServer/Network.pm`, `$net_fmt`.
pub(crate) const RULES: PropertyRules = PropertyRules {
    default_key: Some("model"),
    alias: Some(PropertyAlias {
        names: &[
            "e1000",
            "e1000-82540em",
            "e1000-82544gc",
            "e1000-82545em",
            "e1000e",
            "i82551",
            "i82557b",
            "i82559er",
            "ne2k_isa",
            "ne2k_pci",
            "pcnet",
            "rtl8139",
            "virtio",
            "vmxnet3",
        ],
        name_key: "model",
        value_key: "macaddr",
    }),
    items: &[
        ItemRule { key: "macaddr", value: ItemValue::AnyCase, absent: Absent::Kept },
        ItemRule { key: "firewall", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "host-tunnel", value: ItemValue::Flag, absent: Absent::Kept },
        ItemRule { key: "link_down", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "queues", value: ItemValue::Number, absent: Absent::Unset },
        ItemRule { key: "rate", value: ItemValue::Number, absent: Absent::Unset },
        ItemRule { key: "trunks", value: ItemValue::Set, absent: Absent::Unset },
    ],
};

impl VmNet {
    /// A VirtIO card on a bridge, everything else as Proxmox has it.
    #[must_use]
    pub fn new(bridge: BridgeName) -> Self {
        Self {
            model: NetModel::Virtio,
            bridge,
            mac: None,
            firewall: false,
            tag: None,
            trunks: BTreeSet::new(),
            rate: None,
            mtu: None,
            queues: None,
            link_down: false,
        }
    }

    pub(crate) fn print(&self, key: &str) -> Result<String, InvalidSettings> {
        check_net(key, self.tag, self.rate)?;
        check_item(key, "mtu", self.mtu, 1..=65520)?;
        check_item(key, "queues", self.queues.map(u32::from), 0..=64)?;
        let mut text = match self.mac {
            Some(mac) => {
                let mut text = PropertyWriter::new(key);
                text.put(self.model.as_str(), mac)?;
                text
            }
            None => PropertyWriter::with_bare(key, self.model)?,
        };
        text.put("bridge", &self.bridge)?
            .put_flag("firewall", self.firewall.then_some(true))?
            .put_flag("link_down", self.link_down.then_some(true))?
            .put_some("mtu", self.mtu)?
            .put_some("queues", self.queues)?
            .put_some("rate", self.rate)?
            .put_some("tag", self.tag)?
            .put_list("trunks", &self.trunks)?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &RULES)?;
        items.text("host-tunnel");
        let net = Self {
            model: items.need("model")?,
            bridge: items.need("bridge")?,
            mac: items.take("macaddr")?,
            firewall: items.flag("firewall")?.unwrap_or_default(),
            tag: items.take("tag")?,
            trunks: items.list("trunks")?,
            rate: items.take("rate")?,
            mtu: items.take("mtu")?,
            queues: items.take("queues")?,
            link_down: items.flag("link_down")?.unwrap_or_default(),
        };
        items.finish()?;
        Ok(net)
    }
}

/// What cloud-init sets up on one card. Cards without one are not described to the guest at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IpConfig {
    /// IPv4; `manual` is not for VMs.
    pub ip: Option<Ipv4Setting>,
    /// The IPv4 gateway; needs a fixed address.
    pub gw: Option<Ipv4Addr>,
    /// IPv6; `manual` is not for VMs.
    pub ip6: Option<Ipv6Setting>,
    /// The IPv6 gateway; needs a fixed address.
    pub gw6: Option<Ipv6Addr>,
}

/// qemu-server `QemuServer/Cloudinit.pm`, `$cloudinit_ipconfig`.
pub(crate) const IP_RULES: PropertyRules = PropertyRules { default_key: None, alias: None, items: &[] };

impl IpConfig {
    pub(crate) fn print(&self, key: &str) -> Result<String, InvalidSettings> {
        if self.gw.is_some() && !matches!(self.ip, Some(Ipv4Setting::Static(_))) {
            return Err(InvalidSettings::value(key, "gw", "a gateway needs a fixed address in `ip`"));
        }
        if self.gw6.is_some() && !matches!(self.ip6, Some(Ipv6Setting::Static(_))) {
            return Err(InvalidSettings::value(key, "gw6", "a gateway needs a fixed address in `ip6`"));
        }
        if self.ip == Some(Ipv4Setting::Manual) || self.ip6 == Some(Ipv6Setting::Manual) {
            return Err(InvalidSettings::value(
                key,
                "manual",
                "cloud-init knows fixed addresses, `dhcp` and, for IPv6, `auto`",
            ));
        }
        let mut text = PropertyWriter::new(key);
        text.put_some("ip", self.ip)?.put_some("gw", self.gw)?.put_some("ip6", self.ip6)?.put_some("gw6", self.gw6)?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &IP_RULES)?;
        let config =
            Self { ip: items.take("ip")?, gw: items.take("gw")?, ip6: items.take("ip6")?, gw6: items.take("gw6")? };
        items.finish()?;
        Ok(config)
    }
}
