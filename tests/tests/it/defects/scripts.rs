//! Scripts that could not run, checks that were never asked.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::lab::{Lab, container, machine};

#[test]
fn defect_01_a_fleet_comes_up_whole_and_again() {
    // Scripts that nobody made executable, one of the old kind that demands exactly one argument, and a template, which is not
    // started.
    let lab = Lab::of(
        &json!({"900": container("base", &json!({"features": ["base_setup", "nvidia"], "application_script": "app.sh"}))}),
    );
    lab.machines(&json!([machine(9000, "image", &json!({"is_template": true, "start_at_boot": null}))]));
    lab.feature("base_setup", "true");
    lab.write("applications/app.sh", "#!/bin/sh\ntrue\n");
    let usage = "#!/bin/sh\nif [ \"$#\" -ne 1 ]; then echo 'usage: SCRIPT ID' >&2; exit 2; fi\n[ \"$1\" = 900 ]\n";
    lab.write("../bin/lxc_setup/phoenix_hypervisor_feature_install_nvidia.sh", usage);
    lab.done(&["LetsGo"]);
    assert!(lab.values(9000, "template") == ["1"], "{:#?}", lab.live(9000));
    assert!(!lab.changes().iter().any(|line| line.starts_with("qm start 9000")), "{:#?}", lab.changes());
    lab.done(&["LetsGo"]);
    assert_eq!(lab.changes(), Vec::<String>::new());
}

/// The old scripts begin with `source` of a file above their own folder.
#[test]
fn defect_01_an_old_script_runs_beside_the_files_that_it_reads() {
    const SCRIPT: &str = "../bin/lxc_setup/phoenix_hypervisor_feature_install_nvidia.sh";
    let lab = Lab::of(&json!({"900": container("base", &json!({"features": ["nvidia"]}))}));
    let body =
        "#!/bin/bash\nset -e\nsource \"$(dirname \"$0\")/../common_utils.sh\"\ngreet \"$PHOENIX_GUEST_NAME\" \"$1\"\n";
    lab.write(SCRIPT, body);
    let common = lab.path("../bin/lxc_setup").replace("lxc_setup", "common_utils.sh");
    let greet = "greet() { echo \"hello $1 $2\"; }\n";
    lab.world(&json!({"files": {lab.path(SCRIPT): body, common.as_str(): greet}}));
    let run = lab.done(&["up", "-v"]);
    assert!(run.all().contains("hello base 900"), "{}", run.all());

    // Another script of that name on the node is not the one that is meant: it is not run.
    let lab = Lab::of(&json!({"900": container("base", &json!({"features": ["nvidia"]}))}));
    lab.write(SCRIPT, "#!/bin/sh\necho \"mine for $1\"\n");
    lab.world(&json!({"files": {lab.path(SCRIPT): "#!/bin/sh\necho theirs $11\n"}}));
    let run = lab.done(&["up", "-v"]);
    assert!(run.all().contains("mine for 900") && !run.all().contains("theirs"), "{}", run.all());
}

#[test]
fn defect_01_a_script_that_is_not_there_is_missed_before_the_node_is_touched() {
    let lab = Lab::of(&json!({
        "900": container("base", &json!({})),
        "914": container("model", &json!({"application_script": "phoenix_hypervisor_lxc_955.sh"}))
    }));
    let run = lab.refused(&["LetsGo"]);
    assert!(run.stderr.contains("PHX0801") && run.stderr.contains("phoenix_hypervisor_lxc_955.sh"), "{}", run.stderr);
    assert_eq!(lab.commands(), Vec::<String>::new());
}

#[test]
fn defect_02_the_health_check_is_asked_inside_the_container_until_it_passes() {
    let lab = Lab::of(&json!({
        "103": container("step-ca", &json!({
            "health_check": {"name": "CA port", "command": "nc -z localhost 9000", "retries": 30, "interval": 10}})),
        "101": container("gateway", &json!({"dependencies": ["103"]}))
    }));
    lab.world(&json!({"guests": {"103": {"services": {"step-ca": {"events": [{"after": "65s", "open": [9000]}]}}}}}));
    lab.done(&["up"]);
    let probes = lab.probes();
    assert!(probes.len() >= 6, "every 10 s for about 65 s: {probes:#?}");
    assert!(
        probes.iter().all(|line| line.starts_with("pct exec 103 ") && line.contains("nc -z localhost 9000")),
        "{probes:#?}"
    );
    let commands = lab.commands();
    let last = commands.iter().rposition(|line| line.contains("nc -z localhost 9000")).unwrap();
    let first = commands.iter().position(|line| line.starts_with("pct create 101")).unwrap();
    assert!(last < first, "{commands:#?}");
}

#[test]
fn defect_28_what_is_written_reaches_somebody() {
    let tests = json!({"health": [{"name": "api", "type": "script", "path": "tests/api.sh"}]});
    let lab = Lab::of(
        &json!({"801": container("model", &json!({"features": ["show"], "tests": tests, "trigger_sync_on_completion": true}))}),
    );
    lab.feature("show", "cat \"$PHOENIX_CONTEXT\"");
    let run = lab.done(&["up", "-v"]);
    for word in ["tests/api.sh", "trigger_sync_on_completion"] {
        assert!(run.all().contains(word), "the script sees `{word}`: {}", run.all());
    }
    // A key that nobody reads is no key.
    lab.containers(&json!({"801": container("model", &json!({"test": tests}))}));
    let run = lab.refused(&["up"]);
    assert!(run.stderr.contains("PHX0105"), "{}", run.stderr);
}
