//! The settings of a VM: which keys there are, what their values mean, and reading and writing its configuration file.
//!
//! Rules from `PVE::QemuServer` (`parse_vm_config`, `write_vm_config`, `option_exists`, `parse_net`), `PVE::AbstractConfig`
//! (`parse_pending_delete`, `cleanup_pending`, `add_unused_volume`), `PVE::QemuServer::Machine` and `PVE::GuestHelpers`.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_types::{ConfSection, GuestConf};

use crate::grammar::{parse_property_string, print_property_string, split_list};
use crate::node::Random;

use super::drive::{self, Drive};

/// The version of QEMU that the simulated node has; new VMs carry it in their `meta`.
pub(crate) const QEMU_VERSION: &str = "10.0.13";

/// The section that records cloud-init settings which the drive does not have yet.
pub(crate) const CLOUD_INIT_SECTION: &str = "special:cloudinit";

/// Settings of which a VM has exactly one (`PVE::QemuServer`, `$confdesc`).
const SINGLE: &[&str] = &[
    "acpi",
    "affinity",
    "agent",
    "allow-ksm",
    "amd-sev",
    "arch",
    "args",
    "audio0",
    "autostart",
    "balloon",
    "bios",
    "boot",
    "bootdisk",
    "cdrom",
    "cicustom",
    "cipassword",
    "citype",
    "ciupgrade",
    "ciuser",
    "cores",
    "cpu",
    "cpulimit",
    "cpuunits",
    "description",
    "freeze",
    "hookscript",
    "hotplug",
    "hugepages",
    "intel-tdx",
    "ivshmem",
    "keephugepages",
    "keyboard",
    "kvm",
    "localtime",
    "lock",
    "machine",
    "memory",
    "meta",
    "migrate_downtime",
    "migrate_speed",
    "name",
    "nameserver",
    "numa",
    "onboot",
    "ostype",
    "parent",
    "protection",
    "reboot",
    "rng0",
    "runningcpu",
    "runningmachine",
    "running-nets-host-mtu",
    "scsihw",
    "searchdomain",
    "shares",
    "smbios1",
    "smp",
    "snaptime",
    "sockets",
    "spice_enhancements",
    "sshkeys",
    "startdate",
    "startup",
    "tablet",
    "tags",
    "tdf",
    "template",
    "vcpus",
    "vga",
    "vmgenid",
    "vmstate",
    "vmstatestorage",
    "watchdog",
];

/// Settings of which a VM may have several, with how many.
const NUMBERED: &[(&str, u32)] = &[
    ("hostpci", 16),
    ("ipconfig", 32),
    ("net", 32),
    ("numa", 8),
    ("parallel", 3),
    ("serial", 4),
    ("unused", 256),
    ("usb", 14),
    ("virtiofs", 10),
];

/// Settings that only cloud-init reads (`$confdesc_cloudinit`); `ipconfigN` are the others.
const CLOUD_INIT: &[&str] =
    &["cicustom", "cipassword", "citype", "ciupgrade", "ciuser", "nameserver", "searchdomain", "sshkeys"];

/// The number of a numbered key of a family: `net12` is number 12 of `net`.
pub(crate) fn number(key: &str, family: &str) -> Option<u32> {
    let digits = key.strip_prefix(family)?;
    let canonical = digits == "0" || !digits.starts_with('0');
    (canonical && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Whether the tools know a setting of this name.
pub(crate) fn exists(key: &str) -> bool {
    SINGLE.contains(&key)
        || drive::is_drive(key)
        || NUMBERED.iter().any(|(family, count)| number(key, family).is_some_and(|number| number < *count))
}

/// Whether only cloud-init reads the setting.
pub(crate) fn is_cloud_init(key: &str) -> bool {
    CLOUD_INIT.contains(&key) || number(key, "ipconfig").is_some()
}

/// Whether `key` is `netN`.
pub(crate) fn is_net(key: &str) -> bool {
    number(key, "net").is_some_and(|number| number < 32)
}

/// The value of a setting; the notes are one of them.
pub(crate) fn value<'a>(section: &'a ConfSection, key: &str) -> Option<&'a str> {
    if key == "description" { section.description.as_deref() } else { section.get(key) }
}

/// Sets a setting; the notes are one of them.
pub(crate) fn put(section: &mut ConfSection, key: &str, value: impl Into<String>) {
    if key == "description" {
        section.description = Some(value.into());
    } else {
        section.keys.insert(key.to_owned(), value.into());
    }
}

