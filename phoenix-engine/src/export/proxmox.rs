//! Proxmox's own keys, for everything that has no key of Phoenix.

use std::borrow::Cow;

use phoenix_config::proxmox::{has_word, takes, written};
use phoenix_types::{DiskSize, GuestId, GuestKind, KeyRule, PropertyString, is_volume_size, mask_setting, rule_of};
use phoenix_vm::DriveSlot;

use super::entry::{Entry, Guest};
use crate::guest::root_disk;

/// What a guest gets without a word when it is made.
const BORN: [(GuestKind, &str, &[&str]); 3] = [
    (GuestKind::Container, "arch", &["amd64"]),
    (GuestKind::Container, "ostype", &[]),
    (GuestKind::Vm, "ostype", &["l26"]),
];

/// Disks of which the tools know how large they have to be.
const MADE_SMALL: [&str; 2] = ["efidisk0", "tpmstate0"];

/// Describes the keys that no key of Phoenix stands for, under the name of the tool.
pub(super) fn describe(id: GuestId, word: &'static str, rules: &[KeyRule], guest: &mut Guest<'_>) {
    let kind = guest.present.kind;
    let live = guest.settings.clone();
    let root = root_disk(&live, kind).map(|(key, _)| key);
    let mut entry = Entry::default();
    let mut left = Vec::new();
    for (key, value) in &live.keys {
        if is_born(kind, key, value) || is_default(rules, key, value) {
            continue;
        }
        let said = if root.as_deref() == Some(key) { root_options(key, value) } else { portable(id, key, value) };
        let Some(value) = said else { continue };
        if mask_setting(key, &value) != value {
            guest.remark(format!("`{key}` holds a secret, which stays on the node and is not written here"));
        } else if takes(kind, key, &value) {
            entry.say(key.clone(), written(kind, key, &value));
        } else if !has_word(kind, key) {
            left.push(format!("`{key}`"));
        }
    }
    if !entry.is_empty() {
        guest.entry.nest(word, entry);
    }
    if !left.is_empty() {
        guest.remark(format!("{} cannot be described and is left alone", left.join(", ")));
    }
}

fn is_born(kind: GuestKind, key: &str, value: &str) -> bool {
    BORN.iter()
        .any(|(of, known, values)| *of == kind && *known == key && (values.is_empty() || values.contains(&value)))
}

fn is_default(rules: &[KeyRule], key: &str, value: &str) -> bool {
    rule_of(rules, key).and_then(|rule| rule.default).is_some_and(|default| default == value)
}

/// The value as another guest could have it too: a volume of this guest's own is a new one of its size. `None` when nothing is
/// left to say.
fn portable<'a>(id: GuestId, key: &str, value: &'a str) -> Option<Cow<'a, str>> {
    if key == "smbios1" {
        let mut items: PropertyString = value.parse().ok()?;
        items.remove("uuid");
        return Some(items.to_string()).filter(|rest| !rest.is_empty()).map(Cow::Owned);
    }
    let is_disk = key.parse::<DriveSlot>().is_ok() || MADE_SMALL.contains(&key);
    let Some(mut disk) = value.parse::<PropertyString>().ok().filter(|_| is_disk) else {
        return Some(Cow::Borrowed(value));
    };
    let size: Option<DiskSize> = disk.remove("size").and_then(|size| size.parse().ok());
    let file = disk.remove("file").or_else(|| disk.bare().map(str::to_owned))?;
    disk.set_bare(&new_volume(id, key, &file, size).unwrap_or(file)).ok()?;
    Some(Cow::Owned(disk.to_string()))
}

/// The options of the root disk, which has keys of its own for its storage and its size. On another bus than that of a new VM
/// there is something to say always.
fn root_options<'a>(key: &str, value: &str) -> Option<Cow<'a, str>> {
    let disk: PropertyString = value.parse().ok()?;
    let is_option = |(name, _): &(&str, &str)| !["file", "volume", "size"].contains(name);
    let items: Vec<String> = disk.items().filter(is_option).map(|(name, value)| format!("{name}={value}")).collect();
    match items.as_slice() {
        [] if ["rootfs", "scsi0"].contains(&key) => None,
        [] => Some(Cow::Borrowed("backup=1")),
        _ => Some(Cow::Owned(items.join(","))),
    }
}

/// A new volume in place of one of this guest's own: `local-lvm:32`.
fn new_volume(id: GuestId, key: &str, file: &str, size: Option<DiskSize>) -> Option<String> {
    let (storage, name) = file.split_once(':')?;
    let name = name.rsplit('/').next().unwrap_or(name);
    if name.contains("cloudinit") {
        return Some(format!("{storage}:cloudinit"));
    }
    let is_own = ["vm", "base"].iter().any(|kind| name.starts_with(&format!("{kind}-{id}-")));
    if !is_own || is_volume_size(name) {
        return None;
    }
    if MADE_SMALL.contains(&key) {
        return Some(format!("{storage}:1"));
    }
    // Another size than the present one would make the disk grow.
    let size = size.filter(|size| size.bytes() > 0 && size.bytes() % (1 << 20) == 0)?;
    Some(format!("{storage}:{}", size.in_gib()))
}
