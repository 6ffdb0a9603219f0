//! The verbs: each calls the library, shows what came of it, and says how it ended.

mod adopt;
mod change;
mod config;
mod doctor;
mod drift;
mod graph;
mod health;
mod init;
mod inventory;
mod plan;
mod power;
mod removal;
mod schema;
mod status;
mod up;
mod validate;
mod wait;

use phoenix_config::Warnings;
use phoenix_engine::PowerAction;
use serde::Serialize;

pub(crate) use adopt::Written;
pub(crate) use graph::GraphNode;
pub(crate) use status::GuestRow;

/// What the verbs print as JSON.
pub(crate) mod printed {
    pub(crate) use super::adopt::{Report as Adopt, Written as AdoptWrite};
    pub(crate) use super::change::Report as Change;
    pub(crate) use super::doctor::Report as Doctor;
    pub(crate) use super::graph::GraphNode as Graph;
    pub(crate) use super::health::Verdict as Health;
    pub(crate) use super::status::GuestRow as Status;
    pub(crate) use super::validate::Report as Validate;
    pub(crate) use super::wait::Seen as Wait;
}

use crate::args::{Format, Verb};
use crate::configuration::{self, Configuration};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::diagnostics;
use crate::settings::Settings;

/// Carries out what was typed.
pub(crate) fn run(verb: Verb, settings: &Settings) -> Result<ExitStatus, CliError> {
    match verb {
        Verb::Init(args) => init::run(&args, settings),
        Verb::Validate(args) => validate::run(&args, settings),
        Verb::Config(args) => config::run(&args, settings),
        Verb::Schema(args) => schema::run(&args, settings),
        Verb::Plan(args) => plan::run(&args, settings),
        Verb::Up(args) => up::up(&args, settings),
        Verb::Converge(args) => up::converge(&args, settings),
        Verb::Status(args) => status::run(&args, settings),
        Verb::Health(args) => health::run(&args, settings),
        Verb::Create(args) => up::create(&args, settings),
        Verb::Start(args) => power::run("start", PowerAction::Start, &args, settings),
        Verb::Stop(args) => power::run("stop", PowerAction::Stop, &args, settings),
        Verb::Restart(args) => power::run("restart", PowerAction::Restart, &args, settings),
        Verb::Doctor(args) => doctor::run(&args, settings),
        Verb::Inventory(args) => inventory::inventory(&args, settings),
        Verb::Output(args) => inventory::output(&args, settings),
        Verb::Graph(args) => graph::run(&args, settings),
        Verb::Wait(args) => wait::run(&args, settings),
        Verb::Adopt(args) => adopt::run(&args, settings),
        Verb::Delete(args) => removal::delete(&args, settings),
        Verb::Down(args) => removal::down(&args, settings),
    }
}

/// Reads the configuration; what is wrong with it goes to standard error.
pub(crate) fn configuration(settings: &Settings) -> Result<Configuration, CliError> {
    let (place, loaded) = configuration::load(settings, Warnings::Allow)?;
    Configuration::of(place.dir().to_owned(), loaded, |loaded| {
        settings.terminal.note(&diagnostics(loaded, settings.terminal.err()));
    })
}

impl Settings {
    /// Writes text for people, or the value as JSON: one document, or its items one a line.
    fn data<T: Serialize, L: Serialize>(
        &self,
        human: impl FnOnce() -> String,
        json: impl FnOnce() -> T,
        lines: impl FnOnce() -> Vec<L>,
    ) -> Result<(), CliError> {
        let text = match self.format {
            Format::Human => human(),
            Format::Json => serde_json::to_string_pretty(&json()).map_err(io)? + "\n",
            Format::Jsonl => {
                let mut text = String::new();
                for line in lines() {
                    text.push_str(&json_line(&line)?);
                }
                text
            }
        };
        self.terminal.data(&text).map_err(CliError::Output)
    }
}

/// A value as JSON on one line.
fn json_line(value: &impl Serialize) -> Result<String, CliError> {
    Ok(serde_json::to_string(value).map_err(io)? + "\n")
}

fn io(error: serde_json::Error) -> CliError {
    CliError::Output(error.into())
}
