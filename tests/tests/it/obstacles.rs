//! What `doctor` calls an error stops `up` before its first change: the guests concerned and those that need them, nobody else.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use test_case::test_case;

use crate::lab::{Lab, container, machine};

fn storages(more: &Value) -> Value {
    let mut storages = json!({"local": {"type": "dir", "path": "/var/lib/vz"}, "local-zfs": {"type": "zfspool"}});
    storages.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"storages": storages})
}

/// A lab with guest 200 on the storage `odd`, 201 that needs it, and 202 that needs nothing.
fn lab(storage: &Value, more: &Value) -> Lab {
    let mut odd = json!({"storage_pool": "odd"});
    odd.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let lab = Lab::of(&json!({
        "200": container("odd", &odd),
        "201": container("needs", &json!({"dependencies": ["200"]})),
        "202": container("free", &json!({})),
    }));
    lab.world(&storages(&json!({"odd": storage})));
    lab
}

const SNAPSHOTS: &str = r#"{"enable_lifecycle_snapshots": true}"#;
const TEMPLATE_SNAPSHOT: &str = r#"{"template_snapshot_name": "ready"}"#;
const ROLLBACK: &str = r#"{"on_failure": "rollback"}"#;
const TEMPLATE: &str = r#"{"is_template": true, "start_at_boot": null}"#;

#[test_case("dir", SNAPSHOTS; "lifecycle snapshots in a directory")]
#[test_case("nfs", TEMPLATE_SNAPSHOT; "a snapshot for clones on NFS")]
#[test_case("lvm", ROLLBACK; "a way back on thick LVM")]
#[test_case("cifs", ROLLBACK; "a way back on CIFS")]
#[test_case("lvm", TEMPLATE; "a template on thick LVM")]
fn a_storage_that_cannot_do_it(kind: &str, more: &str) {
    let lab = lab(&json!({"type": kind}), &serde_json::from_str(more).unwrap());
    let doctor = lab.phoenix(&["--format", "json", "doctor"]);
    assert_eq!(doctor.exit, Some(1), "{}", doctor.all());
    assert!(doctor.stdout.contains("storage-feature"), "{}", doctor.all());

    let plan = lab.done(&["--format", "json", "plan"]).json();
    let attitudes: Vec<&str> =
        plan["guests"].as_array().unwrap().iter().map(|guest| guest["disposition"].as_str().unwrap()).collect();
    assert_eq!(attitudes, ["held", "held", "create"], "{plan:#}");
    assert_eq!(plan["guests"][0]["obstacles"][0]["check"], "storage-feature");

    let up = lab.phoenix(&["up", "--yes"]);
    assert_eq!(up.exit, Some(1), "{}", up.all());
    let about = |id: &str| lab.changes().iter().any(|command| command.contains(id));
    assert!(!about("200") && !about("201") && about("202"), "{:#?}", lab.changes());
}

#[test_case("zfspool", SNAPSHOTS)]
#[test_case("lvmthin", ROLLBACK)]
#[test_case("btrfs", TEMPLATE_SNAPSHOT)]
#[test_case("dir", TEMPLATE; "a template in a directory")]
fn a_storage_that_can_do_it(kind: &str, more: &str) {
    let lab = lab(&json!({"type": kind}), &serde_json::from_str(more).unwrap());
    let run = lab.phoenix(&["--format", "json", "doctor"]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
}

#[test]
fn a_check_can_be_skipped() {
    let lab = lab(&json!({"type": "dir"}), &serde_json::from_str(SNAPSHOTS).unwrap());
    let run = lab.phoenix(&["up", "--yes", "--skip-check", "storage-feature"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    assert!(run.all().contains("snapshot feature is not available"), "{}", run.all());
    assert!(lab.changes().iter().any(|command| command.starts_with("pct create 200")));
}

#[test]
fn a_cloud_image_needs_snippets_for_its_agent() {
    let lab = Lab::of(&json!({}));
    lab.machines(&json!([machine(1001, "docker", &json!({}))]));
    lab.world(&storages(&json!({"local": {"type": "dir", "path": "/var/lib/vz", "content": ["iso", "vztmpl"]}})));
    let run = lab.phoenix(&["up", "--yes"]);
    assert_eq!((run.exit, lab.changes().is_empty()), (Some(1), true), "{}", run.all());
    assert!(run.all().contains("pvesm set local --content iso,vztmpl,snippets"), "{}", run.all());
}

#[test]
fn a_vm_without_storage_pool_is_judged_by_where_it_will_be_made() {
    let lab = Lab::of(&json!({}));
    lab.machines(&json!([machine(1001, "docker", &json!({"storage_pool": null}))]));
    lab.world(&json!({"storages": {"local": {"type": "dir", "path": "/var/lib/vz", "content": ["iso", "vztmpl", "snippets"]}}}));
    let run = lab.phoenix(&["up", "--yes"]);
    assert_eq!((run.exit, lab.changes().is_empty()), (Some(1), true), "{}", run.all());
}

#[test]
fn the_address_of_a_guest_of_somebody_else() {
    let network = json!({"network_config": {"ip": "10.20.0.103/24", "gw": "10.20.0.1"}});
    let lab = Lab::of(&json!({"200": container("same", &network), "202": container("free", &json!({}))}));
    lab.world(&json!({"files": {"/etc/pve/lxc/777.conf":
        "arch: amd64\nhostname: x\nnet0: name=eth0,bridge=vmbr0,ip=10.20.0.103/24\n"}}));
    let run = lab.phoenix(&["up", "--yes"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    assert!(!lab.changes().iter().any(|command| command.contains("200")), "{:#?}", lab.changes());
}

#[test]
fn a_fleet_that_is_as_it_should_be_is_not_checked() {
    let lab = Lab::of(&json!({"200": container("one", &json!({}))}));
    lab.done(&["up", "--yes"]);
    lab.done(&["plan"]);
    let commands: BTreeSet<String> = lab.commands().into_iter().collect();
    assert_eq!(commands, ["pct list", "qm list"].map(str::to_owned).into());
}
