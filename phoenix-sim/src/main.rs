//! The program of the simulated node.
//!
//! Called as `pct`, `qm`, `pvesm`, `pveam`, `pvesh` or `ha-manager` it is that tool over the folder `$PHOENIX_SIM_DIR`; called by its own
//! name it replays and checks recordings and installs itself under those names.

mod report;
mod tool;

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::process::ExitCode;

use phoenix_sim::grammar::Tool;
use phoenix_sim::{check, replay};

const USAGE: &str = "usage: `phoenix-sim replay FILE.jsonl [--format json]`, `phoenix-sim check FILE.jsonl [--format json]`, \
                     `phoenix-sim install DIR`, or one of the Proxmox tools: `phoenix-sim pct list`";

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let by_name = args.first().and_then(|name| Tool::from_program(name));
    let by_word = args.get(1).and_then(|name| Tool::from_program(name));
    if by_name.is_none() && by_word.is_some() {
        args.remove(0);
    }
    let result = if by_name.or(by_word).is_some() { tool::run(&args) } else { dispatch(&args) };
    result.unwrap_or_else(|message| {
        let _ = writeln!(io::stderr(), "phoenix-sim: {message}");
        ExitCode::from(2)
    })
}

enum Format {
    Human,
    Json,
}

fn dispatch(args: &[String]) -> Result<ExitCode, String> {
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let (words, format) = match words.iter().position(|word| *word == "--format") {
        None => (words, Format::Human),
        Some(at) => {
            let format = match words.get(at + 1) {
                Some(&"json") => Format::Json,
                Some(&"human") => Format::Human,
                _ => return Err("`--format` is `human` or `json`".to_owned()),
            };
            ([&words[..at], &words[at + 2..]].concat(), format)
        }
    };
    let open =
        |path: &str| File::open(path).map(BufReader::new).map_err(|error| format!("cannot open `{path}`: {error}"));
    let (text, good) = match words.as_slice() {
        ["check", path] => {
            let report = check::run(open(path)?).map_err(|error| report::chain(path, &error))?;
            (report::print(&report, &format, report::checked)?, report.differ == 0)
        }
        ["replay", path] => {
            let report = replay::run(open(path)?).map_err(|error| report::chain(path, &error))?;
            (report::print(&report, &format, report::replayed)?, report.differing == 0)
        }
        ["install", folder] => {
            tool::install(folder)?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => return Err(USAGE.to_owned()),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(error.to_string()),
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
