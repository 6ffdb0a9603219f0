//! VMs: settings that nobody read, and a firewall that stopped the run.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::lab::{Lab, container, machine};

#[test]
fn defect_13_a_clone_has_its_own_disk_user_and_name_server() {
    let lab = Lab::of(&json!({}));
    lab.machines(&json!([
        machine(9000, "image", &json!({"is_template": true, "start_at_boot": null})),
        machine(
            1001,
            "docker",
            &json!({"template_image": null, "clone_from_vmid": 9000, "disk_size_gb": 50,
            "network_config": {"ip": "10.9.0.111/24", "gw": "10.9.0.1", "nameserver": "10.9.0.53"},
            "user_config": {"username": "operator"}})
        )
    ]));
    lab.done(&["up"]);
    assert!(lab.values(1001, "scsi0")[0].contains("size=50G"), "{:#?}", lab.live(1001));
    assert_eq!(lab.values(1001, "nameserver"), ["10.9.0.53"]);
    assert_eq!(lab.values(1001, "ciuser"), ["operator"]);
}

#[test]
fn defect_22_a_firewall_that_is_off_is_written_off() {
    let lab = Lab::of(&json!({"101": container("gateway", &json!({"firewall": {"enabled": false, "rules": []}}))}));
    lab.machines(&json!([machine(1001, "docker", &json!({"firewall": {"enabled": false, "rules": []}}))]));
    lab.done(&["up"]);
    for id in [101, 1001] {
        let file = lab.pve(&format!("firewall/{id}.fw")).unwrap();
        assert!(file.contains("enable: 0"), "{id}: {file}");
    }
    assert!(!lab.commands().iter().any(|line| line.contains("--firewall")), "{:#?}", lab.commands());
}

#[test]
fn defect_23_one_path_has_one_name() {
    // The template is asked for where it was made, letter by letter.
    let template = "/tank/templates/debian-12.tar.zst";
    let lab = Lab::of(&json!({"900": container("base", &json!({"template": template}))}));
    lab.world(&json!({"files": {template: ""}}));
    lab.done(&["up"]);
    assert!(
        lab.changes().iter().any(|line| line.starts_with(&format!("pct create 900 {template} "))),
        "{:#?}",
        lab.changes()
    );

    // What a VM mounts from the node is something that the node exports.
    lab.machines(&json!([machine(
        1001,
        "docker",
        &json!({"volumes": [{"type": "nfs", "server": "10.9.0.2",
        "path": "/tank/other", "mount_point": "/data"}]})
    )]));
    lab.hypervisor(&json!({
        "network": {"interfaces": {"name": "vmbr0", "address": "10.9.0.2/24"}, "nfs_server": "10.9.0.2"},
        "nfs": {"exports": [{"path": "/tank/data", "clients": ["*"]}]}
    }));
    let run = lab.refused(&["up"]);
    assert!(run.stderr.contains("the node does not export `/tank/other`"), "{}", run.stderr);
}

#[test]
fn defect_30_every_wait_ends() {
    // An agent that never answers, a gate that never opens, a condition that never holds: none has a limit of its own here.
    let lab = Lab::of(&json!({
        "103": container("step-ca", &json!({"health_check": {"name": "port", "command": "nc -z localhost 9000"}})),
        "102": container("traefik", &json!({"features": ["traefik"], "wait_for": {"name": "marker", "file": "/etc/step-ca/ca.ready"}}))
    }));
    lab.machines(&json!([machine(1001, "docker", &json!({"features": ["docker"]}))]));
    for feature in ["traefik", "docker"] {
        lab.feature(feature, "true");
    }
    lab.world(&json!({"guests": {
        "103": {"other_ports": "closed"},
        "1001": {"boot": {"never": ["agent"]}}
    }}));
    let run = lab.phoenix(&["--format", "json", "up"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    let guests = &run.json()["summary"]["guests"];
    for (id, stage) in [("103", "health"), ("102", "wait-for"), ("1001", "agent")] {
        let failure = &guests[id]["failure"];
        assert_eq!((&guests[id]["result"], &failure["stage"]), (&json!("failed"), &json!(stage)), "{guests:#}");
        let waited = failure["elapsed_ms"].as_u64().unwrap();
        // The VM's agent has the time of cloud-init, which installs it.
        assert!(waited <= 31 * 60 * 1000, "{id} waited {waited} ms");
    }
}
