//! Every exit status of the program, as documented: 0, 1, 2, 3, 4, 5, 130. What is refused with 2 is in `bad_input`, 130
//! after an interrupt in `interrupts`.

use serde_json::json;

use crate::program::Place;
use crate::remote::{Remote, Tools, lines, until};

/// Command lines, one after the other on a node where `world` was brought up, each with its status.
fn of_every_verb(world: &str, expected: &[(&str, i32)]) {
    let place = Place::copy_of("examples/step-ca");
    let node = format!("sim:{}", place.beside("node").display());
    let world = place.config().join(world);
    let phoenix = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        place.phoenix(&[&["--host", &node, "--world", world.to_str().unwrap()], &words[..]].concat())
    };
    phoenix("up");
    for (line, status) in expected {
        let run = phoenix(line);
        assert_eq!(run.exit, Some(*status), "{line}: {}", run.all());
    }
}

#[test]
fn of_a_fleet_that_is_healthy() {
    of_every_verb(
        "world.json",
        &[
            ("validate", 0),
            ("plan", 0),
            ("plan --exit-code", 0),
            ("up", 0),
            ("LetsGo", 0),
            ("status", 0),
            ("health", 0),
            ("health-check 103", 0),
            ("wait 103", 0),
            ("wait 103 --for stopped --timeout 5", 1),
            ("graph", 0),
            ("create 101", 0),
            ("converge 101", 0),
            ("restart 101", 0),
            ("stop 101", 0),
            ("wait 101 --for stopped", 0),
            ("health 101", 1),
            ("start 101", 0),
            // Others need it.
            ("delete 103", 2),
            // Nobody configured it.
            ("delete 104", 2),
            ("delete 101 --yes", 0),
            ("plan --exit-code", 3),
            ("down --yes", 0),
        ],
    );
}

#[test]
fn of_a_fleet_that_is_not() {
    of_every_verb(
        "world-ca-never-ready.json",
        &[
            ("validate", 0),
            ("plan", 0),
            ("plan --exit-code", 3),
            // It tells, and asks for nothing.
            ("status", 0),
            ("health", 1),
            ("wait 103 --timeout 5", 1),
            ("wait 103 --for running --timeout 5", 0),
            ("up --dry-run", 0),
            ("start 103", 1),
            ("up", 1),
            ("down --yes", 0),
        ],
    );
}

#[test]
fn another_run_is_4_and_changes_nothing_until_it_is_gone() {
    let remote = Remote::new(&json!({}));
    remote.write("features/step_ca.sh", "#!/bin/sh\necho not today\n");
    let mut first = remote.begin(&["up", "--yes"], Tools::Instant);
    let mut events = lines(first.stdout.take().unwrap());
    until(&mut events, |line| line.contains("\"event\":\"gate_asked\""));
    let second = remote.phoenix(&["--command-log", &remote.beside("log.jsonl"), "up", "--yes"]);
    assert_eq!(second.exit, Some(4), "{}", second.all());
    // The process is the far end of the first one's connection.
    assert!(second.stderr.contains(") has run `up` since"), "{}", second.all());
    let changed = remote.changes("log.jsonl");
    assert!(
        changed.iter().all(|command| !["pct", "qm"].contains(&command["argv"][0].as_str().unwrap())),
        "{changed:#?}"
    );
    // Looking needs no lock.
    assert_eq!(remote.phoenix(&["status"]).exit, Some(0));

    first.kill().unwrap();
    first.wait().unwrap();
    remote.write("features/step_ca.sh", "#!/bin/sh\ntouch /etc/ca.ready\n");
    let third = remote.until_free(&["up", "--yes"]);
    assert_eq!(third.exit, Some(0), "{}", third.all());
}
