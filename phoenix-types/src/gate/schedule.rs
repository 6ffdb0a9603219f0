//! When the attempts of a gate are made, and when it gives up.

use std::time::Duration;

/// When a gate asks and when it gives up. The whole meaning, with time lines, is in `docs/concepts/gates.md`.
///
/// The first attempt is made at once. `interval` after the end of an attempt the next begins. The wait ends with the
/// attempt that completes `success_threshold` passes in a row, or when `attempts` are used up, or at `deadline`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// At most so many attempts; those that begin within `start_period` are not counted. `None`: as many as fit before the
    /// deadline. 0 means 1. Default: 30.
    pub attempts: Option<u32>,
    /// From the end of one attempt to the start of the next; less than [`Schedule::MIN_PAUSE`] is taken as that. Default: 10 s.
    pub interval: Duration,
    /// How long one attempt may take; at its end the attempt has failed and what it started is gone. Default: 10 s.
    pub timeout: Duration,
    /// How long the whole wait may take, from its first attempt on. An attempt that runs then is cut off. Default: none, or
    /// [`Schedule::LAST_DEADLINE`] when `attempts` is `None` too, for no wait is without a bound.
    pub deadline: Option<Duration>,
    /// Attempts that begin before this time has passed since the first are not counted against `attempts`; a pass counts at
    /// any time. Default: 0.
    pub start_period: Duration,
    /// So many passes in a row open the gate; a failure between them starts the row again. 0 means 1. Default: 1.
    pub success_threshold: u32,
    /// Longer pauses after repeated failures. Default: none.
    pub backoff: Option<Backoff>,
    /// Pauses of slightly different length, so that many gates do not ask at the same moment. Default: none.
    pub jitter: Option<Jitter>,
}

/// Each failed attempt makes the next pause `factor` times as long, up to `max`. After an attempt that passed, the pause is
/// the plain interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// What a pause is multiplied with; less than 1 means 1.
    pub factor: f64,
    /// No pause grows beyond this, nor beyond [`Backoff::LONGEST`]. It has no effect below the interval. Default: ten times
    /// the interval.
    pub max: Option<Duration>,
}

/// Pauses drawn evenly from `interval × (1 − share)` to `interval × (1 + share)`, the same ones for the same seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter {
    /// From 0 (none) to 1 (from nothing to double).
    pub share: f64,
    /// Where the sequence starts. Gates that shall differ need different seeds.
    pub seed: u64,
}

impl Backoff {
    /// The longest that a pause can grow, whatever `max` says: one hour.
    pub const LONGEST: Duration = Duration::from_secs(3600);

    fn limit(self, interval: Duration) -> Duration {
        self.max.unwrap_or(interval.saturating_mul(10)).min(Self::LONGEST).max(interval)
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            attempts: Some(30),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            deadline: None,
            start_period: Duration::ZERO,
            success_threshold: 1,
            backoff: None,
            jitter: None,
        }
    }
}

impl Schedule {
    /// The shortest pause between two attempts: 10 ms, so that an interval of 0 is no busy loop.
    pub const MIN_PAUSE: Duration = Duration::from_millis(10);

    /// The deadline of a schedule that names neither attempts nor a deadline: one hour.
    pub const LAST_DEADLINE: Duration = Duration::from_secs(3600);

    /// The deadline that holds: the given one, or the last one when nothing else bounds the wait.
    #[must_use]
    pub fn effective_deadline(&self) -> Option<Duration> {
        self.deadline.or(if self.attempts.is_none() { Some(Self::LAST_DEADLINE) } else { None })
    }

