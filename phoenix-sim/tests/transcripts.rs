//! The grammar's whole answers against recorded sessions of the real tools, where those recordings are at hand.

use std::fs;
use std::path::Path;

use phoenix_sim::grammar::{Answer, Locale, Tool, Verdict, parse_in};
use serde_json::Value;

/// The folder of recordings next to the repository, when it is there.
fn recordings() -> Option<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pve");
    folder.is_dir().then_some(folder)
}

/// The lines of a text, sorted: the order of reasons changes from run to run.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn every_refusal_of_the_command_line_is_the_recorded_one() {
    let Some(folder) = recordings() else { return };
    let (mut same, mut problems) = (0, Vec::new());
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("named").to_string_lossy().into_owned();
        if !name.starts_with("transcripts") {
            continue;
        }
        for (at, line) in fs::read_to_string(&path).expect("text").lines().enumerate() {
            let record: Value = serde_json::from_str(line).expect("json");
            let Some(argv) = record["argv"].as_array() else { continue };
            let argv: Vec<String> = argv.iter().map(|word| word.as_str().expect("text").to_owned()).collect();
            if Tool::from_program(&argv[0]).is_none() {
                continue;
            }
            let stderr = record["stderr"].as_str().expect("text");
            let stdout = record["stdout"].as_str().expect("text");
            let exit = i32::try_from(record["exit"].as_i64().expect("number")).expect("small");
            match parse_in(&argv, Locale::C) {
                Verdict::Answered(Answer { exit: code, stdout: out, stderr: err }) => {
                    if (code, out.as_str(), sorted(&err)) == (exit, stdout, sorted(stderr)) {
                        same += 1;
                    } else {
                        problems.push(format!("{name}:{} {argv:?}\n{err}\n--- recorded {exit}\n{stderr}", at + 1));
                    }
                }
                Verdict::Accepted(call) => {
                    let by_parser =
                        ["Unknown option", "Option ", "ERROR: ", "400 unable", "400 not enough", "400 too many"];
                    if by_parser.iter().any(|start| stderr.starts_with(start)) {
                        problems.push(format!("{name}:{} {argv:?} accepted\n{stderr}", at + 1));
                    }
                    // A parameter that only the node can refuse still ends with the same usage line.
                    if stderr.starts_with("400 Parameter verification failed.") && !stderr.ends_with(call.usage()) {
                        problems.push(format!("{name}:{} {argv:?} usage {:?}\n{stderr}", at + 1, call.usage()));
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} same, {} differ:\n{}", same, problems.len(), problems.join("\n\n"));
    assert!(same > 50, "only {same} refusals found in the recordings");
}