/// Takes a setting out; the notes are one of them.
pub(crate) fn take(section: &mut ConfSection, key: &str) -> Option<String> {
    if key == "description" { section.description.take() } else { section.keys.remove(key) }
}

/// All settings of a section in alphabetical order, the notes among them.
pub(crate) fn all(section: &ConfSection) -> BTreeMap<String, String> {
    let mut all = section.keys.clone();
    if let Some(description) = &section.description {
        all.insert("description".to_owned(), description.clone());
    }
    all
}

/// Makes a configuration that was read what the tools make of it: notes lose the blanks that they end with.
pub(crate) fn after_reading(conf: &mut GuestConf) {
    let sections = std::iter::once(&mut conf.live).chain(&mut conf.pending).chain(conf.snapshots.values_mut());
    for section in sections {
        if let Some(description) = &mut section.description {
            description.truncate(description.trim_end().len());
        }
    }
}

/// Makes a configuration what the tools write: without empty sections, without unused volumes that are in use again.
pub(crate) fn before_writing(conf: &mut GuestConf) {
    let used: BTreeSet<String> = std::iter::once(&conf.live)
        .chain(&conf.pending)
        .flat_map(drive::drives)
        .map(|(_, drive)| drive.file().to_owned())
        .collect();
    conf.live.keys.retain(|key, volume| !drive::is_unused(key) || !used.contains(volume));
    let has_drive = drive::cloud_init_key(&conf.live, "").is_some();
    conf.special.retain(|name, section| name != CLOUD_INIT_SECTION || (has_drive && !section.keys.is_empty()));
    conf.pending.take_if(|pending| pending.keys.is_empty() && pending.description.is_none());
    for section in std::iter::once(&mut conf.live).chain(conf.snapshots.values_mut()) {
        section.description.take_if(|description| description.trim_end().is_empty());
    }
}

/// The settings that wait to be deleted, each with whether its volume goes too.
pub(crate) fn pending_deletes(conf: &GuestConf) -> BTreeMap<String, bool> {
    let text = conf.pending.as_ref().and_then(|pending| pending.get("delete")).unwrap_or_default();
    split_list(text)
        .into_iter()
        .map(|item| item.strip_prefix('!').map_or((item.to_owned(), false), |key| (key.to_owned(), true)))
        .collect()
}

/// Writes down which settings wait to be deleted.
pub(crate) fn set_pending_deletes(conf: &mut GuestConf, deletes: &BTreeMap<String, bool>) {
    if deletes.is_empty() {
        if let Some(pending) = &mut conf.pending {
            pending.keys.remove("delete");
        }
        return;
    }
    let items: Vec<String> =
        deletes.iter().map(|(key, force)| format!("{}{key}", if *force { "!" } else { "" })).collect();
    put(pending(conf), "delete", items.join(","));
}

/// The pending section, made when there is none.
pub(crate) fn pending(conf: &mut GuestConf) -> &mut ConfSection {
    conf.pending.get_or_insert_default()
}

/// Adds a setting to those that wait to be deleted, or takes it from them.
pub(crate) fn mark_delete(conf: &mut GuestConf, key: &str, mark: Option<bool>) {
    let mut deletes = pending_deletes(conf);
    let before = deletes.clone();
    match mark {
        Some(force) => {
            deletes.insert(key.to_owned(), force);
        }
        None => {
            deletes.remove(key);
        }
    }
    if deletes != before {
        set_pending_deletes(conf, &deletes);
    }
}

/// Drops pending values that are already in force, and deletions of what is not set.
pub(crate) fn clean_pending(conf: &mut GuestConf) {
    let deletes = pending_deletes(conf);
    let live = &conf.live;
    if let Some(pending) = &mut conf.pending {
        pending.keys.retain(|key, wanted| key == "delete" || live.get(key) != Some(wanted.as_str()));
        pending.description.take_if(|wanted| live.description.as_ref() == Some(wanted));
    }
    let wanted: BTreeMap<String, bool> = deletes
        .iter()
        .filter(|(key, _)| value(&conf.live, key).is_some())
        .map(|(key, force)| (key.clone(), *force))
        .collect();
    if wanted != deletes {
        set_pending_deletes(conf, &wanted);
    }
}

/// Whether there is anything pending.
pub(crate) fn has_pending(conf: &GuestConf) -> bool {
    conf.pending.as_ref().is_some_and(|pending| !pending.keys.is_empty() || pending.description.is_some())
}

