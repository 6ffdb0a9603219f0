//! Firewalls as they are written.

use std::borrow::Cow;
use std::fmt;

use phoenix_types::{Direction, Verdict, text_type};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::text::Remark;

object! {
    /// A guest's firewall.
    FirewallEntry {
        /// Whether it is enabled. Default: true.
        "enabled" => enabled: Option<bool>,
        /// What happens to incoming packets that no rule matches. Default: Proxmox's, `DROP`.
        "default_input_policy" => default_input_policy: Option<Verdict>,
        /// What happens to outgoing packets that no rule matches. Default: Proxmox's, `ACCEPT`.
        "default_output_policy" => default_output_policy: Option<Verdict>,
        /// The rules in order; the first that matches decides.
        "rules" => rules: Option<Vec<RuleEntry>>,
    }
}

object! {
    /// One firewall rule.
    RuleEntry {
        /// The direction: `in` or `out`.
        "type" => direction: Direction,
        /// The action for the packet.
        "action" => action: Verdict,
        /// A macro for protocol and ports, such as `SSH`.
        "macro" => macro_name: Option<MacroName>,
        /// The guest's interface, such as `net0`. Default: all.
        "iface" => iface: Option<InterfaceRef>,
        /// The source of the packet: addresses, networks or ranges joined by commas, an alias or an IP set.
        "source" => source: Option<Peers>,
        /// The destination of the packet, written as `source`.
        "dest" => dest: Option<Peers>,
        /// The protocol.
        "proto" => proto: Option<Protocol>,
        /// Destination ports: numbers, ranges `FROM:TO` and service names, joined by commas.
        "port" => port: Option<Ports>,
        /// The same as `port`, with Proxmox's name.
        "dport" => dport: Option<Ports>,
        /// Source ports, written as `port`.
        "sport" => sport: Option<Ports>,
        /// The log level.
        "log" => log: Option<LogLevel>,
        /// Whether the rule is enabled. Default: true.
        "enabled" => enabled: Option<bool>,
        /// A remark.
        "comment" => comment: Option<Remark>,
    }
}

text_type! {
    /// The name of a firewall macro.
    MacroName, InvalidMacroName, |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric()) && text.starts_with(|c: char| c.is_ascii_alphabetic()),
    "a firewall macro's name, such as `SSH`", r"^[A-Za-z][A-Za-z0-9]*$"
}
text_type! {
    /// A guest's interface in a rule.
    InterfaceRef, InvalidInterfaceRef, |text: &str| {
        text.strip_prefix("net").is_some_and(|number| number.len() <= 2 && (number == "0" || !number.starts_with('0')) && number.parse::<u8>().is_ok_and(|n| n < 32) && number.bytes().all(|b| b.is_ascii_digit()))
    }, "an interface of the guest: `net0` to `net31`", r"^net([0-9]|[12][0-9]|3[01])$"
}
text_type! {
    /// The addresses of a rule.
    Peers, InvalidPeers, |text: &str| {
        let word = |text: &str| {
            let bytes = text.as_bytes();
            bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes.iter().all(|&b| b.is_ascii_alphanumeric() || b"_-/".contains(&b))
        };
        text.split(',').all(peer) || text.strip_prefix('+').is_some_and(word) || word(text)
    }, "addresses, networks or ranges joined by commas without blanks, an alias, or `+` and an IP set's name",
    r"^(((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(/(3[0-2]|[12][0-9]|[0-9])|-((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]))?(,((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(/(3[0-2]|[12][0-9]|[0-9])|-((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]))?)*|\+?[A-Za-z][A-Za-z0-9_/-]+)$"
}
text_type! {
    /// The protocol of a rule: a name of `/etc/protocols` or a number.
    Protocol, InvalidProtocol, |text: &str| {
        matches!(text, "tcp" | "udp" | "icmp" | "icmpv6" | "ipv6-icmp" | "igmp" | "sctp" | "dccp" | "udplite" | "gre" | "esp" | "ah" | "ospf" | "vrrp" | "l2tp" | "ipip" | "pim")
    }, "a protocol: `tcp`, `udp`, `icmp`, `icmpv6`, `igmp`, `sctp`, `dccp`, `udplite`, `gre`, `esp`, `ah`, `ospf`, `vrrp`, `l2tp`, `ipip`, `pim`",
    r"^(tcp|udp|icmp|icmpv6|ipv6-icmp|igmp|sctp|dccp|udplite|gre|esp|ah|ospf|vrrp|l2tp|ipip|pim)$"
}
text_type! {
    /// A log level of the firewall.
    LogLevel, InvalidLogLevel, |text: &str| {
        matches!(text, "emerg" | "alert" | "crit" | "err" | "warning" | "notice" | "info" | "debug" | "nolog")
    }, "a log level: `emerg`, `alert`, `crit`, `err`, `warning`, `notice`, `info`, `debug` or `nolog`",
    r"^(emerg|alert|crit|err|warning|notice|info|debug|nolog)$"
}

