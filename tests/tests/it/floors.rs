//! The floors of the engine: a module uses only what lies below it. Read from the paths in the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the engine, from the ground up. Each uses itself and the floors below.
const FLOORS: [&[&str]; 11] = [
    &["check", "digest"],
    &["desired"],
    &["guest"],
    &["plan"],
    &["event", "lock", "node", "snippets", "tasks"],
    &["lock_owner", "observe"],
    &["decide", "takeover"],
    &["converge"],
    &["health", "rehearse"],
    &["adopt", "status"],
    &["doctor", "export"],
];

/// What code that only decides has no use for: clocks, runtimes, processes, files, the environment and the node.
const IMPURE: [&str; 13] = [
    ".await",
    "async ",
    "async_trait",
    "futures_util",
    "phoenix_host::Host",
    "phoenix_host::{",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "Instant::now",
    "tokio",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../phoenix-engine/src")
}

/// The Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    found.sort();
    found
}

/// The code of a file, without comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The words after `prefix` that are a path's next segment; those of a group `{a, b::c}` too.
fn segments(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => _ = found.insert(word(rest)),
            Some(group) => {
                // The names at the group's own level.
                let (mut depth, mut begins) = (0, true);
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' => begins = depth == 0,
                        c if c.is_whitespace() => {}
                        _ if begins && depth == 0 => {
                            found.insert(word(&group[at..]));
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

/// The modules at the root of the engine that a file names. `super` leads to the root from a file that is itself a module there
/// (`node.rs`, `plan/mod.rs`); a test module in it is one level further down.
fn used(path: &Path, text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut found = segments(&code, "crate::");
    let relative = path.strip_prefix(source()).unwrap();
    let depth = relative.components().count() - usize::from(relative.ends_with("mod.rs"));
    found.extend(segments(&code, &"super::".repeat(depth)));
    found
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// The first path component of a file below `src`, without `.rs`.
fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(source()).unwrap();
    relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// What a file uses that does not lie below it.
fn breaches(path: &Path, text: &str) -> Vec<String> {
    let own = module_of(path);
    let floor = floor_of(&own).unwrap_or_else(|| panic!("{own} is on no floor"));
    let above = |module: &String| floor_of(module).is_some_and(|other| *module != own && other >= floor);
    used(path, text).iter().filter(|module| above(module)).map(|module| format!("{own} uses {module}")).collect()
}

#[test]
fn a_module_of_the_engine_uses_only_what_lies_below_it() {
    let files: Vec<PathBuf> = files(&source()).into_iter().filter(|path| !path.ends_with("src/lib.rs")).collect();
    assert!(files.len() > 50, "the sources of the engine are found");
    let found: Vec<String> = files.iter().flat_map(|path| breaches(path, &fs::read_to_string(path).unwrap())).collect();
    assert_eq!(found, [""; 0]);
    let modules: BTreeSet<String> = files.iter().map(|path| module_of(path)).collect();
    let floors: BTreeSet<String> = FLOORS.iter().flat_map(|floor| floor.iter().map(ToString::to_string)).collect();
    assert_eq!(modules, floors, "every module is on a floor");
}

#[test]
fn deciding_is_pure() {
    for path in files(&source().join("decide")) {
        let text = fs::read_to_string(&path).unwrap();
        let code = code(&text);
        for word in IMPURE {
            assert!(!code.contains(word), "{} has `{word}`", path.display());
        }
    }
}

#[test]
fn a_way_up_is_found() {
    let text = "use crate::{digest, converge::run};\nuse super::super::rehearse::x;\nfn f() { crate::adopt::g() } // crate::export";
    let path = source().join("decide/guest.rs");
    assert_eq!(breaches(&path, text), ["decide uses adopt", "decide uses converge", "decide uses rehearse"]);
    assert_eq!(
        breaches(&source().join("node.rs"), "use super::converge::x; mod tests { use super::*; }"),
        ["node uses converge"]
    );
}

#[test]
fn faces_of_folders_hold_no_code() {
    let folders = ["converge", "converge/steps", "decide", "guest", "plan", "rehearse"];
    for file in folders.map(|folder| source().join(folder).join("mod.rs")) {
        let code = code(&fs::read_to_string(&file).unwrap());
        let items = ["fn ", "struct ", "enum ", "impl ", "const ", "trait "];
        assert!(!items.iter().any(|item| code.lines().any(|line| line.contains(item))), "{}", file.display());
    }
}
