//! Addresses: MAC, interface address with prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// A unicast MAC address. Printed the way Proxmox prints it: upper case, colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// Why a text is no usable MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMac {
    /// Not six two-digit hexadecimal groups.
    #[error(
        "`{0}` is not a MAC address: write six two-digit hexadecimal groups joined by colons, such as `52:54:00:AA:BB:CA`"
    )]
    Form(String),
    /// The lowest bit of the first byte is set, which makes it a group address.
    #[error("`{0}` is a multicast MAC address: the second digit of a guest's address must be even")]
    Multicast(String),
}

impl Mac {
    /// The six bytes.
    #[must_use]
    pub fn octets(self) -> [u8; 6] {
        self.0
    }

    /// # Errors
    /// When the address is not unicast.
    pub fn from_octets(octets: [u8; 6]) -> Result<Self, InvalidMac> {
        let mac = Self(octets);
        if octets[0] & 1 == 0 { Ok(mac) } else { Err(InvalidMac::Multicast(mac.to_string())) }
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || InvalidMac::Form(text.to_owned());
        let mut octets = [0; 6];
        let mut groups = text.split(':');
        for octet in &mut octets {
            let group = groups.next().ok_or_else(form)?;
            if group.len() != 2 || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(form());
            }
            *octet = u8::from_str_radix(group, 16).map_err(|_| form())?;
        }
        if groups.next().is_some() {
            return Err(form());
        }
        Self::from_octets(octets).map_err(|_| InvalidMac::Multicast(text.to_owned()))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

/// An interface address with its prefix length: `10.0.0.10/24`. The host bits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(IpNet);

/// Why a text is no interface address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address with prefix length: write it like `10.0.0.10/24`")]
pub struct InvalidCidr(pub String);

impl Cidr {
    /// The address itself.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0.addr()
    }

    /// The prefix length.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.0.prefix_len()
    }

    /// The network that the address is in.
    #[must_use]
    pub fn network(self) -> IpNet {
        self.0.trunc()
    }

    /// Whether `address` is in the same network.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether the address is the network's own or its broadcast address, which no guest may have. Networks of one or two
    /// addresses have neither.
    #[must_use]
    pub fn is_reserved(self) -> bool {
        match self.0 {
            IpNet::V4(net) if net.prefix_len() < 31 => net.addr() == net.network() || net.addr() == net.broadcast(),
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| InvalidCidr(text.to_owned()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The IPv4 setting of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ipv4Setting {
    /// Asks a DHCP server.
    Dhcp,
    /// The guest configures itself.
    Manual,
    /// A fixed address.
    Static(Cidr),
}

/// Why a text is no IPv4 setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an IPv4 setting: write an address with prefix length like `10.0.0.10/24`, or `dhcp`, or `manual`"
)]
pub struct InvalidIpv4Setting(pub String);

impl Ipv4Setting {
    /// The fixed address, when there is one.
    #[must_use]
    pub fn address(self) -> Option<Cidr> {
        match self {
            Self::Static(cidr) => Some(cidr),
            Self::Dhcp | Self::Manual => None,
        }
    }
}

impl FromStr for Ipv4Setting {
    type Err = InvalidIpv4Setting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidIpv4Setting(text.to_owned());
        match text {
            "dhcp" => Ok(Self::Dhcp),
            "manual" => Ok(Self::Manual),
            _ => {
                let cidr: Cidr = text.parse().map_err(|_| invalid())?;
                // Proxmox takes prefixes 8 to 32 for IPv4 (pve-common JSONSchema, `ipv4mask`).
                if cidr.address().is_ipv4() && cidr.prefix_len() >= 8 { Ok(Self::Static(cidr)) } else { Err(invalid()) }
            }
        }
    }
}

impl fmt::Display for Ipv4Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp => f.write_str("dhcp"),
            Self::Manual => f.write_str("manual"),
            Self::Static(cidr) => fmt::Display::fmt(cidr, f),
        }
    }
}

/// The IPv6 setting of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ipv6Setting {
    /// Takes its address from router advertisements.
    Auto,
    /// Asks a DHCP server.
    Dhcp,
    /// The guest configures itself.
    Manual,
    /// A fixed address.
    Static(Cidr),
}

/// Why a text is no IPv6 setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an IPv6 setting: write an address with prefix length like `fd00::10/64`, or `auto`, `dhcp`, `manual`"
)]
pub struct InvalidIpv6Setting(pub String);

impl FromStr for Ipv6Setting {
    type Err = InvalidIpv6Setting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidIpv6Setting(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "dhcp" => Ok(Self::Dhcp),
            "manual" => Ok(Self::Manual),
            // IPv4 inside IPv6 is another form of the same address.
            _ if text.contains('.') => Err(invalid()),
            _ => {
                let cidr: Cidr = text.parse().map_err(|_| invalid())?;
                // Proxmox takes prefixes 8 to 128 for IPv6 (pve-common JSONSchema, `CIDRv6`).
                if cidr.address().is_ipv6() && cidr.prefix_len() >= 8 { Ok(Self::Static(cidr)) } else { Err(invalid()) }
            }
        }
    }
}

impl fmt::Display for Ipv6Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Dhcp => f.write_str("dhcp"),
            Self::Manual => f.write_str("manual"),
            Self::Static(cidr) => fmt::Display::fmt(cidr, f),
        }
    }
}

macro_rules! string_serde {
    ($name:ident, $schema:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::from_text(deserializer)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::Schema::try_from($schema).expect("written as an object here")
            }
        }
    };
}