/// The settings as they will be once what is pending is in force.
pub(crate) fn with_pending(conf: &GuestConf) -> ConfSection {
    let mut section = conf.live.clone();
    if let Some(pending) = &conf.pending {
        for (key, wanted) in all(pending).into_iter().filter(|(key, _)| key != "delete") {
            put(&mut section, &key, wanted);
        }
    }
    for key in pending_deletes(conf).keys() {
        take(&mut section, key);
    }
    section
}

/// Keeps a volume as `unusedN`, unless it is kept already.
pub(crate) fn add_unused(section: &mut ConfSection, volume: &str) {
    let is_kept = |(key, kept): (&String, &String)| drive::is_unused(key) && kept == volume;
    if section.keys.iter().any(is_kept) {
        return;
    }
    let free = (0..256).map(|number| format!("unused{number}")).find(|key| !section.keys.contains_key(key));
    if let Some(key) = free {
        section.keys.insert(key, volume.to_owned());
    }
}

/// Whether a volume is used by another drive of the VM or by one of its snapshots.
pub(crate) fn volume_in_use(conf: &GuestConf, skip: &str, volume: &str) -> bool {
    let uses = |section: &ConfSection, skip: &str| {
        drive::drives(section).into_iter().any(|(key, drive)| key != skip && drive.file() == volume)
    };
    let state = |section: &ConfSection| section.get("vmstate") == Some(volume);
    uses(&conf.live, skip) || conf.snapshots.values().any(|snapshot| uses(snapshot, "") || state(snapshot))
}

/// The text of a network device in the real order, with a MAC address when it had none. `None` when it cannot be read.
pub(crate) fn print_net(text: &str, random: &mut Random, renew: Renew) -> Option<String> {
    let mut net = parse_property_string("qm-net", text).ok()?;
    if net.get("macaddr").is_none() || renew == Renew::Mac {
        net.set("macaddr", random.mac().to_string());
    }
    print_property_string("qm-net", &net).ok()
}

/// Whether a network device that has a MAC address gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renew {
    /// A clone's device: always a new address.
    Mac,
    /// A new address only where there is none.
    Nothing,
}

/// Tags as the tools store them: lower case, sorted, each once, joined by semicolons.
pub(crate) fn unique_tags(text: &str) -> String {
    let tags: BTreeSet<String> = split_list(text).into_iter().map(str::to_lowercase).collect();
    tags.into_iter().collect::<Vec<_>>().join(";")
}

/// Whether the system is a Windows, which is when machine types are pinned.
pub(crate) fn is_windows(ostype: Option<&str>) -> bool {
    ostype.is_some_and(|name| matches!(name, "wxp" | "w2k" | "w2k3" | "w2k8" | "wvista") || name.starts_with("win"))
}

/// The machine of a Windows guest with its version fixed, and the version; `None` when there is nothing to fix.
pub(crate) fn pin_machine(machine: Option<&str>, ostype: Option<&str>) -> Option<(String, String)> {
    if !is_windows(ostype) {
        return None;
    }
    let mut values = parse_property_string("qm-machine", machine.unwrap_or_default()).ok()?;
    let family = match values.get("type") {
        None | Some("pc") => "pc-i440fx",
        Some("q35") => "pc-q35",
        Some(_) => return None,
    };
    let version = QEMU_VERSION.rsplit_once('.').map_or(QEMU_VERSION, |(version, _)| version);
    let pinned = format!("{family}-{version}+pve1");
    values.set("type", pinned.clone());
    Some((print_property_string("qm-machine", &values).ok()?, pinned))
}

/// The memory of a VM in MiB; 512 when it is not set.
pub(crate) fn memory_mib(text: Option<&str>) -> u64 {
    const DEFAULT: u64 = 512;
    text.and_then(|text| parse_property_string("qm-memory", text).ok())
        .and_then(|memory| memory.get("current")?.parse().ok())
        .unwrap_or(DEFAULT)
}

/// Whether the guest agent is switched on. `None`: there is no such setting.
pub(crate) fn agent_enabled(section: &ConfSection) -> Option<bool> {
    let agent = parse_property_string("qm-agent", section.get("agent")?).ok()?;
    Some(agent.get("enabled") == Some("1"))
}

/// An SMBIOS setting with another UUID.
pub(crate) fn with_uuid(smbios: Option<&str>, uuid: &str) -> String {
    let mut values = smbios.and_then(|text| parse_property_string("pve-qm-smbios1", text).ok()).unwrap_or_default();
    values.set("uuid", uuid);
    print_property_string("pve-qm-smbios1", &values).unwrap_or_else(|_| format!("uuid={uuid}"))
}

