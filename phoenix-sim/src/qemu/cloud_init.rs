//! Cloud-init as the node sees it: the drive, what is written onto it, and `qm cloudinit`.
//!
//! Rules from `PVE::QemuServer::Cloudinit`.

use std::fmt::Write as _;

use phoenix_sim_guest::node_files;
use phoenix_types::{ConfSection, GuestConf, percent_decode};

use crate::grammar::{parse_property_string, split_list};
use crate::node::{Call, Failure, Random, VolumeRef};

use super::drive::{cloud_init_key, split_volume};
use super::settings::{self, CLOUD_INIT_SECTION};
use super::{vm, volumes};

/// Whether a password is a crypt hash already.
pub(super) fn is_hashed(password: &str) -> bool {
    let Some(rest) = password.strip_prefix('$') else { return false };
    let method = ["1$", "5$", "6$", "2a$", "2y$"].iter().find_map(|method| rest.strip_prefix(method));
    method.is_some_and(|rest| rest.split_once('$').is_some_and(|(salt, hash)| !salt.is_empty() && !hash.is_empty()))
}

/// A hash that looks like those of `crypt` with SHA-256. Nothing ever verifies it, so it need not be one.
pub(super) fn hash_password(random: &mut Random, password: &str) -> String {
    use sha1::Digest as _;
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letter = |byte: u8| char::from(ALPHABET[usize::from(byte % 64)]);
    let salt: String = random.next_u64().to_be_bytes().into_iter().map(letter).collect();
    let halves = ["1", "2", "3"].map(|part| sha1::Sha1::digest(format!("{part}{salt}{password}")));
    let hash: String = halves.iter().flatten().take(43).map(|byte| letter(*byte)).collect();
    format!("$5${salt}${hash}")
}

/// The text of one of the files that cloud-init reads.
fn user_data(id: u32, conf: &ConfSection) -> String {
    let (host, full) = host_name(id, conf);
    let mut text = format!("#cloud-config\nhostname: {host}\nmanage_etc_hosts: true\n");
    if let Some(full) = full {
        let _ = writeln!(text, "fqdn: {full}");
    }
    let user = conf.get("ciuser");
    if let Some(user) = user {
        let _ = writeln!(text, "user: {user}");
    }
    if user == Some("root") {
        text.push_str("disable_root: False\n");
    }
    if let Some(password) = conf.get("cipassword") {
        let _ = writeln!(text, "password: {password}");
    }
    if let Some(keys) = conf.get("sshkeys") {
        text.push_str("ssh_authorized_keys:\n");
        for key in percent_decode(keys).lines().filter(|key| !key.trim().is_empty()) {
            let _ = writeln!(text, "  - {key}");
        }
    }
    text.push_str("chpasswd:\n  expire: False\n");
    if user != Some("root") {
        text.push_str("users:\n  - default\n");
    }
    if conf.get("ciupgrade") != Some("0") {
        text.push_str("package_upgrade: true\n");
    }
    text
}

/// The host name of a VM, and its full name when it has one.
fn host_name(id: u32, conf: &ConfSection) -> (String, Option<String>) {
    let name = conf.get("name").map_or_else(|| format!("VM{id}"), str::to_owned);
    if let Some((host, _)) = name.split_once('.') {
        return (host.to_owned(), Some(name.clone()));
    }
    let full = conf.get("searchdomain").map(|domain| format!("{name}.{domain}"));
    (name, full)
}

/// Search domains and name servers: the VM's own, else the node's.
fn name_service(call: &Call<'_>, conf: &ConfSection) -> (Vec<String>, Vec<String>) {
    let resolv = call.state().files.text("/etc/resolv.conf").unwrap_or_default();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines = |key: &'static str| resolv.lines().filter_map(move |line| line.strip_prefix(key)).collect::<Vec<_>>();
    let search = conf.get("searchdomain").map_or_else(|| words(&lines("search ").join(" ")), words);
    let servers = conf.get("nameserver").map_or_else(|| words(&lines("nameserver ").join(" ")), words);
    (search, servers)
}

/// An IPv4 address with its prefix as address and netmask.
fn split_address(cidr: &str) -> (String, String) {
    let (address, prefix) = cidr.split_once('/').unwrap_or((cidr, "32"));
    let bits: u32 = prefix.parse().unwrap_or(32);
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
    (address.to_owned(), std::net::Ipv4Addr::from(mask).to_string())
}

/// The network devices that have a cloud-init address, by number: the device's MAC address and the address setting.
fn interfaces(conf: &ConfSection) -> Vec<(u32, String, crate::grammar::PropertyString)> {
    // The real tools sort by name, so 10 comes before 2.
    conf.keys
        .iter()
        .filter_map(|(key, value)| {
            let number = settings::number(key, "net")?;
            let address = conf.get(&format!("ipconfig{number}"))?;
            let net = parse_property_string("qm-net", value).ok()?;
            let address = parse_property_string("pve-qm-ipconfig", address).ok()?;
            Some((number, net.get("macaddr").unwrap_or_default().to_lowercase(), address))
        })
        .collect()
}

