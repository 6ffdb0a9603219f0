//! `phoenix health`

use phoenix_engine::{GuestHealth, ask};
use phoenix_host::Changes;
use serde::Serialize;

use crate::args::Guests;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::health::answers;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// A guest's health with the verdict on it.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    healthy: bool,
    #[serde(flatten)]
    health: &'a GuestHealth,
}

pub(super) fn run(args: &Guests, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests, Scope::Named)?;
    let healths = session.work(Changes::Refused, async |node| {
        let observed = session.observe(node).await?;
        Ok(ask(node, &session.desired, &observed, &session.asked()).await)
    })?;
    let verdicts = || -> Vec<Verdict<'_>> {
        healths.iter().map(|health| Verdict { healthy: health.is_healthy(), health }).collect()
    };
    settings.data(|| answers(&healths, settings.terminal.out()), verdicts, verdicts)?;
    Ok(if healths.iter().all(GuestHealth::is_healthy) { ExitStatus::Done } else { ExitStatus::Failed })
}
