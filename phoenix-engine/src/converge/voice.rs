//! The way of a guest's events to those who hear them.

use phoenix_types::GuestId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::event::EventKind;

/// One guest's voice: its events, in order.
#[derive(Debug, Clone)]
pub(crate) struct Voice {
    pub(super) guest: GuestId,
    pub(super) events: mpsc::UnboundedSender<(Instant, Option<GuestId>, EventKind)>,
}

impl Voice {
    /// A voice that nobody hears.
    pub(crate) fn unheard(guest: GuestId) -> Self {
        Self { guest, events: mpsc::unbounded_channel().0 }
    }

    pub(super) fn say(&self, kind: EventKind) {
        // The receiver lives as long as the run; if it is gone, nobody listens.
        let _ = self.events.send((Instant::now(), Some(self.guest), kind));
    }
}
