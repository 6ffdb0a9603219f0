//! Firewall rules among themselves.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use phoenix_types::{FirewallRule, GuestId, RuleState};

use crate::diagnostic::{Code, Finding, Target, nearest};
use crate::rules::{Rule, View, same_rule};
use crate::source::Segment;

/// Every firewall rule can match something that no rule before it has decided on.
#[derive(Debug)]
pub(super) struct FirewallRules;

impl Rule for FirewallRules {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        for (id, guest) in view.guests {
            if let Some(firewall) = &guest.firewall {
                for (index, rule) in firewall.rules.iter().enumerate() {
                    if view.reads_place(*id, &path(index)) {
                        findings.extend(alone(*id, index, rule));
                    }
                    findings.extend(after(*id, index, rule, &firewall.rules));
                }
            }
        }
    }
}

fn path(index: usize) -> [Segment; 3] {
    ["firewall".into(), "rules".into(), index.into()]
}

/// Protocols that have ports (pve-firewall `Firewall.pm`, `PROTOCOLS_WITH_PORTS`).
const WITH_PORTS: [&str; 5] = ["tcp", "udp", "sctp", "dccp", "udplite"];

/// The firewall macros of Proxmox VE 9 (pve-firewall `Firewall.pm`, `$pve_fw_macros`).
const MACROS: [&str; 86] = [
    "Amanda",
    "Auth",
    "BGP",
    "BitTorrent",
    "BitTorrent32",
    "CVS",
    "Ceph",
    "Citrix",
    "DAAP",
    "DCC",
    "DHCPfwd",
    "DHCPv6",
    "DNS",
    "Distcc",
    "FTP",
    "Finger",
    "GNUnet",
    "GRE",
    "Git",
    "HKP",
    "HTTP",
    "HTTPS",
    "ICPV2",
    "ICQ",
    "IMAP",
    "IMAPS",
    "IPIP",
    "IPsec",
    "IPsecah",
    "IPsecnat",
    "IRC",
    "Jetdirect",
    "L2TP",
    "LDAP",
    "LDAPS",
    "MDNS",
    "MSNP",
    "MSSQL",
    "Mail",
    "Munin",
    "MySQL",
    "NNTP",
    "NNTPS",
    "NTP",
    "NeighborDiscovery",
    "OSPF",
    "OpenVPN",
    "PCA",
    "PMG",
    "POP3",
    "POP3S",
    "PPtP",
    "Ping",
    "PostgreSQL",
    "Printer",
    "RDP",
    "RIP",
    "RNDC",
    "Razor",
    "Rdate",
    "Rsync",
    "SANE",
    "SMB",
    "SMBswat",
    "SMTP",
    "SMTPS",
    "SNMP",
    "SPAMD",
    "SPICEproxy",
    "SSH",
    "SVN",
    "SixXS",
    "Squid",
    "Submission",
    "Syslog",
    "TFTP",
    "Telnet",
    "Telnets",
    "Time",
    "Trcrt",
    "VNC",
    "VNCL",
    "Web",
    "Webcache",
    "Webmin",
    "Whois",
];

/// A rule whose macro Proxmox does not have acts on nothing. A newer Proxmox may have it.
fn unknown_macro(target: Target, rule: &FirewallRule) -> Option<Finding> {
    let name = rule.macro_name.as_deref().filter(|name| !MACROS.contains(name))?;
    let finding = Finding::warning(Code::InvalidValue, target, format!("Proxmox VE 9 has no firewall macro `{name}`"));
    Some(match nearest(name, MACROS) {
        Some(near) => finding.expected(format!("`{near}`")).help(format!("did you mean `{near}`?")),
        None => finding.help("write `proto` and `port` instead"),
    })
}

/// What is wrong with one rule.
fn alone(id: GuestId, index: usize, rule: &FirewallRule) -> Vec<Finding> {
    let target = Target::Guest(id);
    let mut findings = Vec::new();
    findings.extend(unknown_macro(target, rule).map(|finding| finding.at(path(index)).at(["macro"])));
    for (key, ports) in [("port", &rule.dport), ("sport", &rule.sport)] {
        let Some(ports) = ports else { continue };
        // The destination port of ICMP is its type in Proxmox's grammar: a name, such as `echo-request`.
        let is_type = key == "port" && !ports.bytes().any(|byte| byte.is_ascii_digit() || byte == b',');
        let wrong = match rule.proto.as_deref() {
            Some("icmp" | "icmpv6" | "ipv6-icmp") => !is_type,
            Some(proto) => !WITH_PORTS.contains(&proto),
            None => true,
        };
        if wrong {
            let message = match &rule.proto {
                Some(proto) => format!("the rule has ports, but `{proto}` has none"),
                None => "the rule has ports, but no protocol".to_owned(),
            };
            let help = if rule.proto.is_some() { "remove the ports, or write `tcp` or `udp`" } else { "write `proto`" };
            findings
                .push(Finding::error(Code::PortsWithoutProtocol, target, message).at(path(index)).at([key]).help(help));
        }
        for (from, to) in ports.split(',').filter_map(|part| part.split_once(':')) {
            if let (Ok(low), Ok(high)) = (from.parse::<u16>(), to.parse::<u16>())
                && low > high
            {
                findings.push(
                    Finding::error(
                        Code::ReversedRange,
                        target,
                        format!("the range `{from}:{to}` ends before it begins"),
                    )
                    .at(path(index))
                    .at([key])
                    .expected(format!("`{to}:{from}`")),
                );
            }
        }
    }
    for (key, peers) in [("source", &rule.source), ("dest", &rule.dest)] {
        for (from, to) in peers.iter().flat_map(|peers| peers.split(',')).filter_map(|part| part.split_once('-')) {
            if let (Ok(low), Ok(high)) = (from.parse::<Ipv4Addr>(), to.parse::<Ipv4Addr>())
                && low > high
            {
                findings.push(
                    Finding::error(
                        Code::ReversedRange,
                        target,
                        format!("the range `{from}-{to}` ends before it begins"),
                    )
                    .at(path(index))
                    .at([key])
                    .expected(format!("`{to}-{from}`")),
                );
            }
        }
    }
    findings
}

