//! Whatever is wrong with the files or the command line: a located error, exit status 2, and nothing is run.

use std::fs;

use insta::assert_snapshot;
use test_case::test_case;

use crate::program::{Place, Run};

const LXC: &str = "phoenix_lxc_configs.json";
const VM: &str = "phoenix_vm_configs.json";

/// `up` on a simulated node, which must not get to run anything.
fn refused(place: &Place, args: &[&str]) -> Run {
    let log = place.beside("commands.jsonl");
    let log = log.to_str().unwrap();
    let run = place.phoenix(&[&["--host", "sim:", "--command-log", log, "up"], args].concat());
    assert_eq!(run.exit, Some(2), "{}", run.all());
    assert_eq!(run.stdout, "", "nothing is planned");
    assert_eq!(place.commands("commands.jsonl"), [serde_json::Value::Null; 0], "no command was run");
    run
}

#[test_case("not_json", LXC, "\"lxc_configs\":", "\"lxc_configs\"", "PHX0101")]
#[test_case("wrong_type", LXC, "\"memory_mb\": 1024", "\"memory_mb\": \"many\"", "PHX0107")]
#[test_case("unknown_key", LXC, "\"health_check\"", "\"helth_check\"", "PHX0105")]
#[test_case("unknown_dependency", LXC, "\"dependencies\": [\"103\"]", "\"dependencies\": [\"104\"]", "PHX0202")]
#[test_case("cycle", LXC, "\"name\": \"step-ca\"", "\"name\": \"step-ca\", \"dependencies\": [\"101\"]", "PHX0201")]
#[test_case("id_out_of_range", VM, "\"vmid\": 1001", "\"vmid\": 99", "PHX0109")]
#[test_case("missing_script", VM, "\"docker\"", "\"dockre\"", "PHX0801")]
fn a_fault_in_a_file(name: &str, file: &str, from: &str, to: &str, code: &str) {
    let place = Place::copy_of("examples/step-ca");
    place.replace(file, from, to);
    let run = refused(&place, &[]);
    assert!(run.stderr.contains(&format!("error[{code}]")), "{}", run.all());
    assert!(run.stderr.contains(&format!("HERE/etc/{file}:")), "{}", run.all());
    assert_snapshot!(name, run.stderr);
}

#[test]
fn no_file() {
    let run = refused(&Place::empty(), &[]);
    assert_snapshot!("no_file", run.stderr);
}

#[test]
fn a_file_that_cannot_be_read() {
    let place = Place::copy_of("examples/step-ca");
    fs::remove_file(place.config().join(LXC)).unwrap();
    fs::create_dir(place.config().join(LXC)).unwrap();
    assert_snapshot!("unreadable_file", refused(&place, &[]).stderr);
}

#[test]
fn a_guest_that_nobody_configured() {
    assert_snapshot!("unknown_guest", refused(&Place::copy_of("examples/step-ca"), &["104"]).stderr);
}

#[test]
fn a_world_that_is_none() {
    let place = Place::copy_of("examples/step-ca");
    fs::write(place.config().join("world.json"), "{\n  \"sead\": 1\n}\n").unwrap();
    let run = refused(&place, &[]);
    assert!(run.stderr.contains("HERE/etc/world.json:2:8"), "{}", run.all());
}

#[test]
fn without_a_node_it_says_so_and_simulates_nothing() {
    let run = Place::copy_of("examples/step-ca").phoenix(&["up"]);
    assert_eq!(run.exit, Some(5));
    assert_snapshot!("no_node", run.all());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_phoenix-under-test"))
        .args(["schema", "lxc"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test_case(&["frobnicate"])]
#[test_case(&["up", "--frobnicate"])]
#[test_case(&["--host", "simulated", "up"])]
#[test_case(&["--format", "xml", "up"])]
#[test_case(&["delete"]; "nothing to delete")]
#[test_case(&[]; "no verb")]
fn a_command_line_that_is_none(args: &[&str]) {
    let run = Place::copy_of("examples/step-ca").phoenix(args);
    assert_eq!((run.exit, run.stdout.as_str()), (Some(2), ""), "{}", run.all());
}
