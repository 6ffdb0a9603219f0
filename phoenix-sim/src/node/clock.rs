//! The node's clock: tokio's, counted from when the node came up.

use std::time::Duration;

use tokio::time::Instant;

/// Time since the node came up, in this process and in those before it.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    origin: Instant,
    before: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self::resumed(Duration::ZERO)
    }
}

impl Clock {
    /// A clock that goes on where another one was.
    pub(crate) fn resumed(before: Duration) -> Self {
        Self { origin: Instant::now(), before }
    }

    /// How long the node has been up.
    pub(crate) fn now(&self) -> Duration {
        self.before + self.origin.elapsed()
    }

    /// The tokio instant of a time on this clock; a time before this process is now.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.origin + at.saturating_sub(self.before)
    }
}
