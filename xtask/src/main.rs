//! `cargo run -p xtask -- generate` writes the files that are made from the code: schemas, man pages, completions and the
//! reference docs. With `--check` it compares them with what is there, and fails when they differ.
//!
//! `cargo run -p xtask -- acceptance` tries Phoenix on a node (`docs/acceptance.md`).

mod acceptance;
mod configuration;
mod generate;
mod reference;

use std::ffi::OsString;
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
    /// Try Phoenix on a node, within a range of ids, and record what the node's tools say
    Acceptance(acceptance::Acceptance),
    /// Pass an `ssh` on and record it
    #[command(hide = true)]
    Record {
        /// Where the recording goes.
        transcript: Utf8PathBuf,
        /// The real `ssh`.
        ssh: String,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let check = match Cli::parse().task {
        Task::Generate { check } => check,
        Task::Acceptance(acceptance) => return acceptance::main(&acceptance),
        Task::Record { transcript, ssh, args } => {
            return acceptance::record(&transcript, &ssh, &args).unwrap_or_else(|error| {
                report(&format!("ssh: {error}"));
                ExitCode::from(255)
            });
        }
    };
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
