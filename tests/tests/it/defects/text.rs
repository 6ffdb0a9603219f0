//! Values of the configuration that were taken for code, or fell apart at a blank.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use test_case::test_case;

use crate::lab::{Lab, container, machine};

#[test_case("mount_points", &json!([{"host_path": "/tank/a", "container_path": "/a", "owner_uid": "x[$(touch /tmp/gotcha)]"}]); "an owner")]
#[test_case("features", &json!(["base; touch /tmp/gotcha"]); "a feature")]
#[test_case("application_script", &json!("$(touch /tmp/gotcha)"); "a script")]
#[test_case("mac_address", &json!("52:54:00:$(touch /tmp/gotcha)"); "an address")]
#[test_case("dependencies", &json!(["1 | halt"]); "a dependency")]
fn defect_33_a_value_that_cannot_be_one_is_refused(key: &str, value: &Value) {
    let lab = Lab::of(&json!({"101": container("gateway", &json!({key: value}))}));
    let run = lab.refused(&["up"]);
    assert!(run.stderr.contains("error[PHX"), "{}", run.stderr);
    assert_eq!(lab.commands(), Vec::<String>::new());
}

#[test]
fn defect_33_a_value_is_never_code() {
    let word = "$(touch /gotcha);`touch /gotcha`'\"";
    let path = "/data/$(touch${IFS}/gotcha)";
    let lab = Lab::of(&json!({"101": container("gateway", &json!({
        "features": ["show"],
        "description": word,
        "mount_points": [{"host_path": format!("/tank/{word}"), "container_path": "/srv/data"}],
        "health_check": {"name": "argv", "command": ["test", word, "=", word], "retries": 2}
    }))}));
    lab.machines(&json!([machine(
        1001,
        "docker",
        &json!({"volumes": [
        {"type": "nfs", "server": "10.9.0.2", "path": path, "mount_point": path}]})
    )]));
    lab.hypervisor(&json!({"network": {"interfaces": {"name": "vmbr0", "address": "10.9.0.2/24"}}}));
    lab.world(&json!({"files": {"/etc/hosts": "127.0.0.1 localhost\n10.9.0.2 pve.example pve\n"}}));
    lab.feature("show", "true");
    let run = lab.done(&["up"]);
    assert!(lab.commands().iter().any(|line| line.contains(word)), "it is handed over whole: {}", run.all());
    for guest in [101, 1001] {
        let (tool, begin) = if guest == 101 {
            ("pct", &["exec", "101", "--"][..])
        } else {
            ("qm", &["guest", "exec", "1001", "--"][..])
        };
        let found = lab.by_hand(&[&[tool], begin, &["ls", "/"]].concat());
        assert!(!found.contains("gotcha"), "{guest}: {found}");
    }
    assert!(!lab.list("/").contains(&"gotcha".to_owned()));
}

#[test]
fn defect_35_a_blank_in_a_path_is_part_of_the_path() {
    let lab = Lab::of(&json!({"101": container("gateway", &json!({"mount_points": [
        {"host_path": "/tank/my data", "container_path": "/srv/my data", "owner_uid": 0, "owner_gid": 0}
    ]}))}));
    lab.done(&["up"]);
    assert_eq!(lab.values(101, "mp"), ["/tank/my data,mp=/srv/my data"]);
    assert_eq!(lab.list("/tank"), ["my data"]);
    lab.done(&["up"]);
    assert_eq!(lab.changes(), Vec::<String>::new());
}
