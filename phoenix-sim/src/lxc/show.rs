//! What containers are: `pct list`, `status`, `config`, `pending`, `listsnapshot`, `cpusets`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use phoenix_types::{ConfSection, GuestConf, percent_encode};

use super::config;
use crate::grammar::parse_size;
use crate::node::mount_points;
use crate::node::{CT, Call, Failure, SimNode, State};

/// `pct list`.
pub(super) fn list(call: &mut Call<'_>) -> Result<(), Failure> {
    let mut text = String::new();
    {
        let state = call.state();
        for vmid in state.guest_ids(CT) {
            let Ok(conf) = state.conf(CT, vmid) else { continue };
            let status = if state.is_running(vmid) { "running" } else { "stopped" };
            let lock = conf.lock().unwrap_or_default();
            let name = conf.live.get("hostname").map_or_else(|| format!("CT{vmid}"), str::to_owned);
            let _ = writeln!(text, "{vmid:<10} {status:<10} {lock:<12} {name:<20}");
        }
    }
    if !text.is_empty() {
        text.insert_str(0, &format!("{:<10} {:<10} {:<12} {:<20}\n", "VMID", "Status", "Lock", "Name"));
    }
    call.out(&text);
    Ok(())
}

/// `pct status`.
pub(super) fn status(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let conf = call.state().conf(CT, vmid)?;
    let text = if call.is_set("verbose") {
        let values = call.node.container_status(vmid, &conf);
        values.iter().filter(|(key, _)| **key != "cpu").map(|(key, value)| format!("{key}: {value}\n")).collect()
    } else {
        format!("status: {}\n", if call.state().is_running(vmid) { "running" } else { "stopped" })
    };
    call.out(&text);
    Ok(())
}

impl SimNode {
    /// What `vmstatus` says of a container (pve-container `LXC.pm`), by key.
    pub(crate) fn container_status(&self, vmid: u32, conf: &GuestConf) -> BTreeMap<&'static str, String> {
        let state = self.state();
        let number = |key: &str, default: u64| conf.live.get(key).and_then(|text| text.parse().ok()).unwrap_or(default);
        let cores = number("cores", u64::from(self.world().cores));
        let size = conf
            .live
            .get("rootfs")
            .and_then(|value| value.split(',').find_map(|item| item.strip_prefix("size=")))
            .and_then(parse_size)
            .unwrap_or(0);
        let mut values = BTreeMap::from([
            ("cpus", cores.to_string()),
            ("cpu", "0".to_owned()),
            ("disk", "0".to_owned()),
            ("diskread", "0".to_owned()),
            ("diskwrite", "0".to_owned()),
            ("maxdisk", size.to_string()),
            ("maxmem", (number("memory", 512) << 20).to_string()),
            ("maxswap", (number("swap", 0) << 20).to_string()),
            ("mem", "0".to_owned()),
            ("name", conf.live.get("hostname").map_or_else(|| format!("CT{vmid}"), str::to_owned)),
            ("netin", "0".to_owned()),
            ("netout", "0".to_owned()),
            ("status", "stopped".to_owned()),
            ("swap", "0".to_owned()),
            ("type", "lxc".to_owned()),
            ("uptime", "0".to_owned()),
            ("vmid", vmid.to_string()),
        ]);
        for key in ["lock", "tags"] {
            if let Some(value) = conf.live.get(key) {
                values.insert(key, value.to_owned());
            }
        }
        if conf.is_template() {
            values.insert("template", "1".to_owned());
        }
        if let Some(guest) = state.guests.get(&vmid) {
            values.insert("status", "running".to_owned());
            values.insert("pid", guest.pid.to_string());
            values.insert("uptime", self.clock().now().saturating_sub(guest.started).as_secs().to_string());
            values.insert("mem", (number("memory", 512) << 18).to_string());
            values.insert("disk", (size / 14).to_string());
            values.insert("maxdisk", (size - size / 20).to_string());
            for key in ["cpufull", "cpusome", "iofull", "iosome", "memoryfull", "memorysome"] {
                let key = match key {
                    "cpufull" => "pressurecpufull",
                    "cpusome" => "pressurecpusome",
                    "iofull" => "pressureiofull",
                    "iosome" => "pressureiosome",
                    "memoryfull" => "pressurememoryfull",
                    _ => "pressurememorysome",
                };
                values.insert(key, "0.00".to_owned());
            }
        }
        values
    }
}

/// The keys of a section with its description, sorted. Containers' descriptions end with a newline.
pub(super) fn settings(section: &ConfSection) -> BTreeMap<String, String> {
    let mut settings = section.keys.clone();
    if let Some(description) = &section.description {
        settings.insert("description".to_owned(), format!("{description}\n"));
    }
    settings
}