fn network_v1(call: &Call<'_>, conf: &ConfSection) -> String {
    let mut text = "version: 1\nconfig:\n".to_owned();
    for (number, mac, address) in interfaces(conf) {
        let _ =
            write!(text, "    - type: physical\n      name: eth{number}\n      mac_address: '{mac}'\n      subnets:\n");
        match address.get("ip") {
            None => {}
            Some("dhcp") => text.push_str("      - type: dhcp4\n"),
            Some(ip) => {
                let (ip, mask) = split_address(ip);
                let _ = write!(text, "      - type: static\n        address: '{ip}'\n        netmask: '{mask}'\n");
                if let Some(gateway) = address.get("gw") {
                    let _ = writeln!(text, "        gateway: '{gateway}'");
                }
            }
        }
        match address.get("ip6") {
            None => {}
            Some("dhcp") => text.push_str("      - type: dhcp6\n"),
            Some("auto") => text.push_str("      - type: ipv6_slaac\n"),
            Some(ip) => {
                let _ = write!(text, "      - type: static6\n        address: '{ip}'\n");
                if let Some(gateway) = address.get("gw6") {
                    let _ = writeln!(text, "        gateway: '{gateway}'");
                }
            }
        }
    }
    let (search, servers) = name_service(call, conf);
    text.push_str("    - type: nameserver\n");
    for (title, items) in [("address", servers), ("search", search)] {
        if !items.is_empty() {
            let _ = writeln!(text, "      {title}:");
            for item in items {
                let _ = writeln!(text, "      - '{item}'");
            }
        }
    }
    text
}

fn network_eni(call: &Call<'_>, conf: &ConfSection) -> String {
    let mut text = "auto lo\niface lo inet loopback\n\n".to_owned();
    let (search, servers) = name_service(call, conf);
    for (title, items) in [("dns_nameservers", servers), ("dns_search", search)] {
        if !items.is_empty() {
            let _ = writeln!(text, "        {title} {}", items.join(" "));
        }
    }
    for (number, _, address) in interfaces(conf) {
        let _ = writeln!(text, "auto eth{number}");
        match address.get("ip") {
            None => {}
            Some("dhcp") => {
                let _ = writeln!(text, "iface eth{number} inet dhcp");
            }
            Some(ip) => {
                let (ip, mask) = split_address(ip);
                let _ = write!(text, "iface eth{number} inet static\n        address {ip}\n        netmask {mask}\n");
                if let Some(gateway) = address.get("gw") {
                    let _ = writeln!(text, "        gateway {gateway}");
                }
            }
        }
        match address.get("ip6") {
            None => {}
            Some(way @ ("dhcp" | "auto")) => {
                let _ = writeln!(text, "iface eth{number} inet6 {way}");
            }
            Some(ip) => {
                let (ip, prefix) = ip.split_once('/').unwrap_or((ip, "128"));
                let _ =
                    write!(text, "iface eth{number} inet6 static\n        address {ip}\n        netmask {prefix}\n");
                if let Some(gateway) = address.get("gw6") {
                    let _ = writeln!(text, "        gateway {gateway}");
                }
            }
        }
    }
    text
}

/// Whether the drive has the form that Windows reads.
fn is_config_drive(conf: &ConfSection) -> bool {
    match conf.get("citype") {
        Some(kind) => kind == "configdrive2",
        None => settings::is_windows(conf.get("ostype")),
    }
}

fn sha1_hex(text: &str) -> String {
    phoenix_types::conf_digest(text)
}

/// `qm cloudinit dump`.
pub(super) fn dump(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let conf = call.vm(id)?.live;
    let user = user_data(id, &conf);
    let is_config_drive = is_config_drive(&conf);
    let network = if is_config_drive { network_eni(call, &conf) } else { network_v1(call, &conf) };
    let text = match call.param("type") {
        Some("user") => user,
        Some("network") => network,
        _ => {
            let instance = sha1_hex(&format!("{user}{network}"));
            if is_config_drive {
                format!(
                    "{{\n     \"uuid\": \"{instance}\",\n     \"network_config\": {{ \"content_path\": \"/content/0000\" }}\n}}\n"
                )
            } else {
                format!("instance-id: {instance}\n")
            }
        }
    };
    // The text ends with a newline, and the tool adds one.
    call.out(&format!("{text}\n"));
    Ok(())
}

