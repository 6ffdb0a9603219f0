//! What operators do, as transcripts: the files in `tests/stories` have commands with their output, to be read and reviewed as text.
//!
//! A line that begins with `$` is a command. Its output follows as a terminal shows it, and `[1]` when its exit status is 1. The
//! lines before the first command say what the story is about. `PHOENIX_WRITE_STORIES=1` rewrites the files.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pretty_assertions::assert_eq;
use test_case::test_case;

use crate::program::{Place, root};

/// Runs the commands of a transcript in a folder with a copy of an example; gives the transcript of this run.
fn run(text: &str, place: &Place) -> String {
    let head: Vec<&str> = text.lines().take_while(|line| !line.starts_with('$')).collect();
    let mut transcript = format!("{}\n", head.join("\n"));
    for line in text.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let script = format!("exec 2>&1; phoenix() {{ \"$PHOENIX\" \"$@\"; }}; {line}");
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(place.beside("."))
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("COLUMNS", "100"), ("PHOENIX_CONFIG_DIR", "etc")])
            .env("PHOENIX", env!("CARGO_BIN_EXE_phoenix-under-test"))
            .output()
            .unwrap();
        let _ = writeln!(transcript, "$ {line}");
        let shown = String::from_utf8(output.stdout).unwrap();
        if !shown.is_empty() {
            let _ = writeln!(transcript, "{}", shown.trim_end());
        }
        match output.status.code() {
            Some(0) => {}
            Some(status) => _ = writeln!(transcript, "[{status}]"),
            None => transcript.push_str("[killed]\n"),
        }
        transcript.push('\n');
    }
    transcript.trim_end().to_owned() + "\n"
}

#[test_case("first-run"; "from nothing to a healthy fleet")]
#[test_case("change"; "one setting changes")]
#[test_case("not-ready"; "a certificate authority that never comes up")]
#[test_case("removal"; "guests are removed")]
fn story(name: &str) {
    let path: PathBuf = root().join("tests/stories").join(name).with_extension("txt");
    let expected = fs::read_to_string(&path).unwrap();
    let actual = run(&expected, &Place::copy_of("examples/step-ca"));
    assert!(actual.matches("$ ").count() > 2, "{name} has commands");
    if std::env::var_os("PHOENIX_WRITE_STORIES").is_some() {
        fs::write(path, actual).unwrap();
    } else {
        assert_eq!(expected, actual);
    }
}
