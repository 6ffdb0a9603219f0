//! Sends a guest's events to the run.

use phoenix_types::GuestId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::event::EventKind;

/// Sends one guest's events, in order.
#[derive(Debug, Clone)]
pub(crate) struct EventSender {
    pub(super) guest: GuestId,
    pub(super) events: mpsc::UnboundedSender<(Instant, Option<GuestId>, EventKind)>,
}

impl EventSender {
    /// A sender whose events are discarded.
    pub(crate) fn discarding(guest: GuestId) -> Self {
        Self { guest, events: mpsc::unbounded_channel().0 }
    }

    pub(super) fn send(&self, kind: EventKind) {
        // The receiver lives as long as the run. Without one the event is not needed.
        let _ = self.events.send((Instant::now(), Some(self.guest), kind));
    }
}
