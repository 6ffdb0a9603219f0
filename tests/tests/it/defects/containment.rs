//! One failure that was everybody's, two runs at once, and what was never meant to be touched.

use camino::Utf8Path;
use phoenix_host::Host as _;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::lab::{Lab, container, machine};
use crate::program::Place;

#[test]
fn defect_17_a_guest_that_fails_stops_only_those_that_need_it_and_the_next_run_goes_on() {
    let lab = Lab::of(&json!({
        "101": container("gateway", &json!({"features": ["broken"]})),
        "102": container("traefik", &json!({"dependencies": ["101"]})),
        "103": container("step-ca", &json!({})),
        "801": container("model", &json!({"dependencies": ["103"]}))
    }));
    lab.feature("broken", "echo no such package >&2\nexit 7");
    let run = lab.phoenix(&["--format", "json", "up"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    let guests = &run.json()["summary"]["guests"];
    let results = [101, 102, 103, 801].map(|id| guests[id.to_string()]["result"].clone());
    assert_eq!(results, ["failed", "blocked", "changed", "changed"], "{guests:#}");
    assert_eq!(guests["102"]["by"], 101, "{guests:#}");

    lab.feature("broken", "exit 0");
    lab.done(&["up"]);
    assert!(!lab.changes().iter().any(|line| line.contains(" 103 ") || line.contains(" 801 ")), "{:#?}", lab.changes());
}

#[test]
fn defect_18_the_second_of_two_runs_says_who_is_at_work_and_changes_nothing() {
    let lab = Lab::of(&json!({"900": container("base", &json!({}))}));
    // The process of this test is alive, so a lock in its name is held.
    let kernel = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap().trim().to_owned();
    let holder = json!({"holder": {"who": format!("anna@{}", kernel("hostname")), "boot": kernel("random/boot_id"),
        "pid": std::process::id(), "since": "2026-11-21 20:00:00 UTC", "doing": "up"}});
    let lock = Utf8Path::new("/run/phoenix.lock");
    lab.on_node(async |node| node.write(lock, holder.to_string().as_bytes(), 0o644).await.unwrap());
    let run = lab.phoenix(&["create", "900"]);
    assert_eq!(run.exit, Some(4), "{}", run.all());
    assert!(run.stderr.contains("anna@"), "{}", run.stderr);
    assert_eq!(lab.changes(), Vec::<String>::new());
    assert_eq!(lab.pve("lxc/900.conf"), None);
}

#[test]
fn defect_32_directories_get_the_owner_that_they_need_and_no_rights_for_everybody() {
    let mounts =
        json!([{"host_path": "/tank/ca", "container_path": "/etc/step-ca/ssl", "owner_uid": 0, "owner_gid": 33}]);
    let lab = Lab::of(&json!({"103": container("step-ca", &json!({"mount_points": mounts}))}));
    lab.done(&["up"]);
    let changes = lab.changes();
    assert!(!changes.iter().any(|line| line.contains("chmod")), "{changes:#?}");
    let owners: Vec<&String> = changes.iter().filter(|line| line.starts_with("chown")).collect();
    assert_eq!(owners, ["chown 100000:100033 -- /tank/ca"], "one directory, not what is in it");
}

#[test]
fn defect_36_rules_of_a_guest_stay_its_own_and_hold_from_its_first_start() {
    let firewall = |port: &str| json!({"enabled": true, "rules": [{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": port}]});
    let more =
        |port: &str| json!({"firewall": firewall(port), "network_config": {"ip": "10.9.0.7/24", "gw": "10.9.0.1"}});
    let lab = Lab::of(&json!({"101": container("gateway", &more("443"))}));
    lab.machines(&json!([machine(1001, "docker", &json!({"firewall": firewall("9001")}))]));
    lab.done(&["up"]);
    for own in ["firewall/cluster.fw", "nodes/pve/host.fw"] {
        assert_eq!(lab.pve(own), None, "{own} is the node's");
    }
    for line in lab.changes().iter().filter(|line| line.contains("--net0")) {
        assert!(line.contains("firewall=1"), "{line}");
    }
    // A changed rule: one new file in place of the old one, and the interface is not touched.
    lab.containers(&json!({"101": container("gateway", &more("8443"))}));
    lab.done(&["up"]);
    assert!(lab.pve("firewall/101.fw").unwrap().contains("8443"));
    assert_eq!(
        lab.changes().iter().filter(|line| line.contains("firewall/") || line.contains("net0")).count(),
        0,
        "{:#?}",
        lab.changes()
    );
}

#[test]
fn defect_37_no_process_is_killed_by_a_word_in_its_command_line() {
    let place = Place::copy_of("examples/ai-lab");
    let log = place.beside("commands.jsonl");
    let run = place.phoenix(&["--host", "sim:", "--command-log", log.to_str().unwrap(), "up"]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
    for command in place.commands("commands.jsonl") {
        let argv = command["argv"].to_string();
        assert!(!["pkill", "killall", "fuser"].iter().any(|word| argv.contains(word)), "{argv}");
    }
}

/// Section 3.4: ids and addresses that were in the scripts. The same fleet under other ids, addresses and names is treated
/// alike.
#[test]
fn defects_of_3_4_a_fleet_under_other_ids_and_addresses_gets_the_same_plan() {
    // Longer ones first. Ids are the last part of addresses too, so they stay below 255.
    const HERE: [(&str, &str); 8] = [
        ("1001", "6661"),
        ("9000", "6669"),
        ("101", "221"),
        ("102", "222"),
        ("103", "223"),
        ("900", "667"),
        ("10.20.0", "172.31.9"),
        ("lab.example", "else.where"),
    ];
    let plan = |place: &Place| {
        let run = place.phoenix(&["--host", "sim:", "--format", "json", "plan"]);
        assert_eq!(run.exit, Some(0), "{}", run.all());
        run.json()
    };
    let one = Place::copy_of("examples/step-ca");
    let other = Place::copy_of("examples/step-ca");
    let renamed = |text: &str, forth: bool| {
        HERE.iter().fold(
            text.to_owned(),
            |text, (here, there)| if forth { text.replace(here, there) } else { text.replace(there, here) },
        )
    };
    for file in ["phoenix_lxc_configs.json", "phoenix_vm_configs.json", "phoenix_hypervisor_config.json", "world.json"]
    {
        let path = other.config().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, renamed(&text, true)).unwrap();
    }
    let there: Value = serde_json::from_str(&renamed(&without_digests(&plan(&other)), false)).unwrap();
    let here: Value = serde_json::from_str(&without_digests(&plan(&one))).unwrap();
    let sorted = |plan: Value| {
        let mut guests = plan["guests"].as_array().unwrap().clone();
        guests.sort_by_key(|guest| guest["id"].as_u64());
        guests
    };
    assert_eq!(sorted(here), sorted(there));
}

/// A text with the digests in it masked: they stand for scripts and what those can see.
fn without_digests(plan: &Value) -> String {
    let text = plan.to_string();
    let words = text.split_inclusive(|c: char| !c.is_ascii_hexdigit());
    words
        .map(
            |word| if matches!(word.len(), 9 | 17) { format!("#{}", &word[word.len() - 1..]) } else { word.to_owned() },
        )
        .collect()
}
