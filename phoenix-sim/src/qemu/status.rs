//! What the tools show of VMs: `qm list`, `status`, `config`, `pending`, `listsnapshot`.
//!
//! Rules from `PVE::CLI::qm`, `PVE::QemuServer` (`vmstatus`) and `PVE::GuestHelpers` (`format_pending`, `print_snapshot_tree`).

use std::collections::BTreeMap;

use phoenix_types::{ConfSection, GuestConf, GuestKind, Power, percent_encode};
use serde_json::{Value as Json, json};

use crate::grammar::parse_property_string;
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
    let tree = snapshot_tree(&conf);
    call.out(&tree);
    Ok(())
}

/// The snapshots as a tree; `current` is the VM itself.
pub(crate) fn snapshot_tree(conf: &GuestConf) -> String {
    let mut children: BTreeMap<&str, Vec<(i64, &str)>> = BTreeMap::new();
    let mut roots: Vec<(i64, &str)> = Vec::new();
    for (name, section) in &conf.snapshots {
        let time = section.get("snaptime").and_then(|text| text.parse().ok()).unwrap_or(0);
        match section.get("parent").filter(|parent| conf.snapshots.contains_key(*parent)) {
            Some(parent) => children.entry(parent).or_default().push((time, name)),
            None => roots.push((time, name)),
        }
    }
    match conf.live.get("parent").filter(|parent| conf.snapshots.contains_key(*parent)) {
        Some(parent) => children.entry(parent).or_default().push((i64::MAX, "current")),
        None => roots.push((i64::MAX, "current")),
    }
    roots.sort_unstable();
    for siblings in children.values_mut() {
        siblings.sort_unstable();
    }
    let mut text = String::new();
    let mut waiting: Vec<(usize, i64, &str)> = roots.into_iter().rev().map(|(time, name)| (0, time, name)).collect();
    // A name comes once, whatever circle the parents of a damaged file make.
    while let Some((depth, time, name)) = waiting.pop() {
        let is_current = time == i64::MAX && name == "current";
        let section = conf.snapshots.get(name).filter(|_| !is_current);
        let description = section.and_then(|section| section.description.as_deref());
        let first_line = match description {
            _ if is_current => "You are here!",
            Some(text) => text.lines().next().unwrap_or("no-description"),
            None => "no-description",
        };
        let date = if is_current { String::new() } else { date_time(time) };
        let prefix = format!("{}`->", " ".repeat(depth));
        let width = 30_usize.saturating_sub(prefix.len());
        text.push_str(&format!("{prefix} {name:<width$} {date:<23} {first_line}\n"));
        if !is_current {
            let below = children.remove(name).unwrap_or_default();
            waiting.extend(below.into_iter().rev().map(|(time, name)| (depth + 1, time, name)));
        }
    }
    text
}

/// Year, month and day of a time in seconds since 1970.
fn civil(seconds: i64) -> (i64, i64, i64) {
    // Howard Hinnant's days-to-civil arithmetic, with years that begin in March.
    let days = seconds.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// `2026-11-21 20:14:42`; the node's zone is UTC.
pub(crate) fn date_time(seconds: i64) -> String {
    let (year, month, day) = civil(seconds);
    let second = seconds.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// `2026-11-21`.
pub(super) fn day(seconds: i64) -> String {
    let (year, month, day) = civil(seconds);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Whether the agent of a VM is switched on; the API shows it in a VM's status.
pub(crate) fn has_agent(conf: &GuestConf) -> bool {
    let agent = conf.live.get("agent").and_then(|text| parse_property_string("qm-agent", text).ok());
    agent.is_some_and(|agent| agent.get("enabled") == Some("1"))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0, "1970-01-01 00:00:00")]
    #[test_case(951_782_400, "2000-02-29 00:00:00")]
    #[test_case(1_795_292_082, "2026-11-21 20:14:42")]
    fn times(seconds: i64, expected: &str) {
        assert_eq!(date_time(seconds), expected);
    }

    #[test]
    fn snapshots_are_a_tree_with_the_vm_in_its_place() {
        let text = "parent: one\n\n[one]\n#first\n#second line\nsnaptime: 100\n\n[three]\nparent: two\nsnaptime: 300\n\n[two]\nparent: one\nsnaptime: 200\n";
        let conf = GuestConf::parse(text, GuestKind::Vm);
        let tree = snapshot_tree(&conf);
        assert_eq!(
            tree,
            "`-> one                         1970-01-01 00:01:40     first\n `-> two                        1970-01-01 00:03:20     no-description\n  `-> three                     1970-01-01 00:05:00     no-description\n `-> current                                            You are here!\n"
        );
    }

    #[test]
    fn parents_in_a_circle_do_not_make_it_hang() {
        let conf = GuestConf::parse("\n[a]\nparent: b\n\n[b]\nparent: a\n", GuestKind::Vm);
        assert!(snapshot_tree(&conf).contains("You are here!"));
    }
}
