//! Containers in the words of the configuration.

use std::collections::BTreeSet;

use phoenix_lxc::{ContainerSettings, Features, KEYS, MountPoint, MountSource, Net, Rootfs, VolumeOptions};
use phoenix_types::{ConfSection, GuestId, is_secret_name, mask_secrets};
use serde_json::json;

use super::entry::{Entry, Guest};
use super::linked::linked_to;
use super::network::{Addresses, entries, names, rate, say};
use super::{firewall, proxmox};
use crate::guest::is_mark;

/// Stands next to a template that is none.
const NOTE: &str = "Proxmox does not store the template of a container: set `template` before you recreate it";

pub(super) fn describe(id: GuestId, ids: &BTreeSet<GuestId>, guest: &mut Guest<'_>) {
    let live = &guest.settings.clone();
    let settings = settings(live);
    let rootfs = live.get("rootfs").and_then(|value| value.parse::<Rootfs>().ok());
    let name = settings.hostname.as_ref().map_or_else(|| format!("CT{id}"), ToString::to_string);
    guest.entry.say("name", name);
    match linked_to(id, live, "rootfs", ids) {
        Some(source) => guest.entry.say("clone_from_ctid", source),
        None => {
            guest.entry.say("x-note", NOTE);
            let system = live.get("ostype").unwrap_or("system");
            guest.entry.say("template", format!("local:vztmpl/unknown-{system}.tar.zst"));
        }
    }
    guest.entry.say("cores", settings.cores.map_or_else(|| json!("all"), |cores| json!(cores)));
    guest.entry.say("memory_mb", settings.memory.map_or(512, |memory| memory.0));
    guest.entry.say_some("swap_mb", settings.swap.map(|swap| swap.0));
    if let Some(MountSource::Volume(volume)) = rootfs.as_ref().map(|rootfs| &rootfs.source) {
        guest.entry.say("storage_pool", volume.storage());
    }
    guest.disk("storage_size_gb", rootfs.and_then(|rootfs| rootfs.size));
    guest.entry.say("unprivileged", settings.unprivileged.unwrap_or(false));
    guest.state(settings.onboot);
    guest.startup(settings.startup);
    features(settings.features.as_ref(), guest);
    raw_lines(live, guest);
    mounts(&settings, guest);
    let firewalled = firewall::describe(guest);
    network(&settings, firewalled, guest);
    proxmox::describe(id, "pct", KEYS, guest);
    guest.remainder(settings.protection, settings.tags.as_ref());
}

/// The settings; keys that cannot be read are as if they were not there.
fn settings(live: &ConfSection) -> ContainerSettings {
    let alone = |key: &String, value: &String| ConfSection {
        keys: [(key.clone(), value.clone())].into(),
        ..ConfSection::default()
    };
    let mut readable = live.clone();
    readable.keys.retain(|key, value| ContainerSettings::from_conf(&alone(key, value)).is_ok());
    ContainerSettings::from_conf(&readable).unwrap_or_default()
}

fn features(features: Option<&Features>, guest: &mut Guest<'_>) {
    let Some(features) = features else { return };
    let flags = [
        ("force_rw_sys", features.force_rw_sys),
        ("fuse", features.fuse),
        ("keyctl", features.keyctl),
        ("mknod", features.mknod),
        ("nesting", features.nesting),
    ];
    let mut options: Vec<String> = flags.iter().filter(|(_, on)| *on).map(|(name, _)| format!("{name}=1")).collect();
    if !features.mount.is_empty() {
        options.push(format!("mount={}", features.mount.iter().cloned().collect::<Vec<_>>().join(";")));
    }
    guest.entry.say_some("pct_options", Some(options).filter(|options| !options.is_empty()));
}