    /// How long a wait can last at most, evidence not counted.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let by_attempts = self.attempts.map(|attempts| {
            let pause = self.backoff.map_or(self.interval, |backoff| backoff.limit(self.interval));
            let pause = times(pause, 1.0 + self.jitter.map_or(0.0, Jitter::bounded));
            let round = self.timeout.saturating_add(pause.max(Self::MIN_PAUSE));
            let early =
                if self.start_period.is_zero() { Duration::ZERO } else { self.start_period.saturating_add(round) };
            early.saturating_add(round.saturating_mul(attempts.max(1)))
        });
        by_attempts.into_iter().chain(self.effective_deadline()).min().unwrap_or(Self::LAST_DEADLINE)
    }

    /// The pause after attempt `number` (from 1), when `failures` attempts in a row have failed up to and with it.
    #[must_use]
    pub fn pause(&self, number: u32, failures: u32) -> Duration {
        let mut pause = self.interval;
        if let Some(backoff) = self.backoff {
            let factor = if backoff.factor.is_finite() { backoff.factor.max(1.0) } else { 1.0 };
            pause = times(pause, factor.powf(f64::from(failures.saturating_sub(1)))).min(backoff.limit(self.interval));
        }
        if let Some(jitter) = self.jitter {
            pause = times(pause, 1.0 + jitter.bounded() * (2.0 * even(jitter.seed, number) - 1.0));
        }
        pause.max(Self::MIN_PAUSE)
    }
}

impl Jitter {
    fn bounded(self) -> f64 {
        if self.share.is_nan() { 0.0 } else { self.share.clamp(0.0, 1.0) }
    }
}

/// What is too long to be a duration is the longest one.
fn times(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// The `number`th value of the sequence of `seed`, evenly spread over 0 to 1: `SplitMix64` (Steele, Lea, Flood 2014).
fn even(seed: u64, number: u32) -> f64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(u64::from(number) + 1));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    f64::from(u32::try_from(z >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn backoff_grows_to_its_maximum() {
        let schedule = Schedule {
            interval: seconds(1),
            backoff: Some(Backoff { factor: 2.0, max: Some(seconds(5)) }),
            ..Schedule::default()
        };
        let pauses: Vec<_> = (1..=5).map(|n| schedule.pause(n, n).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(schedule.pause(6, 0), seconds(1), "after a pass the pause is the interval");
    }

    #[test]
    fn no_pause_is_a_busy_loop() {
        let schedule = Schedule { interval: Duration::ZERO, ..Schedule::default() };
        assert_eq!(schedule.pause(1, 1), Schedule::MIN_PAUSE);
    }

    #[test]
    fn a_schedule_without_bounds_has_one() {
        let schedule = Schedule { attempts: None, ..Schedule::default() };
        assert_eq!(schedule.longest(), Schedule::LAST_DEADLINE);
        assert_eq!(Schedule::default().longest(), seconds(600));
    }

    proptest! {
        #[test]
        fn jitter_stays_in_its_share_and_repeats(seed: u64, number in 1u32..1000, share in 0.0f64..1.0) {
            let schedule = Schedule { interval: seconds(10), jitter: Some(Jitter { share, seed }), ..Schedule::default() };
            let pause = schedule.pause(number, number).as_secs_f64();
            prop_assert!(pause >= 10.0 * (1.0 - share) - 1e-6 && pause <= 10.0 * (1.0 + share) + 1e-6);
            prop_assert_eq!(schedule.pause(number, number), schedule.pause(number, number));
        }

        #[test]
        fn no_numbers_make_a_pause_panic(
            interval: Duration,
            max: Option<Duration>,
            factor in proptest::num::f64::ANY,
            share in proptest::num::f64::ANY,
            n: u32,
        ) {
            let schedule = Schedule {
                interval,
                backoff: Some(Backoff { factor, max }),
                jitter: Some(Jitter { share, seed: 1 }),
                ..Schedule::default()
            };
            // Seconds as floating numbers are exact to about one part in 10^15.
            let longest = max.unwrap_or(interval.saturating_mul(10)).max(interval);
            let bound = times(longest, 2.000_001).max(Schedule::MIN_PAUSE);
            prop_assert!(schedule.pause(n, n) <= bound);
            prop_assert!(schedule.longest() >= schedule.timeout);
        }
    }
}
