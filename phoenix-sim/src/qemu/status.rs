//! What the tools show of VMs: `qm list`, `status`, `config`, `pending`, `listsnapshot`.
//!
//! Rules from `PVE::CLI::qm`, `PVE::QemuServer` (`vmstatus`) and `PVE::GuestHelpers` (`format_pending`, `print_snapshot_tree`).

use std::collections::BTreeMap;

use phoenix_types::{ConfSection, GuestConf, GuestKind, Power, percent_encode};
use serde_json::{Value as Json, json};

use crate::node::{Call, Failure, SimNode};

use super::{drive, settings};

/// One value of a VM's status, in the order of Perl's `sort`.
pub(crate) type Status = BTreeMap<&'static str, Json>;

/// What the node knows about a VM's running, as `vmstatus` gives it.
pub(crate) fn status(node: &SimNode, id: u32, conf: &GuestConf) -> Status {
    const MIB: u64 = 1 << 20;
    let live = &conf.live;
    let state = node.state();
    let guest = state.guests.get(&id);
    let count = |key: &str| live.get(key).and_then(|text| text.parse::<u64>().ok()).filter(|count| *count > 0);
    let cpus = (count("sockets").unwrap_or(1) * count("cores").unwrap_or(1)).min(u64::from(node.world().cores));
    let qmp = match guest.map(|guest| guest.power) {
        None | Some(Power::Stopped) => "stopped",
        Some(Power::Paused) => "paused",
        Some(_) => "running",
    };
    let mut status: Status = BTreeMap::from([
        ("vmid", json!(id)),
        ("name", json!(live.get("name").map_or_else(|| format!("VM {id}"), str::to_owned))),
        ("status", json!(if qmp == "stopped" { "stopped" } else { "running" })),
        ("qmpstatus", json!(qmp)),
        ("cpu", json!(0)),
        ("cpus", json!(count("vcpus").unwrap_or(cpus))),
        ("disk", json!(0)),
        ("maxdisk", json!(drive::boot_disk_size(live).unwrap_or(0))),
        ("mem", json!(0)),
        ("memhost", json!(0)),
        ("maxmem", json!(settings::memory_mib(live.get("memory")) * MIB)),
        ("netin", json!(0)),
        ("netout", json!(0)),
        ("uptime", json!(0)),
    ]);
    if let Some(balloon) = count("balloon") {
        status.insert("balloon_min", json!(balloon * MIB));
        status.insert("shares", json!(live.get("shares").and_then(|text| text.parse().ok()).unwrap_or(1000_u64)));
    }
    if live.keys.keys().any(|key| settings::number(key, "serial").is_some()) {
        status.insert("serial", json!(1));
    }
    if conf.is_template() {
        status.insert("template", json!(1));
    }
    for key in ["lock", "tags"] {
        if let Some(text) = live.get(key) {
            status.insert(key, json!(text));
        }
    }
    if let Some(guest) = guest {
        status.insert("pid", json!(guest.pid));
        status.insert("uptime", json!(node.clock().now().saturating_sub(guest.started).as_secs()));
        for key in [
            "pressurecpufull",
            "pressurecpusome",
            "pressureiofull",
            "pressureiosome",
            "pressurememoryfull",
            "pressurememorysome",
        ] {
            status.insert(key, json!(0));
        }
        let nics: serde_json::Map<String, Json> = live
            .keys
            .keys()
            .filter_map(|key| settings::number(key, "net"))
            .map(|number| (format!("tap{id}i{number}"), json!({"netin": 0, "netout": 0})))
            .collect();
        if !nics.is_empty() {
            status.insert("nics", Json::Object(nics));
        }
    }
    status
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `qm list`.
pub(super) fn list(call: &mut Call<'_>) -> Result<(), Failure> {
    let ids = call.state().guest_ids(GuestKind::Vm);
    if ids.is_empty() {
        return Ok(());
    }
    let mut text = format!(
        "{:>10} {:<20} {:<10} {:<10} {:>12} {:<10}\n",
        "VMID", "NAME", "STATUS", "MEM(MB)", "BOOTDISK(GB)", "PID"
    );
    for id in ids {
        let conf = call.vm(id)?;
        let status = status(call.node, id, &conf);
        let number = |key: &str| status.get(key).and_then(Json::as_u64).unwrap_or(0);
        let word = |key: &str| status.get(key).map(plain).unwrap_or_default();
        let shown = if call.is_set("full") { word("qmpstatus") } else { word("status") };
        #[expect(clippy::cast_precision_loss, reason = "two decimals of a size in GiB")]
        let disk = number("maxdisk") as f64 / f64::from(1 << 30);
        text.push_str(&format!(
            "{id:>10} {:<20} {shown:<10} {:<10} {disk:>12.2} {:<10}\n",
            word("name"),
            number("maxmem") >> 20,
            number("pid")
        ));
    }
    call.out(&text);
    Ok(())
}

/// `qm status`.
pub(super) fn show(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let conf = call.vm(id)?;
    let status = status(call.node, id, &conf);
    if !call.is_set("verbose") {
        let word = status.get("qmpstatus").map(plain).unwrap_or_default();
        call.out(&format!("status: {word}\n"));
        return Ok(());
    }
    let mut text = String::new();
    for (key, value) in status.iter().filter(|(key, _)| **key != "cpu") {
        show_value(&mut text, "", key, value);
    }
    call.out(&text);
    Ok(())
}

fn show_value(text: &mut String, prefix: &str, key: &str, value: &Json) {
    if let Json::Object(items) = value {
        text.push_str(&format!("{prefix}{key}:\n"));
        for (key, value) in items {
            show_value(text, &format!("\t{prefix}"), key, value);
        }
    } else {
        text.push_str(&format!("{prefix}{key}: {}\n", plain(value)));
    }
}

fn shown(key: &str, value: &str) -> String {
    match key {
        "cipassword" => "**********".to_owned(),
        "description" => percent_encode(value),
        _ => value.to_owned(),
    }
}

/// The settings that `qm config` shows: those that are in force, those with what is pending, or those of a snapshot.
pub(crate) fn config_section(call: &Call<'_>, id: u32) -> Result<ConfSection, Failure> {
    let snapshot = call.param("snapshot").filter(|name| !name.is_empty());
    if snapshot.is_some() && call.is_set("current") {
        let reason = "cannot use 'snapshot' parameter with 'current'";
        let mut reasons = crate::grammar::Reasons::default();
        reasons.add("snapshot", reason);
        reasons.add("current", reason);
        return Err(Failure::Answer(call.inv.refuse(&reasons)));
    }
    let conf = call.vm(id)?;
    match snapshot {
        Some(name) => match conf.snapshots.get(name) {
            Some(section) => Ok(section.clone()),
            None => Err(Failure::die(format!("snapshot '{name}' does not exist"))),
        },
        None if call.is_set("current") => Ok(conf.live),
        None => Ok(settings::with_pending(&conf)),
    }
}

/// `qm config`.
pub(super) fn config(call: &mut Call<'_>) -> Result<(), Failure> {
    let section = config_section(call, call.vmid())?;
    let lines: String =
        settings::all(&section).iter().map(|(key, value)| format!("{key}: {}\n", shown(key, value))).collect();
    call.out(&lines);
    Ok(())
}

/// One setting with what waits to replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingItem {
    /// The setting.
    pub(crate) key: String,
    /// The value in force.
    pub(crate) value: Option<String>,
    /// The value that waits.
    pub(crate) pending: Option<String>,
    /// Whether it waits to be deleted, and then whether its volume goes with it.
    pub(crate) delete: Option<bool>,
}

