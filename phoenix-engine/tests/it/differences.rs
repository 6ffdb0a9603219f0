//! Every key of the configuration, changed on guests that exist: the plan tells what differs, and what that means.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use phoenix_engine::{Desired, Difference, GuestPlan, Node, Observed, Plan, Provision, observe, plan};
use phoenix_host::Layered;
use phoenix_sim::{SimNode, World};
use serde_json::{Value, json};

use crate::fleet::Folder;
use crate::run::up;

const LXC: &str = "phoenix_lxc_configs.json";
const VM: &str = "phoenix_vm_configs.json";
const NODE: &str = "phoenix_hypervisor_config.json";

/// Guests that have a value for nearly every key, with what they are made from.
fn files() -> Value {
    let gate = json!({"name": "up", "command": "true", "retries": 3, "interval": 1});
    let wait = json!({"name": "up", "command": "true", "timeout": 30});
    let base = |name: &str| json!({"name": name, "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-lvm", "template_snapshot_name": "ready"});
    let image = |vmid: u32, name: &str| json!({"vmid": vmid, "name": name, "is_template": true, "template_image": "noble-server-cloudimg-amd64.img", "storage_pool": "local-lvm", "features": ["setup"]});
    let firewall = json!({"enabled": true, "default_input_policy": "DROP", "default_output_policy": "ACCEPT",
        "rules": [{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "22", "comment": "ssh"}]});
    let app = json!({
        "name": "app", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-lvm", "storage_size_gb": 4,
        "cores": 1, "memory_mb": 512, "swap_mb": 256, "description": "Mine.", "tags": ["a"], "start_at_boot": true,
        "boot_order": 3, "boot_delay": 4, "features": ["setup"], "application_script": "app.sh", "apparmor_profile": "generated",
        "lxc_options": ["lxc.cap.drop=sys_time"], "pct_options": ["keyctl=1"], "mac_address": "BC:24:11:00:09:02",
        "id_maps": [{"type": "uid", "container_id": 1000, "host_id": 1000, "size": 1}],
        "network_config": {"bridge": "vmbr0", "ip": "10.0.0.9/24", "gw": "10.0.0.254", "name": "eth0", "mtu": 1400, "vlan": 5,
            "nameservers": ["10.0.0.1"], "searchdomain": "example.org"},
        "firewall": firewall, "health_check": gate, "wait_for": wait,
        "zfs_volumes": [{"name": "data", "pool": "local-lvm", "size_gb": 4, "mount_point": "/data"}],
    });
    let machine = json!({
        "vmid": 1002, "name": "machine", "clone_from_vmid": 1000, "storage_pool": "local-lvm", "disk_size_gb": 16, "cores": 2,
        "memory_mb": 2048, "description": "Mine.", "tags": ["a"], "start_at_boot": true, "boot_order": 3, "boot_delay": 4,
        "mac_address": "BC:24:11:00:10:02", "features": ["setup"], "application_script": "app.sh", "health_check": gate,
        "wait_for": wait, "firewall": firewall,
        "network_config": {"bridge": "vmbr0", "ip": "10.0.0.10/24", "gw": "10.0.0.254", "mtu": 1400, "vlan": 5,
            "nameserver": "10.0.0.1", "searchdomain": "example.org"},
        "user_config": {"username": "me", "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB me"},
        "volumes": [{"type": "nfs", "name": "data", "server": "10.0.0.1", "path": "/srv/vm", "mount_point": "/data"}],
        "snapshots": {"pre-features": "before", "post-features": "after"},
    });
    json!({
        LXC: {"lxc_configs": {
            "900": base("base"), "901": base("other"), "902": app,
            "903": {"name": "mould", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-lvm",
                "storage_size_gb": 4, "is_template": true, "features": ["setup"]},
            "904": {"name": "copy", "clone_from_ctid": "900", "start_at_boot": true, "features": ["setup"],
                "mount_points": [{"host_path": "/srv/app", "container_path": "/app", "owner_uid": 33, "owner_gid": 33}]},
            "905": {"name": "spare", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-lvm"},
        }},
        VM: {"vm_defaults": {"cores": 2, "memory_mb": 2048, "network_bridge": "vmbr0", "storage_pool": "local-lvm", "disk_size_gb": 12},
            "vms": [image(1000, "image"), image(1001, "picture"), machine,
                {"vmid": 1003, "name": "plain", "template_image": "noble-server-cloudimg-amd64.img", "start_at_boot": true,
                    "network_config": {"ip": "dhcp", "ip6": "fd00::3/64"}, "volumes": [{"path": "/srv/plain", "mount_point": "/data"}]},
                {"vmid": 1004, "name": "spare-vm", "template_image": "noble-server-cloudimg-amd64.img"}]},
        NODE: {"domain_name": "example.net", "behavior": {}, "shared_volumes": {},
            "network": {"nfs_server": "10.0.0.1", "interfaces": {"address": "10.0.0.1/24"}},
            "proxmox_defaults": {"lxc": {}}, "vm_defaults": {}},
    })
}

/// A key as the reference writes it, the place of it, and another value.
type Change = (&'static str, &'static str, Value);

/// Changed keys of containers.
fn of_containers() -> Vec<Change> {
    let gate = json!({"name": "other", "command": "true"});
    vec![
        ("apparmor_manages_nesting", "902", json!(true)),
        ("apparmor_profile", "902", json!("unconfined")),
        ("application_script", "902", json!("new.sh")),
        ("boot_delay", "902", json!(5)),
        ("boot_order", "902", json!(4)),
        ("limits", "902", json!({"shutdown": 300})),
        ("limits.script", "902", json!(60)),
        ("limits.shutdown", "902", json!(300)),
        ("limits.start", "902", json!(60)),
        ("bootstrap_ca_url", "902", json!("https://10.0.0.8")),
        ("clone_from_ctid", "904", json!("901")),
        ("cores", "902", json!(2)),
        ("cores", "903", json!(2)),
        ("dependencies", "902", json!(["901"])),
        ("description", "902", json!("New.")),
        ("description", "902", Value::Null),
        ("enable_lifecycle_snapshots", "902", json!(true)),
        ("features", "902", json!(["setup", "more"])),
        ("features", "903", json!(["more"])),
        ("firewall", "902", Value::Null),
        ("gpu_assignment", "902", json!("0")),
        ("health_check", "902", gate.clone()),
        ("health_checks", "904", gate.clone()),
        ("id_maps", "902", Value::Null),
        ("id_maps[].container_id", "902", json!(1001)),
        ("id_maps[].host_id", "902", json!(1001)),
        ("id_maps[].size", "902", json!(2)),
        ("id_maps[].type", "902", json!("gid")),
        ("is_template", "905", json!(true)),
        ("is_template", "903", json!(false)),
        ("lxc_options", "902", json!(["lxc.cap.drop=sys_nice"])),
        ("mac_address", "902", json!("BC:24:11:00:09:03")),
        ("memory_mb", "902", json!(1024)),
        ("mount_points", "904", Value::Null),
        ("mount_points[].container_path", "904", json!("/other")),
        ("mount_points[].host_path", "904", json!("/srv/other")),
        ("mount_points[].options", "904", json!({"shared": true})),
        ("mount_points[].options.acl", "904", json!(true)),
        ("mount_points[].options.idmap", "904", json!("u:0:200000:65536")),
        ("mount_points[].options.keepattrs", "904", json!(true)),
        ("mount_points[].options.mountoptions", "904", json!(["noatime"])),
        ("mount_points[].options.quota", "904", json!(true)),
        ("mount_points[].options.replicate", "904", json!(false)),
        ("mount_points[].options.shared", "904", json!(true)),
        ("mount_points[].owner_gid", "904", json!(34)),
        ("mount_points[].owner_uid", "904", json!(34)),
        ("mount_points[].read_only", "904", json!(true)),
        ("name", "902", json!("new")),
        ("network_config", "902", Value::Null),
        ("network_config.bridge", "902", json!("vmbr1")),
        ("network_config.firewall", "902", json!(false)),
        ("network_config.gw", "902", json!("10.0.0.253")),
        ("network_config.gw6", "902", json!("fd00::1")),
        ("network_config.host_managed", "902", json!(true)),
        ("network_config.ip", "902", json!("10.0.0.8/24")),
        ("network_config.ip6", "902", json!("auto")),
        ("network_config.link_down", "902", json!(true)),
        ("network_config.mac_address", "905", json!("BC:24:11:00:09:05")),
        ("network_config.mtu", "902", json!(1500)),
        ("network_config.name", "902", json!("lan0")),
        ("network_config.nameserver", "904", json!("10.0.0.2")),
        ("network_config.nameservers", "902", json!(["10.0.0.2"])),
        ("network_config.rate", "902", json!(10)),
        ("network_config.searchdomain", "902", json!("example.com")),
        ("network_config.trunks", "902", json!([8])),
        ("network_config.vlan", "902", json!(6)),
        ("on_failure", "902", json!("rollback")),
        ("pct", "902", json!({"timezone": "host", "cpulimit": 1.5})),
        ("pct_options", "902", json!(["fuse=1"])),
        ("portainer_role", "902", json!("agent")),
        ("ports", "902", json!(["80:80"])),
        ("protection", "902", json!(true)),
        ("start_at_boot", "904", json!(false)),
        ("state", "902", json!("stopped")),
        ("storage_pool", "902", json!("local-zfs")),
        ("storage_size_gb", "902", json!(8)),
        ("storage_size_gb", "902", json!(2)),
        ("swap_mb", "902", json!(0)),
        ("tags", "902", json!(["b"])),
        ("template", "902", json!("local:vztmpl/debian-13.tar.zst")),
        ("template", "903", json!("local:vztmpl/debian-13.tar.zst")),
        ("template_snapshot_name", "902", json!("new")),
        ("tests", "902", json!({"a": [{"name": "a", "type": "script", "path": "a.sh"}]})),
        ("traefik_service", "902", json!({"name": "app", "port": 80})),
        ("trigger_sync_on_completion", "902", json!(true)),
        ("unprivileged", "902", json!(false)),
        ("vllm_engine_config", "902", json!({"CacheConfig": {}})),
        ("volumes", "904", json!([{"pool": "local-lvm", "size_gb": 4, "mount_point": "/data"}])),
        ("wait_for", "902", gate),
        ("zfs_volumes", "902", Value::Null),
        ("zfs_volumes[].backup", "902", json!(true)),
        ("zfs_volumes[].mount_point", "902", json!("/other")),
        ("zfs_volumes[].name", "902", json!("other")),
        ("zfs_volumes[].options", "902", json!({"shared": true})),
        ("zfs_volumes[].options.acl", "902", json!(true)),
        ("zfs_volumes[].options.idmap", "902", json!("u:0:200000:65536")),
        ("zfs_volumes[].options.keepattrs", "902", json!(true)),
        ("zfs_volumes[].options.mountoptions", "902", json!(["noatime"])),
        ("zfs_volumes[].options.quota", "902", json!(true)),
        ("zfs_volumes[].options.replicate", "902", json!(false)),
        ("zfs_volumes[].options.shared", "902", json!(true)),
        ("zfs_volumes[].pool", "902", json!("local-zfs")),
        ("zfs_volumes[].read_only", "902", json!(true)),
        ("zfs_volumes[].size_gb", "902", json!(8)),
        ("zfs_volumes[].size_gb", "902", json!(2)),
    ]
}

/// Changed keys of VMs.
fn of_vms() -> Vec<Change> {
    let gate = json!({"name": "other", "command": "true"});
    vec![
        ("application_script", "1002", json!("new.sh")),
        ("boot_delay", "1002", json!(5)),
        ("boot_order", "1002", json!(4)),
        ("limits", "1002", json!({"shutdown": 300})),
        ("limits.agent", "1002", json!(60)),
        ("limits.cloud_init", "1002", json!(60)),
        ("limits.script", "1002", json!(60)),
        ("limits.shutdown", "1002", json!(300)),
        ("limits.start", "1002", json!(60)),
        ("clone_from_vmid", "1002", json!(1001)),
        ("cloud_init", "1002", json!(false)),
        ("cores", "1002", json!(4)),
        ("dependencies", "1002", json!(["901"])),
        ("description", "1002", json!("New.")),
        ("disk_size_gb", "1002", json!(32)),
        ("disk_size_gb", "1002", json!(14)),
        ("dns_records", "1002", json!([1])),
        ("docker_stacks", "1002", json!(["two"])),
        ("enable_lifecycle_snapshots", "1003", json!(true)),
        ("features", "1002", json!(["more"])),
        ("features", "1001", json!(["more"])),
        ("firewall", "1002", Value::Null),
        ("guest_agent", "1004", json!(false)),
        ("guest_agent.exec", "1004", json!(false)),
        ("health_check", "1002", gate.clone()),
        ("health_checks", "1003", gate.clone()),
        ("is_template", "1004", json!(true)),
        ("mac_address", "1002", json!("BC:24:11:00:10:03")),
        ("memory_mb", "1002", json!(4096)),
        ("memory_mb", "1001", json!(4096)),
        ("name", "1002", json!("new")),
        ("network_bridge", "1003", json!("vmbr1")),
        ("network_config", "1002", Value::Null),
        ("network_config.bridge", "1002", json!("vmbr1")),
        ("network_config.firewall", "1002", json!(false)),
        ("network_config.gw", "1002", json!("10.0.0.253")),
        ("network_config.gw6", "1003", json!("fd00::1")),
        ("network_config.ip", "1002", json!("10.0.0.8/24")),
        ("network_config.ip6", "1002", json!("fd00::8/64")),
        ("network_config.link_down", "1002", json!(true)),
        ("network_config.mac_address", "1003", json!("BC:24:11:00:10:05")),
        ("network_config.model", "1002", json!("e1000")),
        ("network_config.mtu", "1002", json!(1500)),
        ("network_config.nameserver", "1002", json!("10.0.0.2")),
        ("network_config.nameservers", "1003", json!(["10.0.0.2"])),
        ("network_config.queues", "1002", json!(4)),
        ("network_config.rate", "1002", json!(10)),
        ("network_config.searchdomain", "1002", json!("example.com")),
        ("network_config.trunks", "1002", json!([8, "10-20"])),
        ("network_config.vlan", "1002", json!(6)),
        ("on_failure", "1002", json!("rollback")),
        ("portainer_agent_hostname", "1002", json!("a.example")),
        ("portainer_environment_name", "1002", json!("a")),
        ("portainer_role", "1002", json!("agent")),
        ("protection", "1002", json!(true)),
        ("qm", "1002", json!({"cpu": "host", "scsi1": "local-lvm:4", "balloon": 512})),
        ("snapshots", "1003", json!({"post-features": "done"})),
        ("snapshots.post-features", "1002", json!("new")),
        ("snapshots.pre-features", "1002", json!("new")),
        ("start_at_boot", "1003", json!(false)),
        ("state", "1002", json!("stopped")),
        ("storage_pool", "1002", json!("local-zfs")),
        ("tags", "1002", json!(["b"])),
        ("template_image", "1003", json!("jammy-server-cloudimg-amd64.img")),
        ("template_snapshot_name", "1002", json!("ready")),
        ("traefik_service", "1002", json!({"name": "app", "port": 80})),
        ("trigger_sync_on_completion", "1002", json!(true)),
        ("user_config", "1002", Value::Null),
        ("user_config.ssh_key_file", "1003", json!("key.pub")),
        (
            "user_config.ssh_public_key",
            "1002",
            json!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC me"),
        ),
        ("user_config.username", "1002", json!("you")),
        ("volumes", "1002", Value::Null),
        ("volumes[].mount_point", "1002", json!("/other")),
        ("volumes[].name", "1002", json!("other")),
        ("volumes[].options", "1002", json!("ro")),
        ("volumes[].path", "1002", json!("/srv/other")),
        ("volumes[].server", "1002", json!("10.0.0.2")),
        ("volumes[].type", "1002", Value::Null),
        ("wait_for", "1002", gate),
    ]
}

/// Changed keys of firewalls, of defaults and of the node, by the whole path.
fn elsewhere() -> Vec<Change> {
    let mounts = json!({"shared": {"host_path": "/srv/shared", "mounts": {"904": "/shared"}}});
    vec![
        ("firewall.enabled", "902", json!(false)),
        ("firewall.default_input_policy", "902", json!("REJECT")),
        ("firewall.default_output_policy", "902", json!("DROP")),
        (
            "firewall.rules",
            "902",
            json!([{"type": "in", "action": "DROP"}, {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "22", "comment": "ssh"}]),
        ),
        ("vm_defaults.cores", "1003", json!(4)),
        ("vm_defaults.disk_size_gb", "1003", json!(24)),
        ("vm_defaults.memory_mb", "1003", json!(4096)),
        ("vm_defaults.network_bridge", "1003", json!("vmbr1")),
        ("vm_defaults.qm", "1003", json!({"cpu": "host"})),
        ("vm_defaults.storage_pool", "1003", json!("local-zfs")),
        ("behavior.rollback_on_failure", "902", json!(true)),
        ("domain_name", "1003", json!("example.com")),
        ("network.nfs_server", "1003", json!("10.0.0.2")),
        ("proxmox_defaults.lxc.cores", "904", json!(2)),
        ("proxmox_defaults.lxc.memory_mb", "904", json!(1024)),
        ("proxmox_defaults.lxc.pct", "904", json!({"timezone": "host"})),
        ("shared_volumes", "904", mounts),
    ]
}

/// Keys that mean nothing for a guest that exists, and why.
const SILENT: [(&str, &str); 13] = [
    ("cloud_init", "it says what is waited for after a start"),
    ("dependencies", "they say who waits for whom"),
    ("guest_agent.exec", "it says how the guest is asked"),
    ("health_check", "it is asked in every run, changed or not"),
    ("health_checks", "it is asked in every run, changed or not"),
    ("wait_for", "it is asked before scripts run, whenever they do"),
    ("limits.agent", "it bounds a wait"),
    ("limits.cloud_init", "it bounds a wait"),
    ("limits.script", "it bounds a wait"),
    ("limits.start", "it bounds a wait"),
    ("snapshots.pre-features", "what it was before its first provisioning does not come again"),
    ("on_failure", "it says what happens when a change fails"),
    ("behavior.rollback_on_failure", "it says what happens when a change fails"),
];

/// The place of a guest's key in the files.
fn place<'a>(files: &'a mut Value, key: &str, guest: &str) -> &'a mut Value {
    let number: u32 = guest.parse().unwrap();
    let vms = files[VM]["vms"].as_array().unwrap();
    let vm = vms.iter().position(|vm| vm["vmid"] == number);
    let mut at = match vm {
        Some(index) => &mut files[VM]["vms"][index],
        None => &mut files[LXC]["lxc_configs"][guest],
    };
    for part in key.split('.') {
        at = match part.strip_suffix("[]") {
            Some(list) => &mut at[list][0],
            None => &mut at[part],
        };
    }
    at
}

