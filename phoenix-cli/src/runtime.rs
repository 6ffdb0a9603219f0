//! The runtime that a verb runs on: real time for real nodes, virtual time for simulated ones.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::error::CliError;

/// Whose time it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Time {
    /// Everybody's.
    Real,
    /// Time jumps to the next moment at which something happens.
    Virtual,
    /// Virtual, but shown at this many times real time.
    Paced(f64),
}

/// How often the clock of a paced run is moved, in real time.
const TICK: Duration = Duration::from_millis(10);

/// How far it is moved at once, in the clock's own time: what ends within one slice ends late by that much.
const SLICE: Duration = Duration::from_millis(50);

/// Runs a verb to its end.
pub(crate) fn block_on<F: Future>(time: Time, work: F) -> Result<F::Output, CliError> {
    let mut builder = match time {
        Time::Real => Builder::new_multi_thread(),
        Time::Virtual | Time::Paced(_) => Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().start_paused(time != Time::Real).build().map_err(CliError::Start)?;
    Ok(runtime.block_on(async {
        match time {
            Time::Real | Time::Virtual => work.await,
            Time::Paced(pace) => {
                tokio::select! {
                    biased;
                    output = work => output,
                    never = play(pace) => match never {},
                }
            }
        }
    }))
}

/// Moves the paused clock at `pace` times real time. While a blocking task runs, tokio does not move the clock by itself.
async fn play(pace: f64) -> std::convert::Infallible {
    loop {
        // A sleep that failed would only mean that the clock moves a little early.
        let _ = tokio::task::spawn_blocking(|| std::thread::sleep(TICK)).await;
        let mut left = TICK.mul_f64(pace);
        while !left.is_zero() {
            let slice = left.min(SLICE);
            tokio::time::advance(slice).await;
            left -= slice;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn an_hour() -> u64 {
        let started = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        started.elapsed().as_secs()
    }

    #[test]
    fn virtual_time_costs_no_time() {
        let real = Instant::now();
        assert_eq!(block_on(Time::Virtual, an_hour()).unwrap(), 3600);
        assert!(real.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_follows_on_each_other_is_exact_at_any_pace() {
        let many = async {
            let started = tokio::time::Instant::now();
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            started.elapsed()
        };
        let took = block_on(Time::Paced(10_000.0), many).unwrap();
        assert!(took >= Duration::from_secs(40) && took < Duration::from_secs(50), "{took:?}");
    }

    #[test]
    fn paced_time_is_real_time_times_the_pace() {
        let real = Instant::now();
        let seconds = block_on(Time::Paced(18_000.0), an_hour()).unwrap();
        assert!((3600..4000).contains(&seconds), "{seconds}");
        assert!(real.elapsed() >= Duration::from_millis(199), "{:?}", real.elapsed());
    }
}
