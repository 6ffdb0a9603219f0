//! What the API tells of single guests.

use phoenix_types::{ConfSection, GuestConf, GuestKind, conf_digest};
use serde_json::{Map, Value as Json, json};

use super::unanswered::unanswered;
use crate::grammar::{ApiPath, Tool, is_integer_option};
use crate::node::{Call, Failure, SimNode, missing};

/// Answers a call about one guest.
pub(super) fn answer(call: &mut Call<'_>, path: &ApiPath) -> Result<Json, Failure> {
    let kind = if path.template.starts_with("/nodes/{node}/lxc") { GuestKind::Container } else { GuestKind::Vm };
    let vmid = call.vmid();
    let rest = path.template.split("{vmid}").nth(1).unwrap_or_default();
    let text = call.state().conf_text(kind, vmid).ok_or_else(|| missing(kind, vmid))?;
    let conf = GuestConf::parse(&text, kind);
    let digest = conf_digest(&text);
    match (path.verb.as_str(), rest) {
        ("GET", "") => {
            let children: &[&str] = match kind {
                GuestKind::Container => &[
                    "config",
                    "pending",
                    "status",
                    "vncproxy",
                    "termproxy",
                    "vncwebsocket",
                    "spiceproxy",
                    "migrate",
                    "clone",
                    "initlog",
                    "rrd",
                    "rrddata",
                    "firewall",
                    "snapshot",
                    "resize",
                    "interfaces",
                ],
                GuestKind::Vm => &[
                    "config",
                    "pending",
                    "unlink",
                    "vncproxy",
                    "termproxy",
                    "migrate",
                    "resize",
                    "move",
                    "rrd",
                    "rrddata",
                    "monitor",
                    "agent",
                    "snapshot",
                    "spiceproxy",
                    "sendkey",
                    "firewall",
                    "cloudinit",
                    "clone",
                    "status",
                ],
            };
            Ok(children.iter().map(|name| json!({"subdir": name})).collect())
        }
        ("GET", "/config") => config(call, kind, &conf, &digest),
        ("GET", "/pending") => Ok(pending(kind, &conf, &digest)),
        ("GET", "/status") => {
            Ok(["current", "start", "stop", "shutdown", "reboot"].iter().map(|name| json!({"subdir": name})).collect())
        }
        ("GET", "/status/current") => {
            let mut status = call.node.guest_status(kind, vmid, &conf);
            if kind == GuestKind::Container {
                status.remove("qmpstatus");
            }
            status.insert("ha".to_owned(), crate::ha::status_of(&call.state(), vmid));
            Ok(Json::Object(status))
        }
        ("GET", "/snapshot") => Ok(snapshots(call, kind, vmid, &conf, &digest)),
        ("GET", "/snapshot/{snapname}") => {
            Ok(["rollback", "config"].iter().map(|name| json!({"name": name})).collect())
        }
        ("GET", "/snapshot/{snapname}/config") => {
            let name = call.param("snapname").unwrap_or_default();
            let section = snapshot(&conf, name)?;
            Ok(Json::Object(settings(kind, section)))
        }
        ("PUT", "/snapshot/{snapname}/config") => {
            let name = call.param("snapname").unwrap_or_default().to_owned();
            snapshot(&conf, &name)?;
            let description = call.param("description").map(str::to_owned);
            call.state().edit_conf(kind, vmid, |conf| {
                if let (Some(section), Some(text)) = (conf.snapshots.get_mut(&name), description) {
                    section.description = (!text.is_empty()).then(|| text.trim_end_matches('\n').to_owned());
                }
            })?;
            Ok(Json::Null)
        }
        ("GET", "/feature") => {
            let feature = call.param("feature").unwrap_or_default().to_owned();
            let has = has_feature(call, kind, &conf, &feature)?;
            Ok(json!({"hasFeature": i32::from(has)}))
        }
        ("GET", "/interfaces") => Ok(interfaces(call, vmid, &conf)),
        ("GET", "/rrddata") => Ok(json!([])),
        _ => Err(unanswered(call, &path.path)),
    }
}

fn snapshot<'a>(conf: &'a GuestConf, name: &str) -> Result<&'a ConfSection, Failure> {
    conf.snapshots.get(name).ok_or_else(|| Failure::die(format!("snapshot '{name}' does not exist")))
}

/// A value with the type that the API gives it.
fn typed(kind: GuestKind, key: &str, value: &str) -> Json {
    let tool = if kind == GuestKind::Container { Tool::Pct } else { Tool::Qm };
    let is_integer = is_integer_option(tool, key) || key == "snaptime" || key == "template";
    match value.parse::<i64>() {
        Ok(number) if is_integer => json!(number),
        _ => json!(value),
    }
}

fn settings(kind: GuestKind, section: &ConfSection) -> Map<String, Json> {
    let mut map: Map<String, Json> =
        section.keys.iter().map(|(key, value)| (key.clone(), typed(kind, key, value))).collect();
    if let Some(description) = &section.description {
        let end = if kind == GuestKind::Container { "\n" } else { "" };
        map.insert("description".to_owned(), json!(format!("{description}{end}")));
    }
    if !section.raw.is_empty() {
        map.insert("lxc".to_owned(), section.raw.iter().map(|(key, value)| json!([key, value])).collect());
    }
    map
}

/// The live section with what is pending.
fn with_pending(conf: &GuestConf) -> ConfSection {
    let mut section = conf.live.clone();
    if let Some(pending) = &conf.pending {
        for key in deletes(conf) {
            section.keys.remove(&key);
        }
        section.keys.extend(
            pending.keys.iter().filter(|(key, _)| *key != "delete").map(|(key, value)| (key.clone(), value.clone())),
        );
        section.description = pending.description.clone().or(section.description);
    }
    section
}

