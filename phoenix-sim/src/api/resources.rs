//! What the API tells of the cluster, the node, its guests, storages and tasks.

use phoenix_types::{GuestConf, GuestKind};
use serde_json::{Map, Value as Json, json};

use super::unanswered::unanswered;
use crate::grammar::{ApiPath, NODE, endpoints_below};
use crate::node::{Call, Failure, Task, TaskEnd, VolumeRef};
use crate::storage::Storage;

const KINDS: [(GuestKind, &str); 2] = [(GuestKind::Container, "lxc"), (GuestKind::Vm, "qemu")];

/// Answers a call about the node as a whole.
pub(super) fn answer(call: &mut Call<'_>, path: &ApiPath) -> Result<Json, Failure> {
    match (path.verb.as_str(), path.template.as_str()) {
        ("GET", "/version" | "/nodes/{node}/version") => {
            Ok(json!({"release": "9.2", "repoid": "14a22df3", "version": "9.2.11"}))
        }
        ("GET", "/cluster/nextid") => next_id(call),
        ("GET", "/cluster/resources") => Ok(resources(call)),
        ("GET", "/cluster/status") => Ok(
            json!([{"id": "node/pve", "ip": "192.0.2.10", "level": "", "local": 1, "name": NODE, "nodeid": 0, "online": 1, "type": "node"}]),
        ),
        ("GET", "/nodes") => Ok(json!([node(call)])),
        ("GET", "/nodes/{node}/status") => Ok(node_status(call)),
        ("GET", "/nodes/{node}/lxc") => Ok(guests(call, GuestKind::Container)),
        ("GET", "/nodes/{node}/qemu") => Ok(guests(call, GuestKind::Vm)),
        ("GET", "/nodes/{node}/network") => Ok(networks(call)),
        ("GET", "/nodes/{node}/storage") => Ok(storages(call)),
        ("GET", "/nodes/{node}/storage/{storage}/content") => content(call),
        ("GET", "/nodes/{node}/storage/{storage}/status") => {
            let storage = call.state().storage(call.param("storage").unwrap_or_default())?;
            let mut status = storage_status(call, &storage);
            if let Some(status) = status.as_object_mut() {
                status.remove("storage");
                status.remove("used_fraction");
            }
            Ok(status)
        }
        ("GET", "/storage") => Ok(storage_configs(call)),
        ("GET", "/storage/{storage}") => {
            let id = call.param("storage").unwrap_or_default().to_owned();
            let all = storage_configs(call);
            let found = all.as_array().into_iter().flatten().find(|item| item["storage"] == json!(id));
            found.cloned().ok_or_else(|| Failure::die(format!("storage '{id}' does not exist")))
        }
        ("GET", "/nodes/{node}/tasks" | "/cluster/tasks") => Ok(tasks(call)),
        ("GET", "/nodes/{node}/tasks/{upid}/status") => task(call).map(|(status, _)| status),
        ("GET", "/nodes/{node}/tasks/{upid}/log") => task(call).map(|(_, log)| log),
        _ => Err(unanswered(call, &path.path)),
    }
}

/// `pvesh ls`: what is below a path and what it answers to.
pub(super) fn children(call: &mut Call<'_>, path: &str) -> Result<(), Failure> {
    let mut below = endpoints_below(path);
    // The index of a guest names these and no others.
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let hidden: &[&str] = match parts.as_slice() {
        ["nodes", _, "lxc", _] => {
            &["feature", "move_volume", "mtunnel", "mtunnelwebsocket", "remote_migrate", "template"]
        }
        ["nodes", _, "qemu", _] => &[
            "dbus-vmstate",
            "feature",
            "move_disk",
            "mtunnel",
            "mtunnelwebsocket",
            "remote_migrate",
            "template",
            "vncwebsocket",
        ],
        _ => &[],
    };
    below.retain(|(_, name)| !hidden.contains(&name.as_str()));
    if below.is_empty() {
        return Err(Failure::with_exit(format!("No 'get' handler defined for '{path}'"), 1));
    }
    let text: String = below.iter().map(|(flags, name)| format!("{flags}        {name}\n")).collect();
    call.out(&text);
    Ok(())
}

