//! Settings that were ignored, or stayed when nobody wanted them any more.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::lab::{Lab, container};

#[test]
fn defect_07_the_profile_unconfined_is_set_and_not_removed() {
    let lab = Lab::of(&json!({
        "910": container("open", &json!({"apparmor_profile": "unconfined"})),
        "911": container("usual", &json!({}))
    }));
    lab.done(&["up"]);
    assert_eq!(lab.values(910, "lxc.apparmor.profile"), ["unconfined"]);
    assert_eq!(lab.values(911, "lxc.apparmor.profile"), Vec::<String>::new());
}

#[test]
fn defect_12_what_is_taken_out_of_the_configuration_is_taken_off_the_guest() {
    let full = json!({
        "mount_points": [{"host_path": "/tank/one", "container_path": "/srv/one"}, {"host_path": "/tank/two", "container_path": "/srv/two"}],
        "lxc_options": ["lxc.cap.drop=sys_module"], "pct_options": ["nesting=1", "keyctl=1"], "gpu_assignment": "0",
        "boot_order": 3, "tags": ["lab"],
        "network_config": {"ip": "10.9.0.7/24", "gw": "10.9.0.1", "nameservers": "10.9.0.1"},
        "firewall": {"enabled": true, "rules": [{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "80"},
            {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "443"}]}
    });
    let lab = Lab::of(&json!({"102": container("traefik", &full)}));
    lab.done(&["up"]);
    assert_eq!(lab.values(102, "mp").len(), 2);

    let less = json!({"mount_points": [], "firewall": {"enabled": true, "rules": [
        {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "443"}]},
        "network_config": {"ip": "10.9.0.7/24", "gw": "10.9.0.1"}});
    lab.containers(&json!({"102": container("traefik", &less)}));
    lab.done(&["up"]);
    for key in ["mp", "lxc.cap", "lxc.mount", "lxc.cgroup2", "features", "startup", "tags", "nameserver"] {
        assert_eq!(lab.values(102, key), Vec::<String>::new(), "{key}: {:#?}", lab.live(102));
    }
    let firewall = lab.pve("firewall/102.fw").unwrap();
    assert_eq!(firewall.matches("ACCEPT").count(), 1, "{firewall}");
    lab.done(&["up"]);
    assert_eq!(lab.changes(), Vec::<String>::new());
}

#[test]
fn defect_12_what_somebody_else_put_there_stays() {
    let lab = Lab::of(&json!({"102": container("traefik", &json!({}))}));
    lab.done(&["up"]);
    lab.by_hand(&["pct", "set", "102", "--mp0", "/tank/theirs,mp=/srv/theirs", "--tags", "theirs"]);
    lab.done(&["up"]);
    assert_eq!(lab.changes(), Vec::<String>::new());
    assert_eq!(lab.values(102, "mp"), ["/tank/theirs,mp=/srv/theirs"]);
}

#[test]
fn defect_16_a_smaller_disk_is_told_and_the_guest_goes_on_running() {
    let lab = Lab::of(&json!({"900": container("base", &json!({"storage_size_gb": 16}))}));
    lab.done(&["up"]);
    lab.containers(&json!({"900": container("base", &json!({"storage_size_gb": 8}))}));
    let run = lab.phoenix(&["up"]);
    assert_eq!(run.exit, Some(3), "a difference that stays shows in the status: {}", run.all());
    assert!(run.stdout.contains("disks cannot shrink"), "{}", run.all());
    assert_eq!(lab.changes(), Vec::<String>::new());
    assert_eq!(lab.power(900), "running");
    assert!(lab.values(900, "rootfs")[0].ends_with("size=16G"), "{:?}", lab.values(900, "rootfs"));
}

#[test]
fn defect_20_identity_maps_are_the_ones_that_are_written() {
    let maps = json!([{"type": "gid", "host_id": 33, "container_id": 33}]);
    let lab = Lab::of(&json!({"101": container("gateway", &json!({"id_maps": maps}))}));
    lab.done(&["up"]);
    let expected = ["u 0 100000 65536", "g 0 100000 33", "g 33 33 1", "g 34 100034 65502"];
    assert_eq!(lab.values(101, "lxc.idmap"), expected);
}

#[test]
fn defect_24_a_missing_key_is_not_looked_for_elsewhere_in_the_file() {
    let text = json!({"cores": 8, "lxc_configs": {"101": container("gateway", &json!({"cores": null}))}}).to_string();
    let lab = Lab::of(&json!({}));
    lab.write("phoenix_lxc_configs.json", &text);
    let run = lab.refused(&["up"]);
    assert!(run.stderr.contains("PHX0105") && run.stderr.contains("`cores`"), "{}", run.stderr);

    // The defaults of VMs are none of a container's business.
    lab.containers(&json!({"101": container("gateway", &json!({"cores": null, "memory_mb": null}))}));
    let machines = json!({"vm_defaults": {"cores": 8, "memory_mb": 8192}, "vms": []}).to_string();
    lab.write("phoenix_vm_configs.json", &machines);
    lab.done(&["up"]);
    assert_eq!((lab.values(101, "cores"), lab.values(101, "memory")), (vec!["1".into()], vec!["512".into()]));
}
