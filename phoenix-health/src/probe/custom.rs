//! Probes of an embedding program.

use std::time::Duration;

use crate::{Answer, ProbeContext, Verdict};

pub(super) async fn ask(name: &str, context: &ProbeContext, limit: Duration) -> Answer {
    match context.custom.get(name) {
        Some(probe) => probe.ask(context, limit).await,
        None => Answer::new(Verdict::Never, format!("no probe `{name}` is registered")),
    }
}
