//! A gate that a few pass at a time, the most urgent of those who wait first.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use phoenix_types::GuestId;
use tokio::sync::Notify;

/// Who waits: the most urgent first, then the smaller id.
type Place = (Reverse<usize>, GuestId);

#[derive(Debug)]
struct Queue {
    /// How many may still pass.
    free: usize,
    waiting: BTreeSet<Place>,
}

/// Lets so many guests through at a time. Of those who wait, the one with the largest urgency goes next.
#[derive(Debug)]
pub(super) struct PrioritySemaphore {
    queue: Mutex<Queue>,
    freed: Notify,
}

/// The right to have passed; the next one goes when it is dropped.
#[derive(Debug)]
pub(super) struct Permit<'a>(&'a PrioritySemaphore);

/// A place in the queue, given up when its owner stops waiting.
struct Waiting<'a> {
    semaphore: &'a PrioritySemaphore,
    place: Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.semaphore.with(|queue| queue.waiting.remove(&self.place));
        // Another waiter may be first now.
        self.semaphore.freed.notify_waiters();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.with(|queue| queue.free += 1);
        self.0.freed.notify_waiters();
    }
}

impl PrioritySemaphore {
    /// A semaphore that lets `places` guests through at a time.
    pub(super) fn new(places: usize) -> Self {
        Self { queue: Mutex::new(Queue { free: places, waiting: BTreeSet::new() }), freed: Notify::new() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Queue) -> T) -> T {
        work(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for its turn.
    ///
    /// Cancel safety: a dropped future gives its place up.
    pub(super) async fn acquire(&self, guest: GuestId, urgency: usize) -> Permit<'_> {
        let place = (Reverse(urgency), guest);
        self.with(|queue| queue.waiting.insert(place));
        let waiting = Waiting { semaphore: self, place };
        // Those who become ready at the same moment all are in the queue before the first one goes.
        tokio::task::yield_now().await;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let mine = self.with(|queue| {
                let first = queue.free > 0 && queue.waiting.first() == Some(&place);
                queue.free -= usize::from(first);
                first
            });
            if mine {
                let permit = Permit(self);
                drop(waiting);
                return permit;
            }
            freed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_most_urgent_goes_first_and_one_at_a_time() {
        let semaphore = Arc::new(PrioritySemaphore::new(1));
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for (id, urgency) in [(101, 1), (102, 5), (103, 5), (104, 9)] {
            let (semaphore, log) = (semaphore.clone(), log.clone());
            tasks.spawn(async move {
                let _permit = semaphore.acquire(GuestId::new(id).unwrap(), urgency).await;
                log.lock().unwrap().push(id);
                tokio::time::sleep(Duration::from_secs(1)).await;
                log.lock().unwrap().push(id);
            });
        }
        tasks.join_all().await;
        assert_eq!(*log.lock().unwrap(), [104, 104, 102, 102, 103, 103, 101, 101]);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_as_there_are_places_pass_together() {
        let semaphore = PrioritySemaphore::new(2);
        let soon = Duration::from_secs(1);
        let guest = |id| GuestId::new(id).unwrap();
        let first = semaphore.acquire(guest(101), 1).await;
        let second = tokio::time::timeout(soon, semaphore.acquire(guest(102), 1)).await;
        assert!(second.is_ok());
        assert!(tokio::time::timeout(soon, semaphore.acquire(guest(103), 1)).await.is_err());
        drop(first);
        assert!(tokio::time::timeout(soon, semaphore.acquire(guest(103), 1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_holds_nobody_back() {
        let semaphore = PrioritySemaphore::new(1);
        let guest = |id| GuestId::new(id).unwrap();
        let first = semaphore.acquire(guest(101), 1).await;
        let gave_up = tokio::time::timeout(Duration::from_secs(1), semaphore.acquire(guest(102), 9)).await;
        assert!(gave_up.is_err());
        drop(first);
        let third = tokio::time::timeout(Duration::from_secs(1), semaphore.acquire(guest(103), 1)).await;
        assert!(third.is_ok());
    }
}
