//! What the guest agent answers to questions about its system.

use std::net::IpAddr;

use phoenix_sim_guest::kernel_names;
use phoenix_types::GuestConf;
use serde_json::{Value as Json, json};

use crate::grammar::{PropertyString, parse_property_string};
use crate::node::SimNode;

use super::{drive, settings};

/// The agent's commands in the order in which it lists them, with whether it answers when they succeed
/// (QEMU 10.0 `qga/qapi-schema.json`, Linux).
const COMMANDS: &[(&str, bool)] = &[
    ("network-get-route", true),
    ("get-load", true),
    ("get-cpustats", true),
    ("get-diskstats", true),
    ("ssh-remove-authorized-keys", true),
    ("ssh-add-authorized-keys", true),
    ("ssh-get-authorized-keys", true),
    ("get-osinfo", true),
    ("get-timezone", true),
    ("get-users", true),
    ("get-host-name", true),
    ("exec", true),
    ("exec-status", true),
    ("get-memory-block-info", true),
    ("set-memory-blocks", true),
    ("get-memory-blocks", true),
    ("set-user-password", true),
    ("get-fsinfo", true),
    ("get-disks", true),
    ("set-vcpus", true),
    ("get-vcpus", true),
    ("network-get-interfaces", true),
    ("suspend-hybrid", false),
    ("suspend-ram", false),
    ("suspend-disk", false),
    ("fstrim", true),
    ("fsfreeze-thaw", true),
    ("fsfreeze-freeze-list", true),
    ("fsfreeze-freeze", true),
    ("fsfreeze-status", true),
    ("file-flush", true),
    ("file-seek", true),
    ("file-write", true),
    ("file-read", true),
    ("file-close", true),
    ("file-open", true),
    ("shutdown", false),
    ("info", true),
    ("set-time", true),
    ("get-time", true),
    ("ping", true),
    ("sync", true),
    ("sync-delimited", true),
];

/// What the agent answers; nothing to those commands that only do something.
pub(super) async fn reply(node: &SimNode, id: u32, conf: &GuestConf, command: &str) -> Json {
    match command {
        "info" => info(),
        "get-host-name" => json!({"host-name": node.inside(id).host_name()}),
        "get-osinfo" => system(node, id, conf).await,
        "get-time" => json!(node.unix_time().saturating_mul(1_000_000_000)),
        "get-timezone" => json!({"offset": 0, "zone": "UTC"}),
        "get-users" | "get-memory-blocks" => json!([]),
        "get-memory-block-info" => json!({"size": 134_217_728}),
        "get-vcpus" => vcpus(conf),
        "get-fsinfo" => file_systems(conf),
        "network-get-interfaces" => interfaces(node, id, conf),
        "fsfreeze-status" => json!("thawed"),
        "fsfreeze-freeze" | "fsfreeze-thaw" => {
            json!(drive::drives(&conf.live).iter().filter(|(_, drive)| !drive.is_medium()).count())
        }
        "fstrim" => json!({"paths": []}),
        _ => json!({}),
    }
}

fn info() -> Json {
    let commands: Vec<Json> = COMMANDS
        .iter()
        .map(|(name, answers)| json!({"enabled": true, "name": format!("guest-{name}"), "success-response": answers}))
        .collect();
    json!({"supported_commands": commands, "version": settings::QEMU_VERSION})
}

/// Whether a VM runs a kernel and a RAM disk of the node, which know nothing of its disks and its network.
fn is_bare(conf: &GuestConf) -> bool {
    conf.live.get("args").is_some_and(|args| args.contains("-kernel"))
}

