//! How changes of a container's configuration are taken over: at once, pending, or when it is off
//! (pve-container `LXC/Config.pm`: `update_pct_config`, `vmconfig_hotplug_pending`, `vmconfig_apply_pending`).

use std::collections::BTreeSet;

use phoenix_sim_guest::node_files;
use phoenix_sim_shell::files::Follow;
use phoenix_types::{ConfSection, GuestConf};

use super::volumes;
use crate::grammar::{parse_property_string, print_property_string};
use crate::node::mount_points::{self, MountPoint, MountSourceKind, indexed, is_mp};
use crate::node::{Call, Failure, Format, State, VolumeRef};

/// Changes that were asked for.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Keys and new values; `description` among them.
    pub(super) set: Vec<(String, String)>,
    /// Keys to delete.
    pub(super) delete: Vec<String>,
    /// Keys whose pending change is dropped.
    pub(super) revert: Vec<String>,
}

/// Keys that a running container takes over at once.
const FAST: [&str; 9] =
    ["description", "onboot", "startup", "protection", "hostname", "hookscript", "cores", "tags", "lock"];

/// A section with its description as one more key, which is how the real tools see it.
fn get<'a>(section: &'a ConfSection, key: &str) -> Option<&'a str> {
    if key == "description" { section.description.as_deref() } else { section.get(key) }
}

fn put(section: &mut ConfSection, key: &str, value: String) {
    if key == "description" {
        section.description = Some(value.trim_end_matches('\n').to_owned());
    } else {
        section.keys.insert(key.to_owned(), value);
    }
}

fn take(section: &mut ConfSection, key: &str) -> Option<String> {
    if key == "description" { section.description.take() } else { section.keys.remove(key) }
}

/// The keys that a pending section deletes.
pub(super) fn pending_deletes(pending: &ConfSection) -> Vec<String> {
    let text = pending.get("delete").unwrap_or_default();
    let keys = text.split([',', ' ', ';']).filter(|key| !key.is_empty());
    keys.map(|key| key.trim_start_matches('!').to_owned()).collect()
}

fn set_pending_deletes(pending: &mut ConfSection, keys: &[String]) {
    if keys.is_empty() {
        pending.keys.remove("delete");
    } else {
        let sorted: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        pending.keys.insert("delete".to_owned(), sorted.into_iter().collect::<Vec<_>>().join(","));
    }
}

/// Whether a container runs while its configuration is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    Stopped,
}

/// Writes changes into a configuration. What is wrong with single keys is in the map that it gives back; the configuration
/// must not be saved then.
pub(super) async fn update(
    call: &mut Call<'_>,
    vmid: u32,
    conf: &mut GuestConf,
    life: Life,
    changes: Changes,
) -> Result<Vec<(String, String)>, Failure> {
    let mut pending = conf.pending.take().unwrap_or_default();
    let mut modified = BTreeSet::new();
    for key in &changes.revert {
        take(&mut pending, key);
        let kept: Vec<String> = pending_deletes(&pending).into_iter().filter(|known| known != key).collect();
        set_pending_deletes(&mut pending, &kept);
    }
    for key in &changes.delete {
        if get(&conf.live, key).is_none() && get(&pending, key).is_none() {
            call.err(&format!("cannot delete '{key}' - not set in current configuration!\n"));
            continue;
        }
        modified.insert(key.clone());
        match key.as_str() {
            "memory" | "rootfs" | "ostype" => {
                return Err(Failure::die(format!("unable to delete required option '{key}'")));
            }
            "unprivileged" => return Err(Failure::die("unable to delete read-only option: 'unprivileged'")),
            key if indexed(key, "unused") || is_mp(key) => {
                check_protection(conf, &format!("can't remove CT {vmid} drive '{key}'"))?;
            }
            _ => {}
        }
        take(&mut pending, key);
        let mut deletes = pending_deletes(&pending);
        if !deletes.contains(key) {
            deletes.push(key.clone());
        }
        set_pending_deletes(&mut pending, &deletes);
    }
    let mut set = changes.set;
    set.sort();
    for (key, value) in set {
        let value = checked(call, vmid, conf, &key, value)?;
        let kept: Vec<String> = pending_deletes(&pending).into_iter().filter(|known| *known != key).collect();
        set_pending_deletes(&mut pending, &kept);
        put(&mut pending, &key, value);
        modified.insert(key);
    }
    clean_up(conf, &mut pending);
    let selected = |key: &str| modified.contains(key);
    let errors = take_over(call, vmid, conf, &mut pending, life, &selected).await;
    conf.pending = (!pending.keys.is_empty() || pending.description.is_some()).then_some(pending);
    Ok(errors)
}

