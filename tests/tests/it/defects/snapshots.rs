//! Lines that went into snapshot sections, and snapshots that never were.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::lab::{Lab, container};

const PROFILE: &str = "lxc.apparmor.profile: unconfined";

#[test]
fn defect_06_raw_lines_are_written_into_the_live_section_and_taken_from_there_only() {
    let with = |more| Lab::of(&json!({"910": container("gpu", &more)}));
    let lab = with(json!({"enable_lifecycle_snapshots": true, "apparmor_profile": "unconfined"}));
    lab.done(&["up"]);
    assert!(lab.snapshot(910, "final-form").iter().any(|line| line == PROFILE), "{}", lab.file(910));

    let pair = json!({"enable_lifecycle_snapshots": true, "apparmor_profile": "unconfined",
        "lxc_options": ["lxc.cap.drop=sys_module"]});
    lab.containers(&json!({"910": container("gpu", &pair)}));
    lab.done(&["up"]);
    let added = "lxc.cap.drop: sys_module";
    assert!(lab.live(910).iter().any(|line| line == added), "{}", lab.file(910));
    assert_eq!(lab.file(910).lines().filter(|line| *line == added).count(), 1, "{}", lab.file(910));

    lab.containers(&json!({"910": container("gpu", &json!({"enable_lifecycle_snapshots": true}))}));
    lab.done(&["up"]);
    assert!(!lab.live(910).iter().any(|line| line == PROFILE || line == added), "{}", lab.file(910));
    assert!(lab.snapshot(910, "final-form").iter().any(|line| line == PROFILE), "{}", lab.file(910));
}

#[test]
fn defect_11_snapshots_that_cannot_be_taken_are_told_in_the_plan() {
    let more = json!({"enable_lifecycle_snapshots": true,
        "mount_points": [{"host_path": "/tank/ca", "container_path": "/etc/step-ca/ssl"}]});
    let lab = Lab::of(&json!({"103": container("step-ca", &more)}));
    let plan = lab.done(&["plan"]);
    assert!(plan.stderr.contains("PHX"), "the configuration is warned about: {}", plan.all());
    assert!(plan.stdout.contains("no snapshots: Proxmox cannot take them"), "{}", plan.all());
    lab.done(&["up"]);
    assert!(!lab.changes().iter().any(|line| line.contains("snapshot")), "nothing is tried: {:#?}", lab.changes());
}
