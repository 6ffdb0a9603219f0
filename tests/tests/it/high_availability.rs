//! Guests that the HA manager starts and stops: the tools only pass a request on.

use serde_json::json;

use crate::lab::{Lab, container, machine};

fn lab() -> Lab {
    let lab = Lab::of(&json!({
        "307": container("ha", &json!({"state": "running"})),
        "308": container("needs-it", &json!({"dependencies": ["307"]}))
    }));
    lab.machines(&json!([machine(310, "vm", &json!({"state": "running"}))]));
    lab.done(&["up"]);
    for sid in ["ct:307", "vm:310"] {
        lab.by_hand(&["ha-manager", "add", sid, "--state", "started"]);
    }
    lab
}

#[test]
fn a_stop_is_done_when_the_guest_is_off() {
    let lab = lab();
    lab.done(&["stop", "307", "310"]);
    assert_eq!((lab.power(307), lab.power(310)), ("stopped".to_owned(), "stopped".to_owned()));
    lab.done(&["start", "307", "310"]);
    assert_eq!((lab.power(307), lab.power(310)), ("running".to_owned(), "running".to_owned()));
    assert!(lab.by_hand(&["ha-manager", "config"]).contains("state started"));
    lab.done(&["up"]);
    lab.done(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);
}

#[test]
fn a_restart_takes_place() {
    let lab = lab();
    lab.machines(&json!([machine(310, "vm", &json!({"state": "running", "memory_mb": 4096, "cores": 3}))]));
    lab.done(&["up"]);
    let changes = lab.changes();
    assert!(changes.iter().any(|line| line.starts_with("qm shutdown 310")), "{changes:#?}");
    assert_eq!(lab.power(310), "running");
    assert!(!lab.file(310).contains("[PENDING]"), "{}", lab.file(310));
    lab.done(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);
}
