//! The formats of firewall rules (`PVE::Firewall`): addresses, ports, protocols, ICMP types.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::addresses::is_ip;
use super::perl::{self, matches};

/// ICMP type names of iptables and ip6tables.
const ICMP_TYPES: &[&str] = &[
    "any",
    "echo-reply",
    "destination-unreachable",
    "network-unreachable",
    "host-unreachable",
    "protocol-unreachable",
    "port-unreachable",
    "fragmentation-needed",
    "source-route-failed",
    "network-unknown",
    "host-unknown",
    "network-prohibited",
    "host-prohibited",
    "TOS-network-unreachable",
    "TOS-host-unreachable",
    "communication-prohibited",
    "host-precedence-violation",
    "precedence-cutoff",
    "source-quench",
    "redirect",
    "network-redirect",
    "host-redirect",
    "TOS-network-redirect",
    "TOS-host-redirect",
    "echo-request",
    "router-advertisement",
    "router-solicitation",
    "time-exceeded",
    "ttl-zero-during-transit",
    "ttl-zero-during-reassembly",
    "parameter-problem",
    "ip-header-bad",
    "required-option-missing",
    "timestamp-request",
    "timestamp-reply",
    "address-mask-request",
    "address-mask-reply",
    "no-route",
    "beyond-scope",
    "address-unreachable",
    "failed-policy",
    "reject-route",
    "packet-too-big",
    "bad-header",
    "unknown-header-type",
    "unknown-option",
    "neighbor-solicitation",
    "neighbour-solicitation",
    "neighbor-advertisement",
    "neighbour-advertisement",
];

/// Checks a value against a firewall format; `None` when the name is not one.
pub(crate) fn check(name: &str, value: &str) -> Option<Result<(), String>> {
    let result = match name {
        "IPorCIDR" => address_or_network(value),
        "IPorCIDRorAlias" => {
            if is_alias(value) {
                Ok(())
            } else {
                address_or_network(value)
            }
        }
        "pve-fw-addr-spec" => addresses(value),
        "pve-fw-sport-spec" => ports(value, Side::Source),
        "pve-fw-dport-spec" => ports(value, Side::Destination),
        "pve-fw-protocol-spec" => {
            if perl::is_true(value) && !names(include_str!("../../data/protocols.txt"), &PROTOCOLS).contains(value) {
                Err(format!("unknown protocol '{value}'\n"))
            } else {
                Ok(())
            }
        }
        "pve-fw-icmp-type-spec" => {
            if value.is_empty() || ICMP_TYPES.contains(&value) {
                Ok(())
            } else {
                Err(format!("invalid icmp-type value '{value}'\n"))
            }
        }
        "pve-fw-conntrack-helper" => helpers(value),
        _ => return None,
    };
    Some(result)
}

/// Connection-tracking helpers, between commas.
fn helpers(value: &str) -> Result<(), String> {
    let known = ["amanda", "ftp", "irc", "netbios-ns", "pptp", "sane", "sip", "snmp", "tftp"];
    let elements = perl::split(value, ',');
    if elements.join(",") != value {
        return Err("extraneous commas in list\n".to_owned());
    }
    match elements.iter().find(|helper| !known.contains(*helper)) {
        Some(helper) => Err(format!("unknown helper {helper}\n")),
        None => Ok(()),
    }
}

static PROTOCOLS: OnceLock<HashSet<&'static str>> = OnceLock::new();
static SERVICES: OnceLock<HashSet<&'static str>> = OnceLock::new();

fn names(text: &'static str, set: &'static OnceLock<HashSet<&'static str>>) -> &'static HashSet<&'static str> {
    set.get_or_init(|| text.lines().collect())
}

fn is_alias(value: &str) -> bool {
    matches(r"(?:(?:dc|guest)/)?[A-Za-z][A-Za-z0-9\-_]+", value)
}

fn address_or_network(value: &str) -> Result<(), String> {
    let text = perl::before_newline(value);
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    if !is_ip(address) || bits.is_some_and(|bits| bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err("value does not look like a valid IP address or CIDR network\n".to_owned());
    }
    network(text).map_err(|message| message + "\n")
}

