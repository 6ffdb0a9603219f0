//! The fleet of `examples/step-ca`: what a new user sees.

use std::fs;

use insta::{assert_snapshot, with_settings};
use serde_json::Value;

use crate::program::{Place, Run};

fn example() -> Place {
    Place::copy_of("examples/step-ca")
}

/// Compares with a snapshot, but for moments and durations: those are the simulated node's, and exact elsewhere.
fn assert_looks(name: &str, text: &str) {
    let filters = [
        (r"(?m)^ +\|0 .*\n", ""),
        (r"(?m)^\d\d:\d\d:\d\d\.\d .*\n", ""),
        (r"\b\d+m \d\ds|\b\d+ min \d+(\.\d+)? s|\b\d+\.\d+ ?s\b", "TIME"),
        (r"[A-Z][a-z][a-z] \d\d \d\d:\d\d:\d\d", "MOMENT"),
        ("·+", "·"),
        ("█+", "█"),
        ("░+", "░"),
        (" {2,}", "  "),
    ];
    with_settings!({filters => filters}, { assert_snapshot!(name, text) });
}

/// The events of a run with `--format jsonl`.
fn events(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// When the first event of a kind about a guest came, in milliseconds; `with` looks closer.
fn at(events: &[Value], guest: u32, kind: &str, with: impl Fn(&Value) -> bool) -> u64 {
    let found = events.iter().find(|event| event["guest"] == guest && event["event"] == kind && with(event));
    found.unwrap_or_else(|| panic!("no {kind} of {guest}"))["at_ms"].as_u64().unwrap()
}

#[test]
fn the_main_job_ends_with_healthy_guests() {
    let run = example().phoenix(&["--host", "sim:", "up"]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
    assert_looks("main_job", &run.all());
}

#[test]
fn nothing_that_needs_the_ca_begins_before_its_gate_passed() {
    let run = example().phoenix(&["--host", "sim:", "--format", "jsonl", "up"]);
    let events = events(&run);
    let passed = at(&events, 103, "gate_passed", |_| true);
    for dependant in [101, 102, 1001] {
        assert!(at(&events, dependant, "guest_started", |_| true) >= passed, "{dependant}");
        assert!(at(&events, dependant, "step_started", |_| true) >= passed, "{dependant}");
    }
    let marker = at(&events, 1001, "gate_passed", |event| event["gate"] == "CA marker");
    assert!(at(&events, 1001, "step_started", |event| event["stage"] == "provision") >= marker);
}

#[test]
fn a_second_run_plans_nothing_and_changes_nothing() {
    let place = example();
    let node = format!("sim:{}", place.beside("node").display());
    let log = place.beside("second.jsonl");
    assert_eq!(place.phoenix(&["--host", &node, "up"]).exit, Some(0));

    let plan = place.phoenix(&["--host", &node, "plan", "--exit-code"]);
    assert_eq!((plan.exit, plan.stdout.as_str()), (Some(0), "✓ all 6 guests are up to date\n"));

    let second = place.phoenix(&["--host", &node, "--command-log", log.to_str().unwrap(), "up"]);
    assert_eq!(second.exit, Some(0), "{}", second.all());
    assert_looks("second_run", &second.all());
    let commands = place.commands("second.jsonl");
    assert!(commands.iter().any(|command| command["stage"] == "gate"), "gates are asked all the same");
    for command in &commands {
        assert_eq!(command["effect"], "read", "{command}");
    }
    let observing = commands.iter().filter(|command| command["stage"] != "gate").count();
    assert!(observing <= 3, "{observing} processes to look at the node");
}

#[test]
fn a_ca_that_never_gets_ready_stops_only_who_needs_it() {
    let place = example();
    let world = place.config().join("world-ca-never-ready.json");
    let node = format!("sim:{}", place.beside("node").display());
    let log = place.beside("commands.jsonl");
    let options = ["--host", &node, "--world", world.to_str().unwrap(), "--command-log", log.to_str().unwrap()];
    let run = place.phoenix(&[&options[..], &["up"]].concat());
    assert_eq!(run.exit, Some(1), "{}", run.all());
    assert_looks("never_ready", &run.all());

    let touched: Vec<Value> =
        place.commands("commands.jsonl").into_iter().filter(|command| command["effect"] == "change").collect();
    for command in touched {
        let guest = command["guest"].as_u64().unwrap();
        assert!([900, 103, 9000].contains(&guest), "nothing else was touched: {command}");
    }
    let status = place.phoenix(&["--host", &node, "--format", "json", "status"]).json();
    for guest in status.as_array().unwrap() {
        let exists = [900, 103, 9000].contains(&guest["id"].as_u64().unwrap());
        assert_eq!(guest["ownership"] == "ours", exists, "{guest}");
    }
    let health = place.phoenix(&["--host", &node, "--format", "json", "health", "103"]);
    assert_eq!((health.exit, &health.json()[0]["healthy"]), (Some(1), &Value::Bool(false)));
}

#[test]
fn the_same_configuration_gives_the_same_plan_byte_for_byte() {
    let place = example();
    let plan = || place.phoenix(&["--host", "sim:", "--format", "json", "plan"]).stdout;
    assert_eq!(plan(), plan());
    let run = place.phoenix(&["--host", "sim:", "plan", "--exit-code"]);
    assert_eq!(run.exit, Some(3));
    assert_snapshot!("plan", run.all());
}

#[test]
fn a_plan_that_was_approved_is_refused_when_the_node_has_drifted() {
    let place = example();
    let node = format!("sim:{}", place.beside("node").display());
    let file = place.beside("plan.json");
    let file = file.to_str().unwrap();
    assert_eq!(place.phoenix(&["--host", &node, "plan", "9000", "--out", file]).exit, Some(0));
    assert_eq!(place.phoenix(&["--host", &node, "up", "9000", "--plan", file]).exit, Some(0));
    let again = place.phoenix(&["--host", &node, "up", "9000", "--plan", file]);
    assert_eq!(again.exit, Some(1), "{}", again.all());
    assert!(again.stderr.contains("is out of date"), "{}", again.stderr);
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = example();
    let node = format!("sim:{}", place.beside("node").display());
    let log = place.beside("commands.jsonl");
    let run = place.phoenix(&["--host", &node, "--command-log", log.to_str().unwrap(), "up", "--dry-run"]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
    assert!(place.commands("commands.jsonl").iter().all(|command| command["effect"] == "read"));
    let status = place.phoenix(&["--host", &node, "--format", "json", "status"]).json();
    assert!(status.as_array().unwrap().iter().all(|guest| guest["ownership"] == "absent"), "{status}");
}

#[test]
fn power_and_removal_follow_the_graph() {
    let place = example();
    let node = format!("sim:{}", place.beside("node").display());
    let phoenix = |args: &[&str]| place.phoenix(&[&["--host", &node], args].concat());
    assert_eq!(phoenix(&["up", "nginx"]).exit, Some(0));
    assert_eq!(phoenix(&["wait", "nginx", "step-ca"]).exit, Some(0));

    assert_looks("stop", &phoenix(&["stop", "103"]).all());
    assert_eq!(phoenix(&["wait", "101", "103", "--for", "stopped"]).exit, Some(0));
    let still = phoenix(&["wait", "101", "--timeout", "1m"]);
    assert_eq!(still.exit, Some(1), "{}", still.all());

    assert_looks("start", &phoenix(&["start", "101"]).all());

    let refused = phoenix(&["delete", "103"]);
    assert_eq!(refused.exit, Some(2), "{}", refused.all());
    assert!(refused.stderr.contains("guest 103 is needed by 101"), "{}", refused.stderr);
    // Nobody can be asked here, and a node that is kept loses guests for good.
    let unasked = phoenix(&["delete", "103", "101"]);
    assert_eq!(unasked.exit, Some(2), "{}", unasked.all());
    assert!(unasked.stderr.contains("confirmation needs a terminal"), "{}", unasked.stderr);
    assert_looks("delete", &phoenix(&["delete", "103", "101", "--yes"]).all());
    assert_eq!(phoenix(&["down", "--yes"]).exit, Some(0));
    assert_eq!(phoenix(&["down"]).stdout, "✓ nothing to do\n");
    let left = fs::read_dir(place.beside("node/etc/pve/lxc")).unwrap().count();
    assert_eq!(left, 0, "no guest is left");
}

#[test]
fn what_is_not_there_or_never_runs_is_not_switched_and_the_reason_is_told() {
    let place = example();
    let node = format!("sim:{}", place.beside("node").display());
    let phoenix = |args: &[&str]| place.phoenix(&[&["--host", &node], args].concat());
    let refused = |args: &[&str], words: &str| {
        let run = phoenix(args);
        assert_eq!(run.exit, Some(1), "{}", run.all());
        assert!(run.stderr.contains(words), "{}", run.all());
    };
    refused(&["start", "101"], "guest 101 does not exist: `phoenix up 101` creates it");
    refused(&["restart", "101"], "guest 101 does not exist");
    assert_eq!(phoenix(&["stop", "101"]).stdout, "✓ nothing to do\n");
    assert_eq!(phoenix(&["start"]).stdout, "✓ nothing to do\n");
    assert_eq!(phoenix(&["delete", "101"]).stdout, "✓ nothing to do\n");
    assert_eq!(phoenix(&["up", "101", "9000"]).exit, Some(0));
    refused(&["start", "9000"], "guest 9000 is a template, which never runs");
    // What 101 was cloned from is off, stays off, and nothing hangs on it.
    let stopped = phoenix(&["stop", "900"]);
    assert_eq!(stopped.stdout, "✓ nothing to do\n", "{}", stopped.all());
    assert_eq!(phoenix(&["health", "101", "103"]).exit, Some(0));
}

#[test]
fn a_report_is_one_page() {
    let place = example();
    let file = place.beside("report.html");
    assert_eq!(place.phoenix(&["--host", "sim:", "up", "9000", "--report", file.to_str().unwrap()]).exit, Some(0));
    let page = fs::read_to_string(file).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("debian-12-cloud"), "{page}");
    for foreign in ["src=", "href=", "url(", "@import", "http:", "https:"] {
        assert!(!page.contains(foreign), "nothing is loaded from elsewhere: {foreign}");
    }
    assert!(page.contains("default-src 'none'"), "and nothing would be");
}

#[test]
fn hostile_output_is_told_and_does_no_harm() {
    let place = example();
    let script = "#!/bin/sh\nprintf 'a\\377\\376b\\033[2J</pre><script>alert(1)</script>\\n' >&2\nexit 3\n";
    fs::write(place.config().join("features/lxc/step_ca.sh"), script).unwrap();
    // Without a world that tells what the script does, it does what it says.
    fs::remove_file(place.config().join("world.json")).unwrap();
    let file = place.beside("report.html");
    let run = place.phoenix(&["--host", "sim:", "-v", "up", "103", "--report", file.to_str().unwrap()]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    assert!(!run.all().contains('\u{1b}') && run.stderr.contains("a\u{fffd}\u{fffd}b"), "{}", run.all());
    let page = fs::read_to_string(file).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    let json = place.phoenix(&["--host", "sim:", "--format", "jsonl", "up", "103"]);
    assert_eq!(json.exit, Some(1));
    assert!(events(&json).iter().any(|event| event["event"] == "output"), "{}", json.all());
}