fn next_id(call: &Call<'_>) -> Result<Json, Failure> {
    let state = call.state();
    if let Some(vmid) = call.number::<u32>("vmid") {
        if state.guest_kind(vmid).is_some() {
            return Err(call.bad_param("vmid", format!("VM {vmid} already exists")));
        }
        return Ok(json!(vmid.to_string()));
    }
    let taken: std::collections::BTreeSet<u32> = KINDS.iter().flat_map(|(kind, _)| state.guest_ids(*kind)).collect();
    (100..1_000_000)
        .find(|id| !taken.contains(id))
        .map(|id| json!(id))
        .ok_or_else(|| Failure::die("unable to get any free VMID"))
}

fn confs(call: &Call<'_>, kind: GuestKind) -> Vec<(u32, GuestConf)> {
    let state = call.state();
    state.guest_ids(kind).into_iter().filter_map(|vmid| Some((vmid, state.conf(kind, vmid).ok()?))).collect()
}

fn guests(call: &Call<'_>, kind: GuestKind) -> Json {
    let of_guest = |(vmid, conf): (u32, GuestConf)| {
        let mut status = call.node.guest_status(kind, vmid, &conf);
        status.remove("qmpstatus");
        status.remove("nics");
        Json::Object(status)
    };
    confs(call, kind).into_iter().map(of_guest).collect()
}

/// A guest's entry in `/cluster/resources`.
pub(super) fn guest(call: &Call<'_>, kind: GuestKind, vmid: u32, conf: &GuestConf) -> Json {
    let word = if kind == GuestKind::Container { "lxc" } else { "qemu" };
    let status = call.node.guest_status(kind, vmid, conf);
    let value = |key: &str| status.get(key).cloned().unwrap_or(json!(0));
    let mut entry = json!({
        "id": format!("{word}/{vmid}"), "vmid": vmid, "node": NODE, "type": word,
        "name": value("name"), "status": value("status"), "template": i32::from(conf.is_template()),
        "uptime": value("uptime"), "cpu": 0, "maxcpu": value("cpus"), "mem": value("mem"), "maxmem": value("maxmem"), "memhost": value("memhost"),
        "disk": value("disk"), "maxdisk": value("maxdisk"), "netin": value("netin"), "netout": value("netout"),
        "diskread": value("diskread"), "diskwrite": value("diskwrite"),
    });
    for key in ["lock", "tags"] {
        if let Some(text) = conf.live.get(key) {
            entry[key] = json!(text);
        }
    }
    let state = call.state();
    if let Some((pool, _)) = state.pools.iter().find(|(_, pool)| pool.members.contains(&vmid)) {
        entry["pool"] = json!(pool);
    }
    if let Some(ha) = crate::ha::state_of(&state, vmid) {
        entry["hastate"] = json!(ha);
    }
    entry
}

fn resources(call: &Call<'_>) -> Json {
    let wanted = call.param("type");
    let mut items = Vec::new();
    if wanted.is_none_or(|wanted| wanted == "vm") {
        for (kind, _) in KINDS {
            let mut guests: Vec<(u32, GuestConf)> = confs(call, kind);
            guests.sort_by_key(|(vmid, _)| vmid.to_string());
            items.extend(guests.iter().map(|(vmid, conf)| guest(call, kind, *vmid, conf)));
        }
    }
    if wanted.is_none_or(|wanted| wanted == "node") {
        let mut node = node(call);
        if let Some(node) = node.as_object_mut() {
            node.remove("ssl_fingerprint");
        }
        node["cgroup-mode"] = json!(2);
        items.push(node);
    }
    if wanted.is_none_or(|wanted| wanted == "storage") {
        let all = call.state().storages();
        items.extend(all.iter().map(|storage| {
            let status = storage_status(call, storage);
            json!({
                "id": format!("storage/{NODE}/{}", storage.id), "storage": storage.id, "node": NODE, "type": "storage",
                "plugintype": status["type"], "content": status["content"], "shared": status["shared"], "status": "available",
                "disk": status["used"], "maxdisk": status["total"],
            })
        }));
    }
    if wanted.is_none_or(|wanted| wanted == "sdn") {
        items.push(json!({
            "id": format!("network/{NODE}/zone/localnetwork"), "network": "localnetwork", "network-type": "zone",
            "node": NODE, "status": "ok", "type": "network",
        }));
    }
    Json::Array(items)
}

