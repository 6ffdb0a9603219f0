//! Words that other tools have for keys of Phoenix.

/// The word of another tool, and the keys of Phoenix that say the same. Without one, Phoenix has no such key.
const WORDS: &[(&[&str], &[&str])] = &[
    (&["depends_on", "depends", "requires", "after", "needs", "wait_on"], &["dependencies"]),
    (&["hostname", "vm_name", "ct_name", "guest_name"], &["name"]),
    (
        &["storage", "datastore", "datastore_id", "rootfs_storage", "target_storage", "pool_name"],
        &["storage_pool", "pool"],
    ),
    (&["onboot", "on_boot", "start_on_boot", "autostart", "autoboot"], &["start_at_boot"]),
    (&["memory", "mem", "ram", "memory_size", "dedicated_memory"], &["memory_mb"]),
    (&["swap", "swap_size"], &["swap_mb"]),
    (&["cpu", "cpus", "vcpu", "vcpus", "core", "cpu_cores"], &["cores"]),
    (&["disk", "disk_size", "rootfs", "rootfs_size", "size"], &["storage_size_gb", "disk_size_gb", "size_gb"]),
    (
        &["ostemplate", "os_template", "template_file_id", "template_file", "template_name"],
        &["template", "template_image"],
    ),
    (&["image", "cloud_image", "import_from", "disk_image", "os_image"], &["template_image", "template"]),
    (&["id", "vm_id", "ct_id", "guest_id"], &["vmid"]),
    (&["clone", "clone_from", "clone_id", "full_clone"], &["clone_from_ctid", "clone_from_vmid"]),
    (&["hwaddr", "mac", "macaddr", "mac_addr"], &["mac_address"]),
    (&["tag", "vlan_tag", "vlan_id", "vlanid"], &["vlan"]),
    (&["gateway", "gw4", "default_gateway"], &["gw"]),
    (&["address", "ip_address", "ipv4", "ip4", "cidr", "ipconfig"], &["ip"]),
    (&["dns", "dns_servers", "name_servers"], &["nameservers"]),
    (&["search_domain", "dns_domain", "domain"], &["searchdomain"]),
    (&["network", "net", "networks", "network_device", "network_interface"], &["network_config"]),
    (&["healthcheck", "readiness_probe", "liveness_probe", "probe"], &["health_check"]),
    (&["mount", "mounts", "mp", "mount_point", "binds"], &["mount_points", "volumes"]),
    (&["startup", "start_order", "order"], &["boot_order"]),
    (&["startup_delay", "start_delay", "up"], &["boot_delay"]),
    (&["notes", "comment", "comments", "desc"], &["description"]),
    (&["sshkeys", "ssh_keys", "ssh_authorized_keys"], &["ssh_public_key"]),
    (&["ciuser", "user", "user_account"], &["username", "user_config"]),
    (&["test", "cmd", "exec", "command_line"], &["command"]),
    (&["start_grace", "initial_delay", "initial_delay_seconds"], &["start_period"]),
    (&["period", "period_seconds", "every"], &["interval"]),
    (&["failure_threshold", "attempts", "tries"], &["retries"]),
    (&["timeout_seconds"], &["timeout"]),
    (&["provision", "provisioner", "scripts", "post_install"], &["features"]),
    (&["options", "lxc", "lxc_config", "raw"], &["lxc_options"]),
    (&["ipv6", "ip6address", "ipv6_address"], &["ip6"]),
    (&["gateway6", "gw_v6"], &["gw6"]),
    (&["rate_limit", "bandwidth"], &["rate"]),
    (&["start_interval"], &[]),
    (&["cpu_type", "cputype", "ballooning", "pci", "display", "audio", "rng", "os_type", "efi_disk"], &["qm"]),
    (&["disks", "dev", "devices", "time_zone"], &["qm", "pct"]),
    (&["password"], &[]),
];

/// What is known about a word of another tool.
pub(super) enum Foreign {
    /// These keys of Phoenix, the likeliest first.
    Keys(&'static [&'static str]),
    /// Phoenix has no key for it.
    NoKey,
}

/// What Phoenix has for a word of another tool: `net0` and `memory` of Proxmox, `depends_on` of compose.
pub(super) fn foreign(key: &str) -> Option<Foreign> {
    let plain = key.to_ascii_lowercase().replace('-', "_");
    let without_number = plain.trim_end_matches(|c: char| c.is_ascii_digit());
    let has = |word: &str| WORDS.iter().find(|(words, _)| words.contains(&word));
    let (_, keys) = has(&plain).or_else(|| has(without_number))?;
    Some(if keys.is_empty() { Foreign::NoKey } else { Foreign::Keys(keys) })
}
