//! `cargo run -p xtask -- generate` writes the files that are made from the code: schemas, man pages, completions and the
//! reference docs. With `--check` it compares them with what is there, and fails when they differ.

mod configuration;
mod generate;
mod reference;

use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Work on the repository itself")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write the generated files
    Generate {
        /// Compare with the files that are there instead, and fail when they differ
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let Task::Generate { check } = Cli::parse().task;
    let root = Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let done = if check { generate::check(&root) } else { generate::write(&root) };
    match done {
        Ok(text) => {
            report(&text);
            ExitCode::SUCCESS
        }
        Err(text) => {
            report(&text);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is the one place where xtask speaks")]
fn report(text: &str) {
    eprintln!("{text}");
}