fn node(call: &Call<'_>) -> Json {
    let world = call.node.world();
    json!({
        "id": format!("node/{NODE}"), "node": NODE, "type": "node", "status": "online", "level": "",
        "cpu": 0.02, "maxcpu": world.cores, "mem": (world.memory_mib << 20) / 16, "maxmem": world.memory_mib << 20,
        "disk": 8_u64 << 30, "maxdisk": 96_u64 << 30, "uptime": call.node.clock().now().as_secs(),
        "ssl_fingerprint": "75:23:FE:EF:18:09:A8:0B:57:0A:5F:21:60:1B:4B:75:94:A9:F5:8F:62:AF:3B:BC:01:0A:F4:09:85:17:71:3D",
    })
}

fn node_status(call: &Call<'_>) -> Json {
    let world = call.node.world();
    let memory = world.memory_mib << 20;
    json!({
        "cpu": 0.02, "wait": 0, "uptime": call.node.clock().now().as_secs(), "pveversion": "pve-manager/9.2.11/14a22df3",
        "cpuinfo": {"cpus": world.cores, "cores": world.cores, "sockets": 1, "model": "simulated"},
        "memory": {"total": memory, "used": memory / 16, "free": memory - memory / 16, "available": memory - memory / 16},
        "rootfs": {"total": 96_u64 << 30, "used": 8_u64 << 30, "avail": 88_u64 << 30, "free": 88_u64 << 30},
        "swap": {"total": 0, "used": 0, "free": 0}, "loadavg": ["0.10", "0.10", "0.10"],
    })
}

fn networks(call: &Call<'_>) -> Json {
    let bridges = call.node.world().bridges.clone().unwrap_or_else(|| vec!["vmbr0".to_owned()]);
    bridges
        .iter()
        .map(|name| json!({"iface": name, "type": "bridge", "active": 1, "autostart": 1, "method": "static", "bridge_ports": "", "priority": 3}))
        .collect()
}

/// A storage's use. Sizes are in bytes.
pub(crate) fn storage_status(call: &Call<'_>, storage: &Storage) -> Json {
    let (total, used) = call.node.storage_space(storage);
    let content = storage.options.get("content").cloned().unwrap_or_default();
    let active = i32::from(!storage.is_disabled());
    #[expect(clippy::cast_precision_loss, reason = "a share of the whole")]
    let share = if total == 0 { 0.0 } else { used as f64 / total as f64 };
    json!({
        "storage": storage.id, "type": storage.kind.name(), "content": content, "active": active, "enabled": active, "shared": 0,
        "total": total, "used": used, "avail": total.saturating_sub(used), "used_fraction": share,
    })
}

fn storages(call: &Call<'_>) -> Json {
    let all = call.state().storages();
    let wanted = call.param("content").map(str::to_owned);
    let only = call.param("storage").map(str::to_owned);
    all.iter()
        .filter(|storage| wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|kind| storage.holds(kind))))
        .filter(|storage| only.as_ref().is_none_or(|only| *only == storage.id))
        .map(|storage| storage_status(call, storage))
        .collect()
}

fn storage_configs(call: &Call<'_>) -> Json {
    let state = call.state();
    let digest = phoenix_types::conf_digest(&state.files.text("/etc/pve/storage.cfg").unwrap_or_default());
    let all = state.storages();
    all.iter()
        .map(|storage| {
            let mut item: Map<String, Json> =
                storage.options.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            item.insert("storage".to_owned(), json!(storage.id));
            item.insert("type".to_owned(), json!(storage.kind.name()));
            item.insert("digest".to_owned(), json!(digest));
            Json::Object(item)
        })
        .collect()
}

