//! What an interrupt does: once, the run comes to a safe end; twice, it is killed. No test waits for a time: each waits for a
//! line that the program writes.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use test_case::test_case;

use crate::program::Place;
use crate::remote::{Remote, Tools, lines, until};

fn interrupt(child: &Child) {
    send(child, Signal::SIGINT);
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// What the program says when it has been interrupted once.
const SAFE: &str = "no new step starts";

/// Whether a line is the event that a guest's step of a stage begins.
fn begins(line: &str, guest: u32, stage: &str) -> bool {
    let event: Value = serde_json::from_str(line).unwrap();
    event["event"] == "step_started" && event["guest"] == guest && event["stage"] == stage
}

#[test]
fn interrupted_once_it_ends_what_it_has_begun_and_begins_nothing_more() {
    let place = Place::copy_of("examples/step-ca");
    // Slow enough to be interrupted in the middle, fast enough to wait for the end.
    let mut child = Command::new(env!("CARGO_BIN_EXE_phoenix-under-test"))
        .env_clear()
        .env("PHOENIX_CONFIG_DIR", place.config())
        .args(["--host", &format!("sim:{}", place.beside("node").display()), "--pace", "100"])
        .args(["--format", "jsonl", "up"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut events = lines(child.stdout.take().unwrap());
    until(&mut events, |line| begins(line, 103, "provision"));
    interrupt(&child);
    let after: Vec<Value> = events.map(|line| serde_json::from_str(&line).unwrap()).collect();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{told}");
    assert!(told.contains(SAFE), "{told}");

    // The script that ran ended, with the guest's other steps that belong to it; nothing of another guest began.
    let ended = after.iter().any(|event| {
        event["event"] == "step_finished"
            && event["guest"] == 103
            && event["stage"] == "provision"
            && event["error"].is_null()
    });
    assert!(ended, "{after:#?}");
    let begun: Vec<&Value> = after.iter().filter(|event| event["event"] == "step_started").collect();
    assert!(begun.iter().all(|event| event["guest"] == 103), "{begun:#?}");
    let outcome = |guest: u32| {
        let end = after.iter().find(|event| event["event"] == "guest_finished" && event["guest"] == guest);
        end.unwrap_or_else(|| panic!("guest {guest} has no end: {after:#?}"))["outcome"]["result"].clone()
    };
    for guest in [101, 102, 103, 1001] {
        assert_eq!(outcome(guest), "cancelled", "{guest}");
    }

    // What was done stands, and the next run continues from there: it does not make 103 again, and waits for it like for a new one.
    let node = format!("sim:{}", place.beside("node").display());
    let log = place.beside("log.jsonl");
    let next = place.phoenix(&["--host", &node, "--command-log", log.to_str().unwrap(), "up"]);
    assert_eq!(next.exit, Some(0), "{}", next.all());
    let made = |command: &Value| command["argv"][1] == "clone" && command["argv"][3] == "103";
    assert!(!place.commands("log.jsonl").iter().any(made));
}

#[test]
fn interrupted_twice_it_leaves_no_process_behind() {
    let remote = Remote::new(&json!({"startup": 0, "faults": [{"when": "pct start 103", "fail": "hang"}]}));
    let mut child = remote.begin(&["up", "--yes"], Tools::TakeTime);
    let mut events = lines(child.stdout.take().unwrap());
    until(&mut events, |line| begins(line, 103, "start"));
    let mut told = lines(child.stderr.take().unwrap());
    interrupt(&child);
    until(&mut told, |line| line.contains(SAFE));
    // `pct start` hangs: the run is not over, and does not end by itself.
    assert!(child.try_wait().unwrap().is_none());
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Both streams end, with no word of anything new. 101, which only waited, was cancelled at once.
    let after: Vec<Value> = events.map(|line| serde_json::from_str(&line).unwrap()).collect();
    assert!(after.iter().all(|event| event["guest"] == 101 && event["event"] == "guest_finished"), "{after:#?}");
    let told: Vec<String> = told.collect();
    assert!(told.iter().any(|line| line.starts_with("  103 step-ca: start")), "what is half done: {told:#?}");
    // A tool in flight holds the folder of the node. `pct start` would hold it for ever; killed, it is gone in a moment.
    let folder = fs::File::open(remote.beside("node/.lock")).unwrap();
    folder.lock().unwrap();
    folder.unlock().unwrap();

    // The next run finds the lock of a dead one, and the guest as it was left.
    let next = remote.phoenix(&["plan"]);
    assert_eq!(next.exit, Some(0), "{}", next.all());
}

/// A closed terminal, a dropped ssh session, a service that is stopped.
#[test_case(Signal::SIGHUP)]
#[test_case(Signal::SIGTERM)]
#[test_case(Signal::SIGQUIT)]
fn every_signal_that_asks_for_an_end_gets_a_safe_one(signal: Signal) {
    let remote = Remote::new(&json!({"startup": 0, "faults": [{"when": "pct start 103", "fail": "hang"}]}));
    let mut child = remote.begin(&["up", "--yes"], Tools::TakeTime);
    let mut events = lines(child.stdout.take().unwrap());
    until(&mut events, |line| begins(line, 103, "start"));
    let mut told = lines(child.stderr.take().unwrap());
    send(&child, signal);
    let said = until(&mut told, |line| line.contains(SAFE));
    assert!(said.iter().any(|line| line.contains("1 step runs to its end; interrupt again to kill it")), "{said:#?}");
    until(&mut told, |line| line.contains("103 step-ca"));
    assert!(child.try_wait().unwrap().is_none());
    send(&child, signal);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(remote.phoenix(&["plan"]).exit, Some(0));
}

/// As `nohup` starts a program.
#[test]
fn a_hang_up_that_is_ignored_from_the_start_stays_ignored() {
    let remote = Remote::new(&json!({"startup": 0, "faults": [{"when": "pct start 103", "fail": "hang"}]}));
    let mut child = remote.begin_ignoring_hangups(&["up", "--yes"]);
    let mut events = lines(child.stdout.take().unwrap());
    until(&mut events, |line| begins(line, 103, "start"));
    let mut told = lines(child.stderr.take().unwrap());
    send(&child, Signal::SIGHUP);
    send(&child, Signal::SIGINT);
    // Had the first signal counted, this would be the second one, and the run would be killed.
    until(&mut told, |line| line.contains(SAFE));
    assert!(child.try_wait().unwrap().is_none());
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// The lock names a process on the node: the far end of the connection, which ends with it.
#[test]
fn the_lock_of_a_run_over_ssh_is_held_while_its_connection_lives() {
    let remote = Remote::new(&json!({"startup": 0}));
    // Its gate waits for a minute for a file that nobody makes.
    remote.write("features/step_ca.sh", "#!/bin/sh\ntrue\n");
    let mut child = remote.begin(&["up", "--yes"], Tools::Instant);
    let mut events = lines(child.stdout.take().unwrap());
    until(&mut events, |line| line.contains("gate_asked"));
    let log = remote.beside("second.jsonl");
    let second = remote.phoenix(&["--command-log", &log, "up", "--yes"]);
    assert_eq!(second.exit, Some(4), "{}", second.all());
    assert!(second.stderr.contains("has run `up` since"), "{}", second.all());
    send(&child, Signal::SIGKILL);
    child.wait().unwrap();
    // The far end hears of it at once, since the kernel closes the connection.
    let third = remote.until_free(&["stop", "103", "--yes"]);
    assert!(third.stderr.contains("died"), "{}", third.all());
}
