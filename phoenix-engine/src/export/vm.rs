//! VMs in the words of the configuration.

use std::collections::BTreeSet;

use phoenix_types::{ConfSection, GuestId, GuestKind};
use phoenix_vm::{IpConfig, KEYS, NetModel, VmNet, VmSettings};

use super::entry::{Entry, Guest};
use super::linked::linked_to;
use super::network::{Addresses, entries, names, rate, say};
use super::{firewall, proxmox};
use crate::guest::root_disk;

/// Stands next to an image that is none.
const NOTE: &str = "Proxmox does not store the image of a VM: set `template_image` before you recreate it";

pub(super) fn describe(id: GuestId, ids: &BTreeSet<GuestId>, guest: &mut Guest<'_>) {
    let live = &guest.settings.clone();
    let settings = settings(live);
    let disk = root_disk(live, GuestKind::Vm);
    guest.entry.say("vmid", id);
    let name = settings.name.as_ref().map_or_else(|| format!("VM{id}"), ToString::to_string);
    guest.entry.say("name", name);
    match disk.as_ref().and_then(|(slot, _)| linked_to(id, live, slot, ids)) {
        Some(source) => guest.entry.say("clone_from_vmid", source),
        None => {
            guest.entry.say("x-note", NOTE);
            guest.entry.say("template_image", "local:import/unknown.qcow2");
        }
    }
    guest.entry.say("cores", settings.cores.unwrap_or(1));
    guest.entry.say("memory_mb", settings.memory.map_or(512, |memory| memory.0));
    if let Some((slot, size)) = disk {
        let storage = live.get(&slot).and_then(|value| value.split_once(':')).map(|(storage, _)| storage.to_owned());
        guest.entry.say_some("storage_pool", storage.filter(|storage| !storage.starts_with('/')));
        guest.disk("disk_size_gb", size);
    }
    guest.state(settings.onboot);
    guest.startup(settings.startup);
    let firewalled = firewall::describe(guest);
    network(&settings, firewalled, guest);
    user(&settings, guest);
    proxmox::describe(id, "qm", KEYS, guest);
    guest.remainder(settings.protection, settings.tags.as_ref());
}

/// The settings; keys that cannot be read are as if they were not there.
fn settings(live: &ConfSection) -> VmSettings {
    let alone = |key: &String, value: &String| ConfSection {
        keys: [(key.clone(), value.clone())].into(),
        ..ConfSection::default()
    };
    let mut readable = live.clone();
    readable.keys.retain(|key, value| VmSettings::from_conf(&alone(key, value)).is_ok());
    VmSettings::from_conf(&readable).unwrap_or_default()
}

fn network(settings: &VmSettings, firewalled: bool, guest: &mut Guest<'_>) {
    let describe = |number: u8, net: &VmNet| {
        let mut entry = Entry::default();
        entry.say_some("model", (net.model != NetModel::Virtio).then(|| net.model.as_str()));
        entry.say("bridge", net.bridge.to_string());
        let IpConfig { ip, gw, ip6, gw6 } = settings.ip_configs.get(&number).copied().unwrap_or_default();
        Addresses { ip, gw, ip6, gw6 }.say(&mut entry);
        if number == 0 {
            names(settings.nameservers.as_deref(), settings.searchdomains.as_deref(), &mut entry);
        }
        entry.say_some("mac_address", net.mac.map(|mac| mac.to_string()));
        entry.say_some("vlan", net.tag);
        let trunks: Vec<String> = net.trunks.iter().map(ToString::to_string).collect();
        entry.say_some("trunks", Some(trunks).filter(|trunks| !trunks.is_empty()));
        entry.say_some("mtu", net.mtu);
        entry.say_some("rate", rate(net.rate));
        entry.say_some("queues", net.queues);
        entry.say_some("link_down", net.link_down.then_some(true));
        entry.say_some("firewall", (net.firewall != firewalled).then_some(net.firewall));
        entry
    };
    let entries = entries(&settings.nets, describe);
    if entries.is_empty() {
        // Without a word it would get one.
        guest.entry.say("network_config", Vec::<String>::new());
    }
    say(entries, guest);
}

fn user(settings: &VmSettings, guest: &mut Guest<'_>) {
    let mut entry = Entry::default();
    entry.say_some("username", settings.ci_user.clone());
    let keys: Option<Vec<String>> = settings.ssh_keys.as_ref().map(|keys| keys.lines().map(str::to_owned).collect());
    entry.say_some("ssh_public_key", keys);
    if !entry.is_empty() {
        guest.entry.nest("user_config", entry);
    }
}
