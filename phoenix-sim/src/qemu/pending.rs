//! How pending settings come into force: at once into a VM that runs where its devices allow, else at its next cold start.
//!
//! Rules from `PVE::QemuServer`: `vmconfig_apply_pending`, `vmconfig_hotplug_pending`, `vmconfig_update_disk`,
//! `vmconfig_update_net`, `vmconfig_update_agent`, `vmconfig_register_unused_drive`, `try_deallocate_drive`.

use std::collections::BTreeSet;

use phoenix_types::GuestConf;

use crate::grammar::{Reasons, parse_property_string};

use super::drive::{self, Drive};
use super::settings::{self, CLOUD_INIT_SECTION};

/// What bringing settings into force asks of the node besides a new configuration.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Volumes to free.
    pub(crate) free: Vec<String>,
    /// Settings that could not come into force, with the reason.
    pub(crate) errors: Reasons,
    /// Lines for stderr, newline included.
    pub(crate) warnings: Vec<String>,
    /// Whether the cloud-init drive has to be rewritten.
    pub(crate) write_cloud_init: bool,
}

/// Frees a volume for good, or keeps it as `unusedN`, when a drive is taken from a VM.
pub(crate) fn detach(conf: &mut GuestConf, id: u32, drive: &Drive, free: &mut Vec<String>) {
    if drive.is_cloud_init() {
        free.push(drive.file().to_owned());
        conf.special.remove(CLOUD_INIT_SECTION);
    } else if !drive.is_medium() && settings::owner(drive.file()) == Some(id) {
        settings::add_unused(&mut conf.live, drive.file());
    }
}

/// Frees the volume of a drive that belongs to the VM.
///
/// # Errors
/// In the real words, when a snapshot or another drive needs the volume.
pub(crate) fn deallocate(
    conf: &GuestConf,
    id: u32,
    key: &str,
    drive: &Drive,
    free: &mut Vec<String>,
) -> Result<(), String> {
    let volume = drive.file();
    if drive.is_user_medium() || settings::owner(volume) != Some(id) {
        return Ok(());
    }
    if settings::volume_in_use(conf, key, volume) {
        return Err(format!("unable to delete '{volume}' - volume is still in use (snapshot?)\n"));
    }
    free.push(volume.to_owned());
    Ok(())
}

fn remove_drive(conf: &mut GuestConf, id: u32, key: &str, force: bool, free: &mut Vec<String>) -> Result<(), String> {
    let Some(drive) = settings::drive_of(&conf.live, key) else { return Ok(()) };
    if force {
        return deallocate(conf, id, key, &drive, free);
    }
    detach(conf, id, &drive, free);
    Ok(())
}

/// Brings everything that is pending into force: the VM is off.
pub(crate) fn apply(conf: &mut GuestConf, id: u32) -> Effects {
    let mut effects = Effects::default();
    for (key, force) in settings::pending_deletes(conf) {
        let removed =
            if drive::is_drive(&key) { remove_drive(conf, id, &key, force, &mut effects.free) } else { Ok(()) };
        match removed {
            Ok(()) => {
                settings::mark_delete(conf, &key, None);
                settings::take(&mut conf.live, &key);
            }
            Err(reason) => {
                let reason = format!("unable to apply pending change {key} : {reason}");
                effects.warnings.push(reason.clone());
                effects.errors.add(key, reason);
            }
        }
    }
    settings::clean_pending(conf);
    for (key, wanted) in conf.pending.as_ref().map(settings::all).unwrap_or_default() {
        if key == "delete" {
            continue;
        }
        if drive::is_drive(&key) {
            if let Some(old) = settings::drive_of(&conf.live, &key) {
                detach(conf, id, &old, &mut effects.free);
            }
            effects.write_cloud_init |= Drive::parse(&key, &wanted).is_some_and(|drive| drive.is_cloud_init());
        }
        settings::take(settings::pending(conf), &key);
        settings::put(&mut conf.live, &key, wanted);
    }
    effects
}

/// What may change in a VM that runs (`parse_hotplug_features`).
struct Features {
    network: bool,
    disk: bool,
    usb: bool,
    cpu: bool,
    memory: bool,
    cloud_init: bool,
}