/// The place of a key that is no guest's.
fn common<'a>(files: &'a mut Value, key: &str) -> &'a mut Value {
    let file = if key.starts_with("vm_defaults") && !key.contains("ubuntu") { VM } else { NODE };
    key.split('.').fold(&mut files[file], |at, part| &mut at[part])
}

fn desired(files: &Value) -> Arc<Desired> {
    let folder = Folder::new("", "", &["setup", "more"]);
    for file in [LXC, VM, NODE] {
        folder.write(file, &files[file].to_string());
    }
    for script in ["app.sh", "new.sh"] {
        folder.write(&format!("applications/{script}"), "#!/bin/sh\nexit 0\n");
    }
    folder.write("key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD me\n");
    Arc::new(folder.desired())
}

async fn look(sim: &SimNode, desired: &Desired) -> Observed {
    let site = Node::new(Layered::new(Arc::new(sim.clone()))).labelled(None, "observe");
    observe(&site, desired).await.unwrap()
}

fn told(guest: &GuestPlan) -> String {
    let one = |difference: &Difference| {
        let side = |value: &Option<String>| value.as_deref().unwrap_or("-").replace('\n', " / ");
        format!("{}: {} -> {} ({:?})", difference.key, side(&difference.from), side(&difference.to), difference.effect)
    };
    let mut told: Vec<String> = Vec::new();
    for step in &guest.steps {
        assert!(!step.reason.is_empty() && step.differences.iter().all(|difference| !difference.reason.is_empty()));
        if step.differences.is_empty() {
            told.push(format!("{} ({:?})", step.summary, step.effect));
        }
        told.extend(step.differences.iter().map(one));
    }
    told.extend(guest.unmet.iter().map(|difference| format!("stays {}", one(difference))));
    told.join("; ")
}