fn content(call: &Call<'_>) -> Result<Json, Failure> {
    let id = call.param("storage").unwrap_or_default().to_owned();
    let wanted = call.param("content").map(str::to_owned);
    let vmid = call.number::<u32>("vmid");
    let mut state = call.state();
    let storage = state.enabled_storage(&id)?;
    let items = state.listing(&storage);
    Ok(items
        .into_iter()
        .filter(|item| wanted.as_ref().is_none_or(|wanted| *wanted == item.content))
        .filter(|item| vmid.is_none() || item.vmid == vmid)
        .map(|item| {
            let mut entry = json!({"content": item.content, "ctime": item.made, "format": item.format, "size": item.size, "volid": item.volid});
            if let Some(vmid) = item.vmid {
                entry["vmid"] = json!(vmid);
            }
            if let Some(volume) = state.volume(&item.volid) {
                entry["used"] = json!(volume.space.size / 10);
                entry["parent"] = volume
                    .base
                    .as_deref()
                    .and_then(VolumeRef::parse)
                    .map_or(Json::Null, |base| json!(base.name));
            }
            entry
        })
        .collect())
}

/// Those that run have a status, too, and no end (pve-manager `API2/Tasks.pm`).
fn tasks(call: &Call<'_>) -> Json {
    let limit: usize = call.number("limit").unwrap_or(50);
    let start: usize = call.number("start").unwrap_or(0);
    let vmid = call.param("vmid").map(str::to_owned);
    let source = call.param("source").unwrap_or("archive");
    let state = call.state();
    let running = state.tasks.running().rev().filter(|_| source != "archive");
    let ended = state.tasks.ended().rev().filter(|_| source != "active");
    running
        .map(|task| (task, json!({"status": "RUNNING"})))
        .chain(ended.map(|ended| (&ended.task, json!({"endtime": ended.at, "status": ended.end.to_string()}))))
        .filter(|(task, _)| vmid.as_ref().is_none_or(|vmid| *vmid == task.id))
        .skip(start)
        .take(limit)
        .map(|(task, mut reported)| {
            if let (Some(reported), Json::Object(about)) = (reported.as_object_mut(), about(task)) {
                reported.extend(about);
            }
            reported
        })
        .collect()
}

/// What is told of every task.
fn about(task: &Task) -> Json {
    json!({
        "upid": task.upid, "type": task.kind, "id": task.id, "user": "root@pam", "node": NODE, "pid": task.pid,
        "pstart": task.pstart, "starttime": task.start,
    })
}

/// The status and the log of a task.
fn task(call: &Call<'_>) -> Result<(Json, Json), Failure> {
    let upid = call.param("upid").unwrap_or_default();
    let state = call.state();
    let log = |task: &Task, last: &str| {
        let lines = task.log.lines().chain(Some(last).filter(|last| !last.is_empty()));
        lines.enumerate().map(|(at, line)| json!({"n": at + 1, "t": line})).collect()
    };
    if let Some(task) = state.tasks.running().find(|task| task.upid == upid) {
        let mut status = about(task);
        status["status"] = json!("running");
        return Ok((status, log(task, "")));
    }
    let ended = state.tasks.ended().find(|ended| ended.task.upid == upid);
    let ended = ended.ok_or_else(|| Failure::die(format!("no such task: {upid}")))?;
    let mut status = about(&ended.task);
    status["status"] = json!("stopped");
    status["exitstatus"] = json!(ended.end.to_string());
    let last = match &ended.end {
        TaskEnd::Ok => "TASK OK".to_owned(),
        TaskEnd::Warnings(count) => format!("TASK WARNINGS: {count}"),
        TaskEnd::Error(message) => format!("TASK ERROR: {message}"),
    };
    Ok((status, log(&ended.task, &last)))
}