/// The settings whose change `qm cloudinit pending` shows.
const SHOWN: &[&str] =
    &["cicustom", "cipassword", "citype", "ciupgrade", "ciuser", "nameserver", "searchdomain", "sshkeys"];

/// `qm cloudinit pending`.
pub(super) fn pending(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let conf = call.vm(id)?;
    let drive = conf.special.get(CLOUD_INIT_SECTION).cloned().unwrap_or_default();
    let added_text = drive.get("added").unwrap_or_default().to_owned();
    let added = split_list(&added_text);
    let hide = |key: &str, value: &str| if key == "cipassword" { "**********".to_owned() } else { value.to_owned() };
    let mut lines = std::collections::BTreeMap::new();
    for key in &added {
        if let Some(value) = conf.live.get(key) {
            lines.insert((*key).to_owned(), format!("new {key}: {}\n", hide(key, value)));
        }
    }
    for key in SHOWN.iter().filter(|key| !added_text.contains(**key)) {
        if let Some(value) = conf.live.get(key) {
            let value = hide(key, value);
            let text = match drive.get(key) {
                Some(old) => format!("cur {key}: {}\nnew {key}: {value}\n", hide(key, old)),
                None => format!("cur {key}: {value}\n"),
            };
            lines.insert((*key).to_owned(), text);
        }
    }
    for text in lines.values() {
        call.out(text);
    }
    Ok(())
}

/// `qm cloudinit update`.
pub(super) async fn update(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    vm::check_lock(&conf)?;
    if cloud_init_key(&conf.live, "").is_some() {
        write_drive(call, &mut conf)?;
        call.save(id, &mut conf);
    }
    Ok(())
}

/// Writes the cloud-init drive of a VM again, when it has one; what was recorded as not yet written is forgotten.
pub(super) fn write_drive(call: &mut Call<'_>, conf: &mut GuestConf) -> Result<(), Failure> {
    let drive = cloud_init_key(&conf.live, "").and_then(|key| settings::drive_of(&conf.live, &key));
    let Some(drive) = drive else { return Ok(()) };
    if let Some(custom) = conf.live.get("cicustom").and_then(|text| parse_property_string("pve-qm-cicustom", text).ok())
    {
        for (_, volume) in custom.iter() {
            check_snippet(call, volume)?;
        }
    }
    make_missing(call, drive.file())?;
    call.out("generating cloud-init ISO\n");
    conf.special.remove(CLOUD_INIT_SECTION);
    Ok(())
}

/// Makes the volume of a cloud-init drive when it is gone: replacing a drive by itself frees it.
fn make_missing(call: &mut Call<'_>, volume: &str) -> Result<(), Failure> {
    let Some((storage, name)) = split_volume(volume).filter(|_| call.state().volume(volume).is_none()) else {
        return Ok(());
    };
    let Some(id) = settings::owner(volume) else { return Ok(()) };
    let storage = call.state().enabled_storage(storage)?;
    let plain = format!("vm-{id}-cloudinit");
    call.make_disk(&storage, id, volumes::format_of(name), Some(&plain), volumes::CLOUD_INIT_SIZE)?;
    Ok(())
}

fn check_snippet(call: &Call<'_>, volume: &str) -> Result<(), Failure> {
    let unparsable = || Failure::die(format!("unable to parse volume ID '{volume}'"));
    let (storage, name) = split_volume(volume).ok_or_else(unparsable)?;
    let mut state = call.state();
    let storage = state.storage_of(&VolumeRef { storage, name })?;
    if storage.content_of(name)? != "snippets" {
        return Err(Failure::die(format!("{volume} is not in the snippets directory")));
    }
    if !state.any_image && !node_files(&mut state).exists(&storage.path(name, None)) {
        return Err(Failure::die(format!("volume '{volume}' does not exist")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("10.0.0.50/24", "10.0.0.50", "255.255.255.0")]
    #[test_case("10.0.0.50/32", "10.0.0.50", "255.255.255.255")]
    #[test_case("10.0.0.50/8", "10.0.0.50", "255.0.0.0")]
    fn addresses(cidr: &str, address: &str, mask: &str) {
        assert_eq!(split_address(cidr), (address.to_owned(), mask.to_owned()));
    }

    #[test_case("$5$salt$hash", true)]
    #[test_case("$2a$salt$hash", true)]
    #[test_case("$5$$hash", false; "no salt")]
    #[test_case("secret", false)]
    fn hashes(password: &str, expected: bool) {
        assert_eq!(is_hashed(password), expected);
    }

    #[test]
    fn a_hash_looks_like_one_and_depends_on_the_password() {
        let hash = |password: &str| hash_password(&mut Random::new(1), password);
        assert!(is_hashed(&hash("a")) && hash("a").len() == 55);
        assert_ne!(hash("a"), hash("b"));
    }
}
