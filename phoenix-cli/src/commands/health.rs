//! `phoenix health`

use std::time::Duration;

use phoenix_engine::{GuestHealth, Node, ask};
use phoenix_host::Changes;
use serde::Serialize;

use super::json_line;
use crate::args::{Format, Health};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::interrupt::Interrupts;
use crate::render::health::{answers, heading};
use crate::session::{Scope, Session};
use crate::settings::Settings;

/// A guest's health with the verdict on it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "GuestVerdict")]
pub(crate) struct Verdict<'a> {
    /// Whether it runs and all its gates pass.
    healthy: bool,
    #[serde(flatten)]
    health: &'a GuestHealth,
}

/// Each guest with its verdict.
pub(super) fn verdicts(healths: &[GuestHealth]) -> Vec<Verdict<'_>> {
    healths.iter().map(|health| Verdict { healthy: health.is_healthy(), health }).collect()
}

pub(super) fn run(args: &Health, settings: &Settings) -> Result<ExitStatus, CliError> {
    let mut session = Session::open(settings, &args.guests.guests, Scope::Named)?;
    if let Some(seconds) = args.watch {
        session.choice.play();
        let pause = Duration::from_secs(seconds.into());
        return session.work(Changes::Refused, async |node| watch(&session, node, pause).await);
    }
    let healths = session.work(Changes::Refused, async |node| look(&session, node).await)?;
    settings.data(|| answers(&healths, settings.terminal.out()), || verdicts(&healths), || verdicts(&healths))?;
    Ok(if healths.iter().all(GuestHealth::is_healthy) { ExitStatus::Done } else { ExitStatus::Failed })
}

async fn look(session: &Session<'_>, node: &Node) -> Result<Vec<GuestHealth>, CliError> {
    let observed = session.observe(node).await?;
    Ok(ask(node, &session.desired, &observed, &session.asked(), Duration::MAX).await)
}

/// Asks again and again until interrupted. A terminal shows the last answers only, and has its old screen back at the end.
async fn watch(session: &Session<'_>, node: &Node, pause: Duration) -> Result<ExitStatus, CliError> {
    let settings = session.settings;
    let terminal = &settings.terminal;
    let mut interrupts = Interrupts::new()?;
    let is_drawn = settings.format == Format::Human && terminal.out_is_terminal();
    let screen = is_drawn.then(|| terminal.screen()).transpose().map_err(CliError::Output)?;
    let mut last = Vec::new();
    loop {
        last = tokio::select! {
            biased;
            () = interrupts.next() => break,
            healths = look(session, node) => healths?,
        };
        match (&screen, settings.format) {
            (Some(screen), _) => {
                let now = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
                let canvas = terminal.out();
                let text = format!("{}\n\n{}", heading(&last, pause, &now, canvas), answers(&last, canvas));
                screen.show(&text).map_err(CliError::Output)?;
            }
            (None, Format::Human) => {
                terminal.data(&format!("{}\n", answers(&last, terminal.out()))).map_err(CliError::Output)?;
            }
            // A reader of a stream needs one document per line.
            (None, Format::Json) => terminal.data(&json_line(&verdicts(&last))?).map_err(CliError::Output)?,
            (None, Format::Jsonl) => {
                let lines: Result<String, CliError> = verdicts(&last).iter().map(json_line).collect();
                terminal.data(&lines?).map_err(CliError::Output)?;
            }
        }
        tokio::select! {
            biased;
            () = interrupts.next() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    if screen.is_some() {
        drop(screen);
        terminal.data(&answers(&last, terminal.out())).map_err(CliError::Output)?;
    }
    Ok(ExitStatus::Cancelled)
}