/// A list of addresses, networks or one range, or the name of an IP set or alias (`parse_address_list`).
fn addresses(value: &str) -> Result<(), String> {
    if let Some(set) = value.strip_prefix('+')
        && !set.is_empty()
        && !set.contains(char::is_whitespace)
    {
        return if value.len() > 65 { Err("ipset name too long\n".to_owned()) } else { Ok(()) };
    }
    if is_alias(value) {
        return if value.len() > 64 { Err("alias name too long\n".to_owned()) } else { Ok(()) };
    }
    let elements = perl::split(value, ',');
    if elements.join(",") != value {
        return Err("extraneous commas in list\n".to_owned());
    }
    let mut version = None;
    for element in &elements {
        match element.split_once('-') {
            Some((from, to)) => network(from.trim()).and_then(|()| network(to.trim())),
            None => network(element),
        }
        .map_err(|message| format!("invalid IP address: {message}\n"))?;
        let is_v6 = element.contains(':');
        if version.is_some_and(|known| known != is_v6) {
            return Err(format!("detected mixed ipv4/ipv6 addresses in address list '{value}'\n"));
        }
        version = Some(is_v6);
    }
    if elements.len() > 1 && elements.iter().any(|element| element.contains('-')) {
        return Err("you can't use a range in a list\n".to_owned());
    }
    Ok(())
}

/// An address or network as `Net::IP` takes it, with its words.
fn network(text: &str) -> Result<(), String> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    if !address.contains(':') && address.contains(|ch: char| !(ch.is_ascii_digit() || ch == '.')) {
        return Err(format!("Invalid chars in IP {address}"));
    }
    if !is_ip(address) {
        return Err(match address.split('.').find(|quad| quad.parse::<u32>().is_ok_and(|number| number > 255)) {
            Some(quad) => format!("Invalid quad in IP address {address} - {quad}"),
            None => format!("Invalid IP address {address}"),
        });
    }
    let most = if address.contains(':') { 128 } else { 32 };
    match bits.map(str::parse::<u32>) {
        None => Ok(()),
        Some(Ok(bits)) if bits <= most => Ok(()),
        Some(_) => Err(format!("Invalid prefix length /{}", bits.unwrap_or_default())),
    }
}

/// Which end of a connection ports belong to; only at the destination may ICMP types stand for them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

/// Port numbers, ranges and service names (`parse_port_name_number_or_range`).
fn ports(value: &str, side: Side) -> Result<(), String> {
    let elements = perl::split(value, ',');
    if elements.join(",") != value {
        return Err("extraneous commas in list\n".to_owned());
    }
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().unwrap_or(u32::MAX));
    let check = |text: &str, port: u32| if port > 65535 { Err(format!("invalid port '{text}'\n")) } else { Ok(()) };
    let (mut count, mut icmp) = (0, false);
    for item in &elements {
        if let Some((low, high)) = item.split_once(':')
            && let (false, false, Some(first), Some(last)) =
                (low.is_empty(), high.is_empty(), number(low), number(high))
        {
            count += 2;
            check(low, first)?;
            check(high, last)?;
            if first > last {
                return Err(format!("backwards range '{low}:{high}' not allowed, did you mean '{high}:{low}'?\n"));
            }
        } else if let Some(port) = number(item).filter(|_| !item.is_empty()) {
            count += 1;
            check(item, port)?;
        } else if side == Side::Destination && ICMP_TYPES.contains(item) {
            icmp = true;
        } else if !names(include_str!("../../data/services.txt"), &SERVICES).contains(item) {
            return Err(format!("invalid port '{item}'\n"));
        }
    }
    if icmp && count > 0 {
        return Err("ICMP ports not allowed in port range\n".to_owned());
    }
    if count > 15 {
        return Err("too many entries in port list (> 15 numbers)\n".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("pve-fw-addr-spec", "10.0.0.0/24")]
    #[test_case("pve-fw-addr-spec", "10.0.0.1-10.0.0.9"; "a range")]
    #[test_case("pve-fw-addr-spec", "+lan"; "an ip set")]
    #[test_case("pve-fw-dport-spec", "22,80,8000:8100,https")]
    #[test_case("pve-fw-dport-spec", "echo-request"; "an icmp type as port")]
    #[test_case("IPorCIDRorAlias", "gateway")]
    #[test_case("pve-fw-protocol-spec", "tcp")]
    fn accepted(format: &str, value: &str) {
        assert_eq!(check(format, value), Some(Ok(())));
    }

    #[test_case("pve-fw-addr-spec", "not/an/ip", "invalid IP address: Invalid chars in IP not\n")]
    #[test_case("pve-fw-dport-spec", "99999", "invalid port '99999'\n")]
    #[test_case("pve-fw-dport-spec", "90:80", "backwards range '90:80' not allowed, did you mean '80:90'?\n")]
    #[test_case("pve-fw-sport-spec", "echo-request", "invalid port 'echo-request'\n")]
    #[test_case("IPorCIDR", "x", "value does not look like a valid IP address or CIDR network\n")]
    fn refused(format: &str, value: &str, message: &str) {
        assert_eq!(check(format, value), Some(Err(message.to_owned())));
    }
}
