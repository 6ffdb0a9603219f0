//! `phoenix validate`

use phoenix_config::{Diagnostic, Setting, Warnings};
use serde::Serialize;

use crate::args::Validate;
use crate::configuration;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::{self, Tone, diagnostics};
use crate::settings::Settings;

/// What `validate --format json` prints.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Report<'a> {
    /// Whether a run could begin.
    valid: bool,
    /// How many diagnostics are errors.
    errors: usize,
    /// How many are warnings.
    warnings: usize,
    /// How many warnings the files accept (`x-accept`).
    accepted: usize,
    /// How many guests the configuration has; 0 when it is not valid.
    guests: usize,
    /// What is wrong, file by file.
    diagnostics: &'a [Diagnostic],
    /// Every setting of every guest, with `--show-defaults`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<Setting>,
}

/// One line of `validate --format jsonl`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
enum Line<'a> {
    Diagnostic(&'a Diagnostic),
    Setting(&'a Setting),
}

pub(super) fn run(args: &Validate, settings: &Settings) -> Result<ExitStatus, CliError> {
    let warnings = if args.deny_warnings { Warnings::Deny } else { Warnings::Allow };
    let (place, loaded) = configuration::load(settings, warnings)?;
    let canvas = settings.terminal.out();
    let guests = loaded.fleet.as_ref().map_or(0, |fleet| fleet.guests.len());
    let valid = loaded.fleet.is_some();
    let resolved = if args.show_defaults { loaded.settings() } else { Vec::new() };
    settings.data(
        || {
            let mut text = diagnostics(&loaded, canvas);
            if let Some(fleet) = &loaded.fleet {
                text.push_str(&render::settings(fleet, &resolved, canvas));
                let sign = canvas.glyph("✓", "OK");
                let noun = if guests == 1 { "guest" } else { "guests" };
                let line = format!("{sign} {} is valid: {guests} {noun}", place.shown());
                text.push_str(&format!("{}\n", canvas.paint(Tone::Good, line)));
            }
            text
        },
        || Report {
            valid,
            errors: loaded.errors(),
            warnings: loaded.warnings(),
            accepted: loaded.accepted,
            guests,
            diagnostics: &loaded.diagnostics,
            settings: resolved.clone(),
        },
        || {
            let diagnostics = loaded.diagnostics.iter().map(Line::Diagnostic);
            diagnostics.chain(resolved.iter().map(Line::Setting)).collect()
        },
    )?;
    Ok(if valid { ExitStatus::Done } else { ExitStatus::Invalid })
}
