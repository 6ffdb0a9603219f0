//! What somebody else put on a guest: shown apart, and left alone.

use std::collections::BTreeSet;

use phoenix_lxc::Net;
use phoenix_types::{FirewallText, GuestKind, PropertyString, mask_setting, rule_of};

use crate::desired::{Desired, DesiredGuest, Spec, VmOrigin};
use crate::guest::{Record, is_mark, line_digest, managed_keys, root_disk};
use crate::observe::{Observed, Present};
use crate::plan::Unmanaged;

impl Unmanaged {
    fn new(key: impl Into<String>, value: &str) -> Self {
        let key = key.into();
        Self { value: mask_setting(&key, value).into_owned(), key }
    }
}

/// Keys that Proxmox itself writes, and that say nothing about what anybody wanted (pve-container `LXC/Config.pm`,
/// qemu-server `QemuServer.pm`).
const PROXMOX_OWN: [&str; 16] = [
    "arch",
    "digest",
    "lock",
    "meta",
    "ostype",
    "parent",
    "runningcpu",
    "runningmachine",
    "running-nets-host-mtu",
    "smbios1",
    "snapstate",
    "snaptime",
    "template",
    "vmgenid",
    "vmstate",
    "rootfs",
];

/// What it writes when nobody says anything.
const DEFAULTS: [(&str, &str); 1] = [("swap", "512")];

/// Everything on a guest of ours that is neither configured, nor was put there by Phoenix or by Proxmox itself, nor came with
/// what it was cloned from.
pub(super) fn unmanaged(
    desired: &Desired,
    observed: &Observed,
    guest: &DesiredGuest,
    present: &Present,
    record: &Record,
) -> Vec<Unmanaged> {
    let live = &present.conf.live;
    let Ok(managed) = managed_keys(guest, live) else { return Vec::new() };
    let born = born_with(desired, observed, guest);
    let disk = root_disk(live, present.kind).map(|(key, _)| key);
    let rules = match present.kind {
        GuestKind::Container => phoenix_lxc::KEYS,
        GuestKind::Vm => phoenix_vm::KEYS,
    };
    let is_ours = |key: &str, value: &str| {
        PROXMOX_OWN.contains(&key)
            || DEFAULTS.contains(&(key, value))
            || rule_of(rules, key).and_then(|rule| rule.default) == Some(value)
            || managed.contains(key)
            || record.keys.contains(key)
            || record.keys.iter().any(|part| part.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
            || born.contains(key)
            || disk.as_deref() == Some(key)
            || (present.kind == GuestKind::Vm && value.contains("cloudinit"))
    };
    let keys = live.keys.iter().filter(|(key, value)| !is_ours(key, value));
    let lines = match &guest.spec {
        Spec::Container(spec) => live
            .raw
            .iter()
            .filter(|line| {
                !is_mark(line) && !spec.raw_lines.contains(line) && !record.lines.contains(&line_digest(line))
            })
            .collect(),
        Spec::Vm(_) => Vec::new(),
    };
    let mut found: Vec<Unmanaged> = keys
        .chain(lines.into_iter().map(|(key, value)| (key, value)))
        .map(|(key, value)| Unmanaged::new(key, value))
        .collect();
    if let Some(text) = &present.firewall
        && guest.firewall.is_none()
        && !record.firewall
    {
        let rules = text.lines().filter(|line| ["IN ", "OUT ", "GROUP "].iter().any(|word| line.starts_with(word)));
        let value = match rules.count() {
            1 => "a file with 1 rule".to_owned(),
            count => format!("a file with {count} rules"),
        };
        found.push(Unmanaged::new("firewall", &value));
    }
    if let Some(text) = &present.firewall
        && guest.firewall.is_some()
    {
        let there = FirewallText::parse(text);
        let options = there.other_options();
        found.extend(options.map(|(key, value)| Unmanaged::new(format!("firewall {key}"), value)));
        found.extend(there.others.into_iter().map(|value| Unmanaged::new("firewall", &value)));
    }
    found
}

/// Whether an interface is still the one that a container is made with when the configuration says nothing about one.
fn is_first_net(net: &Net, live: &str) -> bool {
    let Ok(live) = live.parse::<PropertyString>() else { return false };
    let is = |key: &str, value: &str| live.get(key) == Some(value);
    is("name", net.name.as_str())
        && is("bridge", net.bridge.as_str())
        && is("ip", "dhcp")
        && ["gw", "tag", "mtu", "firewall", "ip6"].iter().all(|key| live.get(key).is_none())
}

/// The keys that a guest begins with: those of the command that makes it, or of what it is cloned from.
fn born_with(desired: &Desired, observed: &Observed, guest: &DesiredGuest) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let vendor_data = observed.agent_snippet.as_ref().map(|snippet| &snippet.volume);
    let mut next = Some(guest);
    // The graph has no rings.
    while let Some(guest) = next {
        if let Spec::Vm(vm) = &guest.spec
            && let VmOrigin::Image(image) = &vm.origin
        {
            keys.extend(vm.create(image, String::new(), vendor_data).settings.keys().unwrap_or_default().into_keys());
        }
        if let Spec::Container(container) = &guest.spec
            && let Some(net) = container.first_net()
            && let Some(live) = observed.present.get(&guest.id).and_then(|present| present.conf.live.get("net0"))
            && is_first_net(&net, live)
        {
            keys.insert("net0".to_owned());
        }
        let Some(source) = guest.clone_source() else { break };
        if let Some(present) = observed.present.get(&source) {
            keys.extend(present.conf.live.keys.keys().cloned());
        }
        next = desired.guests.get(&source);
    }
    keys
}
