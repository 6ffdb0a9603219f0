//! A clock of its own for a simulated node.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A thread with a tokio runtime whose clock leaps from one thing that happens to the next. Work on a simulated node that is
/// done there takes no real time, whatever the caller's own runtime does. Copies share one clock.
///
/// ```
/// use std::time::Duration;
/// use phoenix_sim::VirtualTime;
///
/// # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
/// let time = VirtualTime::new()?;
/// let took = time
///     .run(async {
///         let begun = tokio::time::Instant::now();
///         tokio::time::sleep(Duration::from_secs(3600)).await;
///         begun.elapsed()
///     })
///     .await;
/// assert_eq!(took.as_secs(), 3600);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct VirtualTime {
    jobs: mpsc::UnboundedSender<Job>,
    runtime: Handle,
}

impl VirtualTime {
    /// Starts the clock. Its thread ends when the last copy is dropped.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let handle = runtime.handle().clone();
        let (jobs, mut waiting) = mpsc::unbounded_channel::<Job>();
        std::thread::Builder::new().name("virtual-time".to_owned()).spawn(move || {
            runtime.block_on(async {
                while let Some(job) = waiting.recv().await {
                    tokio::spawn(job);
                }
            });
        })?;
        Ok(Self { jobs, runtime: handle })
    }

    /// Makes something that reads this clock, such as a [`SimNode`](crate::SimNode).
    pub fn enter<T>(&self, make: impl FnOnce() -> T) -> T {
        let _here = self.runtime.enter();
        make()
    }

    /// Does a piece of work on this clock.
    ///
    /// Cancel safety: dropping the future drops the work.
    ///
    /// # Panics
    /// When the work does.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (done, result) = oneshot::channel();
        let job = async move {
            let (mut done, mut work) = (done, tokio::spawn(work));
            tokio::select! {
                result = &mut work => {
                    // Nobody waits for it any more: then nobody misses it.
                    let _ = done.send(result);
                }
                () = done.closed() => work.abort(),
            }
        };
        let sent = self.jobs.send(Box::pin(job));
        let result = match sent {
            Ok(()) => result.await.ok(),
            Err(_) => None,
        };
        match result {
            Some(Ok(value)) => value,
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => unreachable!("only a caller that is gone has the work aborted"),
            },
            None => unreachable!("the thread lives as long as a sender"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    async fn hour() -> Duration {
        let begun = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        begun.elapsed()
    }

    #[tokio::test]
    async fn an_hour_passes_while_the_caller_keeps_real_time() {
        let begun = std::time::Instant::now();
        let time = VirtualTime::new().unwrap();
        let (a, b) = tokio::join!(time.run(hour()), time.run(hour()));
        assert_eq!((a.as_secs(), b.as_secs()), (3600, 3600));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[tokio::test]
    async fn dropping_the_future_drops_the_work() {
        struct Told(Option<oneshot::Sender<()>>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.take().map(|told| told.send(()));
            }
        }
        let time = VirtualTime::new().unwrap();
        let (sender, dropped) = oneshot::channel();
        let told = Told(Some(sender));
        let begun = Arc::new(tokio::sync::Notify::new());
        let at_work = begun.clone();
        let work = time.run(async move {
            let _told = told;
            at_work.notify_one();
            std::future::pending::<()>().await;
        });
        tokio::select! {
            () = work => unreachable!("it never ends"),
            () = begun.notified() => {}
        }
        dropped.await.unwrap();
    }

    #[tokio::test]
    #[should_panic(expected = "as told")]
    async fn a_panic_reaches_the_caller() {
        VirtualTime::new().unwrap().run(async { panic!("as told") }).await;
    }
}
