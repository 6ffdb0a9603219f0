//! The named formats: what the functions that the real tools register with `register_format` accept, and their words.
//!
//! Sources: `PVE::JSONSchema` (most), `PVE::LXC::Config` (`pve-lxc-*`, `lxc-ip-with-ll-iface`, `pve-ct-timezone`),
//! `PVE::QemuServer` and its modules (`pve-qm-*`, `pve-cpuset`, `pve-phys-bits`, `pve-hotplug-features`, volume ids or paths),
//! `PVE::Storage::Plugin` (`pve-storage-*`, `pve-volume-id`, `pve-dir-override`), `PVE::AccessControl` (`pve-poolid`),
//! `PVE::HA::Tools` (`pve-ha-*`). The firewall's are in [`firewall`](super::firewall).

use std::collections::HashSet;
use std::sync::OnceLock;

use super::addresses::{is_ip, is_ipv4, is_ipv6};
use super::firewall;
use super::perl::{self, before_newline, matches, split_list};
use super::property;
use super::table::formats;

/// Checks a value against a format by name (`check_format`). The message is what follows `invalid format - `, with its newline.
pub(crate) fn check(name: &str, value: &str, path: &str) -> Result<(), String> {
    if formats().contains_key(name) {
        return property::parse_at(name, path, value).map(drop).map_err(|error| error.to_string());
    }
    match name.strip_suffix("-list") {
        Some(item) => split_list(value).into_iter().try_for_each(|entry| text(item, entry)),
        None => text(name, value),
    }
}

/// Checks one text against a format that code decides.
fn text(name: &str, value: &str) -> Result<(), String> {
    let (holds, otherwise) = match name {
        "string" => return Ok(()),
        "urlencoded" => (matches(r"[-%a-zA-Z0-9_.!~*'()]*", value), format!("invalid urlencoded string: {value}")),
        "pve-configid" => (matches(r"(?i:[a-z][a-z0-9_-]+)", value), format!("invalid configuration ID '{value}'")),
        "pve-storage-id" => return storage_id(value),
        "pve-bridge-id" => (is_bridge(value), format!("invalid bridge ID '{value}'")),
        "pve-vmid" => (matches("[1-9][0-9]{2,8}", value), "value does not look like a valid VM ID".to_owned()),
        "pve-node" => (is_label(before_newline(value)), "value does not look like a valid node name".to_owned()),
        "pve-poolid" => return pool_id(value),
        "storage-pair" => return pair(value, storage_id),
        "bridge-pair" => return pair(value, |id| text("pve-bridge-id", id)),
        "mac-addr" => (
            matches("(?i:[a-f0-9][02468ace](?::[a-f0-9]{2}){5})", value),
            "value does not look like a valid unicast MAC address".to_owned(),
        ),
        "ipv4" => (is_ipv4(value), "value does not look like a valid IPv4 address".to_owned()),
        "ipv6" => (is_ipv6(value), "value does not look like a valid IPv6 address".to_owned()),
        "ip" => (is_ip(value), "value does not look like a valid IP address".to_owned()),
        "lxc-ip-with-ll-iface" => {
            (is_ip(value) || is_link_local(value), "value does not look like a valid IP address".to_owned())
        }
        "CIDR" => (is_cidr4(value) || is_cidr6(value), "value does not look like a valid CIDR network".to_owned()),
        "pve-ipv4-config" => (
            matches("(?:dhcp|manual)", value) || is_cidr4(value),
            "value does not look like a valid ipv4 network configuration".to_owned(),
        ),
        "pve-ipv6-config" => (
            matches("(?:auto|dhcp|manual)", value) || is_cidr6(value),
            "value does not look like a valid ipv6 network configuration".to_owned(),
        ),
        "dns-name" => (is_dns_name(value), "value does not look like a valid DNS name".to_owned()),
        "address" => (is_ip(value) || is_dns_name(value), format!("value does not look like a valid address: {value}")),
        "pve-ct-timezone" => {
            (value == "host" || value == "UTC" || zones().contains(value), format!("invalid time zone '{value}'"))
        }
        "pve-iface" => (is_interface(value), format!("invalid network interface name '{value}'")),
        "disk-size" => {
            (property::parse_size(value).is_some(), format!("value does not look like a valid disk size: {value}"))
        }
        "pve-startup-order" => (is_startup_order(value), "unable to parse startup options".to_owned()),
        "pve-tag" => (matches(r"(?i:[a-z0-9_][a-z0-9_\-\+\.]*)", value), "invalid characters in tag".to_owned()),
        "pve-lxc-mp-string" => (
            !(value.contains("/./")
                || value.contains("/../")
                || value.starts_with("../")
                || ends_in_dots(before_newline(value))),
            format!("{value} contains illegal character sequences"),
        ),
        "pve-lxc-dev-string" => (
            value.starts_with("/dev/")
                && !(value.contains("/./") || value.contains("/../") || ends_in_dots(before_newline(value))),
            format!("{value} is not a valid device path"),
        ),
        "pve-volume-id" => (is_volume_id(value), format!("unable to parse volume ID '{value}'")),
        "pve-volume-id-or-absolute-path" => {
            (value.starts_with('/') || is_volume_id(value), format!("unable to parse volume ID '{value}'"))
        }
        "pve-volume-id-or-qm-path" => (
            value == "none" || value == "cdrom" || value.starts_with('/') || is_volume_id(value),
            format!("unable to parse volume ID '{value}'"),
        ),
        "pve-qm-bootdisk" => (is_drive(value, Firmware::Too), format!("invalid boot disk '{value}'")),
        "pve-qm-bootdev" => (is_boot_device(value), format!("invalid boot device '{value}'")),
        "pve-cpuset" => (is_cpu_set(value), "unable to parse cpuset option".to_owned()),
        "pve-phys-bits" => (is_physical_bits(value), "value must be an integer between 8 and 64 or 'host'".to_owned()),
        "pve-hotplug-features" => return hotplug_features(value),
        _ => match storage(name, value).or_else(|| firewall::check(name, value)) {
            Some(result) => return result,
            None => (false, format!("undefined format '{name}'")),
        },
    };
    if holds { Ok(()) } else { Err(otherwise + "\n") }
}

