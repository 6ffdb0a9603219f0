//! Reads a folder of configuration files and prints what is wrong, one line each, or JSON lines with `--json`.
#![expect(clippy::print_stdout, reason = "an example is a program")]

use std::process::ExitCode;

use phoenix_config::Loader;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let json = args.iter().any(|arg| arg == "--json");
    args.retain(|arg| arg != "--json");
    let dir = args.first().map_or(".", String::as_str);
    let loaded = Loader::new(dir.into()).load();
    for diagnostic in &loaded.diagnostics {
        match serde_json::to_string(diagnostic) {
            Ok(text) if json => println!("{text}"),
            _ => println!("{diagnostic}"),
        }
    }
    match &loaded.fleet {
        Some(fleet) => {
            println!("{} guests are described", fleet.guests.len());
            ExitCode::SUCCESS
        }
        None => ExitCode::from(2),
    }
}