/// All settings with what is pending, sorted by name.
pub(crate) fn pending_items(conf: &GuestConf) -> Vec<PendingItem> {
    let deletes = settings::pending_deletes(conf);
    let pending = conf.pending.as_ref().map(settings::all).unwrap_or_default();
    let live = settings::all(&conf.live);
    let mut keys: Vec<&String> = live.keys().chain(pending.keys()).filter(|key| *key != "delete").collect();
    keys.sort_unstable();
    keys.dedup();
    let hide = |key: &str, value: &String| if key == "cipassword" { "**********".to_owned() } else { value.clone() };
    keys.into_iter()
        .map(|key| PendingItem {
            key: key.clone(),
            value: live.get(key).map(|value| hide(key, value)),
            pending: pending.get(key).map(|value| hide(key, value)),
            delete: deletes.get(key).copied(),
        })
        .collect()
}

/// `qm pending`.
pub(super) fn pending(call: &mut Call<'_>) -> Result<(), Failure> {
    let conf = call.vm(call.vmid())?;
    let mut text = String::new();
    for PendingItem { key, value, pending, delete } in pending_items(&conf) {
        let show = |value: &str| shown(&key, value);
        match (value, pending) {
            (Some(value), _) if delete.is_some() => text.push_str(&format!("del {key}: {}\n", show(&value))),
            (Some(value), Some(new)) => {
                text.push_str(&format!("cur {key}: {}\nnew {key}: {}\n", show(&value), show(&new)));
            }
            (Some(value), None) => text.push_str(&format!("cur {key}: {}\n", show(&value))),
            (None, Some(new)) => text.push_str(&format!("new {key}: {}\n", show(&new))),
            (None, None) => {}
        }
    }
    call.out(&text);
    Ok(())
}

/// `qm listsnapshot`.
pub(super) fn list_snapshots(call: &mut Call<'_>) -> Result<(), Failure> {
    let conf = call.vm(call.vmid())?;
    call.out(&crate::node::snapshot_tree(&conf));
    Ok(())
}
