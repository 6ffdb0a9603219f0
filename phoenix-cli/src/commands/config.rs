//! `phoenix config`

use phoenix_config::{ValueOrigin, Warnings};

use crate::args::{Config, Format};
use crate::configuration;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::diagnostics;
use crate::settings::Settings;

pub(super) fn run(args: &Config, settings: &Settings) -> Result<ExitStatus, CliError> {
    let (_, loaded) = configuration::load(settings, Warnings::Allow)?;
    if !loaded.diagnostics.is_empty() {
        settings.terminal.note(&diagnostics(&loaded, settings.terminal.err()));
    }
    let status = if loaded.errors() == 0 { ExitStatus::Done } else { ExitStatus::Invalid };
    if loaded.documents.is_empty() {
        return Ok(status);
    }
    if args.origins {
        let origins = loaded.origins();
        settings.data(|| origins.iter().map(line).collect(), || origins.clone(), || origins.clone())?;
        return Ok(status);
    }
    let document = loaded.document();
    let text = match settings.format {
        Format::Jsonl => serde_json::to_string(&document),
        Format::Human | Format::Json => serde_json::to_string_pretty(&document),
    };
    let text = text.map_err(std::io::Error::from).map_err(CliError::Output)?;
    settings.terminal.data(&(text + "\n")).map_err(CliError::Output)?;
    Ok(status)
}

/// One value: its pointer, its place, and what it came through.
fn line(origin: &ValueOrigin) -> String {
    let ValueOrigin { pointer, location, profile, variables, .. } = origin;
    let mut line = format!("{pointer}  {}:{}:{}", location.file, location.line, location.column);
    if let Some(profile) = profile {
        line.push_str(&format!("  profile {profile}"));
    }
    for variable in variables {
        line.push_str(&format!("  variable {variable}"));
    }
    line + "\n"
}