/// The id of the guest that a volume belongs to by its name: `vm-ID-…`, `base-ID-…`, or the folder it lies in.
pub(crate) fn owner(volume: &str) -> Option<u32> {
    let (_, name) = drive::split_volume(volume)?;
    let file = name.rsplit('/').next().unwrap_or(name);
    let rest = ["vm-", "base-", "subvol-", "basevol-"].iter().find_map(|prefix| file.strip_prefix(prefix));
    match rest {
        Some(rest) => rest.split('-').next()?.parse().ok(),
        None => name.split_once('/')?.0.parse().ok(),
    }
}

/// The volumes of a VM and its snapshots that belong to it: what goes with it.
pub(crate) fn owned_volumes(conf: &GuestConf, id: u32) -> BTreeSet<String> {
    let unused = |section: &ConfSection| {
        section
            .keys
            .iter()
            .filter(|(key, _)| drive::is_unused(key) || *key == "vmstate")
            .map(|(_, volume)| volume.clone())
            .collect::<Vec<_>>()
    };
    std::iter::once(&conf.live)
        .chain(&conf.pending)
        .chain(conf.snapshots.values())
        .flat_map(|section| {
            let drives = drive::drives(section).into_iter().filter(|(_, drive)| !drive.is_user_medium());
            drives.map(|(_, drive)| drive.file().to_owned()).chain(unused(section))
        })
        .filter(|volume| owner(volume) == Some(id))
        .collect()
}

/// The drive that an `unusedN` or drive key holds.
pub(crate) fn drive_of(section: &ConfSection, key: &str) -> Option<Drive> {
    Drive::parse(key, section.get(key)?)
}

#[cfg(test)]
mod tests {
    use phoenix_types::GuestKind;
    use test_case::test_case;

    use super::*;

    fn read(text: &str) -> GuestConf {
        let mut conf = GuestConf::parse(text, GuestKind::Vm);
        after_reading(&mut conf);
        conf
    }

    fn print(conf: &mut GuestConf) -> String {
        before_writing(conf);
        conf.print(GuestKind::Vm)
    }

    #[test_case("net31", true)]
    #[test_case("net32", false; "beyond the last")]
    #[test_case("scsi7", true)]
    #[test_case("unused255", true)]
    #[test_case("parent", true; "internal ones too")]
    #[test_case("bogus", false)]
    fn known_settings(key: &str, expected: bool) {
        assert_eq!(exists(key), expected);
    }

    #[test]
    fn an_unused_volume_that_is_attached_again_is_dropped() {
        let mut conf = read(
            "scsi2: tank:9/vm-9-disk-1.raw,size=1G\nunused0: tank:9/vm-9-disk-1.raw\nunused1: tank:9/vm-9-disk-2.raw\n",
        );
        assert_eq!(print(&mut conf), "scsi2: tank:9/vm-9-disk-1.raw,size=1G\nunused1: tank:9/vm-9-disk-2.raw\n");
    }

    #[test]
    fn a_boot_order_without_devices_becomes_a_blank() {
        let mut conf = read("boot: \n");
        assert_eq!(print(&mut conf), "boot:  \n");
        assert_eq!(print(&mut read("boot:  \n")), "boot:  \n");
    }

    #[test]
    fn what_is_already_so_is_not_pending() {
        let mut conf = read("#same\nmemory: 512\n\n[PENDING]\n#same\ncores: 2\ndelete: memory,net3\nmemory: 512\n");
        clean_pending(&mut conf);
        assert_eq!(print(&mut conf), "#same\nmemory: 512\n\n[PENDING]\ncores: 2\ndelete: memory\n");
    }

    #[test_case(None, Some("win11"), Some("pc-i440fx-10.0+pve1"))]
    #[test_case(Some("q35,viommu=intel"), Some("win10"), Some("pc-q35-10.0+pve1,viommu=intel"))]
    #[test_case(Some("pc-q35-9.2"), Some("win10"), None; "already fixed")]
    #[test_case(Some("q35"), Some("l26"), None; "no windows")]
    fn machines(machine: Option<&str>, ostype: Option<&str>, expected: Option<&str>) {
        assert_eq!(pin_machine(machine, ostype).map(|(text, _)| text).as_deref(), expected);
    }

    #[test_case("tank:100/vm-100-disk-0.qcow2", Some(100))]
    #[test_case("tank:base-9000-disk-0/vm-101-disk-0", Some(101); "linked clone")]
    #[test_case("local:iso/x.iso", None)]
    fn owners(volume: &str, expected: Option<u32>) {
        assert_eq!(owner(volume), expected);
    }
}
