//! What the verbs print for programs is what its schema says.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use test_case::test_case;

use crate::program::{Place, root};

/// What is wrong with a document, by the schema that the program prints.
fn faults(schema: &Value, document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn schema(place: &Place, name: &str) -> Value {
    place.phoenix(&["schema", name]).json()
}

/// A list's items, each by the schema of one.
fn item(schema: &Value, at: &str) -> Value {
    let mut one = schema.pointer(at).unwrap_or_else(|| panic!("{at} in {schema:#}")).clone();
    one["$defs"] = schema["$defs"].clone();
    one
}

const NEVER_READY: &[&str] = &["--world", "etc/world-ca-never-ready.json"];

#[test_case("plan", "plan", "/properties/guests/items", &["plan"]; "plan")]
#[test_case("up", "event", "", &["up"]; "up")]
#[test_case("up", "event", "", &[NEVER_READY[0], NEVER_READY[1], "up"]; "an up that fails")]
#[test_case("up", "plan", "/properties/guests/items", &["up", "--dry-run"]; "up that only shows")]
#[test_case("up", "event", "", &["start", "103"]; "power")]
#[test_case("up", "event", "", &["down", "--yes"]; "removal")]
#[test_case("status", "status", "/items", &["status"]; "status")]
#[test_case("health", "health", "/items", &["health"]; "health")]
#[test_case("wait", "wait", "/items", &["wait", "--for", "running", "--timeout", "1", "103"]; "wait")]
#[test_case("graph", "graph", "/items", &["graph"]; "graph")]
#[test_case("adopt", "adopt", "", &["adopt", "--dry-run"]; "adopt")]
#[test_case("adopt-write", "adopt-write", "", &["adopt", "--write", "etc/new"]; "adopt that writes")]
#[test_case("doctor", "doctor", "/properties/findings/items", &["doctor"]; "doctor")]
fn is_as_its_schema_says(document: &str, line: &str, at: &str, verb: &[&str]) {
    let place = Place::copy_of("examples/step-ca");
    let here = place.beside("");
    let verb: Vec<String> = verb.iter().map(|word| word.replace("etc/", &format!("{}etc/", here.display()))).collect();
    // Both formats once on a new node and once on one that is up.
    for host in ["sim:".to_owned(), format!("sim:{}node", here.display())] {
        let needs_guests = ["start", "adopt"].contains(&verb[0].as_str()) && !verb.contains(&"--dry-run".to_owned());
        if host == "sim:" && needs_guests {
            continue;
        }
        if host != "sim:" {
            assert_eq!(place.phoenix(&["--host", &host, "up"]).exit, Some(0));
        }
        let log = place.beside("log.jsonl");
        let print = |format: &str| {
            let _ = fs::remove_dir_all(place.config().join("new"));
            let options = ["--host", &host, "--format", format, "--command-log", log.to_str().unwrap()];
            place.phoenix(&[&options[..], &verb.iter().map(String::as_str).collect::<Vec<_>>()].concat())
        };
        let printed = print("json").json();
        assert_eq!(faults(&schema(&place, document), &printed), [""; 0], "{printed:#}");
        for command in place.commands("log.jsonl") {
            assert_eq!(faults(&schema(&place, "command-log"), &command), [""; 0], "{command:#}");
        }
        let lines = item(&schema(&place, line), at);
        for text in print("jsonl").stdout.lines() {
            let printed: Value = serde_json::from_str(text).unwrap();
            assert_eq!(faults(&lines, &printed), [""; 0], "{printed:#}");
        }
    }
}

#[test]
fn of_validate_too() {
    let place = Place::copy_of("examples/step-ca");
    let whole = schema(&place, "validate");
    let show = |args: &[&str]| place.phoenix(&[&["validate"], args].concat());
    for fault in [None, Some(("\"name\": \"step-ca\"", "\"nmae\": \"step-ca\""))] {
        if let Some((from, to)) = fault {
            place.replace("phoenix_lxc_configs.json", from, to);
        }
        let printed = show(&["--format", "json", "--show-defaults"]).json();
        assert_eq!(printed["valid"], json!(fault.is_none()));
        assert_eq!(faults(&whole, &printed), [""; 0], "{printed:#}");
        let lines = show(&["--format", "jsonl", "--show-defaults"]);
        let kinds = ["/properties/diagnostics/items", "/properties/settings/items"].map(|at| item(&whole, at));
        for text in lines.stdout.lines() {
            let printed: Value = serde_json::from_str(text).unwrap();
            assert!(kinds.iter().any(|kind| faults(kind, &printed).is_empty()), "{printed:#}");
        }
    }
}

#[test]
fn a_schema_refuses_what_is_not_printed() {
    let place = Place::copy_of("examples/step-ca");
    let whole = schema(&place, "plan");
    let mut printed = place.phoenix(&["--host", "sim:", "--format", "json", "plan"]).json();
    printed["guests"][0]["steps"][0]["effect"] = json!("sudden");
    assert_ne!(faults(&whole, &printed), [""; 0]);
}

/// The page names every schema of an output, and every verb.
#[test]
fn the_page_is_whole() {
    let page = fs::read_to_string(root().join("docs/reference/output.md")).unwrap();
    let words: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    for entry in fs::read_dir(root().join("schemas/output")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(words.contains(name.trim_end_matches(".schema.json")), "{name}");
    }
    for verb in phoenix_cli::command().get_subcommands() {
        assert!(words.contains(verb.get_name()), "{}", verb.get_name());
    }
}
