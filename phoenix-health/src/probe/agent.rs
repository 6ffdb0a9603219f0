//! Does the guest's agent answer?

use std::time::Duration;

use phoenix_host::{Command, Effect};
use phoenix_types::gate::Place;

use super::answer;
use crate::{Answer, ProbeContext};

pub(super) async fn ask(context: &ProbeContext, limit: Duration) -> Answer {
    if let Some(agent) = &context.agent {
        return match tokio::time::timeout(limit, agent.ping(limit)).await {
            Ok(Ok(())) => Answer::yes("the agent answers"),
            Ok(Err(error)) => answer::from_inside(&error, limit),
            Err(_) => Answer::no(format!("the agent is silent for {}", crate::seconds::display(limit))),
        };
    }
    match answer::run(context, Place::Guest, Command::new("true", Effect::Read, limit)).await {
        Ok(output) if output.succeeded() => Answer::yes("programs run inside"),
        Ok(output) => super::command::judge(&output),
        Err(answer) => answer,
    }
}
