//! Network interfaces as they are written.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use phoenix_types::{BridgeName, Hostname, Ipv4Setting};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::number::Whole;
use super::text::InterfaceName;

object! {
    /// The network interface of a container.
    NetworkEntry {
        /// The interface's name inside. Default: `eth0`.
        "name" => name: Option<InterfaceName>,
        /// The bridge on the node. Default: `vmbr0`.
        "bridge" => bridge: Option<BridgeName>,
        /// The IPv4 address with prefix length, `dhcp`, or `manual`: the guest configures it itself. Default: `dhcp`.
        "ip" => ip: Option<Ipv4Setting>,
        /// The gateway.
        "gw" => gw: Option<Address>,
        /// Name servers: one address, several joined by commas or blanks, or a list.
        "nameservers" => nameservers: Option<Addresses>,
        /// The same as `nameservers`.
        "nameserver" => nameserver: Option<Addresses>,
        /// The DNS search domain.
        "searchdomain" => searchdomain: Option<Hostname>,
        /// The VLAN tag, 1 to 4094.
        "vlan" => vlan: Option<Whole<1, 4094>>,
        /// The MTU in bytes.
        "mtu" => mtu: Option<Whole<576, 65535>>,
        /// Whether the guest's firewall applies to this interface. Default: as `firewall.enabled`.
        "firewall" => firewall: Option<bool>,
    }
}

object! {
    /// The network interface of a VM.
    VmNetworkEntry {
        /// The bridge on the node. Default: `network_bridge`, there or in `vm_defaults`, else `vmbr0`.
        "bridge" => bridge: Option<BridgeName>,
        /// The IPv4 address with prefix length, `dhcp`, or `manual`: the guest configures it itself. Default: `dhcp`.
        "ip" => ip: Option<Ipv4Setting>,
        /// The gateway.
        "gw" => gw: Option<Address>,
        /// Name servers: one address, several joined by commas or blanks, or a list.
        "nameserver" => nameserver: Option<Addresses>,
        /// The same as `nameserver`.
        "nameservers" => nameservers: Option<Addresses>,
        /// The DNS search domain. Default: the hypervisor file's `domain_name`.
        "searchdomain" => searchdomain: Option<Hostname>,
        /// The VLAN tag, 1 to 4094.
        "vlan" => vlan: Option<Whole<1, 4094>>,
        /// The MTU in bytes.
        "mtu" => mtu: Option<Whole<576, 65520>>,
        /// Whether the guest's firewall applies to this interface. Default: as `firewall.enabled`.
        "firewall" => firewall: Option<bool>,
    }
}

const V4: &str = r"((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

/// One IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) IpAddr);

fn address(text: &str) -> Option<IpAddr> {
    phoenix_types::parse_ipv4(text).map(IpAddr::V4)
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        address(&text).map(Self).ok_or_else(|| de::Error::custom(format_args!("`{text}` is not an IPv4 address")))
    }
}

impl schemars::JsonSchema for Address {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An IPv4 address.",
            "errorMessage": "an IPv4 address",
            "format": "ipv4",
            "pattern": format!("^{V4}$"),
            "examples": ["10.0.0.1"],
        })
    }
}

/// Several addresses: a text of them joined by commas or blanks, or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses(pub(crate) Vec<IpAddr>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AddressesVisitor;
        impl<'de> Visitor<'de> for AddressesVisitor {
            type Value = Addresses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("addresses joined by commas or blanks, or a list of addresses")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Addresses, E> {
                let all: Option<Vec<IpAddr>> = split(text).map(address).collect();
                match all {
                    Some(all) if !all.is_empty() => Ok(Addresses(all)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Addresses, A::Error> {
                let mut all = Vec::new();
                while let Some(Address(address)) = seq.next_element()? {
                    all.push(address);
                }
                Ok(Addresses(all))
            }
        }
        deserializer.deserialize_any(AddressesVisitor)
    }
}

/// Between two addresses stands a comma with blanks around it, or blanks.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').flat_map(|part| {
        let part = part.trim_matches(' ');
        part.split(' ').enumerate().filter(|(index, word)| *index == 0 || !word.is_empty()).map(|(_, word)| word)
    })
}

impl schemars::JsonSchema for Addresses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Addresses".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<Address>();
        schemars::json_schema!({
            "description": "IPv4 addresses: a text of them joined by commas or blanks, or a list.",
            "errorMessage": "IPv4 addresses joined by commas or blanks, or a list of them",
            "anyOf": [
                {"type": "string", "pattern": format!("^ *{V4}(( *, *| +){V4})* *$")},
                {"type": "array", "items": one},
            ],
            "examples": ["8.8.8.8", "10.0.0.13, 8.8.8.8"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(r#""8.8.8.8""#, 1)]
    #[test_case(r#""8.8.8.8, 1.1.1.1""#, 2)]
    #[test_case(r#"" 8.8.8.8  1.1.1.1 ,9.9.9.9""#, 3)]
    #[test_case(r#"["8.8.8.8"]"#, 1)]
    #[test_case("[]", 0)]
    fn addresses(text: &str, count: usize) {
        assert_eq!(serde_json::from_str::<Addresses>(text).unwrap().0.len(), count);
    }

    #[test_case(r#""""#)]
    #[test_case(r#""8.8.8""#)]
    #[test_case(r#""8.8.8.8,,1.1.1.1""#)]
    #[test_case(r#""8.8.8.8,""#)]
    #[test_case("8")]
    fn refused_addresses(text: &str) {
        assert!(serde_json::from_str::<Addresses>(text).is_err());
    }
}