impl Features {
    fn of(conf: &GuestConf) -> Self {
        let text = match conf.live.get("hotplug") {
            None | Some("1") => "network,disk,usb",
            Some(text) => text,
        };
        let has = |name: &str| crate::grammar::split_list(text).contains(&name);
        Self {
            network: has("network"),
            disk: has("disk"),
            usb: has("usb"),
            cpu: has("cpu"),
            memory: has("memory"),
            cloud_init: has("cloudinit"),
        }
    }
}

/// Settings that never touch the running VM.
const NO_DEVICE: &[&str] = &[
    "description",
    "hookscript",
    "lock",
    "migrate_downtime",
    "migrate_speed",
    "name",
    "onboot",
    "protection",
    "shares",
    "startup",
    "tags",
    "vmstatestorage",
];

fn touches_no_device(key: &str) -> bool {
    NO_DEVICE.contains(&key) || settings::is_cloud_init(key)
}

/// Why a setting did not come into force in a VM that runs.
enum Stay {
    /// It waits for the next cold start.
    Pending,
    /// It failed.
    Failed(String),
}

/// Brings what is pending into force in a VM that runs, as far as its devices can change: only the settings of `changed`.
/// `bridge_exists` knows the node's bridges.
pub(crate) fn hotplug(
    conf: &mut GuestConf,
    id: u32,
    changed: &BTreeSet<String>,
    bridge_exists: &dyn Fn(&str) -> bool,
) -> Effects {
    let mut effects = Effects::default();
    let features = Features::of(conf);
    let pending = |conf: &GuestConf| conf.pending.as_ref().map(settings::all).unwrap_or_default();
    for (key, wanted) in pending(conf) {
        if touches_no_device(&key) {
            bring_into_force(conf, &key, wanted);
        }
    }
    for (key, force) in settings::pending_deletes(conf) {
        if !changed.contains(&key) {
            continue;
        }
        match unplug(conf, id, &key, force, &features, &mut effects.free) {
            Ok(()) => {
                let old = settings::take(&mut conf.live, &key);
                record_for_cloud_init(conf, &key, old.as_deref(), None);
                settings::mark_delete(conf, &key, None);
            }
            Err(Stay::Failed(reason)) => effects.errors.add(key, format!("hotplug problem - {reason}")),
            Err(Stay::Pending) => {}
        }
    }
    let mut cloud_init_drive = None;
    for (key, wanted) in pending(conf) {
        if key == "delete" || !changed.contains(&key) {
            continue;
        }
        if Drive::parse(&key, &wanted).is_some_and(|drive| drive.is_cloud_init()) {
            cloud_init_drive = Some((key, wanted));
            continue;
        }
        match plug(conf, id, &key, &wanted, &features, bridge_exists, &mut effects.free) {
            Ok(()) => bring_into_force(conf, &key, wanted),
            Err(Stay::Failed(reason)) => effects.errors.add(key, format!("hotplug problem - {reason}")),
            Err(Stay::Pending) => {}
        }
    }
    if let Some((key, wanted)) = cloud_init_drive
        && update_disk(conf, id, &key, &wanted, &features, &mut effects.free).is_ok()
    {
        settings::take(settings::pending(conf), &key);
        settings::put(&mut conf.live, &key, wanted);
        effects.write_cloud_init = true;
    }
    let differs = conf.special.get(CLOUD_INIT_SECTION).is_some_and(|section| !section.keys.is_empty());
    effects.write_cloud_init |= features.cloud_init && differs;
    effects
}

fn bring_into_force(conf: &mut GuestConf, key: &str, wanted: String) {
    let old = settings::value(&conf.live, key).map(str::to_owned);
    record_for_cloud_init(conf, key, old.as_deref(), Some(&wanted));
    settings::take(settings::pending(conf), key);
    settings::put(&mut conf.live, key, wanted);
}

