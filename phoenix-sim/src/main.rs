//! The program of the simulated node: `phoenix-sim check FILE.jsonl [--format json]`.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::process::ExitCode;

use phoenix_sim::check::{self, CheckReport};
use phoenix_sim::replay::{self, ReplayReport};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(message) => {
            let _ = writeln!(io::stderr(), "phoenix-sim: {message}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(args: &[String]) -> Result<ExitCode, String> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["check", file] => check_file(file, Format::Human),
        ["check", file, "--format", "json"] | ["check", "--format", "json", file] => check_file(file, Format::Json),
        ["replay", file] => replay_file(file, Format::Human),
        ["replay", file, "--format", "json"] | ["replay", "--format", "json", file] => replay_file(file, Format::Json),
        _ => Err("usage: `phoenix-sim check|replay FILE.jsonl [--format json]`".to_owned()),
    }
}

#[derive(Clone, Copy)]
enum Format {
    Human,
    Json,
}

fn check_file(path: &str, format: Format) -> Result<ExitCode, String> {
    let file = File::open(path).map_err(|error| format!("cannot open `{path}`: {error}"))?;
    let report = check::run(BufReader::new(file)).map_err(|error| format!("{path}: {error}"))?;
    let text = match format {
        Format::Human => human(&report),
        Format::Json => serde_json::to_string(&report).map_err(|error| error.to_string())? + "\n",
    };
    io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(if report.differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn replay_file(path: &str, format: Format) -> Result<ExitCode, String> {
    let file = File::open(path).map_err(|error| format!("cannot open `{path}`: {error}"))?;
    let report = replay::run(BufReader::new(file)).map_err(|error| format!("{path}: {error}"))?;
    let text = match format {
        Format::Human => human_replay(&report),
        Format::Json => serde_json::to_string(&report).map_err(|error| error.to_string())? + "\n",
    };
    io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(if report.differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn human_replay(report: &ReplayReport) -> String {
    let mut text = format!("matched: {}\ndiffering: {}\n", report.matched, report.differing);
    for difference in &report.differences {
        text.push_str(&format!("\nline {}: {:?}\n{}", difference.line, difference.argv, difference.diff));
    }
    for excluded in &report.excluded {
        text.push_str(&format!("\nline {}: {:?}\n  not compared: {}\n", excluded.line, excluded.argv, excluded.reason));
    }
    text
}

fn human(report: &CheckReport) -> String {
    let mut text = format!("agree: {}\ndiffer: {}\n", report.agree, report.differ);
    for difference in &report.differences {
        text.push_str(&format!(
            "\nline {}: {:?}\n  expected: {}\n  actual:   {}\n",
            difference.line,
            difference.argv,
            difference.expected.replace('\n', "\n            "),
            difference.actual.replace('\n', "\n            "),
        ));
    }
    text
}
