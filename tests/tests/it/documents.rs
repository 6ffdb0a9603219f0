//! What the README and the documents show is true: commands are ones that the program takes, files are valid, and output is what
//! comes out.

use std::fs;
use std::path::PathBuf;

use crate::program::{Place, root};

/// A fenced block of a page: its language and its text.
type Block = (String, String);

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (None, Some((language, text))) => open = Some((language, format!("{text}{line}\n"))),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

/// The pages that people write by hand, and the generated ones.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// What is typed after `phoenix` in a line, if that is what the line is.
fn command(line: &str) -> Option<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default().trim();
    let line = line.split_once('=').filter(|(key, _)| key.starts_with("Exec")).map_or(line, |(_, command)| command);
    let line = line.strip_prefix("cargo run --locked -p phoenix-cli --").or_else(|| {
        let line = line.strip_prefix("$ ").unwrap_or(line);
        line.strip_prefix("phoenix ").or(line.strip_prefix("/usr/local/bin/phoenix "))
    })?;
    Some(line.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn every_command_of_the_documents_is_one_that_the_program_takes() {
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let shown =
            blocks(&text).into_iter().filter(|(language, _)| ["sh", "ini", "console"].contains(&language.as_str()));
        for line in shown.flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>()) {
            let Some(words) = command(&line) else { continue };
            let words = std::iter::once("phoenix".to_owned()).chain(words);
            let taken = phoenix_cli::command().try_get_matches_from(words);
            assert!(taken.is_ok(), "{}: {line}: {}", page.display(), taken.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen} commands in all documents");
}

#[test]
fn the_readmes_commands_do_what_it_says() {
    let readme = read("README.md");
    let shown = blocks(&readme);
    let runs: Vec<Vec<String>> = shown
        .iter()
        .filter(|(language, _)| language == "sh")
        .flat_map(|(_, text)| text.lines().filter(|line| line.starts_with("cargo run")).filter_map(command))
        .collect();
    let [good, bad] = runs.as_slice() else { panic!("two runs are shown: {runs:#?}") };
    let phoenix = |words: &[String]| {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_phoenix-under-test"));
        let output = command.env_clear().env("COLUMNS", "100").current_dir(root()).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, stdout) = phoenix(good);
    assert_eq!(status, Some(0), "{stdout}");
    let timeline = shown.iter().find(|(language, text)| language == "text" && text.contains("103 step-ca")).unwrap();
    assert!(stdout.contains(&timeline.1), "the time line is the one that comes out:\n{stdout}\n{}", timeline.1);
    let (status, stdout) = phoenix(bad);
    assert_eq!(status, Some(1), "{stdout}");
    assert!(stdout.contains("blocked by 103"), "{stdout}");
}

#[test]
fn the_readmes_configuration_is_valid() {
    let place = Place::copy_of("examples/step-ca");
    for file in ["phoenix_vm_configs.json", "phoenix_hypervisor_config.json"] {
        fs::remove_file(place.config().join(file)).unwrap();
    }
    let readme = read("README.md");
    let (_, text) = blocks(&readme).into_iter().find(|(language, _)| language == "json").unwrap();
    fs::write(place.config().join("phoenix_lxc_configs.json"), text).unwrap();
    let run = place.phoenix(&["validate", "--deny-warnings"]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
}

#[test]
fn links_between_documents_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{}: {link}", page.display());
        }
    }
}