/// The formats of storages and of the HA manager.
fn storage(name: &str, value: &str) -> Option<Result<(), String>> {
    let (holds, otherwise) = match name {
        "pve-storage-path" => (is_absolute_path(value), "value does not look like a valid absolute path".to_owned()),
        "pve-storage-server" => (
            is_ip(value) || is_dns_name(value),
            "value does not look like a valid server name or IP address".to_owned(),
        ),
        "pve-storage-vgname" => (
            matches(r"(?i:[a-z0-9][a-z0-9\-_\.]*[a-z0-9])", value),
            format!("lvm name '{value}' contains illegal characters"),
        ),
        "pve-storage-portal-dns" => {
            (is_host_and_port(value), "value does not look like a valid portal address".to_owned())
        }
        "pve-storage-content" => (is_content(value), format!("invalid content type '{value}'")),
        "pve-storage-options" => (matches(r"\S+", value), format!("invalid options '{value}'")),
        "pve-storage-zfs-blocksize" => {
            (matches(r"\d+[kKmM]?", value), format!("value '{value}' is not a power of 2 with optional k or m suffix"))
        }
        "pve-dir-override" => (
            matches(r"[a-z]+=[^.]*(?:\.?[^.]+)+", value)
                && value.split_once('=').is_some_and(|(content, path)| {
                    is_content(content) && path.len() < 1023 && path.split('/').all(|part| part.len() < 255)
                }),
            format!("invalid override '{value}'"),
        ),
        "pve-ha-resource-id" => {
            (matches(r"[a-z]+:\S+", value), "value does not look like a valid ha resource id".to_owned())
        }
        "pve-ha-resource-or-vm-id" => {
            (matches(r"([a-z]+:\S+|\d+)", value), "value does not look like a valid ha resource id".to_owned())
        }
        "pve-ha-node" => (
            matches(r"([a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?)(:\d+)?", value),
            "value does not look like a valid ha node".to_owned(),
        ),
        _ => return None,
    };
    Some(if holds { Ok(()) } else { Err(otherwise + "\n") })
}

fn storage_id(value: &str) -> Result<(), String> {
    if value.chars().count() < 2 {
        Err(format!("storage ID '{value}' cannot be shorter than 2 characters\n"))
    } else if matches(r"(?i:[a-z][a-z0-9\-_\.]*[a-z0-9])", value) {
        Ok(())
    } else {
        Err(format!("storage ID '{value}' contains illegal characters\n"))
    }
}

/// Pools may be nested three deep (`a/b/c`).
fn pool_id(value: &str) -> Result<(), String> {
    if matches(r"[A-Za-z0-9\.\-_]+(?:/[A-Za-z0-9\.\-_]+){0,2}", value) {
        return Ok(());
    }
    if perl::split(value, '/').len() > 3 {
        return Err(format!("pool name '{value}' nested too deeply (max levels = 3)\n"));
    }
    Err(format!("pool name '{value}' contains invalid characters\n"))
}

/// One entry of a source to target map: `1`, `target` or `source:target` (`parse_idmap`).
fn pair(value: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    // A lone zero counts as no map at all.
    if value == "1" || !perl::is_true(value) {
        return Ok(());
    }
    let ids = match value.split_once(':') {
        Some((source, target)) if !source.is_empty() && !target.is_empty() && !target.contains(':') => {
            vec![source, target]
        }
        _ => vec![value],
    };
    // Each level of the real check adds a newline.
    ids.into_iter()
        .try_for_each(check)
        .map_err(|message| format!("entry '{value}' contains invalid ID - {message}\n\n"))
}

