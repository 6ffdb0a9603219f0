//! `phoenix doctor`

use phoenix_engine::{Examination, examine};
use phoenix_host::{Changes, Host as _};
use serde::Serialize;

use crate::args::Guests;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::doctor::report;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// What `doctor --format json` prints.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Report<'a> {
    /// Whether no finding is an error.
    good: bool,
    #[serde(flatten)]
    examination: &'a Examination,
}

pub(super) fn run(args: &Guests, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests, Scope::Named)?;
    let fleet = &session.configuration.fleet;
    let (host, examination) = session
        .work(Changes::Refused, async |node| Ok((node.host().name(), examine(node, fleet, &session.desired).await?)))?;
    let good = examination.is_good();
    let guests = session.desired.guests.len();
    settings.data(
        || report(&examination, fleet, &host, guests, settings.terminal.out()),
        || Report { good, examination: &examination },
        || examination.findings.iter().collect(),
    )?;
    Ok(if good { ExitStatus::Done } else { ExitStatus::Failed })
}
