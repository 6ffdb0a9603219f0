//! `phoenix health`

use std::time::Duration;

use phoenix_engine::{GuestHealth, ask};
use phoenix_host::Changes;
use serde::Serialize;

use crate::args::{Format, Health};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::health::answers;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// Takes the cursor home and clears what is below it.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// A guest's health with the verdict on it.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    healthy: bool,
    #[serde(flatten)]
    health: &'a GuestHealth,
}

pub(super) fn run(args: &Health, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests.guests, Scope::Named)?;
    let pause = args.watch.map(|seconds| Duration::from_secs(seconds.into()));
    session.work(Changes::Refused, async |node| {
        loop {
            let observed = session.observe(node).await?;
            let healths = ask(node, &session.desired, &observed, &session.asked()).await;
            if pause.is_some() && settings.format == Format::Human && settings.terminal.out_is_terminal() {
                settings.terminal.data(CLEAR).map_err(CliError::Output)?;
            }
            show(&healths, settings)?;
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None if healths.iter().all(GuestHealth::is_healthy) => return Ok(ExitStatus::Done),
                None => return Ok(ExitStatus::Failed),
            }
        }
    })
}

fn show(healths: &[GuestHealth], settings: &Settings) -> Result<(), CliError> {
    let verdicts = || -> Vec<Verdict<'_>> {
        healths.iter().map(|health| Verdict { healthy: health.is_healthy(), health }).collect()
    };
    settings.data(|| answers(healths, settings.terminal.out()), verdicts, verdicts)
}