/// Remembers what the cloud-init drive was made from, when a setting that it holds changes.
fn record_for_cloud_init(conf: &mut GuestConf, key: &str, old: Option<&str>, new: Option<&str>) {
    if !(settings::is_cloud_init(key) || settings::is_net(key) || key == "name") {
        return;
    }
    let section = conf.special.entry(CLOUD_INIT_SECTION.to_owned()).or_default();
    let recorded = section.get(key).map(str::to_owned);
    let text = section.keys.remove("added").unwrap_or_default();
    let mut added: BTreeSet<String> = crate::grammar::split_list(&text).into_iter().map(str::to_owned).collect();
    match (old, new, recorded) {
        (_, Some(new), Some(recorded)) if new == recorded => {
            section.keys.remove(key);
            added.remove(key);
        }
        (_, _, Some(_)) | (None, None, None) => {}
        (_, Some(_), None) if added.contains(key) => {}
        (Some(_), None, None) if added.contains(key) => {
            added.remove(key);
        }
        (Some(old), _, None) => settings::put(section, key, old),
        (None, Some(_), None) => {
            added.insert(key.to_owned());
        }
    }
    if !added.is_empty() {
        settings::put(section, "added", added.into_iter().collect::<Vec<_>>().join(","));
    }
}

fn only_if(possible: bool) -> Result<(), Stay> {
    if possible { Ok(()) } else { Err(Stay::Pending) }
}

fn usb_can_change(conf: &GuestConf, features: &Features) -> bool {
    let ostype = conf.live.get("ostype");
    let modern_windows = matches!(ostype, Some("win8" | "win10" | "win11"));
    features.usb && (ostype == Some("l26") || modern_windows)
}

fn unplug(
    conf: &mut GuestConf,
    id: u32,
    key: &str,
    force: bool,
    features: &Features,
    free: &mut Vec<String>,
) -> Result<(), Stay> {
    match key {
        "hotplug" => {
            let text = conf.live.get("hotplug").unwrap_or_default();
            only_if(!text.contains("cpu") && !text.contains("memory"))
        }
        "tablet" => only_if(features.usb),
        "vcpus" => only_if(features.cpu),
        "balloon" => only_if(conf.live.get("balloon") != Some("0")),
        "memory" => only_if(features.memory),
        "cpuunits" | "cpulimit" => Ok(()),
        _ if touches_no_device(key) => Ok(()),
        _ if settings::number(key, "usb").is_some() => only_if(usb_can_change(conf, features)),
        _ if settings::is_net(key) => only_if(features.network),
        _ if drive::is_drive(key) => {
            let fixed = ["efidisk", "ide", "sata", "tpmstate"].iter().any(|bus| key.starts_with(bus));
            only_if(features.disk && !fixed)?;
            remove_drive(conf, id, key, force, free).map_err(Stay::Failed)
        }
        _ => Err(Stay::Pending),
    }
}

