//! How long starts, shutdowns and scripts may take, and the fields of the start order that belong to somebody else.

use serde_json::json;

use crate::lab::{Lab, container, machine};

fn shutdowns(lab: &Lab) -> Vec<String> {
    lab.changes().into_iter().filter(|line| line.contains(" shutdown ")).collect()
}

#[test]
fn a_guest_has_the_time_to_shut_down_that_its_own_settings_give_it() {
    let lab = Lab::of(&json!({"101": container("database", &json!({"boot_order": 2}))}));
    lab.done(&["up"]);
    lab.by_hand(&["pct", "set", "101", "--startup", "order=2,down=600"]);
    lab.done(&["stop", "101"]);
    assert_eq!(shutdowns(&lab), ["pct shutdown 101 --timeout 600 --forceStop 0"]);
    // Somebody's field stays, and it stays when the one beside it changes.
    lab.done(&["up"]);
    assert_eq!(lab.values(101, "startup"), ["order=2,down=600"]);
    lab.containers(&json!({"101": container("database", &json!({"boot_order": 5, "boot_delay": 30}))}));
    lab.done(&["up"]);
    assert_eq!(lab.values(101, "startup"), ["order=5,up=30,down=600"]);
    // What Phoenix put there goes with its key.
    lab.containers(&json!({"101": container("database", &json!({}))}));
    lab.done(&["up"]);
    assert_eq!(lab.values(101, "startup"), ["down=600"]);
    lab.done(&["up"]);
    assert_eq!(lab.changes(), [""; 0]);
}

/// Records from before each field had an owner name the whole key.
#[test]
fn an_old_record_claims_no_field_that_somebody_adds_later() {
    let lab = Lab::of(&json!({"101": container("database", &json!({"boot_order": 2}))}));
    lab.done(&["up"]);
    let notes = lab.file(101).lines().find_map(|line| line.strip_prefix('#').map(str::to_owned)).unwrap();
    let old = notes.replace("%3A", ":").replace("startup.order", "startup");
    lab.by_hand(&["pct", "set", "101", "--description", &old]);
    lab.done(&["up"]);
    lab.by_hand(&["pct", "set", "101", "--startup", "order=2,down=600"]);
    lab.done(&["up"]);
    assert_eq!(lab.values(101, "startup"), ["order=2,down=600"]);
}

#[test]
fn a_delay_at_boot_is_no_limit_for_the_shutdown() {
    let lab = Lab::of(&json!({}));
    let of = |more| {
        json!([machine(260, "db", &json!({"start_at_boot": true, "boot_order": 1, "boot_delay": 5, "limits": more}))])
    };
    lab.machines(&of(json!({})));
    lab.done(&["up"]);
    assert_eq!(lab.values(260, "startup"), ["order=1,up=5"]);
    lab.done(&["stop", "260"]);
    assert_eq!(shutdowns(&lab), ["qm shutdown 260 --timeout 120 --forceStop 0"]);
    lab.machines(&of(json!({"shutdown": 900, "start": 700})));
    lab.done(&["up"]);
    assert!(lab.changes().contains(&"qm start 260 --timeout 700".to_owned()), "{:#?}", lab.changes());
    assert_eq!(lab.values(260, "startup"), ["order=1,up=5,down=900"]);
    lab.done(&["stop", "260"]);
    assert_eq!(shutdowns(&lab), ["qm shutdown 260 --timeout 900 --forceStop 0"]);
}

#[test]
fn an_adopted_guest_keeps_its_start_order_byte_for_byte() {
    let lab = Lab::of(&json!({}));
    lab.by_hand(&[
        "pct",
        "create",
        "105",
        "local:vztmpl/debian-12.tar.zst",
        "--hostname",
        "sql",
        "--rootfs",
        "local-zfs:8",
        "--unprivileged",
        "1",
        "--startup",
        "order=1,up=3,down=600",
    ]);
    let folder = lab.beside("described");
    lab.done(&["adopt", "--write", &folder]);
    lab.done(&["-C", &folder, "adopt", "--yes"]);
    lab.done(&["-C", &folder, "up"]);
    assert_eq!(lab.values(105, "startup"), ["order=1,up=3,down=600"]);
}

#[test]
fn a_script_ends_at_its_limit() {
    let lab = Lab::of(&json!({"101": container("slow", &json!({"features": ["slow"], "limits": {"script": 20}}))}));
    lab.feature("slow", "sleep 3600");
    let up = lab.phoenix(&["up"]);
    assert_eq!(up.exit, Some(1), "{}", up.all());
    assert!(up.all().contains("20 s"), "{}", up.all());
}

#[test]
fn an_agent_has_the_time_that_is_written() {
    let lab = Lab::of(&json!({}));
    lab.world(&json!({"guests": {"300": {"guest_agent": "installed", "boot": {"agent": "5m"}}}}));
    lab.machines(&json!([machine(300, "vm", &json!({"limits": {"agent": 60}}))]));
    let up = lab.phoenix(&["up"]);
    assert_eq!(up.exit, Some(1), "{}", up.all());
    lab.machines(&json!([machine(300, "vm", &json!({"limits": {"agent": 600}}))]));
    lab.done(&["up"]);
}
