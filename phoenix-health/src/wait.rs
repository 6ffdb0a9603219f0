//! Gates: asking until the answer is yes, or until there is no sense in asking on.

use std::fmt;
use std::time::Duration;

use phoenix_types::GuestId;
use phoenix_types::gate::{Gate, Place};
use serde::Serialize;
use tokio::time::Instant;

use crate::seconds::{self, Seconds};
use crate::{Answer, Ask as _, Attempt, Attempts, Counting, Evidence, ProbeContext, Verdict, gather_evidence};

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The gate is open.
    Passed {
        /// Attempts made, the passing ones included.
        attempts: u32,
        /// From the first attempt's start to the last one's end.
        #[serde(with = "Seconds")]
        elapsed: Duration,
    },
    /// It is not.
    Failed(Box<GateFailure>),
}

/// Why a wait ended without a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// All attempts of the schedule were made.
    AttemptsUsedUp,
    /// The schedule's deadline came.
    Deadline,
    /// The probe found a state that no waiting changes, such as a failed cloud-init.
    Never,
    /// The probe found that the guest wants to be rebooted first.
    NeedsReboot,
}

/// Everything that is known about a gate that did not open.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema, thiserror::Error)]
#[non_exhaustive]
pub struct GateFailure {
    /// The guest.
    pub guest: GuestId,
    /// The gate's name.
    pub gate: String,
    /// The question, in words.
    pub probe: String,
    /// Why the wait ended.
    pub reason: Reason,
    /// The attempts, with times and answers.
    pub attempts: Attempts,
    /// The last output of the probe, if any attempt had some.
    pub last_output: String,
    /// How long the wait was, evidence not counted.
    #[serde(with = "Seconds")]
    pub elapsed: Duration,
    /// What was found in the guest afterwards.
    pub evidence: Evidence,
}

impl fmt::Display for GateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.attempts.made;
        write!(f, "gate `{}` of guest {}", self.gate, self.guest)?;
        // A gate without a name of its own is called by its question.
        if self.probe != self.gate && self.probe != format!("`{}` {}", self.gate, Place::Guest) {
            write!(f, " ({})", self.probe)?;
        }
        let attempts = if made == 1 { "attempt" } else { "attempts" };
        write!(f, " did not pass: {made} {attempts} in {}", seconds::display(self.elapsed))?;
        match self.reason {
            Reason::AttemptsUsedUp => {}
            Reason::Deadline => write!(f, ", which is its deadline")?,
            Reason::Never => write!(f, ", and waiting longer cannot help")?,
            Reason::NeedsReboot => write!(f, ", and the guest must be rebooted first")?,
        }
        if let Some(last) = self.attempts.last() {
            write!(f, "; the last answer was: {}", last.answer.said)?;
            if last.passed() {
                write!(f, ", a pass, but only {} in a row", last.streak)?;
            }
        }
        match &self.evidence.cause {
            // Some answers say all that there is.
            Some(cause) if self.attempts.last().is_none_or(|last| last.answer.said != *cause) => write!(f, "; {cause}"),
            _ => Ok(()),
        }
    }
}

/// Waits until the gate passes or a bound of its schedule is reached, and then gathers evidence. `observer` hears of each
/// attempt as it ends.
///
/// The first attempt is made at once. The wait itself holds no lock, no slot and no task.
///
/// Cancel safety: when the future is dropped, the attempt that runs is cut off as its host does it (process group killed,
/// socket closed); nothing else is left behind.
pub async fn wait(gate: &Gate, context: &ProbeContext, observer: &mut (dyn FnMut(&Attempt) + Send)) -> Outcome {
    let schedule = &gate.schedule;
    let beginning = Instant::now();
    let deadline = schedule.effective_deadline();
    let mut attempts = Attempts::default();
    let mut last_output = String::new();
    let (mut counted, mut streak, mut failures) = (0_u32, 0_u32, 0_u32);
    let reason = loop {
        // Only a semaphore that was closed gives none.
        let turn = context.turns.acquire().await.ok();
        let started = beginning.elapsed();
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_sub(started));
        if left.is_zero() {
            break Reason::Deadline;
        }
        let answer = gate.probe.ask(context, schedule.timeout.min(left)).await;
        drop(turn);
        if answer.verdict == Verdict::Yes {
            (streak, failures) = (streak.saturating_add(1), 0);
        } else {
            (streak, failures) = (0, failures.saturating_add(1));
        }
        let counting = if started < schedule.start_period { Counting::StartPeriod } else { Counting::Counted };
        counted = counted.saturating_add(u32::from(counting == Counting::Counted));
        let took = beginning.elapsed().saturating_sub(started);
        let number = attempts.made.saturating_add(1);
        let attempt = Attempt { number, started, took, counting, counted, streak, answer };
        tracing::debug!(guest = %context.guest, gate = gate.name, number, verdict = ?attempt.answer.verdict, "attempt");
        observer(&attempt);
        let verdict = attempt.answer.verdict;
        if !attempt.answer.output.is_empty() {
            last_output.clone_from(&attempt.answer.output);
        }
        attempts.push(attempt);

        match verdict {
            Verdict::Yes if streak >= schedule.success_threshold.max(1) => {
                return Outcome::Passed { attempts: number, elapsed: beginning.elapsed() };
            }
            Verdict::Never => break Reason::Never,
            Verdict::NeedsReboot => break Reason::NeedsReboot,
            Verdict::Yes | Verdict::No | Verdict::Unanswered => {}
        }
        if schedule.attempts.is_some_and(|most| counted >= most.max(1)) {
            break Reason::AttemptsUsedUp;
        }
        let pause = schedule.pause(number, failures);
        let now = beginning.elapsed();
        match deadline {
            Some(deadline) if now.saturating_add(pause) >= deadline => {
                tokio::time::sleep(deadline.saturating_sub(now)).await;
                break Reason::Deadline;
            }
            _ => tokio::time::sleep(pause).await,
        }
    };
    let elapsed = beginning.elapsed();
    let evidence = gather_evidence(context, attempts.last().map(|last| (&gate.probe, &last.answer))).await;
    Outcome::Failed(Box::new(GateFailure {
        guest: context.guest,
        gate: gate.name.clone(),
        probe: gate.probe.to_string(),
        reason,
        attempts,
        last_output,
        elapsed,
        evidence,
    }))
}

/// Asks the gate's question once, now, with the schedule's timeout. No evidence is gathered.
///
/// Cancel safety: as [`wait`].
pub async fn ask_once(gate: &Gate, context: &ProbeContext) -> Attempt {
    let _turn = context.turns.acquire().await.ok();
    let beginning = Instant::now();
    let answer: Answer = gate.probe.ask(context, gate.schedule.timeout).await;
    let streak = u32::from(answer.verdict == Verdict::Yes);
    Attempt {
        number: 1,
        started: Duration::ZERO,
        took: beginning.elapsed(),
        counting: Counting::Counted,
        counted: 1,
        streak,
        answer,
    }
}

#[cfg(test)]
mod tests;
