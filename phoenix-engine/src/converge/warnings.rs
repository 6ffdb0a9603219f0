//! Warnings of the tools about work that they did, told as notices.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use phoenix_host::{CommandRecord, Effect, Output, Recorder};
use phoenix_types::GuestId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::event::EventKind;

/// Hears what the tools print. A guest's warning is reported once.
#[derive(Debug)]
pub(super) struct Warnings {
    events: mpsc::WeakUnboundedSender<(Instant, Option<GuestId>, EventKind)>,
    reported: Mutex<BTreeSet<(Option<GuestId>, String)>>,
}

impl Warnings {
    pub(super) fn new(events: &mpsc::UnboundedSender<(Instant, Option<GuestId>, EventKind)>) -> Self {
        Self { events: events.downgrade(), reported: Mutex::default() }
    }
}

impl Recorder for Warnings {
    fn record(&self, _: CommandRecord) {}

    fn output(&self, record: &CommandRecord, output: &Output) {
        if record.effect == Effect::Read || !output.succeeded() || !["pct", "qm"].contains(&record.argv[0].as_str()) {
            return;
        }
        let Some(events) = self.events.upgrade() else { return };
        for warning in phoenix_pve::warnings(output) {
            let is_new =
                self.reported.lock().unwrap_or_else(PoisonError::into_inner).insert((record.guest, warning.clone()));
            if is_new {
                let verb: Vec<&str> = record.argv.iter().take(3).map(String::as_str).collect();
                let text = format!("`{}` warns: {warning}", verb.join(" "));
                let _ = events.send((Instant::now(), record.guest, EventKind::Notice { text }));
            }
        }
    }
}
