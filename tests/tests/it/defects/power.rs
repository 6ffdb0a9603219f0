//! Verbs that walked the graph the wrong way, and guests that were started unasked.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::lab::{Lab, container, machine};

/// A base, the authority, and two guests that need the authority; one of them is a VM.
fn lab() -> Lab {
    let lab = Lab::of(&json!({
        "900": container("base", &json!({"start_at_boot": false, "template_snapshot_name": "ready"})),
        "103": container("step-ca", &json!({"template": null, "clone_from_ctid": "900"})),
        "102": container("traefik", &json!({"template": null, "clone_from_ctid": "900", "dependencies": ["103"]})),
        "801": container("model", &json!({"start_at_boot": false}))
    }));
    lab.machines(&json!([
        machine(9000, "image", &json!({"is_template": true, "start_at_boot": null})),
        machine(
            1001,
            "docker",
            &json!({"template_image": null, "clone_from_vmid": 9000, "dependencies": ["103"],
            "boot_order": 4, "boot_delay": 7})
        )
    ]));
    lab
}

fn powers(lab: &Lab) -> Vec<String> {
    [900, 103, 102, 801, 1001].map(|id| format!("{id} {}", lab.power(id))).into()
}

#[test]
fn defect_03_what_needs_a_guest_is_restarted_with_it() {
    let lab = lab();
    lab.done(&["up"]);
    lab.done(&["restart", "103"]);
    let changes = lab.changes();
    for id in [102, 103] {
        for action in ["shutdown", "start"] {
            let begin = format!("pct {action} {id}");
            assert_eq!(changes.iter().filter(|line| line.starts_with(&begin)).count(), 1, "{begin}: {changes:#?}");
        }
    }
    assert!(changes.iter().any(|line| line.starts_with("qm start 1001")), "{changes:#?}");
    let at = |begin: &str| changes.iter().position(|line| line.starts_with(begin)).unwrap();
    assert!(at("pct start 103") < at("pct start 102"), "{changes:#?}");
    assert_eq!(powers(&lab), ["900 stopped", "103 running", "102 running", "801 stopped", "1001 running"]);
}

#[test]
fn defect_14_stop_takes_down_who_needs_a_guest_and_not_what_it_needs() {
    let lab = lab();
    lab.done(&["up"]);
    lab.done(&["stop", "1001"]);
    assert_eq!(powers(&lab), ["900 stopped", "103 running", "102 running", "801 stopped", "1001 stopped"]);
    lab.done(&["stop", "103"]);
    assert_eq!(powers(&lab), ["900 stopped", "103 stopped", "102 stopped", "801 stopped", "1001 stopped"]);
    let status = lab.done(&["--format", "json", "status", "103"]).json();
    let ids: Vec<&Value> = status.as_array().unwrap().iter().map(|guest| &guest["id"]).collect();
    assert_eq!(ids, [103], "nothing but what was asked for");
}

#[test]
fn defect_15_only_what_should_run_is_started_and_vms_have_their_place_in_the_boot_order() {
    let lab = lab();
    lab.done(&["LetsGo"]);
    assert_eq!(powers(&lab), ["900 stopped", "103 running", "102 running", "801 stopped", "1001 running"]);
    assert_eq!(lab.values(1001, "startup"), ["order=4,up=7"]);
    assert_eq!(lab.values(801, "onboot"), ["0"]);
}

#[test]
fn defect_25_a_boot_order_that_is_not_written_is_not_set() {
    let lab = Lab::of(&json!({
        "101": container("none", &json!({})),
        "102": container("order", &json!({"boot_order": 3})),
        "103": container("delay", &json!({"boot_delay": 5}))
    }));
    lab.done(&["up"]);
    assert_eq!(lab.values(101, "startup"), Vec::<String>::new());
    assert_eq!(lab.values(102, "startup"), ["order=3"]);
    assert_eq!(lab.values(103, "startup"), ["up=5"]);
    // What runs already is not started by a phase of its own, and what is off is.
    lab.done(&["stop", "102"]);
    lab.done(&["up"]);
    assert_eq!(lab.changes().iter().filter(|line| line.starts_with("pct start")).count(), 1, "{:#?}", lab.changes());
}
