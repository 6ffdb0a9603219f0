//! VMs whose memory somebody saved to a disk.

use serde_json::{Value, json};

use crate::lab::{Lab, machine};

fn lab() -> Lab {
    let lab = Lab::of(&json!({}));
    lab.world(&json!({"guests": {"357": {"guest_agent": "installed"}}}));
    lab.machines(&json!([machine(357, "susp", &json!({"state": "running"}))]));
    lab.done(&["up"]);
    lab.by_hand(&["qm", "suspend", "357", "--todisk", "1"]);
    lab
}

#[test]
fn a_hibernated_vm_goes_on_with_its_saved_memory() {
    let lab = lab();
    lab.done(&["up"]);
    assert_eq!(lab.changes(), ["qm start 357"]);
    assert_eq!(lab.power(357), "running");
    assert_eq!(lab.values(357, "lock"), [""; 0]);
    lab.done(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);
}

#[test]
fn a_change_of_a_hibernated_vm_comes_after_it_is_resumed() {
    let lab = lab();
    lab.machines(&json!([machine(357, "susp", &json!({"state": "running", "boot_order": 7}))]));
    lab.done(&["up"]);
    assert_eq!(lab.changes()[0], "qm start 357");
    assert_eq!(lab.values(357, "startup"), ["order=7"]);
    assert_eq!(lab.power(357), "running");
}

/// A locked guest takes no snapshot, so the way back begins after the resume.
#[test]
fn a_change_that_can_be_rolled_back_comes_after_it_is_resumed() {
    let lab = lab();
    let wanted = json!({"state": "running", "boot_order": 7, "on_failure": "rollback"});
    lab.machines(&json!([machine(357, "susp", &wanted)]));
    lab.done(&["up"]);
    let changes = lab.changes();
    assert_eq!(changes[0], "qm start 357", "{changes:#?}");
    assert!(changes[1].starts_with("qm snapshot 357 "), "{changes:#?}");
    assert_eq!(lab.values(357, "startup"), ["order=7"]);
}

#[test]
fn a_hibernated_vm_that_should_be_off_stays_as_it_is() {
    let lab = lab();
    lab.machines(&json!([machine(357, "susp", &json!({"state": "stopped", "boot_order": 7}))]));
    let before = lab.file(357);
    let plan = lab.done(&["plan"]);
    assert!(plan.stdout.contains("phoenix start 357"), "{}", plan.all());
    lab.phoenix(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);
    assert_eq!(lab.file(357), before);
}

#[test]
fn a_hibernated_vm_is_not_destroyed() {
    let lab = lab();
    let before = lab.file(357);
    for verb in [&["delete", "357", "--yes"][..], &["down", "--yes"], &["up", "--replace", "357", "--yes"]] {
        let run = lab.phoenix(verb);
        assert_eq!(run.exit, Some(2), "{verb:?}: {}", run.all());
        assert!(run.stderr.contains("357 is hibernated"), "{verb:?}: {}", run.all());
    }
    assert_eq!(lab.file(357), before);
    lab.done(&["start", "357"]);
    assert_eq!(lab.power(357), "running");
    let status: Value = lab.done(&["--format", "json", "status", "357"]).json();
    assert_eq!(status[0]["lock"], Value::Null);
}