const IPV4: &str = r"((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

string_serde!(
    Mac,
    serde_json::json!({
        "type": "string",
        "description": "A unicast MAC address, such as `52:54:00:AA:BB:CA`.",
        "errorMessage": "a unicast MAC address, such as `52:54:00:AA:BB:CA`",
        "pattern": "^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$",
        "examples": ["52:54:00:AA:BB:CA"],
    })
);
string_serde!(
    Ipv4Setting,
    serde_json::json!({
        "type": "string",
        "description": "An IPv4 address with prefix length (8 to 32), or `dhcp`, or `manual`.",
        "errorMessage": "an IPv4 address with prefix length (8 to 32) such as `10.0.0.10/24`, or `dhcp`, or `manual`",
        "pattern": format!("^(dhcp|manual|{IPV4}/([89]|[12][0-9]|3[0-2]))$"),
        "examples": ["10.0.0.10/24", "dhcp"],
    })
);

const IPV6: &str = r"(([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|([0-9A-Fa-f]{1,4}:){1,7}:|([0-9A-Fa-f]{1,4}:){1,6}:[0-9A-Fa-f]{1,4}|([0-9A-Fa-f]{1,4}:){1,5}(:[0-9A-Fa-f]{1,4}){2}|([0-9A-Fa-f]{1,4}:){1,4}(:[0-9A-Fa-f]{1,4}){3}|([0-9A-Fa-f]{1,4}:){1,3}(:[0-9A-Fa-f]{1,4}){4}|([0-9A-Fa-f]{1,4}:){1,2}(:[0-9A-Fa-f]{1,4}){5}|[0-9A-Fa-f]{1,4}:(:[0-9A-Fa-f]{1,4}){6}|:(:[0-9A-Fa-f]{1,4}){1,7}|::)";

string_serde!(
    Ipv6Setting,
    serde_json::json!({
        "type": "string",
        "description": "An IPv6 address with prefix length (8 to 128), or `auto`, `dhcp`, or `manual`.",
        "errorMessage": "an IPv6 address with prefix length (8 to 128) such as `fd00::10/64`, or `auto`, `dhcp`, or `manual`",
        "pattern": format!("^(auto|dhcp|manual|{IPV6}/([89]|[1-9][0-9]|1[01][0-9]|12[0-8]))$"),
        "examples": ["fd00::10/64", "auto"],
    })
);

/// The JSON Schema pattern of a plain IPv6 address, without `^` and `$`. An address that holds an IPv4 address is not one.
#[must_use]
pub fn ipv6_pattern() -> &'static str {
    IPV6
}

/// Parses a plain IPv6 address with the strictness of [`ipv6_pattern`].
#[must_use]
pub fn parse_ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().filter(|_| !text.contains('.'))
}

/// VLANs that a network card lets through: one, or a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanRange {
    first: u16,
    last: u16,
}

/// Why a text is no VLAN or range of VLANs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a VLAN: write a number from 1 to 4094, or two joined by `-`, the smaller one first")]
pub struct InvalidVlanRange(pub String);

impl VlanRange {
    /// Whether it is one VLAN.
    #[must_use]
    pub fn is_single(self) -> bool {
        self.first == self.last
    }
}

impl FromStr for VlanRange {
    type Err = InvalidVlanRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let vlan = |text: &str| {
            let plain = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse().ok()).flatten().filter(|vlan| (1..=4094).contains(vlan))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (vlan(first), vlan(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(InvalidVlanRange(text.to_owned())),
        }
    }
}

impl fmt::Display for VlanRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_single() {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// The JSON Schema pattern of a plain IPv4 address.
#[must_use]
pub fn ipv4_pattern() -> String {
    format!("^{IPV4}$")
}

/// Parses a plain IPv4 address with the strictness of [`ipv4_pattern`].
#[must_use]
pub fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test]
    fn mac_prints_upper_case() {
        assert_eq!("52:54:00:aa:bb:ca".parse::<Mac>().unwrap().to_string(), "52:54:00:AA:BB:CA");
    }

    #[test_case("53:54:00:aa:bb:ca")]
    #[test_case("52:54:00:aa:bb")]
    #[test_case("52:54:00:aa:bb:ca:00")]
    #[test_case("52-54-00-aa-bb-ca")]
    #[test_case("52:54:00:aa:bb:+a")]
    fn refused_macs(text: &str) {
        assert!(text.parse::<Mac>().is_err());
    }

    #[test]
    fn host_bits_stay() {
        let cidr: Cidr = "10.0.0.10/24".parse().unwrap();
        assert_eq!(cidr.to_string(), "10.0.0.10/24");
        assert_eq!(cidr.network().to_string(), "10.0.0.0/24");
        assert!(!cidr.is_reserved());
        assert!("10.0.0.255/24".parse::<Cidr>().unwrap().is_reserved());
        assert!("10.0.0.0/24".parse::<Cidr>().unwrap().is_reserved());
        assert!(!"10.0.0.0/31".parse::<Cidr>().unwrap().is_reserved());
    }

    #[test_case("dhcp", true)]
    #[test_case("10.0.0.1/24", true)]
    #[test_case("10.0.0.1/7", false)]
    #[test_case("10.0.0.1", false)]
    #[test_case("fd00::1/64", false)]
    #[test_case("DHCP", false)]
    fn ipv4_settings(text: &str, good: bool) {
        assert_eq!(text.parse::<Ipv4Setting>().is_ok(), good);
    }
}
