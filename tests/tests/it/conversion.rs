//! Guests that should become templates.

use serde_json::json;

use crate::lab::{Lab, container};

/// Proxmox makes no template of a guest with snapshots, so nothing of it is changed before it could fail.
#[test]
fn a_guest_with_snapshots_that_should_be_a_template_is_left_alone() {
    let lab = Lab::of(&json!({"284": container("base", &json!({"state": "running"}))}));
    lab.done(&["up"]);
    lab.by_hand(&["pct", "snapshot", "284", "mine"]);
    let before = lab.file(284);
    let wanted = container("base", &json!({"is_template": true, "start_at_boot": false, "cores": 3}));
    lab.containers(&json!({"284": wanted}));
    let plan = lab.phoenix(&["plan"]);
    assert!(plan.stdout.contains("delete mine"), "{}", plan.all());
    let run = lab.phoenix(&["up", "--yes"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    assert_eq!(lab.changes(), [""; 0]);
    assert_eq!(lab.file(284), before);
    assert_eq!(lab.power(284), "running");
}
