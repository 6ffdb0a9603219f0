//! What a second run did again.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::lab::{Lab, container, machine};

/// A run on a node where nothing has changed: all guests as before, and no command that changes anything.
fn assert_second_run_changes_nothing(lab: &Lab, ids: &[u32]) {
    let before: Vec<String> = ids.iter().map(|id| lab.file(*id)).collect();
    for _ in 0..2 {
        lab.done(&["up"]);
        assert_eq!(lab.changes(), Vec::<String>::new());
    }
    let after: Vec<String> = ids.iter().map(|id| lab.file(*id)).collect();
    assert_eq!(before, after);
}

#[test]
fn defect_04_mount_points_are_not_added_again() {
    let lab = Lab::of(&json!({"101": container("gateway", &json!({"mount_points": [
        {"host_path": "/tank/certificates", "container_path": "/etc/ssl/gateway"},
        {"host_path": "/tank/sites", "container_path": "/srv/sites", "read_only": true}
    ]}))}));
    lab.done(&["up"]);
    assert_eq!(lab.values(101, "mp"), ["/tank/certificates,mp=/etc/ssl/gateway", "/tank/sites,mp=/srv/sites,ro=1"]);
    assert_second_run_changes_nothing(&lab, &[101]);
}

#[test]
fn defect_05_volumes_are_allocated_once() {
    let volumes = json!([{"name": "models", "pool": "local-zfs", "size_gb": 50, "mount_point": "/srv/models"}]);
    let lab = Lab::of(&json!({"910": container("models", &json!({"zfs_volumes": volumes}))}));
    lab.done(&["up"]);
    let allocated = || lab.by_hand(&["pvesm", "list", "local-zfs"]);
    let first = allocated();
    assert_eq!(first.lines().filter(|line| line.contains("-910-disk-")).count(), 2, "root disk and volume: {first}");
    assert_second_run_changes_nothing(&lab, &[910]);
    assert_eq!(allocated(), first);
}

#[test]
fn defect_10_the_snapshot_for_clones_is_taken_once_and_its_name_is_compared_whole() {
    let lab = Lab::of(&json!({"900": container("base", &json!({
        "enable_lifecycle_snapshots": true, "template_snapshot_name": "final-form", "start_at_boot": false
    }))}));
    lab.done(&["up"]);
    let of = |word: &str| lab.changes().into_iter().filter(|line| line.starts_with(word)).collect::<Vec<_>>();
    assert_eq!(of("pct snapshot 900 final-form").len(), 1, "{:#?}", lab.changes());
    assert_eq!(of("pct delsnapshot"), Vec::<String>::new());
    assert_second_run_changes_nothing(&lab, &[900]);

    // `final` is a part of `final-form`, and another snapshot all the same.
    lab.containers(&json!({"900": container("base", &json!({
        "enable_lifecycle_snapshots": true, "template_snapshot_name": "final", "start_at_boot": false
    }))}));
    lab.done(&["up"]);
    assert_eq!(of("pct snapshot 900 final ").len(), 1, "{:#?}", lab.changes());
    assert_eq!(of("pct delsnapshot"), Vec::<String>::new());
}

#[test]
fn defect_19_a_script_that_ran_does_not_run_again() {
    let lab = Lab::of(&json!({"900": container("base", &json!({"features": ["base_setup"]}))}));
    lab.feature("base_setup", "apt-get update\napt-get install -y gnupg locales");
    lab.done(&["up"]);
    let runs = || lab.commands().into_iter().filter(|line| line.starts_with("pct exec 900")).count();
    assert!(runs() > 0, "{:#?}", lab.commands());
    lab.done(&["up"]);
    assert_eq!(runs(), 0, "{:#?}", lab.commands());
}

#[test]
fn defect_21_mount_points_of_three_origins_do_not_collide() {
    let lab = Lab::of(&json!({"101": container("app", &json!({
        "mount_points": [{"host_path": "/tank/one", "container_path": "/srv/one"}],
        "zfs_volumes": [{"name": "two", "pool": "local-zfs", "size_gb": 4, "mount_point": "/srv/two"}],
        "volumes": [{"name": "three", "pool": "local-zfs", "size_gb": 4, "mount_point": "/srv/three"}]
    }))}));
    lab.hypervisor(&json!({"shared_volumes": {"four": {"host_path": "/tank/four", "mounts": {"101": "/srv/four"}}}}));
    lab.done(&["up"]);
    let mut inside: Vec<String> = lab
        .values(101, "mp")
        .iter()
        .filter_map(|value| value.split(',').find_map(|part| part.strip_prefix("mp=")).map(str::to_owned))
        .collect();
    inside.sort();
    assert_eq!(inside, ["/srv/four", "/srv/one", "/srv/three", "/srv/two"], "{:#?}", lab.live(101));
    assert_second_run_changes_nothing(&lab, &[101]);
}

/// The drift of a whole second run: nothing is stopped, written, snapshotted or provisioned again.
#[test]
fn defects_of_the_second_run_a_fleet_of_every_kind_is_left_alone() {
    let rules = json!({"enabled": true, "rules": [
        {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "443"},
        {"type": "out", "action": "ACCEPT", "proto": "tcp", "port": "53"}
    ]});
    let lab = Lab::of(&json!({
        "900": container("base", &json!({"template_snapshot_name": "ready", "start_at_boot": false, "features": ["setup"]})),
        "101": container("gateway", &json!({
            "template": null, "clone_from_ctid": "900", "storage_size_gb": 16, "firewall": rules,
            "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "10.9.0.101/24", "gw": "10.9.0.1"},
            "enable_lifecycle_snapshots": true, "apparmor_profile": "unconfined", "features": ["setup"]
        }))
    }));
    lab.machines(&json!([
        machine(9000, "image", &json!({"is_template": true, "start_at_boot": null})),
        machine(
            1001,
            "docker",
            &json!({"template_image": null, "clone_from_vmid": 9000, "disk_size_gb": 20, "firewall": rules,
            "features": ["setup"], "snapshots": {"pre-features": "before", "post-features": "after"}})
        )
    ]));
    lab.feature("setup", "true");
    lab.done(&["up"]);
    assert_second_run_changes_nothing(&lab, &[900, 101, 9000, 1001]);
    let processes = lab.commands();
    assert!(processes.len() <= 3, "791 calls then, {} now: {processes:#?}", processes.len());
}
