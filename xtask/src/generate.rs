//! Which files are made, and from what.

use std::collections::BTreeMap;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use clap_complete::Shell;

use crate::{configuration, reference};

/// Folders in which every file is generated; one that is no longer made is removed.
const OWNED: [&str; 3] = ["docs/man", "docs/completions", "schemas/output"];

/// Writes all files below `root`.
pub(crate) fn write(root: &Utf8Path) -> Result<String, String> {
    let files = files()?;
    let mut changed = 0;
    for (path, text) in &files {
        let path = root.join(path);
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            continue;
        }
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("cannot write `{path}`: {error}"))?;
        changed += 1;
    }
    let stale = stale(root, &files)?;
    for path in &stale {
        fs::remove_file(root.join(path)).map_err(|error| format!("cannot remove `{path}`: {error}"))?;
    }
    Ok(format!("{} files: {changed} written, {} removed", files.len(), stale.len()))
}

/// Compares all files below `root` with what would be written.
pub(crate) fn check(root: &Utf8Path) -> Result<String, String> {
    let files = files()?;
    let mut wrong: Vec<String> = files
        .iter()
        .filter(|(path, text)| fs::read(root.join(path)).ok().is_none_or(|old| old != text.as_bytes()))
        .map(|(path, _)| format!("`{path}` is not what the code says"))
        .collect();
    wrong.extend(stale(root, &files)?.into_iter().map(|path| format!("`{path}` is not made any more")));
    if wrong.is_empty() {
        return Ok(format!("{} files are up to date", files.len()));
    }
    wrong.push("hint: run `cargo run -p xtask -- generate`, and look at what changed".to_owned());
    Err(wrong.join("\n"))
}

/// Files in the owned folders that nothing makes.
fn stale(root: &Utf8Path, files: &BTreeMap<Utf8PathBuf, String>) -> Result<Vec<Utf8PathBuf>, String> {
    let mut stale = Vec::new();
    for folder in OWNED {
        let Ok(entries) = root.join(folder).read_dir_utf8() else { continue };
        for entry in entries {
            let entry = entry.map_err(|error| format!("cannot list `{folder}`: {error}"))?;
            let path = Utf8Path::new(folder).join(entry.file_name());
            if !files.contains_key(&path) {
                stale.push(path);
            }
        }
    }
    Ok(stale)
}

/// Every generated file with its text.
fn files() -> Result<BTreeMap<Utf8PathBuf, String>, String> {
    let mut files = BTreeMap::new();
    for (name, schema) in phoenix_cli::schemas() {
        let text = serde_json::to_string_pretty(&schema).map_err(|error| error.to_string())?;
        files.insert(format!("schemas/{name}").into(), text + "\n");
    }
    files.extend(man_pages()?);
    files.extend(completions()?);
    files.insert("docs/reference/configuration.md".into(), configuration::keys());
    files.insert("docs/reference/proxmox-keys.md".into(), configuration::proxmox_keys());
    files.insert("docs/reference/diagnostics.md".into(), configuration::codes()?);
    files.insert("docs/reference/command-line.md".into(), reference::command_line());
    files.insert("docs/reference/exit-status.md".into(), reference::exit_status());
    files.insert("docs/reference/environment.md".into(), reference::environment());
    files.insert("docs/reference/doctor.md".into(), reference::doctor());
    Ok(files)
}

/// A page for the program and one for each verb.
fn man_pages() -> Result<BTreeMap<Utf8PathBuf, String>, String> {
    let mut pages = BTreeMap::new();
    let mut program = phoenix_cli::command();
    program.build();
    for command in std::iter::once(&program).chain(program.get_subcommands()) {
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page).map_err(|error| error.to_string())?;
        let page = String::from_utf8(page).map_err(|error| error.to_string())?;
        pages.insert(format!("docs/man/{name}.1").into(), page);
    }
    Ok(pages)
}

fn completions() -> Result<BTreeMap<Utf8PathBuf, String>, String> {
    let mut scripts = BTreeMap::new();
    for (shell, name) in [(Shell::Bash, "phoenix.bash"), (Shell::Zsh, "_phoenix"), (Shell::Fish, "phoenix.fish")] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut phoenix_cli::command(), "phoenix", &mut script);
        let script = String::from_utf8(script).map_err(|error| error.to_string())?;
        scripts.insert(format!("docs/completions/{name}").into(), script);
    }
    Ok(scripts)
}
