//! Tries again what is busy now.

use std::time::Duration;

use phoenix_pve::ErrorClass;
use tokio::time::Instant;

use super::error::StepError;
use super::event_sender::EventSender;
use crate::event::{EventKind, millis};
use crate::plan::Stage;

/// How long a step waits for something busy in all. A full clone of a large container holds its source's lock for minutes.
const BUDGET: Duration = Duration::from_secs(600);

/// Delays between tries: 1, 2, 4, 8, then 15 seconds.
fn delays() -> impl Iterator<Item = Duration> {
    [1, 2, 4, 8].into_iter().chain(std::iter::repeat(15)).map(Duration::from_secs)
}

/// Runs `attempt` until it succeeds, fails for good, or has been busy for too long.
pub(super) async fn while_busy<T, E, F>(
    events: &EventSender,
    stage: Stage,
    mut attempt: impl FnMut() -> F,
) -> Result<T, StepError>
where
    E: Into<StepError>,
    F: Future<Output = Result<T, E>>,
{
    let started = Instant::now();
    for delay in delays() {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error.into(),
        };
        let busy = matches!(error.class(), Some(ErrorClass::Busy | ErrorClass::Modified));
        if !busy || started.elapsed() + delay > BUDGET {
            return Err(error);
        }
        events.send(EventKind::StepRetried { stage, reason: error.to_string(), delay_ms: millis(delay) });
        tokio::time::sleep(delay).await;
    }
    attempt().await.map_err(Into::into)
}