fn plug(
    conf: &mut GuestConf,
    id: u32,
    key: &str,
    wanted: &str,
    features: &Features,
    bridge_exists: &dyn Fn(&str) -> bool,
    free: &mut Vec<String>,
) -> Result<(), Stay> {
    match key {
        "hotplug" => {
            let old = conf.live.get("hotplug").unwrap_or_default();
            only_if(["memory", "cpu"].iter().all(|feature| !wanted.contains(feature) && !old.contains(feature)))
        }
        "tablet" => only_if(features.usb),
        "vcpus" => {
            only_if(features.cpu)?;
            let count = |key: &str| conf.live.get(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
            if wanted.parse::<u64>().unwrap_or_default() > count("sockets") * count("cores") {
                return Err(Stay::Failed("you can't add more vcpus than maxcpus\n".to_owned()));
            }
            Ok(())
        }
        "balloon" => only_if((conf.live.get("balloon") == Some("0")) == (wanted == "0")),
        "memory" => only_if(features.memory),
        "cpuunits" | "cpulimit" => Ok(()),
        "agent" => only_if(agent_keeps_its_devices(conf.live.get("agent"), wanted)),
        "efidisk0" | "tpmstate0" => Err(Stay::Pending),
        _ if settings::number(key, "usb").is_some() => only_if(usb_can_change(conf, features)),
        _ if settings::is_net(key) => update_net(conf, id, key, wanted, features, bridge_exists),
        _ if drive::is_drive(key) => update_disk(conf, id, key, wanted, features, free),
        _ => Err(Stay::Pending),
    }
}

/// Of the agent only `fstrim_cloned_disks` can change while the VM runs.
fn agent_keeps_its_devices(old: Option<&str>, new: &str) -> bool {
    let devices = |text: &str| {
        let mut agent = parse_property_string("qm-agent", text).unwrap_or_default();
        agent.remove("fstrim_cloned_disks");
        if agent.get("enabled").is_none() {
            agent.set("enabled", "0");
        }
        agent
    };
    old.is_some_and(|old| devices(old) == devices(new))
}

fn update_net(
    conf: &GuestConf,
    id: u32,
    key: &str,
    wanted: &str,
    features: &Features,
    bridge_exists: &dyn Fn(&str) -> bool,
) -> Result<(), Stay> {
    let net = |text: &str| parse_property_string("qm-net", text).unwrap_or_default();
    let new = net(wanted);
    let missing_bridge = new.get("bridge").filter(|bridge| !bridge_exists(bridge));
    if let Some(old) = conf.live.get(key).map(net) {
        let same = |key: &str| old.get(key) == new.get(key);
        let bridged = old.get("bridge").is_some() && new.get("bridge").is_some();
        if bridged && ["model", "macaddr", "queues", "mtu"].into_iter().all(same) {
            return match missing_bridge {
                Some(bridge) if !same("bridge") => Err(Stay::Failed(format!("bridge '{bridge}' does not exist\n"))),
                _ => Ok(()),
            };
        }
    }
    only_if(features.network)?;
    match missing_bridge {
        Some(_) => Err(Stay::Failed(format!(
            "VM {id} qmp command 'netdev_add' failed - network script /usr/libexec/qemu-server/pve-bridge failed with status 512\n"
        ))),
        None => Ok(()),
    }
}

/// Properties of a disk that a running VM cannot change.
const FIXED_DISK_PROPERTIES: &[&str] =
    &["aio", "discard", "iothread", "queues", "product", "cache", "ssd", "vendor", "ro"];

fn update_disk(
    conf: &mut GuestConf,
    id: u32,
    key: &str,
    wanted: &str,
    features: &Features,
    free: &mut Vec<String>,
) -> Result<(), Stay> {
    let Some(new) = Drive::parse(key, wanted) else { return Err(Stay::Pending) };
    if let Some(old) = settings::drive_of(&conf.live, key) {
        let media = |drive: &Drive| drive.get("media").unwrap_or("disk").to_owned();
        if media(&new) != media(&old) {
            return Err(Stay::Failed("unable to change media type\n".to_owned()));
        }
        if old.is_medium() {
            if new.file() == "none" && old.is_cloud_init() {
                detach(conf, id, &old, free);
            }
            return Ok(());
        }
        if new.file() == old.file() {
            return only_if(FIXED_DISK_PROPERTIES.iter().all(|key| new.get(key) == old.get(key)));
        }
        only_if(features.disk)?;
        detach(conf, id, &old, free);
    }
    only_if(features.disk && !key.starts_with("ide") && !key.starts_with("sata"))
}

#[cfg(test)]
mod tests {
    use phoenix_types::GuestKind;
    use test_case::test_case;

    use super::*;

    const VM: &str = "agent: 1\nballoon: 128\nmemory: 256\nname: a\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0\n\
        scsi0: tank:9/vm-9-disk-0.raw,size=1G\n";

    /// What becomes of a VM that runs when `pending` is its pending section: its live and pending settings that changed.
    fn run(pending: &str) -> (String, Effects) {
        let mut conf = GuestConf::parse(&format!("{VM}\n[PENDING]\n{pending}"), GuestKind::Vm);
        let mut changed: BTreeSet<String> = conf.pending.as_ref().unwrap().keys.keys().cloned().collect();
        changed.extend(settings::pending_deletes(&conf).into_keys());
        let effects = hotplug(&mut conf, 9, &changed, &|bridge| bridge == "vmbr0");
        settings::before_writing(&mut conf);
        let text = conf.print(GuestKind::Vm);
        let news: Vec<&str> =
            text.lines().filter(|line| !line.is_empty() && !VM.lines().any(|old| old == *line)).collect();
        (news.join("|"), effects)
    }

    #[test_case("name: b\n", "name: b"; "no device")]
    #[test_case("cores: 2\n", "[PENDING]|cores: 2"; "cores wait")]
    #[test_case("memory: 512\n", "[PENDING]|memory: 512"; "memory waits")]
    #[test_case("balloon: 64\n", "balloon: 64"; "balloon moves")]
    #[test_case("balloon: 0\n", "[PENDING]|balloon: 0"; "balloon cannot go")]
    #[test_case("agent: 1,fstrim_cloned_disks=1\n", "agent: 1,fstrim_cloned_disks=1"; "agent keeps its device")]
    #[test_case("agent: 0\n", "[PENDING]|agent: 0"; "agent device waits")]
    #[test_case("scsi1: tank:9/vm-9-disk-1.raw,size=1G\n", "scsi1: tank:9/vm-9-disk-1.raw,size=1G"; "new disk")]
    #[test_case("ide0: tank:9/vm-9-disk-1.raw,size=1G\n", "[PENDING]|ide0: tank:9/vm-9-disk-1.raw,size=1G"; "ide waits")]
    #[test_case("delete: scsi0\n", "unused0: tank:9/vm-9-disk-0.raw"; "unplugged disk")]
    #[test_case("delete: name,agent\n", "[PENDING]|delete: agent"; "some deletions wait")]
    #[test_case("ciuser: x\n", "ciuser: x"; "nothing recorded without a drive")]
    #[test_case("scsi0: tank:9/vm-9-disk-0.raw,size=1G,ssd=1\n", "[PENDING]|scsi0: tank:9/vm-9-disk-0.raw,size=1G,ssd=1"; "a fixed property")]
    fn running(pending: &str, expected: &str) {
        assert_eq!(run(pending).0, expected);
    }

    #[test]
    fn a_missing_bridge_fails_the_hotplug_and_stays_pending() {
        let (news, effects) = run("net1: virtio=BC:24:11:00:00:02,bridge=nope0\n");
        assert_eq!(news, "[PENDING]|net1: virtio=BC:24:11:00:00:02,bridge=nope0");
        assert!(effects.errors.to_string().starts_with("net1: hotplug problem - "));
    }

    #[test]
    fn cloud_init_settings_are_recorded_when_there_is_a_drive() {
        let text = "ciuser: a\nide2: tank:9/vm-9-cloudinit.qcow2,media=cdrom\n\n[PENDING]\nciuser: b\nsearchdomain: x.example\n";
        let mut conf = GuestConf::parse(text, GuestKind::Vm);
        hotplug(&mut conf, 9, &BTreeSet::new(), &|_| true);
        let section = conf.special.get(CLOUD_INIT_SECTION).unwrap();
        assert_eq!((section.get("added"), section.get("ciuser")), (Some("searchdomain"), Some("a")));
        settings::put(settings::pending(&mut conf), "ciuser", "a");
        settings::mark_delete(&mut conf, "searchdomain", Some(false));
        hotplug(&mut conf, 9, &["searchdomain".to_owned()].into(), &|_| true);
        assert!(conf.special[CLOUD_INIT_SECTION].keys.is_empty());
    }

    #[test]
    fn a_cold_start_takes_everything_over() {
        let mut conf = GuestConf::parse(
            &format!(
                "{VM}ide2: tank:9/vm-9-cloudinit.qcow2,media=cdrom\n\n[PENDING]\ncores: 4\ndelete: agent,ide2,!scsi0\nmemory: 1024\n"
            ),
            GuestKind::Vm,
        );
        let effects = apply(&mut conf, 9);
        assert_eq!(effects.free, ["tank:9/vm-9-cloudinit.qcow2", "tank:9/vm-9-disk-0.raw"]);
        settings::before_writing(&mut conf);
        assert_eq!(
            conf.print(GuestKind::Vm),
            "balloon: 128\ncores: 4\nmemory: 1024\nname: a\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0\n"
        );
    }

    #[test]
    fn a_volume_that_a_snapshot_needs_is_not_freed() {
        let mut conf = GuestConf::parse(&format!("{VM}\n[PENDING]\ndelete: !scsi0\n\n[one]\n{VM}"), GuestKind::Vm);
        let effects = apply(&mut conf, 9);
        assert!(effects.warnings[0].contains("volume is still in use (snapshot?)"));
        assert!(conf.live.get("scsi0").is_some());
    }
}
