//! The rules for JSON output: what is measured, what the clock shows, and the order of Perl's hashes.
//!
//! - `json-times`: times, process ids and the like, by the names of their keys;
//! - `json-measured`: how full and how busy the node, its storages and running guests are;
//! - `json-order`: elements of lists without an order of their own, and the words of `content`.

use serde_json::{Map, Value as Json};

/// Keys that hold a time or a process id.
const TIMES: [&str; 7] = ["ctime", "endtime", "starttime", "pstart", "pid", "snaptime", "upid"];

/// Keys of nodes and storages that hold what was measured there.
const MEASURED: [&str; 13] = [
    "cpu",
    "disk",
    "maxdisk",
    "mem",
    "maxmem",
    "avail",
    "total",
    "used",
    "used_fraction",
    "uptime",
    "ssl_fingerprint",
    "memory",
    "rootfs",
];

/// Keys of guests that hold what was measured in them while they run.
const COUNTED: [&str; 9] = ["cpu", "disk", "maxdisk", "mem", "memhost", "netin", "netout", "diskread", "uptime"];

/// The text with its last line normalised, when that line is JSON.
pub(super) fn normalised(text: &str) -> String {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let at = body.rfind('\n').map_or(0, |at| at + 1);
    let line = &body[at..];
    if !line.starts_with(['[', '{']) {
        return text.to_owned();
    }
    match serde_json::from_str::<Json>(line) {
        Ok(mut value) => {
            walk(&mut value);
            format!("{}{value:#}\n", &text[..at])
        }
        Err(_) => text.to_owned(),
    }
}

fn walk(value: &mut Json) {
    match value {
        Json::Array(items) => {
            items.iter_mut().for_each(walk);
            let has_order = items.iter().any(|item| ["pos", "n", "upid"].iter().any(|key| item.get(*key).is_some()));
            if !has_order && items.iter().all(Json::is_object) {
                items.sort_by_key(Json::to_string);
            }
        }
        Json::Object(object) => {
            object.values_mut().for_each(walk);
            replace(object);
        }
        _ => {}
    }
}

fn replace(object: &mut Map<String, Json>) {
    let is_guest = object.contains_key("vmid");
    let runs = object.get("status").is_some_and(|status| status == "running");
    let is_task = object.contains_key("upid");
    let is_volume = object.contains_key("volid");
    for (key, value) in object {
        let key = key.as_str();
        if key == "content" {
            if let Json::String(text) = value {
                let mut words: Vec<&str> = text.split(',').collect();
                words.sort_unstable();
                *value = Json::String(words.join(","));
            }
            continue;
        }
        let by_clock = TIMES.contains(&key) && (is_task || key != "pid" || is_guest);
        let by_measure = !is_guest && MEASURED.contains(&key) || is_guest && runs && COUNTED.contains(&key);
        if by_clock || (is_volume && key == "used") || by_measure && !value.is_object() {
            *value = Json::String("<varies>".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_vanishes_and_what_is_set_stays() {
        let text = normalised(
            "log\n[{\"vmid\":1,\"status\":\"stopped\",\"mem\":0,\"maxmem\":5},{\"node\":\"pve\",\"mem\":7}]\n",
        );
        assert!(text.starts_with("log\n["), "{text}");
        assert!(
            text.contains("\"maxmem\": 5") && text.contains("\"mem\": 0") && text.contains("\"mem\": \"<varies>\""),
            "{text}"
        );
        assert_eq!(normalised("[1] plain\n"), "[1] plain\n");
    }
}