/// Takes the pending changes of a container over that is off.
pub(super) async fn apply_pending(call: &mut Call<'_>, vmid: u32, conf: &mut GuestConf) -> Vec<(String, String)> {
    let Some(mut pending) = conf.pending.take() else { return Vec::new() };
    clean_up(conf, &mut pending);
    let errors = take_over(call, vmid, conf, &mut pending, Life::Stopped, &|_| true).await;
    conf.pending = (!pending.keys.is_empty() || pending.description.is_some()).then_some(pending);
    errors
}

pub(super) fn check_protection(conf: &GuestConf, what: &str) -> Result<(), Failure> {
    if conf.live.get("protection") == Some("1") {
        return Err(Failure::die(format!("{what} - protection mode enabled")));
    }
    Ok(())
}

/// Checks a new value against the node, and gives the form in which it is kept.
fn checked(call: &mut Call<'_>, vmid: u32, conf: &GuestConf, key: &str, value: String) -> Result<String, Failure> {
    match key {
        "rootfs" => check_volume(call, vmid, conf, key, &value)?,
        _ if is_mp(key) => check_volume(call, vmid, conf, key, &value)?,
        "hookscript" => check_hookscript(call, &value)?,
        "nameserver" | "searchdomain" => {
            let words: Vec<&str> = value
                .split(|ch: char| ch == ',' || ch == ';' || ch.is_whitespace())
                .filter(|word| !word.is_empty())
                .collect();
            return Ok(words.join(" "));
        }
        "unprivileged" => return Err(Failure::die("unable to modify read-only option: 'unprivileged'")),
        "tags" => return Ok(unique_tags(&value)),
        "cpuunits" => {
            let units: i64 = value.parse().unwrap_or(100);
            return Ok(units.clamp(1, 10_000).to_string());
        }
        _ if indexed(key, "net") => {
            let net = parse_property_string("lxc-net", &value).map_err(|error| Failure::die(error.to_string()))?;
            if let Some(mtu) = net.get("mtu").and_then(|mtu| mtu.parse::<u32>().ok()) {
                let bridge_mtu = bridge_mtu(call, net.get("bridge"))?;
                if mtu > bridge_mtu {
                    let text = format!("{key}: MTU size '{mtu}' is bigger than bridge MTU '{bridge_mtu}'");
                    return Err(Failure::die(text));
                }
            }
        }
        _ if indexed(key, "dev") => {
            let device = parse_property_string("lxc-dev", &value).map_err(|error| Failure::die(error.to_string()))?;
            let path = device.get("path").unwrap_or_default();
            if !call.node.has_device(path) {
                return Err(Failure::with_exit(format!("Device {path} does not exist"), 2));
            }
        }
        _ => {}
    }
    Ok(value)
}

fn check_volume(call: &mut Call<'_>, vmid: u32, conf: &GuestConf, key: &str, value: &str) -> Result<(), Failure> {
    check_protection(conf, &format!("can't update CT {vmid} drive '{key}'"))?;
    let mount = MountPoint::parse(key, value)?;
    if mount.source_kind() == MountSourceKind::Volume {
        let id = VolumeRef::parse(mount.volume())
            .map(|volume| volume.storage.to_owned())
            .ok_or_else(|| Failure::die(format!("unable to parse volume ID '{}'", mount.volume())))?;
        let storage = call.state().storage(&id)?;
        if !storage.holds("rootdir") {
            return Err(Failure::die(format!("storage '{id}' does not allow content type 'rootdir' (Container)")));
        }
    }
    Ok(())
}

fn check_hookscript(call: &mut Call<'_>, volid: &str) -> Result<(), Failure> {
    let (id, name) = volid.split_once(':').unwrap_or((volid, ""));
    let storage = call.state().storage_of(&VolumeRef { storage: id, name })?;
    if !name.starts_with("snippets/") {
        return Err(Failure::die(format!("'{volid}' is not in the snippets directory")));
    }
    let entry = node_files(&mut call.state()).entry(&storage.path(name, None), Follow::Last);
    match entry.ok() {
        None => Err(Failure::with_exit(format!("script '{volid}' does not exist"), 2)),
        Some(entry) if entry.mode & 0o111 == 0 => Err(Failure::die(format!("script '{volid}' is not executable"))),
        Some(_) => Ok(()),
    }
}

