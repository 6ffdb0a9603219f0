//! What the guest agent answers to questions about its system.

use phoenix_types::GuestConf;
use serde_json::{Value as Json, json};

use crate::grammar::parse_property_string;
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

/// The kernel of every simulated system.
const KERNEL_RELEASE: &str = "6.12.117+deb13-cloud-amd64";
const KERNEL_VERSION: &str = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1 (2026-11-12)";

/// What the agent answers; nothing to those commands that only do something.
pub(super) fn reply(node: &SimNode, id: u32, conf: &GuestConf, command: &str) -> Json {
    match command {
        "info" => info(),
        "get-host-name" => json!({"host-name": host_name(node, id, conf)}),
        "get-osinfo" => system(node, conf),
        "get-time" => json!(node.unix_time().saturating_mul(1_000_000_000)),
        "get-timezone" => json!({"offset": 0, "zone": "UTC"}),
        "get-users" | "get-memory-blocks" => json!([]),
        "get-memory-block-info" => json!({"size": 134_217_728}),
        "get-vcpus" => vcpus(conf),
        "get-fsinfo" => file_systems(conf),
        "network-get-interfaces" => interfaces(conf),
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

/// A file on the disk that the VM boots from.
fn file(node: &SimNode, conf: &GuestConf, path: &str) -> Option<String> {
    let state = node.state();
    drive::drives(&conf.live)
        .iter()
        .filter(|(_, drive)| !drive.is_medium())
        .filter_map(|(_, drive)| state.volume(drive.file()))
        .find_map(|volume| volume.space.files.text(path))
}

fn host_name(node: &SimNode, id: u32, conf: &GuestConf) -> String {
    let own = file(node, conf, "/etc/hostname").map(|text| text.trim().to_owned()).filter(|name| !name.is_empty());
    own.or_else(|| conf.live.get("name").map(|name| name.split('.').next().unwrap_or(name).to_owned()))
        .unwrap_or_else(|| format!("VM{id}"))
}

fn system(node: &SimNode, conf: &GuestConf) -> Json {
    let mut info = json!({"kernel-release": KERNEL_RELEASE, "kernel-version": KERNEL_VERSION, "machine": "x86_64"});
    let release = file(node, conf, "/etc/os-release").unwrap_or_default();
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
fn interfaces(conf: &GuestConf) -> Json {
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
    for (key, value) in &conf.live.keys {
        let Some(number) = settings::number(key, "net") else { continue };
        let Some(setting) = conf.live.get(&format!("ipconfig{number}")) else { continue };
        let setting = parse_property_string("pve-qm-ipconfig", setting).unwrap_or_default();
        let net = parse_property_string("qm-net", value).unwrap_or_default();
        let addresses: Vec<Json> = [("ip", "ipv4"), ("ip6", "ipv6")]
            .iter()
            .filter_map(|(key, kind)| {
                let (ip, prefix) = setting.get(key)?.split_once('/')?;
                Some(address(ip, kind, prefix.parse().ok()?))
            })
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