fn raw_lines(live: &ConfSection, guest: &mut Guest<'_>) {
    let mut lines: Vec<String> = Vec::new();
    for line in live.raw.iter().filter(|line| !is_mark(line) && !line.1.is_empty()) {
        let text = format!("{}: {}", line.0, line.1);
        if holds_secret(line) {
            guest
                .remark(format!("a line `{}` holds a secret, which stays on the node and is not written here", line.0));
        } else if !lines.contains(&text) {
            lines.push(text);
        }
    }
    guest.entry.say_some("lxc_options", Some(lines).filter(|lines| !lines.is_empty()));
}

/// Whether a raw line gives the guest a secret.
fn holds_secret((key, value): &(String, String)) -> bool {
    let name = value.split_once('=').map(|(name, _)| name.trim());
    (key.starts_with("lxc.environment") && name.is_some_and(is_secret_name)) || mask_secrets(value) != *value
}

fn mounts(settings: &ContainerSettings, guest: &mut Guest<'_>) {
    let (mut folders, mut volumes) = (Vec::new(), Vec::new());
    for (number, mount) in &settings.mounts {
        let mut entry = Entry::default();
        match (&mount.source, mount.size) {
            (MountSource::Path(path), _) if !mount.backup => {
                entry.say("host_path", path);
                entry.say("container_path", &mount.path);
                options(mount, &mut entry);
                folders.push(entry);
            }
            // Any other size would make it grow, or look as if it should shrink.
            (MountSource::Volume(volume), Some(size)) if size.bytes() > 0 && size.bytes().is_multiple_of(1 << 30) => {
                entry.say("pool", volume.storage());
                entry.say("size_gb", size.bytes() >> 30);
                entry.say("mount_point", &mount.path);
                entry.say_some("backup", mount.backup.then_some(true));
                options(mount, &mut entry);
                volumes.push(entry);
            }
            _ => guest.remark(format!("`mp{number}` cannot be described and is left alone")),
        }
    }
    for (word, entries) in [("mount_points", folders), ("volumes", volumes)] {
        if !entries.is_empty() {
            guest.entry.list(word, entries);
        }
    }
}

fn options(mount: &MountPoint, entry: &mut Entry) {
    let VolumeOptions { acl, mount_options, quota, read_only, no_replication, shared, keep_attributes, id_map } =
        &mount.options;
    entry.say_some("read_only", read_only.then_some(true));
    let mut options = Entry::default();
    options.say_some("acl", *acl);
    options.say_some("keepattrs", keep_attributes.then_some(true));
    options.say_some("mountoptions", Some(mount_options).filter(|options| !options.is_empty()));
    options.say_some("quota", quota.then_some(true));
    options.say_some("replicate", no_replication.then_some(false));
    options.say_some("shared", shared.then_some(true));
    options.say_some("idmap", id_map.as_ref());
    if !options.is_empty() {
        entry.nest("options", options);
    }
}

fn network(settings: &ContainerSettings, firewalled: bool, guest: &mut Guest<'_>) {
    let describe = |number: u8, net: &Net| {
        let mut entry = Entry::default();
        entry.say("name", net.name.to_string());
        entry.say("bridge", net.bridge.to_string());
        Addresses { ip: net.ip, gw: net.gw, ip6: net.ip6, gw6: net.gw6 }.say(&mut entry);
        if number == 0 {
            names(settings.nameservers.as_deref(), settings.searchdomains.as_deref(), &mut entry);
        }
        entry.say_some("mac_address", net.mac.map(|mac| mac.to_string()));
        entry.say_some("vlan", net.tag);
        let trunks: Vec<u16> = net.trunks.iter().filter_map(|vlan| vlan.to_string().parse().ok()).collect();
        entry.say_some("trunks", Some(trunks).filter(|trunks| !trunks.is_empty()));
        entry.say_some("mtu", net.mtu);
        entry.say_some("rate", rate(net.rate));
        entry.say_some("link_down", net.link_down.then_some(true));
        entry.say_some("host_managed", net.host_managed.then_some(true));
        entry.say_some("firewall", (net.firewall != firewalled).then_some(net.firewall));
        entry
    };
    say(entries(&settings.nets, describe), guest);
}
