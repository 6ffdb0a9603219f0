//! Whose time the work on a node runs in.

use std::future::Future;

/// Whose time it is.
#[derive(Debug, Clone)]
pub(crate) enum Time {
    /// Everybody's.
    Real,
    /// That of a simulated node.
    #[cfg(feature = "sim")]
    Virtual(phoenix_sim::VirtualTime),
}

impl Time {
    /// Does a piece of work in this time.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self {
            Self::Real => work.await,
            #[cfg(feature = "sim")]
            Self::Virtual(time) => time.run(work).await,
        }
    }
}