/// The MTU of a bridge, which says whether it exists (pve-common `Network.pm`, `read_bridge_mtu`).
pub(super) fn bridge_mtu(call: &mut Call<'_>, bridge: Option<&str>) -> Result<u32, Failure> {
    let Some(bridge) = bridge else {
        for line in [134, 135] {
            call.err(&format!(
                "Use of uninitialized value $bridge in concatenation (.) or string at /usr/share/perl5/PVE/Network.pm line {line}.\n"
            ));
        }
        return Err(Failure::with_exit("bridge '' does not exist", 2));
    };
    if call.node.has_bridge(bridge) {
        Ok(1500)
    } else {
        Err(Failure::with_exit(format!("bridge '{bridge}' does not exist"), 2))
    }
}

/// Lower case, sorted, each once, joined by semicolons (pve-guest-common `GuestHelpers.pm`, `get_unique_tags`).
pub(super) fn unique_tags(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut tags: Vec<&str> =
        lower.split(|ch: char| ch == ',' || ch == ';' || ch.is_whitespace()).filter(|tag| !tag.is_empty()).collect();
    tags.sort_unstable();
    tags.dedup();
    tags.join(";")
}

/// A network as it is kept: with a MAC address and a type, keys in order.
pub(super) fn printed_net(state: &mut State, value: &str) -> Result<String, Failure> {
    let mut net = parse_property_string("lxc-net", value).map_err(|error| Failure::die(error.to_string()))?;
    if net.get("hwaddr").is_none() {
        net.set("hwaddr", state.random.mac());
    }
    net.set("type", "veth");
    print_property_string("lxc-net", &net).map_err(|error| Failure::die(error.to_string()))
}

/// Drops pending values that are the current ones, and deletions of what is not there.
fn clean_up(conf: &GuestConf, pending: &mut ConfSection) {
    let same: Vec<String> = pending
        .keys
        .iter()
        .filter(|(key, value)| *key != "delete" && conf.live.get(key) == Some(value.as_str()))
        .map(|(key, _)| key.clone())
        .collect();
    for key in same {
        pending.keys.remove(&key);
    }
    if pending.description.is_some() && pending.description == conf.live.description {
        pending.description = None;
    }
    let deletes: Vec<String> =
        pending_deletes(pending).into_iter().filter(|key| get(&conf.live, key).is_some()).collect();
    set_pending_deletes(pending, &deletes);
}

/// Takes over what is pending, as far as it is selected: a call that changes settings leaves older pending changes alone.
async fn take_over(
    call: &mut Call<'_>,
    vmid: u32,
    conf: &mut GuestConf,
    pending: &mut ConfSection,
    life: Life,
    selected: &(dyn Fn(&str) -> bool + Sync),
) -> Vec<(String, String)> {
    let mut errors = Vec::new();
    if life == Life::Running {
        for key in keys(pending).into_iter().filter(|key| selected(key) && FAST.contains(&key.as_str())) {
            if let Some(value) = take(pending, &key) {
                put_live(conf, &key, value);
            }
        }
    }
    let mut left = Vec::new();
    for key in pending_deletes(pending) {
        if selected(&key) && (life == Life::Stopped || hot_delete(&key)) {
            delete(call, vmid, conf, &key);
        } else {
            left.push(key);
        }
    }
    set_pending_deletes(pending, &left);
    if life == Life::Stopped {
        clean_up(conf, pending);
    }
    for key in keys(pending) {
        if !selected(&key) || (life == Life::Running && !hot_set(&conf.live, &key)) {
            continue;
        }
        let Some(value) = get(pending, &key).map(str::to_owned) else { continue };
        match apply(call, vmid, conf, &key, value).await {
            Ok(value) => {
                take(pending, &key);
                put_live(conf, &key, value);
            }
            Err(failure) => {
                let text = match life {
                    Life::Running => format!("unable to hotplug {key}: {}\n", failure.message()),
                    Life::Stopped => format!("unable to apply pending change {key} : {}\n", failure.message()),
                };
                if life == Life::Stopped {
                    call.err(&text);
                }
                errors.push((key, text));
            }
        }
    }
    errors
}

/// The keys that are to be set, sorted, the description among them.
fn keys(pending: &ConfSection) -> Vec<String> {
    let mut keys: Vec<String> = pending.keys.keys().filter(|key| *key != "delete").cloned().collect();
    if pending.description.is_some() {
        keys.push("description".to_owned());
        keys.sort();
    }
    keys
}