fn of(plan: &Plan, guest: &str) -> String {
    plan.guests.iter().find(|planned| planned.id.to_string() == guest).map(told).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn every_key_that_changes_on_a_guest_that_exists_is_told() {
    let base = files();
    let wanted = desired(&base);
    let sim = SimNode::new(World::default());
    let ran = up(&sim, &wanted).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    let observed = look(&sim, &wanted).await;
    let again = plan(&wanted, &observed, Provision::WhenChanged);
    for guest in &again.guests {
        assert_eq!(told(guest), "", "{} has nothing to do", guest.id);
    }
    let mut text = String::new();
    let mut silent: Vec<&str> = Vec::new();
    let guests = of_containers().into_iter().chain(of_vms()).map(|change| (true, change));
    for (is_guests, (key, guest, value)) in guests.chain(elsewhere().into_iter().map(|change| (false, change))) {
        let mut files = base.clone();
        match is_guests || key.starts_with("firewall.") {
            true => *place(&mut files, key, guest) = value.clone(),
            false => *common(&mut files, key) = value.clone(),
        }
        let said = of(&plan(&desired(&files), &observed, Provision::WhenChanged), guest);
        let excused = SILENT.iter().find(|(silent, _)| *silent == key);
        let shown = match excused {
            Some((_, why)) if said.is_empty() => format!("nothing: {why}"),
            _ => said,
        };
        if shown.is_empty() {
            silent.push(key);
        }
        writeln!(text, "{guest} {key} = {value}\n    {shown}").unwrap();
    }
    insta::assert_snapshot!(text);
    assert_eq!(silent, Vec::<&str>::new(), "nothing is told of these");
}

#[test]
fn no_key_is_left_out_of_the_table() {
    let reference = include_str!("../../../docs/reference/configuration.md");
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let tables: [(&str, Vec<Change>); 2] = [("lxc_configs.ID.", of_containers()), ("vms[].", of_vms())];
    let known: BTreeSet<String> = tables
        .into_iter()
        .flat_map(|(prefix, changes)| changes.into_iter().map(move |(key, ..)| format!("{prefix}{key}")))
        // Two names for one list.
        .flat_map(|key| [key.replace("zfs_volumes", "volumes"), key])
        .chain(elsewhere().into_iter().map(|(key, ..)| key.to_owned()))
        .chain(OTHER_WAYS.map(|(key, _)| key.to_owned()))
        .collect();
    // What stands inside something else that only scripts see is seen by them with the rest of it.
    let is_inside = |key: &str| {
        known.iter().any(|known| key.starts_with(&format!("{known}.")) || key.starts_with(&format!("{known}[")))
    };
    let missing: Vec<&str> = rows
        .filter(|(key, _)| ["lxc_configs.ID.", "vms[].", "vm_defaults."].iter().any(|prefix| key.starts_with(prefix)))
        .filter(|(key, rest)| !known.contains(*key) && (rest.contains("| acts |") || !is_inside(key)))
        .map(|(key, _)| key)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// Keys whose change makes another guest of it, or no valid configuration, and keys that only say what a list is.
const OTHER_WAYS: [(&str, &str); 12] = [
    ("lxc_configs.ID.dependencies[].on", "they say who waits for whom"),
    ("lxc_configs.ID.dependencies[].optional", "they say who waits for whom"),
    ("lxc_configs.ID.dependencies[].until", "they say who waits for whom"),
    ("vms[].dependencies[].on", "they say who waits for whom"),
    ("vms[].dependencies[].optional", "they say who waits for whom"),
    ("vms[].dependencies[].until", "they say who waits for whom"),
    ("lxc_configs.ID.kind", "a job is off in the end, which `state` says too"),
    ("vms[].kind", "a job is off in the end, which `state` says too"),
    ("vms[].vmid", "another id is another guest"),
    ("vms[].user_config.password", "it is refused"),
    ("vm_defaults.ubuntu_release", "it is part of an image's name, as `template_image` is"),
    ("vm_defaults.template", "nothing but scripts see it, with the rest of the file"),
];
