//! Does the guest's agent answer?

use std::time::Duration;

use phoenix_host::{Command, Effect, WAY};
use phoenix_types::gate::Place;

use super::answer;
use crate::{Answer, ProbeContext};

pub(super) async fn ask(context: &ProbeContext, limit: Duration) -> Answer {
    if let Some(agent) = &context.agent {
        // `qm` asks the agent with a limit of its own; the rest is the way.
        return match agent.ping(limit.saturating_add(WAY)).await {
            Ok(()) => Answer::yes("the agent answers"),
            Err(error) => answer::from_inside(&error, limit),
        };
    }
    match context.run(Place::Guest, Command::new("true", Effect::Read, limit)).await {
        Ok(output) if output.succeeded() => Answer::yes("programs run inside"),
        Ok(output) => super::command::judge(&output),
        Err(answer) => answer,
    }
}
