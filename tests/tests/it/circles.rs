//! Circles of imports inside each crate, read from the paths in the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::program::root;

/// A module as the path of its names: `["converge", "steps", "power"]`. The crate itself is empty.
type Module = Vec<String>;

/// The modules of a crate, each with the modules that it imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

fn sources(folder: &Path, module: &Module, found: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            let inner = module.iter().cloned().chain([name]).collect();
            sources(&path, &inner, found);
        } else if let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != "main") {
            let own = if ["mod", "lib"].contains(&stem) { None } else { Some(stem.to_owned()) };
            let text = fs::read_to_string(path).unwrap();
            let text: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).fold(
                String::new(),
                |mut text, line| {
                    text.push_str(line);
                    text.push('\n');
                    text
                },
            );
            found.insert(module.iter().cloned().chain(own).collect(), text);
        }
    }
}

/// The paths of a `use` tree: `crate::{a::{B, C}, d}` is three.
fn paths(tree: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let names = |text: &str| -> Vec<String> {
        let last = text.split(" as ").next().unwrap_or_default();
        last.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    let Some((front, inner)) = tree.split_once('{') else {
        found.push(before.iter().cloned().chain(names(tree)).collect());
        return;
    };
    let front: Vec<String> = before.iter().cloned().chain(names(front)).collect();
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut depth, mut begun) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = inner[begun..at].trim();
                if !item.is_empty() {
                    paths(item, &front, found);
                }
                begun = at + 1;
            }
            _ => {}
        }
    }
}

/// The imports of one file, as paths from the crate's root; `tests` modules at its end do not count.
fn imported(module: &Module, text: &str) -> Vec<Module> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    for statement in text.split(';') {
        let Some((before, tree)) = statement.rsplit_once("use ") else { continue };
        let is_start = before.is_empty() || before.ends_with(['\n', ' ', ')']);
        if is_start && ["crate", "super", "self"].iter().any(|root| tree.trim_start().starts_with(root)) {
            paths(tree, &[], &mut found);
        }
    }
    // What is named where it is used.
    for word in text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        // What ends in `::` is the front of a tree, which was read above.
        if (word.starts_with("crate::") || word.starts_with("super::")) && !word.ends_with("::") {
            paths(word, &[], &mut found);
        }
    }
    let from_root = |path: Vec<String>| -> Module {
        let mut names = path.into_iter().peekable();
        let mut base = match names.peek().map(String::as_str) {
            Some("crate") => Vec::new(),
            _ => module.clone(),
        };
        while let Some(name) = names.next_if(|name| ["crate", "super", "self"].contains(&name.as_str())) {
            if name == "super" {
                base.pop();
            }
        }
        base.extend(names);
        base
    };
    found.into_iter().map(from_root).collect()
}

/// What each `mod.rs` and `lib.rs` re-exports, by module and name.
fn exports(files: &BTreeMap<Module, String>) -> BTreeMap<Module, Module> {
    let mut exports = BTreeMap::new();
    for (module, text) in files {
        for statement in
            text.split(';').filter(|statement| statement.contains("pub use ") || statement.contains(") use "))
        {
            let Some((_, tree)) = statement.rsplit_once("use ") else { continue };
            let mut found = Vec::new();
            paths(tree, &[], &mut found);
            for path in
                found.into_iter().filter(|path| path.first().is_some_and(|first| !first.starts_with("phoenix_")))
            {
                let from_root: Module = match path.first().map(String::as_str) {
                    Some("crate") => path[1..].to_vec(),
                    Some("self") => module.iter().cloned().chain(path[1..].iter().cloned()).collect(),
                    _ => module.iter().cloned().chain(path.iter().cloned()).collect(),
                };
                if let Some(name) = from_root.last().cloned() {
                    exports.insert(module.iter().cloned().chain([name]).collect(), from_root);
                }
            }
        }
    }
    exports
}

/// The modules of a crate with what they import, re-exports followed to the file that has the thing.
fn imports(krate: &str) -> Imports {
    let mut files = BTreeMap::new();
    sources(&root().join(krate).join("src"), &Vec::new(), &mut files);
    let exports = exports(&files);
    let home = |path: &Module| -> Module {
        let mut path = path.clone();
        for _ in 0..8 {
            let through = (1..=path.len()).rev().find_map(|length| {
                // A function may be called as a module is; the name is taken for the module.
                let target = exports.get(&path[..length]).filter(|_| !files.contains_key(&path[..length]))?;
                (target[..] != path[..length])
                    .then(|| target.iter().chain(&path[length..]).cloned().collect::<Module>())
            });
            match through {
                Some(next) => path = next,
                None => break,
            }
        }
        (0..=path.len()).rev().map(|length| path[..length].to_vec()).find(|module| files.contains_key(module)).unwrap()
    };
    let of = |(module, text): (&Module, &String)| {
        let targets: BTreeSet<Module> =
            imported(module, text).iter().map(home).filter(|target| target != module).collect();
        (module.clone(), targets)
    };
    files.iter().map(of).collect()
}

/// The groups of modules that import each other in a ring.
fn circles(imports: &Imports) -> Vec<BTreeSet<Module>> {
    let reach = |from: &Module| -> BTreeSet<Module> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = open.pop() {
            for next in imports.get(&module).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> = imports.keys().map(|module| (module, reach(module))).collect();
    let rings = reached.iter().filter(|(module, seen)| seen.contains(**module)).map(|(module, seen)| {
        seen.iter().filter(|other| reached[*other].contains(*module)).cloned().collect::<BTreeSet<Module>>()
    });
    rings.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn circles_of_imports_are_few_and_small() {
    let mut found = Vec::new();
    for (krate, _) in super::architecture::allowed() {
        for circle in circles(&imports(&krate)) {
            let modules: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            found.push((modules.len(), format!("{krate}: {}", modules.join(", "))));
        }
    }
    let sizes: Vec<usize> = found.iter().map(|(size, _)| *size).collect();
    // Each that is broken up makes this list shorter; none is added.
    assert_eq!(sizes, [2, 3, 2], "{found:#?}");
}

#[test]
fn a_ring_and_an_import_are_found() {
    let module = |name: &str| vec![name.to_owned()];
    let text = "use crate::plan::{Plan, Step};\nuse super::run::Run;\nfn f() { crate::event::say() }";
    let found = imported(&vec!["converge".to_owned(), "guest".to_owned()], text);
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["plan::Plan", "plan::Step", "converge::run::Run", "converge::run::Run", "event::say"]);
    let ring = Imports::from([
        (module("a"), BTreeSet::from([module("b")])),
        (module("b"), BTreeSet::from([module("a"), module("c")])),
        (module("c"), BTreeSet::new()),
    ]);
    assert_eq!(circles(&ring), [BTreeSet::from([module("a"), module("b")])]);
}
