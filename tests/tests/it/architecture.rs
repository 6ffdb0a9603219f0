//! Which crate may import which. The arrows are those of `ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};

use assert_cmd::Command;
use serde_json::Value;

/// A crate with the crates of this workspace that it imports.
type Arrows = BTreeMap<String, BTreeSet<String>>;

fn set(names: &str) -> BTreeSet<String> {
    names.split_whitespace().map(|name| format!("phoenix-{name}")).collect()
}

/// What each crate may import, beyond what it needs for its tests.
pub(crate) fn allowed() -> Arrows {
    let mut allowed: Arrows = [
        ("types", ""),
        ("config", "types"),
        ("host", "types"),
        ("pve", "types host"),
        ("lxc", "types host pve"),
        ("vm", "types host pve"),
        ("health", "types host"),
        ("sim-shell", ""),
        ("sim-guest", "types host sim-shell"),
        ("sim", "types host sim-shell sim-guest"),
        ("engine", "types config host pve lxc vm health"),
        ("cli", "types config host pve lxc vm health sim engine"),
    ]
    .map(|(name, imports)| (format!("phoenix-{name}"), set(imports)))
    .into();
    allowed.insert("phoenix".to_owned(), set("types config host pve lxc vm health sim engine"));
    allowed
}

/// What each crate may import in addition for its tests.
fn allowed_in_tests(name: &str) -> BTreeSet<String> {
    match name {
        "phoenix-lxc" | "phoenix-vm" | "phoenix-health" | "phoenix-engine" => set("sim"),
        _ => BTreeSet::new(),
    }
}

/// The arrows that there are: of the crates themselves, and of their tests.
fn found() -> (Arrows, Arrows) {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (mut normal, mut tests) = (Arrows::new(), Arrows::new());
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            if !target.starts_with("phoenix-") {
                continue;
            }
            let arrows = if dependency["kind"] == "dev" { &mut tests } else { &mut normal };
            arrows.entry(name.to_owned()).or_default().insert(target.to_owned());
        }
        normal.entry(name.to_owned()).or_default();
    }
    (normal, tests)
}

/// Arrows that are not allowed, for a message.
fn forbidden(found: &Arrows, allowed: impl Fn(&str) -> BTreeSet<String>) -> Vec<String> {
    found
        .iter()
        .flat_map(|(name, imports)| {
            let allowed = allowed(name);
            imports.difference(&allowed).map(|import| format!("{name} imports {import}")).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn imports_point_one_way() {
    let (normal, tests) = found();
    let allowed = allowed();
    let own = |arrows: &Arrows| -> Arrows {
        arrows.iter().filter(|(name, _)| allowed.contains_key(*name)).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    assert_eq!(own(&normal).len(), allowed.len(), "every crate of the design is there");
    assert_eq!(forbidden(&own(&normal), |name| allowed[name].clone()), [""; 0]);
    let with_tests = |name: &str| allowed[name].union(&allowed_in_tests(name)).cloned().collect();
    assert_eq!(forbidden(&own(&tests), with_tests), [""; 0]);
    // Nothing imports the program but what makes its docs and tests it.
    for (name, imports) in &normal {
        assert!(
            !imports.contains("phoenix-cli") || ["phoenix-tests", "xtask"].contains(&name.as_str()),
            "{name} imports phoenix-cli"
        );
    }
}

#[test]
fn a_program_without_the_simulator_links_neither_it_nor_the_test_clock() {
    let tree = |features: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "-p", "phoenix-cli", "-e", "normal,features", "--offline", "--locked", "--prefix", "none"])
            .args(features)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let has = |tree: &str| ["phoenix-sim ", "tokio feature \"test-util\""].map(|sign| tree.contains(sign));
    assert_eq!(has(&tree(&[])), [true, true]);
    assert_eq!(has(&tree(&["--no-default-features"])), [false, false]);
}

#[test]
fn a_forbidden_arrow_is_found() {
    let arrows = Arrows::from([("phoenix-sim".to_owned(), set("types engine"))]);
    let allowed = allowed();
    assert_eq!(forbidden(&arrows, |name| allowed[name].clone()), ["phoenix-sim imports phoenix-engine"]);
}