fn deletes(conf: &GuestConf) -> Vec<String> {
    let text = conf.pending.as_ref().and_then(|pending| pending.get("delete")).unwrap_or_default();
    text.split(',').filter(|key| !key.is_empty()).map(|key| key.trim_start_matches('!').to_owned()).collect()
}

fn config(call: &Call<'_>, kind: GuestKind, conf: &GuestConf, digest: &str) -> Result<Json, Failure> {
    let section = match call.param("snapshot") {
        Some(name) => snapshot(conf, name)?.clone(),
        None if call.is_set("current") => conf.live.clone(),
        None => with_pending(conf),
    };
    let mut map = settings(kind, &section);
    if map.contains_key("cipassword") {
        map.insert("cipassword".to_owned(), json!("**********"));
    }
    map.insert("digest".to_owned(), json!(digest));
    Ok(Json::Object(map))
}

fn pending(kind: GuestKind, conf: &GuestConf, digest: &str) -> Json {
    let current = settings(kind, &conf.live);
    let news = conf.pending.as_ref().map(|pending| settings(kind, pending)).unwrap_or_default();
    let deletes = deletes(conf);
    let mut keys: Vec<&String> =
        current.keys().chain(news.keys()).filter(|key| *key != "delete" && *key != "lxc").collect();
    keys.sort();
    keys.dedup();
    let mut items: Vec<Json> = keys
        .into_iter()
        .map(|key| {
            let mut item = Map::from_iter([("key".to_owned(), json!(key))]);
            if let Some(value) = current.get(key) {
                item.insert("value".to_owned(), value.clone());
            }
            if let Some(value) = news.get(key) {
                item.insert("pending".to_owned(), value.clone());
            }
            if deletes.contains(key) {
                item.insert("delete".to_owned(), json!(1));
            }
            Json::Object(item)
        })
        .collect();
    items.push(json!({"key": "digest", "value": digest}));
    Json::Array(items)
}

fn snapshots(call: &Call<'_>, kind: GuestKind, vmid: u32, conf: &GuestConf, digest: &str) -> Json {
    let mut items: Vec<Json> = conf
        .snapshots
        .iter()
        .map(|(name, section)| {
            let end = if kind == GuestKind::Container && section.description.is_some() { "\n" } else { "" };
            let description = format!("{}{end}", section.description.as_deref().unwrap_or_default());
            let mut item =
                Map::from_iter([("name".to_owned(), json!(name)), ("description".to_owned(), json!(description))]);
            for key in ["snaptime", "parent", "snapstate"] {
                if let Some(value) = section.get(key) {
                    item.insert(key.to_owned(), typed(kind, key, value));
                }
            }
            if kind == GuestKind::Vm {
                item.insert("vmstate".to_owned(), json!(i32::from(section.get("vmstate").is_some())));
            }
            Json::Object(item)
        })
        .collect();
    let running = i32::from(call.state().is_running(vmid));
    let mut current = json!({"name": "current", "digest": digest, "running": running, "description": "You are here!"});
    if let Some(parent) = conf.live.get("parent") {
        current["parent"] = json!(parent);
    }
    items.push(current);
    Json::Array(items)
}

/// Whether a guest's disks allow snapshots, copies or linked clones.
fn has_feature(call: &Call<'_>, kind: GuestKind, conf: &GuestConf, feature: &str) -> Result<bool, Failure> {
    Ok(match (kind, feature) {
        (GuestKind::Container, "snapshot") => call.state().can_snapshot(conf)?,
        (_, "clone") => conf.is_template(),
        _ => true,
    })
}

fn interfaces(call: &Call<'_>, vmid: u32, conf: &GuestConf) -> Json {
    if !call.state().is_running(vmid) {
        return Json::Null;
    }
    let mut items = vec![json!({
        "name": "lo", "hwaddr": "00:00:00:00:00:00", "hardware-address": "00:00:00:00:00:00", "inet": "127.0.0.1/8", "inet6": "::1/128",
        "ip-addresses": [
            {"ip-address": "127.0.0.1", "ip-address-type": "inet", "prefix": "8"},
            {"ip-address": "::1", "ip-address-type": "inet6", "prefix": "128"},
        ],
    })];
    for (_, value) in conf.live.keys.iter().filter(|(key, _)| key.starts_with("net")) {
        let part = |name: &str| value.split(',').find_map(|item| item.strip_prefix(name)).unwrap_or_default();
        let mac = part("hwaddr=").to_lowercase();
        let mut item = json!({"name": part("name="), "hwaddr": mac, "hardware-address": mac, "ip-addresses": []});
        if let Some((address, prefix)) = part("ip=").split_once('/') {
            item["inet"] = json!(part("ip="));
            item["ip-addresses"] = json!([{"ip-address": address, "ip-address-type": "inet", "prefix": prefix}]);
        }
        items.push(item);
    }
    Json::Array(items)
}

impl SimNode {
    /// The status of a guest as the API gives it.
    pub(super) fn guest_status(&self, kind: GuestKind, vmid: u32, conf: &GuestConf) -> Map<String, Json> {
        match kind {
            GuestKind::Vm => {
                let status = crate::qemu::status::status(self, vmid, conf);
                status.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }
            GuestKind::Container => {
                let words = ["name", "lock", "tags", "status", "type"];
                let status = self.container_status(vmid, conf);
                status
                    .into_iter()
                    .map(|(key, value)| {
                        let is_word = words.contains(&key) || key.starts_with("pressure");
                        let number = value.parse::<u64>().ok().filter(|_| !is_word);
                        (key.to_owned(), number.map_or_else(|| json!(value), |number| json!(number)))
                    })
                    .collect()
            }
        }
    }
}
