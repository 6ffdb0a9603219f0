//! The `phoenix` program: arguments, rendering, exit status. What it does is done by the libraries.
//!
//! ```
//! let verbs: Vec<String> = phoenix_cli::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
//! assert!(verbs.contains(&"up".to_owned()));
//! assert_eq!(phoenix_cli::ExitStatus::Invalid.code(), 2);
//! ```
//!
//! The layers: `args` is what can be typed, `settings` what it means together with the environment, `commands` the verbs, and
//! `render` makes text of values and writes nothing. A `session` is a configuration with the node that it is for;
//! `history` is what happened to each guest in a run. `error` and `exit` say how it ends.

mod args;
mod command_log;
mod commands;
mod configuration;
mod error;
mod exit;
mod history;
mod holder;
mod host;
mod interrupt;
mod output_file;
mod render;
mod reporter;
mod runtime;
mod schema;
mod session;
mod settings;
#[cfg_attr(not(feature = "sim"), path = "not_simulated.rs")]
mod simulated;
mod terminal;

use std::error::Error as _;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

pub use error::CliError;
pub use exit::ExitStatus;
pub use schema::schemas;
pub use settings::ENVIRONMENT;

use args::Cli;
use render::{Colour, Tone, folded};
use settings::Settings;
use tracing_subscriber::EnvFilter;

/// The definition of the command line, for docs and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// What is wrong with a configuration, as `phoenix validate` shows it, in plain characters, for docs.
#[must_use]
pub fn explain(loaded: &phoenix_config::Loaded) -> String {
    render::diagnostics(loaded, render::Canvas { glyphs: render::Glyphs::Ascii, ..render::Canvas::plain(100) })
}

/// Runs the program to its end.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. When nobody reads them any more there is nothing left to do.
            let _ = error.print();
            return if error.use_stderr() { ExitStatus::Invalid.into() } else { ExitStatus::Done.into() };
        }
    };
    let settings = Settings::new(cli.global);
    phoenix_host::Local::raise_file_limit();
    let result = trace(&settings).and_then(|()| commands::run(cli.verb, &settings));
    match result {
        Ok(status) => status.into(),
        Err(error) => {
            let status = error.status();
            if status != ExitStatus::Done {
                report(&error, &settings);
            }
            status.into()
        }
    }
}

/// Lets the libraries tell of their inner doings on standard error.
fn trace(settings: &Settings) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|error| CliError::Log { reason: error.to_string() })?;
    let colour = settings.terminal.err().colour == Colour::On;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| terminal::Note)
        // It would print them on standard error, and panic when that is gone.
        .log_internal_errors(false)
        .with_ansi(colour);
    // A program that embeds this one may have a subscriber already; then that one listens.
    let _ = subscriber.try_init();
    Ok(())
}

/// Says what went wrong, why, and what to do next.
fn report(error: &CliError, settings: &Settings) {
    let canvas = settings.terminal.err();
    let mut text = format!("{} {}\n", canvas.paint(Tone::Bad, "error:"), folded(&error.to_string(), 7, canvas));
    for detail in error.details() {
        text.push_str(&format!("  {}\n", folded(&detail, 2, canvas)));
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("  caused by: {}\n", folded(&error.to_string(), 13, canvas)));
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("{} {}\n", canvas.paint(Tone::Active, "hint:"), folded(&hint, 6, canvas)));
    }
    settings.terminal.note(&text);
}
