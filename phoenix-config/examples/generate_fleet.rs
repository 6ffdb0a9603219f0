//! Writes a valid configuration of many guests, for benchmarks: `generate_fleet DIR COUNT [containers]`.
//!
//! Every fifth guest is a VM, unless only containers are wanted; each has about 3 kB of the keys that real fleets use. Guests depend on a few others with
//! smaller numbers.
#![expect(clippy::print_stdout, reason = "an example is a program")]

use std::error::Error;
use std::fs;

use camino::Utf8Path;
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (dir, count, vms_too) = match args.as_slice() {
        [dir, count] => (Utf8Path::new(dir), count.parse::<u32>()?, true),
        [dir, count, only] if only == "containers" => (Utf8Path::new(dir), count.parse::<u32>()?, false),
        _ => return Err("usage: generate_fleet DIR COUNT [containers]".into()),
    };
    fs::create_dir_all(dir.join("features"))?;
    fs::create_dir_all(dir.join("applications"))?;
    for script in ["features/base_setup.sh", "features/trusted_ca.sh", "features/docker.sh", "applications/app.sh"] {
        fs::write(dir.join(script), "#!/bin/sh\nset -eu\n")?;
    }
    let mut containers = Map::new();
    let mut vms = vec![json!({
        "vmid": 200, "name": "image", "is_template": true, "template_image": "noble-server-cloudimg-amd64.img",
        "template_snapshot_name": "clean", "network_config": {"ip": "dhcp"},
    })];
    containers.insert(
        "100".into(),
        json!({"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "template_snapshot_name": "base", "storage_pool": "local-lvm",
            "storage_size_gb": 8}),
    );
    for number in 0..count {
        if vms_too && number % 5 == 4 {
            vms.push(vm(number));
        } else {
            containers.insert((1000 + number).to_string(), container(number));
        }
    }
    let (container_count, vm_count) = (containers.len(), vms.len());
    let node = json!({
        "domain_name": "internal.example",
        "network": {"interfaces": {"name": "vmbr0", "address": "10.0.0.1/8", "gateway": "10.0.0.254"}, "nfs_server": "10.0.0.1"},
        "nfs": {"exports": [{"path": "/srv/vm-data", "clients": ["10.0.0.0/8"], "options": ["rw", "sync"]}]},
    });
    let write = |name: &str, value: &Value| fs::write(dir.join(name), format!("{value:#}\n"));
    write("phoenix_hypervisor_config.json", &node)?;
    write("phoenix_lxc_configs.json", &json!({"lxc_configs": containers}))?;
    if vms_too {
        write(
            "phoenix_vm_configs.json",
            &json!({"vm_defaults": {"cores": 2, "storage_pool": "local-lvm"}, "vms": vms}),
        )?;
    }
    println!("{container_count} containers and {vm_count} VMs in `{dir}`");
    Ok(())
}

fn address(number: u32) -> String {
    let number = number + 300;
    format!("10.{}.{}.{}/8", 1 + number / 62_500, number / 250 % 250, 1 + number % 250)
}

fn mac(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("52:54:00:{a:02X}:{b:02X}:{c:02X}")
}

fn dependencies(number: u32) -> Vec<String> {
    let smaller = [number / 2, number / 3].into_iter().filter(|other| *other != number && *other % 5 != 4);
    let mut smaller: Vec<String> = smaller.map(|other| (1000 + other).to_string()).collect();
    smaller.dedup();
    smaller
}

fn firewall(number: u32) -> Value {
    let rules = (0..6).map(|index| {
        json!({
            "type": if index % 2 == 0 { "in" } else { "out" }, "action": "ACCEPT", "proto": "tcp",
            "port": (8000 + index).to_string(), "source": format!("10.0.{}.0/24", index + 1),
            "comment": format!("Lets part {index} of the application on guest {number} be reached"),
        })
    });
    json!({"enabled": true, "rules": rules.collect::<Vec<_>>()})
}

fn gate() -> Value {
    json!({"name": "the application answers", "tcp": {"port": 8000}, "retries": 30, "interval": 10})
}

fn container(number: u32) -> Value {
    json!({
        "name": format!("service-{number}"), "start_at_boot": true, "boot_order": number, "boot_delay": 5,
        "memory_mb": 2048, "swap_mb": 512, "cores": 2, "clone_from_ctid": "100",
        "storage_pool": "local-lvm", "storage_size_gb": 16, "unprivileged": true,
        "network_config": {
            "name": "eth0", "bridge": "vmbr0", "ip": address(number), "gw": "10.0.0.254", "nameservers": "10.0.0.53 10.0.1.53",
        },
        "mac_address": mac(number), "gpu_assignment": "none",
        "features": ["base_setup", "trusted_ca"], "application_script": "app.sh",
        "pct_options": ["nesting=1", "keyctl=1"],
        "lxc_options": ["lxc.apparmor.profile=unconfined", "lxc.mount.auto: sys:rw"],
        "apparmor_profile": "unconfined", "dependencies": dependencies(number),
        "firewall": firewall(number), "health_check": [gate(), {"file": "/run/app.ready", "retries": 10, "interval": "5s"}],
        "mount_points": [
            {"host_path": format!("/srv/lxc-data/{number}/logs"), "container_path": "/var/log/app", "owner_uid": 33, "owner_gid": 33},
            {"host_path": format!("/srv/lxc-data/{number}/ssl"), "container_path": "/etc/app/ssl"},
        ],
        "zfs_volumes": [{"name": "data", "pool": "local-lvm", "size_gb": 50, "mount_point": "/data"}],
        "ports": ["8000:8000"], "traefik_service": {"name": format!("service-{number}"), "port": 8000},
        "tags": ["generated", "service"], "description": "Made by the generator of fleets, for benchmarks",
    })
}

fn vm(number: u32) -> Value {
    json!({
        "vmid": 1000 + number, "name": format!("machine-{number}"), "clone_from_vmid": 200,
        "memory_mb": 4096, "cores": 4, "disk_size_gb": 32, "start_at_boot": true, "boot_order": number, "boot_delay": 5,
        "network_config": {"ip": address(number), "gw": "10.0.0.254", "nameserver": "10.0.0.53"},
        "mac_address": mac(number), "user_config": {"username": "phoenix"},
        "features": ["base_setup", "trusted_ca", "docker"], "dependencies": dependencies(number),
        "volumes": [
            {"type": "nfs", "name": "data", "server": "10.0.0.1", "path": format!("/srv/vm-data/{number}"), "mount_point": "/data"},
            {"type": "nfs", "name": "certificates", "server": "10.0.0.1", "path": format!("/srv/vm-data/{number}/ssl"), "mount_point": "/etc/app/ssl"},
        ],
        "firewall": firewall(number), "health_check": [gate(), {"agent": true, "retries": 30, "interval": 5}],
        "docker_stacks": ["portainer", "registry"], "traefik_service": {"name": format!("machine-{number}"), "port": 8000},
        "tags": ["generated"], "description": "Made by the generator of fleets, for benchmarks",
    })
}
