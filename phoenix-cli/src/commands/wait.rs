//! `phoenix wait`

use std::time::Duration;

use phoenix_engine::{GuestHealth, ask};
use phoenix_host::Changes;
use phoenix_types::Power;
use tokio::time::Instant;

use crate::args::{Awaited, Wait};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// How long is waited between two looks.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) fn run(args: &Wait, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests, Scope::Named)?;
    let asked = session.asked();
    session.work(Changes::Refused, async |node| {
        let deadline = Instant::now() + args.timeout.get();
        loop {
            let observed = session.observe(node).await?;
            let healths = match args.awaited {
                Awaited::Healthy => ask(node, &session.desired, &observed, &asked).await,
                Awaited::Running | Awaited::Stopped => session.powers(&observed, &asked),
            };
            let open: Vec<&GuestHealth> = healths.iter().filter(|health| !is_there(args.awaited, health)).collect();
            if open.is_empty() {
                return Ok(ExitStatus::Done);
            }
            if Instant::now() + PAUSE > deadline {
                let guests = open.iter().map(|health| describe(health)).collect();
                let awaited = word(args.awaited);
                return Err(CliError::StillWaiting { awaited, waited: args.timeout, guests });
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
}

fn is_there(awaited: Awaited, health: &GuestHealth) -> bool {
    match awaited {
        Awaited::Healthy => health.is_healthy(),
        Awaited::Running => health.power == Some(Power::Running),
        Awaited::Stopped => health.power == Some(Power::Stopped),
    }
}

fn word(awaited: Awaited) -> &'static str {
    match awaited {
        Awaited::Healthy => "healthy",
        Awaited::Running => "running",
        Awaited::Stopped => "stopped",
    }
}

/// The guest and what stands in the way.
fn describe(health: &GuestHealth) -> String {
    let said = health.gates.iter().find(|(_, attempt)| !attempt.passed()).map(|(name, attempt)| {
        let said = attempt.answer.said.lines().next().unwrap_or_default();
        format!("gate `{name}`: {said}")
    });
    let power = || health.power.map_or_else(|| "absent".to_owned(), |power| power.to_string());
    format!("{} {} ({})", health.id, health.name, said.unwrap_or_else(power))
}
