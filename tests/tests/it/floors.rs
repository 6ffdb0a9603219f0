//! The floors of the engine and of the simulated node: a module uses only what lies below it. Read from the paths in the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of a crate, from the ground up. Each uses itself and the floors below.
struct House {
    krate: &'static str,
    floors: &'static [&'static [&'static str]],
    /// Modules of its program, which stands on the roof.
    program: &'static [&'static str],
}

const ENGINE: House = House {
    krate: "phoenix-engine",
    floors: &[
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
    ],
    program: &[],
};

const SIMULATED_NODE: House = House {
    krate: "phoenix-sim",
    floors: &[
        &["grammar"],
        &["check", "world"],
        &["node"],
        &["storage"],
        &["ha"],
        &["lxc", "qemu"],
        &["api"],
        &["entry", "virtual_time"],
        &["replay"],
    ],
    program: &["main", "report", "tool"],
};

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

impl House {
    fn source(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(self.krate).join("src")
    }

    /// The modules at the root of the crate that a file names. `super` leads to the root from a file that is itself a module there
    /// (`node.rs`, `plan/mod.rs`); a test module in it is one level further down.
    fn used(&self, path: &Path, text: &str) -> BTreeSet<String> {
        let code = code(text);
        let mut found = segments(&code, "crate::");
        let relative = path.strip_prefix(self.source()).unwrap();
        let depth = relative.components().count() - usize::from(relative.ends_with("mod.rs"));
        found.extend(segments(&code, &"super::".repeat(depth)));
        found
    }

    fn floor_of(&self, module: &str) -> Option<usize> {
        self.floors.iter().position(|modules| modules.contains(&module))
    }

    /// The first path component of a file below `src`, without `.rs`.
    fn module_of(&self, path: &Path) -> String {
        let relative = path.strip_prefix(self.source()).unwrap();
        relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
    }

    /// What a file uses that does not lie below it.
    fn breaches(&self, path: &Path, text: &str) -> Vec<String> {
        let own = self.module_of(path);
        let floor = self.floor_of(&own).unwrap_or_else(|| panic!("{own} is on no floor"));
        let above = |module: &String| self.floor_of(module).is_some_and(|other| *module != own && other >= floor);
        self.used(path, text)
            .iter()
            .filter(|module| above(module))
            .map(|module| format!("{own} uses {module}"))
            .collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = files(&self.source());
        files.retain(|path| {
            !path.ends_with("src/lib.rs")
                && !path.ends_with("tests.rs")
                && !self.program.contains(&self.module_of(path).as_str())
        });
        files
    }

    fn stands(&self) {
        let files = self.files();
        assert!(files.len() > 50, "the sources of {} are found", self.krate);
        let found: Vec<String> =
            files.iter().flat_map(|path| self.breaches(path, &fs::read_to_string(path).unwrap())).collect();
        assert_eq!(found, [""; 0]);
        let modules: BTreeSet<String> = files.iter().map(|path| self.module_of(path)).collect();
        let floors: BTreeSet<String> =
            self.floors.iter().flat_map(|floor| floor.iter().map(ToString::to_string)).collect();
        assert_eq!(modules, floors, "every module is on a floor");
    }
}

#[test]
fn a_module_of_the_engine_uses_only_what_lies_below_it() {
    ENGINE.stands();
}

#[test]
fn a_module_of_the_simulated_node_uses_only_what_lies_below_it() {
    SIMULATED_NODE.stands();
}

#[test]
fn deciding_is_pure() {
    for path in files(&ENGINE.source().join("decide")) {
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
    let path = ENGINE.source().join("decide/guest.rs");
    assert_eq!(ENGINE.breaches(&path, text), ["decide uses adopt", "decide uses converge", "decide uses rehearse"]);
    assert_eq!(
        ENGINE.breaches(&ENGINE.source().join("node.rs"), "use super::converge::x; mod tests { use super::*; }"),
        ["node uses converge"]
    );
}

#[test]
fn faces_of_folders_hold_no_code() {
    let items = ["fn ", "struct ", "enum ", "impl ", "const ", "static ", "trait ", "type "];
    for house in [&ENGINE, &SIMULATED_NODE] {
        let is_face = |path: &PathBuf| path.ends_with("lib.rs") || path.ends_with("mod.rs");
        let faces: Vec<PathBuf> = files(&house.source()).into_iter().filter(is_face).collect();
        assert!(faces.len() > 5, "the faces of {} are found", house.krate);
        for face in faces {
            let code = code(&fs::read_to_string(&face).unwrap());
            let found = code.lines().find(|line| items.iter().any(|item| line.contains(item)));
            assert_eq!(found, None, "{}", face.display());
        }
    }
}
