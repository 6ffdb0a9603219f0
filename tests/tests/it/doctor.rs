//! `phoenix doctor`: every kind of trouble with a node is found, named and placed, and nothing is changed.

use std::collections::BTreeSet;
use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};
use test_case::test_case;

use crate::program::{Place, Run};

/// Examines the node of a world: that of the example with some of its parts replaced.
fn examine(example: &str, changes: &Value, args: &[&str]) -> Run {
    let place = Place::copy_of(&format!("examples/{example}"));
    let path = place.config().join("world.json");
    let mut world: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    merge(&mut world, changes);
    fs::write(&path, world.to_string()).unwrap();
    let log = place.beside("log.jsonl");
    let options = ["--host", "sim:", "--command-log", log.to_str().unwrap(), "doctor"];
    let run = place.phoenix(&[&options[..], args].concat());
    let commands = place.commands("log.jsonl");
    assert!(commands.iter().all(|command| command["effect"] == "read"), "{commands:#?}");
    assert!(commands.len() <= 12, "{} processes: {commands:#?}", commands.len());
    run
}

/// Objects are merged, a null removes, everything else is replaced.
fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, change) in changes {
                if change.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), change);
                }
            }
        }
        (into, change) => *into = change.clone(),
    }
}

#[test_case("step-ca", "6 guests")]
#[test_case("ai-lab", "15 guests")]
fn the_examples_have_all_they_need(example: &str, guests: &str) {
    let run = examine(example, &json!({}), &[]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
    assert_eq!(run.stdout, format!("✓ sim: (Proxmox VE 9.2.11) has what {guests} need\n"));
}

const DISABLED: &str = r#"{"storages": {"local": {"type": "dir", "path": "/var/lib/vz"}, "local-zfs": {"type": "zfspool", "options": {"disable": "1"}}}}"#;
const NO_CONTENT: &str = r#"{"storages": {"local": {"type": "dir", "path": "/var/lib/vz"}, "local-zfs": {"type": "zfspool", "content": ["images"]}}}"#;
const SMALL: &str = r#"{"storages": {"local": {"type": "dir", "path": "/var/lib/vz"}, "local-zfs": {"type": "zfspool", "size_gib": 20}}}"#;
const NO_POOL: &str = r#"{"storages": {"local": {"type": "dir", "path": "/var/lib/vz"}}}"#;
const STRANGER: &str =
    "arch: amd64\nhostname: x\nnet0: name=eth0,bridge=vmbr0,hwaddr=52:54:00:20:01:03,ip=10.20.0.103/24\n";

#[test_case("step-ca", &json!({}), &[], 0; "nothing")]
#[test_case("step-ca", &json!({"files": {"/etc/pve/firewall/cluster.fw": null}}), &["firewall"], 0; "firewall off")]
#[test_case("step-ca", &json!({"files": {"/etc/pve/firewall/cluster.fw": "[OPTIONS]\nenable: 0\n"}}), &["firewall"], 0; "firewall turned off")]
#[test_case("step-ca", &json!({"bridges": ["vmbr1"]}), &["bridge"], 1)]
#[test_case("step-ca", &serde_json::from_str(NO_POOL).unwrap(), &["storage"], 1; "no storage")]
#[test_case("step-ca", &serde_json::from_str(DISABLED).unwrap(), &["storage"], 1; "storage disabled")]
#[test_case("step-ca", &serde_json::from_str(NO_CONTENT).unwrap(), &["storage-content"], 1; "storage content")]
#[test_case("step-ca", &serde_json::from_str(SMALL).unwrap(), &["storage-space"], 0; "storage too small")]
#[test_case("step-ca", &json!({"images": "listed"}), &["template"], 0)]
#[test_case("step-ca", &json!({"devices": []}), &["kvm"], 1)]
#[test_case("step-ca", &json!({"files": {"/etc/exports": "/tank/shared/ca *(ro)\n"}}), &["nfs-export"], 1)]
#[test_case("step-ca", &json!({"files": {"/etc/hosts": "127.0.0.1 localhost\n10.20.0.2 other\n"}}), &["node-name"], 0)]
#[test_case("step-ca", &json!({"files": {"/proc/meminfo": "MemTotal: 4096000 kB\n"}}), &["memory"], 0)]
#[test_case("step-ca", &json!({"files": {"/etc/pve/lxc/103.conf": STRANGER}}), &["ownership"], 0)]
#[test_case("step-ca", &json!({"files": {"/etc/pve/lxc/777.conf": STRANGER}}), &["address"], 1)]
#[test_case("step-ca", &json!({"files": {"/tank/shared/ca/": null}}), &["mount-point"], 0; "mount point")]
#[test_case("step-ca", &json!({"files": {"/tank/shared/ca/ssl": "a file"}}), &["mount-point"], 1; "a file in its place")]
#[test_case("step-ca", &json!({"files": {"/etc/pve/.members": r#"{"nodename": "pve", "cluster": {"name": "lab", "quorate": 0}}"#}}), &["quorum"], 1)]
#[test_case("step-ca", &json!({"files": {"/run/phoenix.lock": "something else"}}), &["lock"], 0)]
#[test_case("ai-lab", &json!({"files": {"/etc/subgid": "root:100000:65536\n"}}), &["id-map"], 1)]
#[test_case("ai-lab", &json!({"devices": ["/dev/kvm"]}), &["gpu"], 1; "no driver")]
#[test_case("ai-lab", &json!({"devices": ["/dev/kvm", "/dev/nvidiactl", "/dev/nvidia0"]}), &["gpu"], 1; "no second card")]
fn a_fault_is_found(example: &str, changes: &Value, expected: &[&str], exit: i32) {
    let run = examine(example, changes, &["--format", "json"]);
    let report = run.json();
    let found: BTreeSet<&str> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    assert_eq!(found, expected.iter().copied().collect(), "{}", run.all());
    assert_eq!(run.exit, Some(exit), "{}", run.all());
    assert_eq!(report["good"], exit == 0);
}

#[test]
fn a_sick_node_is_told_at_a_glance() {
    let sick = json!({
        "bridges": [], "images": "listed", "devices": [],
        "storages": {"local": {"type": "dir", "path": "/var/lib/vz"}},
        "files": {"/etc/exports": "", "/etc/hosts": "127.0.0.1 localhost\n", "/tank/shared/ca/": null},
    });
    assert_snapshot!("sick", examine("step-ca", &sick, &[]).all());
    // Of the guests that are named, and of what they need.
    let one = examine("step-ca", &sick, &["--format", "jsonl", "9000"]);
    for line in one.stdout.lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        assert!(finding["guests"].as_array().unwrap().iter().all(|id| id == 9000), "{line}");
    }
}
