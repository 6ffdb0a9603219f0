//! Containers in the words of the configuration.

use std::collections::BTreeSet;

use phoenix_lxc::{ContainerSettings, Features, MountPoint, MountSource, Net, Rootfs, VolumeOptions};
use phoenix_types::{ConfSection, GuestId};

use super::entry::{Entry, Guest};
use super::firewall;
use super::linked::linked_to;
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
    guest.entry.say_some("cores", settings.cores);
    if settings.cores.is_none() {
        guest.remark("it may use all cores of the node, which the files cannot describe: without `cores` they mean 1");
    }
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
        if !lines.contains(&text) {
            lines.push(text);
        }
    }
    guest.entry.say_some("lxc_options", Some(lines).filter(|lines| !lines.is_empty()));
}

fn mounts(settings: &ContainerSettings, guest: &mut Guest<'_>) {
    let (mut folders, mut volumes) = (Vec::new(), Vec::new());
    for mount in settings.mounts.values() {
        let read_only = VolumeOptions { read_only: mount.options.read_only, ..VolumeOptions::default() };
        let mut entry = Entry::default();
        match mount {
            MountPoint { source: MountSource::Path(path), backup: false, options, .. } if *options == read_only => {
                entry.say("host_path", path);
                entry.say("container_path", &mount.path);
                entry.say_some("read_only", read_only.read_only.then_some(true));
                folders.push(entry);
            }
            MountPoint { source: MountSource::Volume(volume), size: Some(size), options, .. }
                if *options == VolumeOptions::default() =>
            {
                entry.say("pool", volume.storage());
                entry.say("size_gb", (size.bytes() >> 30).max(1));
                entry.say("mount_point", &mount.path);
                entry.say_some("backup", mount.backup.then_some(true));
                volumes.push(entry);
            }
            _ => {}
        }
    }
    for (word, entries) in [("mount_points", folders), ("volumes", volumes)] {
        if !entries.is_empty() {
            guest.entry.list(word, entries);
        }
    }
}

fn network(settings: &ContainerSettings, firewalled: bool, guest: &mut Guest<'_>) {
    let Some(net) = settings.nets.get(&0) else { return };
    let mut plain = Net::new(net.name.clone(), net.bridge.clone());
    (plain.mac, plain.ip, plain.gw, plain.firewall, plain.tag, plain.mtu) =
        (net.mac, net.ip, net.gw, net.firewall, net.tag, net.mtu);
    let Some(ip) = net.ip.filter(|_| plain == *net && net.mtu.is_none_or(|mtu| (576..=65_535).contains(&mtu))) else {
        return;
    };
    let mut entry = Entry::default();
    entry.say("name", net.name.to_string());
    entry.say("bridge", net.bridge.to_string());
    entry.say("ip", ip.to_string());
    entry.say_some("gw", net.gw);
    super::vm::names(settings.nameservers.as_deref(), settings.searchdomains.as_deref(), &mut entry);
    entry.say_some("vlan", net.tag);
    entry.say_some("mtu", net.mtu);
    entry.say_some("firewall", (net.firewall != firewalled).then_some(net.firewall));
    guest.entry.nest("network_config", entry);
    guest.entry.say_some("mac_address", net.mac.map(|mac| mac.to_string()));
}
