//! `phoenix schema`

use crate::args::{Format, Schema};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::schema::schema;
use crate::settings::Settings;

pub(super) fn run(args: &Schema, settings: &Settings) -> Result<ExitStatus, CliError> {
    let schema = schema(args.name);
    let text = match settings.format {
        Format::Jsonl => serde_json::to_string(&schema),
        Format::Human | Format::Json => serde_json::to_string_pretty(&schema),
    };
    let text = text.map_err(std::io::Error::from).map_err(CliError::Output)?;
    settings.terminal.data(&(text + "\n")).map_err(CliError::Output)?;
    Ok(ExitStatus::Done)
}
