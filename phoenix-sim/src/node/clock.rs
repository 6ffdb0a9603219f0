//! The node's clock: tokio's, counted from when the node came up.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Time since the node came up, in this process and in those before it.
#[derive(Debug)]
pub(crate) struct Clock {
    /// An instant, and what the clock showed then.
    origin: Mutex<(Instant, Duration)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { origin: Mutex::new((Instant::now(), Duration::ZERO)) }
    }
}

impl Clock {
    /// Sets the clock, unless it is further already: it never goes back.
    pub(crate) fn set(&self, elapsed: Duration) {
        let mut origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        if elapsed > origin.1 + origin.0.elapsed() {
            *origin = (Instant::now(), elapsed);
        }
    }

    /// How long the node has been up.
    pub(crate) fn now(&self) -> Duration {
        let (instant, elapsed) = *self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        elapsed + instant.elapsed()
    }
}
