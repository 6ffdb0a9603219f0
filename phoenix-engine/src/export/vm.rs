//! VMs in the words of the configuration.

use std::collections::BTreeSet;
use std::net::IpAddr;

use phoenix_types::{ConfSection, GuestId, GuestKind, Hostname, Ipv4Setting};
use phoenix_vm::{IpConfig, NetModel, VmSettings};

use super::entry::{Entry, Guest};
use super::firewall;
use super::linked::linked_to;
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
    let mut entry = Entry::default();
    if let Some(net) = settings.nets.get(&0) {
        if net.model != NetModel::Virtio {
            guest.remark(format!("its network card is `{}`, but the files mean VirtIO", net.model.as_str()));
        }
        entry.say("bridge", net.bridge.to_string());
        entry.say_some("vlan", net.tag);
        entry.say_some("mtu", net.mtu);
        entry.say_some("firewall", (net.firewall != firewalled).then_some(net.firewall));
    }
    let said = settings.ip_configs.get(&0).and_then(|config| {
        let plain = IpConfig { ip: config.ip, gw: config.gw, ..IpConfig::default() };
        config.ip.filter(|_| plain == *config).map(|ip| (ip, config.gw))
    });
    let (ip, gateway) = said.unwrap_or((Ipv4Setting::Manual, None));
    entry.say("ip", ip.to_string());
    entry.say_some("gw", gateway);
    names(settings.nameservers.as_deref(), settings.searchdomains.as_deref(), &mut entry);
    guest.entry.nest("network_config", entry);
    guest.entry.say_some("mac_address", settings.nets.get(&0).and_then(|net| net.mac).map(|mac| mac.to_string()));
}

/// Name servers and search domain, where they are such as the files can describe.
pub(super) fn names(servers: Option<&[IpAddr]>, domains: Option<&[Hostname]>, entry: &mut Entry) {
    if let Some(servers) = servers.filter(|servers| !servers.is_empty() && servers.iter().all(IpAddr::is_ipv4)) {
        entry.say("nameservers", servers);
    }
    if let Some([domain]) = domains {
        entry.say("searchdomain", domain);
    }
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