fn shown(key: &str, value: &str) -> String {
    if key == "description" { percent_encode(value) } else { value.to_owned() }
}

/// The settings with what is pending.
pub(crate) fn merged(conf: &GuestConf) -> BTreeMap<String, String> {
    let mut settings_now = settings(&conf.live);
    if let Some(pending) = &conf.pending {
        for key in config::pending_deletes(pending) {
            // The real tools test the value for truth before they leave it out.
            if settings_now.get(&key).is_some_and(|value| value != "0") {
                settings_now.remove(&key);
            }
        }
        settings_now.extend(settings(pending).into_iter().filter(|(key, _)| key != "delete"));
    }
    settings_now
}

/// `pct config`.
pub(super) fn config(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let conf = call.state().conf(CT, vmid)?;
    let (values, raw) = match call.param("snapshot") {
        Some(_) if call.is_set("current") => {
            let reason = "cannot use 'snapshot' parameter with 'current'";
            return Err(call.bad_param("snapshot", reason));
        }
        Some(name) => {
            let section =
                conf.snapshots.get(name).ok_or_else(|| Failure::die(format!("snapshot '{name}' does not exist")))?;
            (settings(section), section.raw.clone())
        }
        None if call.is_set("current") => (settings(&conf.live), conf.live.raw.clone()),
        None => (merged(&conf), conf.live.raw.clone()),
    };
    let mut text = String::new();
    for (key, value) in values.iter().filter(|(key, _)| *key != "digest") {
        let _ = writeln!(text, "{key}: {}", shown(key, value));
    }
    for (key, value) in &raw {
        let _ = writeln!(text, "{key}: {value}");
    }
    call.out(&text);
    Ok(())
}

/// `pct pending`.
pub(super) fn pending(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let conf = call.state().conf(CT, vmid)?;
    let current = settings(&conf.live);
    let pending = conf.pending.as_ref();
    let news = pending.map(settings).unwrap_or_default();
    let deletes = pending.map(config::pending_deletes).unwrap_or_default();
    let mut keys: Vec<&String> = current.keys().chain(news.keys()).filter(|key| *key != "delete").collect();
    keys.sort();
    keys.dedup();
    let mut text = String::new();
    for key in keys {
        if let Some(value) = current.get(key) {
            let tag = if deletes.contains(key) { "del" } else { "cur" };
            let _ = writeln!(text, "{tag} {key}: {}", shown(key, value));
        }
        if let Some(value) = news.get(key) {
            let _ = writeln!(text, "new {key}: {}", shown(key, value));
        }
    }
    call.out(&text);
    Ok(())
}

/// `pct listsnapshot`.
pub(super) fn listsnapshot(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    let conf = call.state().conf(CT, vmid)?;
    call.out(&crate::node::snapshot_tree(&conf));
    Ok(())
}

/// `pct cpusets`.
pub(super) fn cpusets(call: &mut Call<'_>) -> Result<(), Failure> {
    let cores = call.node.world().cores;
    let mut lines = String::new();
    {
        let state = call.state();
        for vmid in state.guest_ids(CT).into_iter().filter(|vmid| state.is_running(*vmid)) {
            let wanted = state.conf(CT, vmid).ok().and_then(|conf| conf.live.get("cores")?.parse().ok());
            let count = wanted.unwrap_or(cores).min(cores);
            let list: Vec<String> =
                (0..cores).map(|core| if core < count { format!("{core:2}") } else { "  ".to_owned() }).collect();
            let _ = writeln!(lines, "{vmid}: {}", list.join(" "));
        }
    }
    if lines.is_empty() {
        call.out("no running containers\n");
    } else {
        let width = lines.lines().map(str::len).max().unwrap_or(0);
        let rule = "-".repeat(width);
        call.out(&format!("{rule}\n{lines}{rule}\n"));
    }
    Ok(())
}

impl State {
    /// The volumes of a container's live section that are mount points.
    pub(super) fn container_volumes(conf: &GuestConf) -> Vec<String> {
        mount_points::mount_points(&conf.live)
            .into_iter()
            .filter(|(_, mount)| mount.source_kind() == mount_points::MountSourceKind::Volume)
            .map(|(_, mount)| mount.volume().to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_drawn_as_a_tree() {
        let conf = GuestConf::parse(
            "parent: snap1\n\n[snap1]\n#before upgrade\nsnaptime: 1795292172\n\n[snap2]\nparent: snap1\nsnaptime: 1795292173\n",
            CT,
        );
        assert_eq!(
            crate::node::snapshot_tree(&conf),
            "`-> snap1                       2026-11-21 20:16:12     before upgrade\n \
             `-> snap2                      2026-11-21 20:16:13     no-description\n \
             `-> current                                            You are here!\n"
        );
    }
}
