//! Verbs that did nothing and said that all was well, and a dry run that was none.

use pretty_assertions::assert_eq;
use serde_json::json;
use test_case::test_case;

use crate::lab::{Lab, container, machine};

fn lab() -> Lab {
    let lab = Lab::of(&json!({
        "103": container("step-ca", &json!({"health_check": {"name": "port", "tcp": {"port": 9000}},
            "network_config": {"ip": "10.9.0.103/24", "gw": "10.9.0.1"}})),
        "102": container("traefik", &json!({"dependencies": ["103"], "features": ["traefik"],
            "mount_points": [{"host_path": "/tank/ca", "container_path": "/etc/ca"}]}))
    }));
    lab.machines(&json!([machine(1002, "docker", &json!({"features": ["docker"]}))]));
    lab.feature("traefik", "true");
    lab.feature("docker", "true");
    lab
}

#[test_case("create")]
#[test_case("converge")]
#[test_case("delete")]
#[test_case("start")]
#[test_case("stop")]
#[test_case("restart")]
#[test_case("status")]
#[test_case("health-check")]
#[test_case("plan")]
#[test_case("up")]
fn defect_26_a_guest_that_nobody_configured_is_an_error(verb: &str) {
    for guest in ["999999", "garbage"] {
        let run = lab().refused(&[verb, guest]);
        // A number may be that of a guest which is removed from the configuration, and that can be deleted.
        let said = match (verb, guest) {
            ("delete", "999999") => {
                "there is no guest 999999: the configuration has none, and nor has the node".to_owned()
            }
            _ => format!("no guest `{guest}` is configured"),
        };
        assert!(run.stderr.contains(&said), "{}", run.stderr);
    }
}

#[test]
fn defect_26_a_dependency_that_nobody_configured_is_an_error() {
    let lab = Lab::of(&json!({"102": container("traefik", &json!({"dependencies": ["777"]}))}));
    let run = lab.refused(&["create", "102"]);
    assert!(run.stderr.contains("PHX0202"), "{}", run.stderr);
}

#[test]
fn defect_26_status_and_health_know_containers_and_vms() {
    let lab = lab();
    lab.done(&["up"]);
    let status = lab.done(&["--format", "json", "status"]).json();
    let kinds: Vec<String> = status
        .as_array()
        .unwrap()
        .iter()
        .map(|guest| format!("{} {} {}", guest["id"], guest["kind"], guest["power"]))
        .collect();
    assert_eq!(kinds, ["102 \"container\" \"running\"", "103 \"container\" \"running\"", "1002 \"vm\" \"running\""]);
    lab.done(&["health-check", "103"]);
    assert!(!lab.commands().iter().any(|line| line.starts_with("qm") && line.contains("103")), "{:#?}", lab.commands());
    lab.by_hand(&["pct", "stop", "103"]);
    assert_eq!(lab.phoenix(&["health-check", "103"]).exit, Some(1));
}

#[test_case(&["create", "102"])]
#[test_case(&["create", "1002"])]
#[test_case(&["converge", "102", "1002"])]
#[test_case(&["up"])]
#[test_case(&["stop", "103"])]
#[test_case(&["restart", "103"])]
#[test_case(&["delete", "102"])]
#[test_case(&["down"])]
fn defect_27_a_dry_run_changes_nothing_on_an_empty_node_and_on_a_full_one(args: &[&str]) {
    let lab = lab();
    let dry = [args, &["--dry-run"]].concat();
    // What does not exist is not restarted.
    let expected = if args[0] == "restart" { 1 } else { 0 };
    let run = lab.phoenix(&dry);
    assert_eq!(run.exit, Some(expected), "{}", run.all());
    assert_eq!(lab.changes(), Vec::<String>::new());
    assert_eq!(lab.pve("lxc/102.conf"), None);
    lab.done(&["up"]);
    let before = [102, 103, 1002].map(|id| (lab.file(id), lab.power(id)));
    lab.done(&dry);
    assert_eq!(lab.changes(), Vec::<String>::new());
    assert_eq!([102, 103, 1002].map(|id| (lab.file(id), lab.power(id))), before);
}