/// So many rules before one are compared with it: more would make long lists slow, and no firewall has as many.
const LOOK_BACK: usize = 512;

/// What is wrong with a rule after those before it.
fn after(id: GuestId, index: usize, rule: &FirewallRule, rules: &[FirewallRule]) -> Option<Finding> {
    let target = Target::Guest(id);
    let before = rules.iter().enumerate().take(index).skip(index.saturating_sub(LOOK_BACK));
    let (first, decider) = before
        .filter(|(_, other)| other.state == RuleState::On && rule.state == RuleState::On)
        .find(|(_, other)| covers(other, rule))?;
    if same_rule(decider, rule) {
        let finding = Finding::warning(
            Code::RepeatedRule,
            target,
            format!("rule {} is the same as rule {}", index + 1, first + 1),
        )
        .at(path(index))
        .label(target, path(first), "the same rule")
        .help("remove it");
        return Some(finding);
    }
    let finding = Finding::warning(
        Code::UnreachableRule,
        target,
        format!(
            "rule {} is never reached: rule {} ({}) decides on all its packets",
            index + 1,
            first + 1,
            decider.verdict
        ),
    )
    .at(path(index))
    .label(target, path(first), "this one decides")
    .help("remove it, or move it up");
    Some(finding)
}

/// Whether every packet that `inner` matches is matched by `outer` too. Says no where it cannot be known.
fn covers(outer: &FirewallRule, inner: &FirewallRule) -> bool {
    let one = |outer: &Option<String>, inner: &Option<String>, within: fn(&str, &str) -> bool| match (outer, inner) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => within(outer, inner),
    };
    outer.direction == inner.direction
        && one(&outer.macro_name, &inner.macro_name, |outer, inner| outer == inner)
        && one(&outer.interface, &inner.interface, |outer, inner| outer == inner)
        && one(&outer.proto, &inner.proto, |outer, inner| outer == inner)
        && one(&outer.source, &inner.source, peers_within)
        && one(&outer.dest, &inner.dest, peers_within)
        && one(&outer.dport, &inner.dport, ports_within)
        && one(&outer.sport, &inner.sport, ports_within)
}

fn peers_within(outer: &str, inner: &str) -> bool {
    fn range(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
        if let Some((from, to)) = text.split_once('-') {
            return Some((from.parse().ok()?, to.parse().ok()?));
        }
        if let Ok(net) = text.parse::<Ipv4Net>() {
            return Some((net.network(), net.broadcast()));
        }
        text.parse().ok().map(|address| (address, address))
    }
    outer == inner
        || inner.split(',').all(|inner| {
            range(inner).is_some_and(|(low, high)| {
                outer.split(',').filter_map(range).any(|(from, to)| from <= low && high <= to)
            })
        })
}

fn ports_within(outer: &str, inner: &str) -> bool {
    fn range(text: &str) -> Option<(u16, u16)> {
        match text.split_once(':') {
            Some((from, to)) => Some((from.parse().ok()?, to.parse().ok()?)),
            None => text.parse().ok().map(|port| (port, port)),
        }
    }
    outer == inner
        || inner.split(',').all(|inner| {
            outer.split(',').any(|outer| outer == inner)
                || range(inner).is_some_and(|(low, high)| {
                    outer.split(',').filter_map(range).any(|(from, to)| from <= low && high <= to)
                })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("80,443", "80", true)]
    #[test_case("80:90", "81,85:90", true)]
    #[test_case("80", "80,443", false)]
    #[test_case("ssh", "ssh", true)]
    #[test_case("ssh", "22", false ; "a name and its number are not compared")]
    fn ports(outer: &str, inner: &str, expected: bool) {
        assert_eq!(ports_within(outer, inner), expected);
    }

    #[test_case("10.0.0.0/24", "10.0.0.7", true)]
    #[test_case("10.0.0.1-10.0.0.9", "10.0.0.2,10.0.0.9", true)]
    #[test_case("10.0.0.0/24", "10.0.0.0/16", false)]
    #[test_case("+lan", "10.0.0.7", false)]
    fn peers(outer: &str, inner: &str, expected: bool) {
        assert_eq!(peers_within(outer, inner), expected);
    }
}
