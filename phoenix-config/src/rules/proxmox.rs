//! What Proxmox's own keys say together.

use std::collections::BTreeMap;

use phoenix_types::{GuestId, GuestKind, PropertyString};

use crate::diagnostic::{Code, Finding, Target};
use crate::model::{Guest, Kind, State};
use crate::proxmox::{find, is_drive};
use crate::rules::{Rule, View};
use crate::source::Segment;

/// Disks and devices stand in one place each, and firmware has what it needs.
#[derive(Debug)]
pub(super) struct ProxmoxKeys;

impl Rule for ProxmoxKeys {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let mut devices: BTreeMap<String, (GuestId, String)> = BTreeMap::new();
        for guest in view.guests.values().filter(|guest| !guest.proxmox.is_empty()) {
            disks(guest, findings);
            firmware(guest, findings);
            if guest.state == State::Running {
                claims(guest, &mut devices, findings);
            }
        }
    }
}

fn at(guest: &Guest, key: &str) -> Vec<Segment> {
    let tool = match guest.kind {
        Kind::Container(_) => "pct",
        Kind::Vm(_) => "qm",
    };
    vec![tool.into(), key.into()]
}

/// The volume, path or device that a property string names first.
fn first(value: &str) -> Option<String> {
    let parsed: PropertyString = value.parse().ok()?;
    ["file", "volume", "path", "host", "mapping"]
        .iter()
        .find_map(|key| parsed.get(key))
        .or(parsed.bare())
        .map(str::to_owned)
}

fn disks(guest: &Guest, findings: &mut Vec<Finding>) {
    let target = Target::Guest(guest.id);
    let mut volumes: BTreeMap<String, &str> = BTreeMap::new();
    let mut root: Option<&str> = None;
    for (key, value) in &guest.proxmox {
        let Some((name, _)) = find(guest.kind(), key) else { continue };
        let file = first(value);
        let is_disk = is_drive(name) || ["efidisk0", "tpmstate0", "virtiofs[n]"].contains(&name);
        if is_drive(name)
            && file.is_none()
            && let Some(other) = root.replace(key)
        {
            findings.push(
                Finding::error(Code::Conflict, target, format!("`{key}` and `{other}` are both without `file`"))
                    .at(at(guest, key))
                    .on_key()
                    .label(target, at(guest, other), "the other one")
                    .help("only the root disk is without `file`: give the other one a volume"),
            );
        }
        // A new volume, a drive without medium and an image can be there more than once.
        let Some(file) = file.filter(|file| is_disk && is_one_of_a_kind(file)) else { continue };
        if let Some(other) = volumes.insert(file.clone(), key) {
            findings.push(
                Finding::warning(Code::DiskTwice, target, format!("`{file}` is the disk of `{key}` and of `{other}`"))
                    .at(at(guest, key))
                    .on_key()
                    .label(target, at(guest, other), "the other one")
                    .help("keep one of the two"),
            );
        }
    }
}

fn is_one_of_a_kind(file: &str) -> bool {
    let name = file.split_once(':').map_or(file, |(_, name)| name);
    let is_size = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !is_size && !["none", "cdrom", "cloudinit"].contains(&name) && !name.starts_with("iso/")
}

/// OVMF keeps its settings on a disk; without one they are lost at each stop (qemu-server, `OVMF.pm`).
fn firmware(guest: &Guest, findings: &mut Vec<Finding>) {
    let uefi = guest.proxmox.get("bios").is_some_and(|bios| bios == "ovmf");
    if uefi && !guest.proxmox.contains_key("efidisk0") && guest.clone_from.is_none() && guest.kind() == GuestKind::Vm {
        let finding = Finding::warning(
            Code::NoEfiDisk,
            Target::Guest(guest.id),
            "OVMF has no disk for its settings: each stop loses them",
        )
        .at(at(guest, "bios"))
        .help("add `efidisk0`, for example \"local-lvm:1,efitype=4m,pre-enrolled-keys=1\"");
        findings.push(finding);
    }
}

/// The devices of the node that a running guest has for itself.
fn claims(guest: &Guest, devices: &mut BTreeMap<String, (GuestId, String)>, findings: &mut Vec<Finding>) {
    let target = Target::Guest(guest.id);
    for (key, value) in &guest.proxmox {
        let Some((name, _)) = find(guest.kind(), key) else { continue };
        let found = first(value).filter(|_| ["hostpci[n]", "usb[n]"].contains(&name));
        // Mediated devices and the functions of one card can be shared.
        let Some(device) = found.filter(|device| device != "spice" && !value.contains("mdev=")) else { continue };
        for device in device.split(';') {
            let device = device.strip_prefix("0000:").unwrap_or(device).to_owned();
            match devices.get(&device) {
                Some((other, place)) if *other != guest.id => findings.push(
                    Finding::error(Code::DeviceTwice, target, format!("the device {device} is also passed to {other}"))
                        .at(at(guest, key))
                        .label(Target::Guest(*other), [Segment::from("qm"), place.as_str().into()], "passed through here")
                        .help("only one of the two can run: set `state` of the other one to `stopped`, or remove the device"),
                ),
                _ => {
                    devices.insert(device, (guest.id, key.clone()));
                }
            }
        }
    }
}
