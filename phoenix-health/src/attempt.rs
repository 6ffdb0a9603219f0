//! One asking of a gate's question, and the memory of many.

use std::time::Duration;

use serde::Serialize;

use crate::seconds::{self, Seconds};
use crate::{Answer, Verdict};

/// One attempt of a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// When it began, since the wait began.
    #[serde(with = "Seconds")]
    pub started: Duration,
    /// How long it took.
    #[serde(with = "Seconds")]
    pub took: Duration,
    /// Whether it was counted against the schedule's `attempts`.
    pub counting: Counting,
    /// How many attempts were counted up to and with this one.
    pub counted: u32,
    /// Passes in a row up to and with this one.
    pub streak: u32,
    /// What the probe found.
    #[serde(flatten)]
    pub answer: Answer,
}

impl Attempt {
    /// Whether the answer was yes.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.answer.verdict == Verdict::Yes
    }
}

/// Whether an attempt was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// It was.
    Counted,
    /// It began within the start period.
    StartPeriod,
}

/// The attempts of a wait: how many there were, the first few and the last ones in full.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Attempts {
    /// How many were made.
    pub made: u32,
    /// At most [`Attempts::KEPT_FIRST`] from the beginning and [`Attempts::KEPT_LAST`] from the end, in order.
    pub kept: Vec<Attempt>,
}

impl Attempts {
    /// How many of the first attempts are kept.
    pub const KEPT_FIRST: usize = 5;
    /// How many of the last attempts are kept.
    pub const KEPT_LAST: usize = 45;

    pub(crate) fn push(&mut self, attempt: Attempt) {
        self.made = attempt.number;
        if self.kept.len() == Self::KEPT_FIRST + Self::KEPT_LAST {
            self.kept.remove(Self::KEPT_FIRST);
        }
        self.kept.push(attempt);
    }

    /// The last attempt.
    #[must_use]
    pub fn last(&self) -> Option<&Attempt> {
        self.kept.last()
    }

    /// Runs of attempts that said the same, as lines for people: `1 to 8, 0 s to 1 min 10 s: connection refused`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let same = |a: &Attempt, b: &Attempt| {
            (a.answer.verdict, &a.answer.said) == (b.answer.verdict, &b.answer.said) && b.number - a.number == 1
        };
        let line = |run: &[Attempt]| match run {
            [] => None,
            [one] => Some(format!("{}, {}: {}", one.number, seconds::display(one.started), one.answer.said)),
            [first, .., last] => Some(format!(
                "{} to {}, {} to {}: {}",
                first.number,
                last.number,
                seconds::display(first.started),
                seconds::display(last.started),
                first.answer.said
            )),
        };
        self.kept.chunk_by(same).filter_map(line).collect()
    }
}