fn peer(text: &str) -> bool {
    let address = |text: &str| phoenix_types::parse_ipv4(text).is_some();
    if let Some((network, prefix)) = text.split_once('/') {
        let bits = !prefix.is_empty() && prefix.len() <= 2 && prefix.bytes().all(|b| b.is_ascii_digit());
        return address(network)
            && bits
            && (prefix == "0" || !prefix.starts_with('0'))
            && prefix.parse::<u8>().is_ok_and(|bits| bits <= 32);
    }
    if let Some((from, to)) = text.split_once('-') {
        return address(from) && address(to);
    }
    address(text)
}

/// Ports of a rule: numbers, ranges and service names joined by commas. One port may be written as a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports(pub(crate) String);

const PORTS_EXPECTED: &str =
    "ports from 1 to 65535, ranges `FROM:TO` or service names, joined by commas without blanks";

fn port(text: &str) -> bool {
    let number =
        |text: &str| !text.starts_with('0') && text.parse::<u16>().is_ok() && text.bytes().all(|b| b.is_ascii_digit());
    let name = |text: &str| {
        text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    match text.split_once(':') {
        Some((from, to)) => number(from) && number(to),
        None => number(text) || name(text),
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PortsVisitor;
        impl Visitor<'_> for PortsVisitor {
            type Value = Ports;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PORTS_EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ports, E> {
                if text.split(',').all(port) {
                    Ok(Ports(text.to_owned()))
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Ports, E> {
                if (1..=65535).contains(&number) {
                    Ok(Ports(number.to_string()))
                } else {
                    Err(E::invalid_value(de::Unexpected::Unsigned(number), &self))
                }
            }

            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be whole and in range"
            )]
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Ports, E> {
                if number.fract() == 0.0 && (1.0..=65535.0).contains(&number) {
                    self.visit_u64(number as u64)
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(number), &self))
                }
            }
        }
        deserializer.deserialize_any(PortsVisitor)
    }
}

impl schemars::JsonSchema for Ports {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ports".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        const PORT: &str = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})";
        let item = format!("({PORT}(:{PORT})?|[A-Za-z][A-Za-z0-9-]*)");
        schemars::json_schema!({
            "description": format!("It is {PORTS_EXPECTED}."),
            "errorMessage": PORTS_EXPECTED,
            "anyOf": [
                {"type": "string", "pattern": format!("^{item}(,{item})*$")},
                {"type": "integer", "minimum": 1, "maximum": 65535},
            ],
            "examples": ["443", "80,443", "8000:8010"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("443", true)]
    #[test_case("80,443", true)]
    #[test_case("8000:8010,ssh", true)]
    #[test_case("0", false)]
    #[test_case("65536", false)]
    #[test_case("80, 443", false)]
    #[test_case("+80", false)]
    #[test_case("", false)]
    #[test_case("80:", false)]
    fn ports(text: &str, good: bool) {
        assert_eq!(serde_json::from_value::<Ports>(text.into()).is_ok(), good);
    }

    #[test_case("10.0.0.0/24", true)]
    #[test_case("10.0.0.1,10.0.0.2", true)]
    #[test_case("10.0.0.1-10.0.0.9", true)]
    #[test_case("+blocklist", true)]
    #[test_case("dc/management", true)]
    #[test_case("10.0.0.0/33", false)]
    #[test_case("10.0.0.1, 10.0.0.2", false)]
    #[test_case("10.0.0", false)]
    fn peers(text: &str, good: bool) {
        assert_eq!(text.parse::<Peers>().is_ok(), good);
    }
}