async fn system(node: &SimNode, id: u32, conf: &GuestConf) -> Json {
    let (release, version) = kernel_names(true);
    let mut info = json!({"kernel-release": release, "kernel-version": version, "machine": "x86_64"});
    if is_bare(conf) {
        return info;
    }
    let release = node.inside(id).read("/etc/os-release").await;
    let release = release.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let names = [
        ("ID", "id"),
        ("NAME", "name"),
        ("PRETTY_NAME", "pretty-name"),
        ("VERSION", "version"),
        ("VERSION_ID", "version-id"),
    ];
    for line in release.lines() {
        if let Some((key, value)) = line.split_once('=')
            && let Some((_, name)) = names.iter().find(|(known, _)| *known == key)
        {
            info[*name] = json!(value.trim_matches('"'));
        }
    }
    info
}

fn vcpus(conf: &GuestConf) -> Json {
    let count = |key: &str| conf.live.get(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let cpus = count("sockets").saturating_mul(count("cores")).min(512);
    let cpus: Vec<Json> =
        (0..cpus).map(|number| json!({"can-offline": number > 0, "logical-id": number, "online": true})).collect();
    json!(cpus)
}

fn file_systems(conf: &GuestConf) -> Json {
    let Some((_, drive)) = drive::drives(&conf.live).into_iter().find(|(_, drive)| !drive.is_medium()) else {
        return json!([]);
    };
    let total = drive.size().unwrap_or(0);
    json!([{
        "disk": [], "mountpoint": "/", "name": "sda1", "total-bytes": total, "type": "ext4", "used-bytes": total / 4,
    }])
}

/// The loopback device and those network devices that cloud-init brought up.
fn interfaces(node: &SimNode, id: u32, conf: &GuestConf) -> Json {
    let none = json!({
        "rx-bytes": 0, "rx-dropped": 0, "rx-errs": 0, "rx-packets": 0,
        "tx-bytes": 0, "tx-dropped": 0, "tx-errs": 0, "tx-packets": 0,
    });
    let address =
        |ip: &str, kind: &str, prefix: u32| json!({"ip-address": ip, "ip-address-type": kind, "prefix": prefix});
    let mut all = vec![json!({
        "hardware-address": "00:00:00:00:00:00",
        "ip-addresses": [address("127.0.0.1", "ipv4", 8), address("::1", "ipv6", 128)],
        "name": "lo",
        "statistics": none,
    })];
    if is_bare(conf) {
        return json!(all);
    }
    let settings: Vec<_> = conf
        .live
        .keys
        .iter()
        .filter_map(|(key, value)| {
            let number = settings::number(key, "net")?;
            let net = parse_property_string("qm-net", value).unwrap_or_default();
            let setting = conf.live.get(&format!("ipconfig{number}")).unwrap_or_default();
            Some((number, net, parse_property_string("pve-qm-ipconfig", setting).unwrap_or_default()))
        })
        .collect();
    let given = |setting: &PropertyString, key: &str| {
        let (ip, prefix) = setting.get(key)?.split_once('/')?;
        Some((ip.parse::<IpAddr>().ok()?, prefix.parse::<u32>().ok()?))
    };
    // What the guest has beyond its configuration it got from a DHCP server.
    let known: Vec<IpAddr> = settings
        .iter()
        .flat_map(|(_, _, setting)| [given(setting, "ip"), given(setting, "ip6")])
        .flatten()
        .map(|(ip, _)| ip)
        .collect();
    let mut leased = node.inside(id).addresses().into_iter().filter(|ip| ip.is_ipv4() && !known.contains(ip));
    for (number, net, setting) in &settings {
        let first = given(setting, "ip").or_else(|| leased.next().map(|ip| (ip, 24)));
        let addresses: Vec<Json> = [first, given(setting, "ip6")]
            .into_iter()
            .flatten()
            .map(|(ip, prefix)| address(&ip.to_string(), if ip.is_ipv4() { "ipv4" } else { "ipv6" }, prefix))
            .collect();
        all.push(json!({
            "hardware-address": net.get("macaddr").unwrap_or_default().to_lowercase(),
            "ip-addresses": addresses,
            "name": format!("eth{number}"),
            "statistics": none,
        }));
    }
    json!(all)
}
