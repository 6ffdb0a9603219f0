//! `phoenix wait`

use std::time::Duration;

use phoenix_engine::{GuestHealth, ask};
use phoenix_host::Changes;
use phoenix_types::Power;
use serde::Serialize;
use tokio::time::Instant;

use crate::args::{Awaited, Wait};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::{Tone, folded};

use crate::session::{Scope, Session};
use crate::settings::Settings;

/// How long is waited between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// How long gates are asked at least, so that they have a chance to answer when the time is over.
const SHORTEST: Duration = Duration::from_secs(2);

/// A guest that was waited for.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Seen<'a> {
    /// Whether it is what was waited for.
    reached: bool,
    #[serde(flatten)]
    health: &'a GuestHealth,
}

pub(super) fn run(args: &Wait, settings: &Settings) -> Result<ExitStatus, CliError> {
    let session = Session::open(settings, &args.guests, Scope::Named)?;
    let asked = session.asked();
    let healths = session.work(Changes::Refused, async |node| {
        let deadline = Instant::now() + args.timeout.get();
        let mut reported = Vec::new();
        loop {
            let observed = session.observe(node).await?;
            let healths = match args.awaited {
                Awaited::Healthy => {
                    let left = deadline.saturating_duration_since(Instant::now()).max(SHORTEST);
                    ask(node, &session.desired, &observed, &asked, left).await
                }
                Awaited::Running | Awaited::Stopped => session.powers(&observed, &asked),
            };
            let open = open(args.awaited, &healths);
            let left = deadline.saturating_duration_since(Instant::now());
            if open.is_empty() || left.is_zero() {
                return Ok(healths);
            }
            if open != reported {
                let canvas = settings.terminal.err();
                let text = folded(&format!("not yet {}: {}", word(args.awaited), open.join(", ")), 0, canvas);
                settings.terminal.note(&format!("{}\n", canvas.paint(Tone::Faint, text)));
                reported = open;
            }
            tokio::time::sleep(PAUSE.min(left)).await;
        }
    })?;
    let seen = || -> Vec<Seen<'_>> {
        healths.iter().map(|health| Seen { reached: is_there(args.awaited, health), health }).collect()
    };
    let still = open(args.awaited, &healths);
    let human = || {
        let canvas = settings.terminal.out();
        let names: Vec<String> = healths.iter().map(|health| format!("{} {}", health.id, health.name)).collect();
        let text = format!("{} {}: {}", canvas.glyph("✓", "OK"), word(args.awaited), names.join(", "));
        if still.is_empty() { format!("{}\n", canvas.paint(Tone::Good, text)) } else { String::new() }
    };
    settings.data(human, seen, seen)?;
    match still.is_empty() {
        true => Ok(ExitStatus::Done),
        false => Err(CliError::StillWaiting { awaited: word(args.awaited), waited: args.timeout, guests: still }),
    }
}

/// The guests that are not there yet, each with what is in the way.
fn open(awaited: Awaited, healths: &[GuestHealth]) -> Vec<String> {
    healths.iter().filter(|health| !is_there(awaited, health)).map(describe).collect()
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

/// The guest and what is in the way.
fn describe(health: &GuestHealth) -> String {
    let said = health.gates.iter().find(|(_, attempt)| !attempt.passed()).map(|(name, attempt)| {
        let said = attempt.answer.said.lines().next().unwrap_or_default();
        format!("gate `{name}`: {said}")
    });
    let power = || health.power.map_or_else(|| "absent".to_owned(), |power| power.to_string());
    format!("{} {} ({})", health.id, health.name, said.unwrap_or_else(power))
}