fn is_bridge(value: &str) -> bool {
    matches(r"[-_.\w\d]+", value)
}

/// A label of letters, digits and inner hyphens.
fn is_label(value: &str) -> bool {
    let bytes = value.as_bytes();
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    is_end(bytes.first())
        && is_end(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

pub(crate) fn is_dns_name(value: &str) -> bool {
    before_newline(value).split('.').all(is_label)
}

/// A link-local address with the interface that it belongs to.
fn is_link_local(value: &str) -> bool {
    value
        .split_once('%')
        .is_some_and(|(address, interface)| address.starts_with("fe80:") && is_ip(address) && is_interface(interface))
}

fn is_cidr4(value: &str) -> bool {
    is_network(value, is_ipv4, 32)
}

fn is_cidr6(value: &str) -> bool {
    is_network(value, is_ipv6, 128)
}

/// An address with a prefix of 8 to `most` bits.
fn is_network(value: &str, is_address: fn(&str) -> bool, most: u32) -> bool {
    before_newline(value).split_once('/').is_some_and(|(address, bits)| {
        !address.ends_with('\n')
            && is_address(address)
            && bits.bytes().all(|byte| byte.is_ascii_digit())
            && bits.parse::<u32>().is_ok_and(|bits| (8..=most).contains(&bits))
    })
}

pub(crate) fn is_interface(value: &str) -> bool {
    matches(r"(?i:[a-z][a-z0-9_]{1,20}([:\.]\d+)?)", value)
}

fn zones() -> &'static HashSet<&'static str> {
    static ZONES: OnceLock<HashSet<&'static str>> = OnceLock::new();
    ZONES.get_or_init(|| include_str!("../../data/zones.txt").lines().collect())
}

fn is_startup_order(value: &str) -> bool {
    perl::is_true(value)
        && perl::split(value, ',')
            .into_iter()
            .all(|part| part.trim().is_empty() || matches(r"(?:(order=)?\d+|up=\d+|down=\d+)", part))
}

fn ends_in_dots(value: &str) -> bool {
    value.ends_with("/.") || value.ends_with("/..")
}

fn is_volume_id(value: &str) -> bool {
    matches(r"(?i:([a-z][a-z0-9\-_\.]*[a-z0-9]):(.+))", value)
}

/// Whether a drive name may be one of the firmware's drives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Firmware {
    Too,
    Not,
}

fn is_drive(name: &str, firmware: Firmware) -> bool {
    is_indexed(name, &[("ide", 3), ("scsi", 30), ("virtio", 15), ("sata", 5)])
        || (firmware == Firmware::Too && (name == "efidisk0" || name == "tpmstate0"))
}

fn is_boot_device(name: &str) -> bool {
    is_drive(name, Firmware::Not) || is_indexed(name, &[("net", 31), ("usb", 13), ("hostpci", 15)])
}

/// True for a base with an index up to its last one, written without leading zeros.
fn is_indexed(name: &str, bases: &[(&str, u32)]) -> bool {
    let digits = name.find(|ch: char| ch.is_ascii_digit()).unwrap_or(name.len());
    let (base, index) = name.split_at(digits);
    bases.iter().any(|(known, last)| {
        *known == base && index.parse::<u32>().is_ok_and(|at| at <= *last && at.to_string() == index)
    })
}

fn is_cpu_set(value: &str) -> bool {
    perl::split(value, ',').into_iter().all(|part| {
        let part = part.trim();
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        matches!((digits(from), digits(to)), (Some(from), Some(to)) if from <= to)
    })
}

fn is_physical_bits(value: &str) -> bool {
    let value = before_newline(value);
    value == "host" || (value.len() <= 2 && digits(value).is_some_and(|bits| (8..=64).contains(&bits)))
}

/// A number without a sign.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

fn hotplug_features(value: &str) -> Result<(), String> {
    if value == "0" || value == "1" {
        return Ok(());
    }
    match split_list(value)
        .into_iter()
        .find(|feature| !["network", "disk", "cpu", "memory", "usb", "cloudinit"].contains(feature))
    {
        Some(feature) => Err(format!("invalid hotplug feature '{feature}'\n")),
        None => Ok(()),
    }
}

fn is_absolute_path(value: &str) -> bool {
    value.strip_prefix('/').and_then(|rest| rest.chars().next()).is_some_and(|ch| !matches!(ch, ';' | '(' | ')'))
}

fn is_content(value: &str) -> bool {
    ["images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import", "none"].contains(&value)
}

fn is_host_and_port(value: &str) -> bool {
    if is_ip(value) || is_dns_name(value) {
        return true;
    }
    let Some((host, port)) = before_newline(value).rsplit_once(':') else { return false };
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && (is_ip(host) || is_dns_name(host))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use test_case::test_case;

    use super::super::properties::Schema;
    use super::super::table::{commands, endpoints};
    use super::super::tool::Tool;
    use super::super::tree::Node;
    use super::*;

    #[test_case("pve-vmid", "100"; "smallest id")]
    #[test_case("pve-vmid", "100\n"; "an id with a final newline")]
    #[test_case("dns-name", "a.b-c.example")]
    #[test_case("mac-addr", "BC:24:11:00:00:01")]
    #[test_case("pve-ipv4-config", "10.0.0.13/24")]
    #[test_case("pve-ipv6-config", "fd00::1/64")]
    #[test_case("lxc-ip-with-ll-iface-list", "10.0.0.13 fe80::1%eth0")]
    #[test_case("pve-tag-list", "Phoenix;x-1")]
    #[test_case("pve-startup-order", "order=2,up=5,down=5")]
    #[test_case("pve-startup-order", ","; "startup of a comma")]
    #[test_case("pve-qm-bootdev-list", "scsi0;net0")]
    #[test_case("storage-pair-list", "local:local-lvm,quick")]
    #[test_case("storage-pair-list", "0,local"; "a zero among pairs")]
    #[test_case("pve-configid-list", "0"; "a list of one zero is empty")]
    #[test_case("pve-ct-timezone", "Europe/Berlin")]
    #[test_case("pve-cpuset", "0,2-4")]
    fn accepted(format: &str, value: &str) {
        assert_eq!(check(format, value, ""), Ok(()));
    }

    #[test_case("pve-vmid", "0100", "value does not look like a valid VM ID\n")]
    #[test_case("dns-name", "bad_name", "value does not look like a valid DNS name\n")]
    #[test_case("dns-name", "", "value does not look like a valid DNS name\n"; "empty name")]
    #[test_case("mac-addr", "01:00:00:00:00:01", "value does not look like a valid unicast MAC address\n")]
    #[test_case("pve-ipv4-config", "10.0.0.5", "value does not look like a valid ipv4 network configuration\n"; "no prefix")]
    #[test_case("pve-ipv4-config", "10.0.0.5/7", "value does not look like a valid ipv4 network configuration\n"; "short prefix")]
    #[test_case("pve-startup-order", "0", "unable to parse startup options\n"; "startup of a zero")]
    #[test_case("pve-cpuset", "+1", "unable to parse cpuset option\n"; "a signed cpu")]
    #[test_case("pve-phys-bits", "+8", "value must be an integer between 8 and 64 or 'host'\n"; "signed bits")]
    #[test_case("pve-storage-id", "x", "storage ID 'x' cannot be shorter than 2 characters\n")]
    #[test_case("pve-volume-id", "x1", "unable to parse volume ID 'x1'\n")]
    #[test_case("pve-qm-bootdev-list", "efidisk0", "invalid boot device 'efidisk0'\n")]
    #[test_case("pve-hotplug-features", "x1", "invalid hotplug feature 'x1'\n")]
    #[test_case("pve-ct-timezone", "x1", "invalid time zone 'x1'\n")]
    #[test_case("pve-lxc-mp-string", "/mnt/../etc", "/mnt/../etc contains illegal character sequences\n")]
    fn refused(format: &str, value: &str, message: &str) {
        assert_eq!(check(format, value, ""), Err(message.to_owned()));
    }

    #[test]
    fn every_format_and_pattern_of_the_tables_is_known() {
        let properties = formats()
            .values()
            .chain(endpoints().iter().map(|endpoint| &endpoint.schema))
            .chain([Tool::Pct, Tool::Qm, Tool::Pvesm, Tool::Pveam, Tool::HaManager].into_iter().flat_map(schemas))
            .flat_map(|schema| schema.properties.values());
        for property in properties {
            if let Some(format) = &property.format {
                let verdict = check(format, "x", "");
                assert!(verdict.as_ref().err().is_none_or(|message| !message.starts_with("undefined")), "{format}");
            }
            if let Some(pattern) = &property.pattern {
                assert!(perl::anchored(pattern).is_some(), "{pattern}");
            }
        }
    }

    /// The schemas of all commands of a tool.
    fn schemas(tool: Tool) -> Vec<&'static Schema> {
        fn walk<'a>(group: &'a BTreeMap<String, Node>, found: &mut Vec<&'a Schema>) {
            for node in group.values() {
                match node {
                    Node::Command(command) => found.push(&command.schema),
                    Node::Group(inner) => walk(inner, found),
                    Node::Alias(_) => {}
                }
            }
        }
        let mut found = Vec::new();
        walk(commands(tool).expect("a tool with commands"), &mut found);
        found
    }
}