/// Puts a value into the live section, where an empty description is none.
fn put_live(conf: &mut GuestConf, key: &str, value: String) {
    put(&mut conf.live, key, value);
    conf.live.description = conf.live.description.take().filter(|text| !text.is_empty());
}

fn hot_delete(key: &str) -> bool {
    FAST.contains(&key)
        || indexed(key, "unused")
        || ["swap", "cpulimit", "cpuunits"].contains(&key)
        || (indexed(key, "net") && key.len() == 4)
}

fn hot_set(live: &ConfSection, key: &str) -> bool {
    FAST.contains(&key)
        || ["memory", "swap", "cpulimit", "cpuunits"].contains(&key)
        || indexed(key, "net")
        || ((is_mp(key) || indexed(key, "dev")) && live.get(key).is_none())
}

fn delete(call: &mut Call<'_>, vmid: u32, conf: &mut GuestConf, key: &str) {
    let Some(value) = take(&mut conf.live, key) else { return };
    if is_mp(key) {
        if let Ok(mount) = MountPoint::parse(key, &value)
            && mount.source_kind() == MountSourceKind::Volume
        {
            retire(conf, mount.volume());
        }
    } else if indexed(key, "unused") && !is_in_use(conf, &value) {
        call.free_owned(vmid, &value);
    }
}

/// Puts a volume that no mount point uses any more among the unused ones.
pub(super) fn retire(conf: &mut GuestConf, volid: &str) {
    let used = mount_points::mount_points(&conf.live).iter().any(|(_, mount)| mount.volume() == volid);
    if !used {
        volumes::add_unused(&mut conf.live, volid);
    }
}

/// Whether a volume is used by the container or one of its snapshots.
pub(super) fn is_in_use(conf: &GuestConf, volid: &str) -> bool {
    std::iter::once(&conf.live)
        .chain(conf.snapshots.values())
        .any(|section| mount_points::volumes(section).iter().any(|used| used == volid))
}

/// A changed network is compared with the old one; each side without a bridge makes Perl warn.
fn compare_bridges(call: &mut Call<'_>, old: &str, new: &str) {
    for net in [old, new] {
        if !net.split(',').any(|item| item.starts_with("bridge=")) {
            call.err("Use of uninitialized value in string ne at /usr/share/perl5/PVE/LXC/Config.pm line 1810.\n");
        }
    }
}

async fn apply(
    call: &mut Call<'_>,
    vmid: u32,
    conf: &mut GuestConf,
    key: &str,
    value: String,
) -> Result<String, Failure> {
    if indexed(key, "net") {
        if let Some(old) = conf.live.get(key).map(str::to_owned) {
            compare_bridges(call, &old, &value);
        }
        return printed_net(&mut call.state(), &value);
    }
    if !is_mp(key) {
        return Ok(value);
    }
    let mount = MountPoint::parse(key, &value)?;
    let mount = match mount.wanted() {
        Some((id, gib)) => {
            let id = id.to_owned();
            let storage = call.state().enabled_storage(&id)?;
            let size = volumes::bytes_of_gib(gib);
            let volid = volumes::make(call, &storage, vmid, size).await?;
            mount.with_volume(&volid, size)
        }
        None => rescanned(call, mount),
    };
    if let Some(old) = conf.live.keys.remove(key)
        && let Ok(old) = MountPoint::parse(key, &old)
        && old.source_kind() == MountSourceKind::Volume
        && old.volume() != mount.volume()
    {
        retire(conf, old.volume());
    }
    Ok(mount.print())
}

/// A mount point with the size that its volume has on its storage.
fn rescanned(call: &mut Call<'_>, mount: MountPoint) -> MountPoint {
    if mount.source_kind() != MountSourceKind::Volume {
        return mount;
    }
    let volid = mount.volume().to_owned();
    let known = call.state().volume(&volid).map(|volume| (volume.format, volume.space.size));
    match known {
        // The size of a folder is not known: the real tools take the answer "it is a folder", 1, for it.
        Some((Format::Subvol, 0)) => mount.with_volume(&volid, 1),
        Some((_, size)) => mount.with_volume(&volid, size),
        None => {
            let place = VolumeRef::parse(&volid)
                .and_then(|volume| Some(call.state().storage(volume.storage).ok()?.path(volume.name, None)));
            if let Some(path) = place {
                call.err(&format!("failed to stat '{path}'\n"));
            }
            mount.without_size()
        }
    }
}
