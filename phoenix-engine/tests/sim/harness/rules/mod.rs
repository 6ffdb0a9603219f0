//! What must always hold, rule by rule, with the numbers of the design. Rules 4, 5 and 8 are about several runs and are in
//! [`super::case`].

mod branches;
mod commands;
mod guests;

pub(crate) use commands::rule_9_no_secret_in_the_log;

use std::fmt;
use std::time::Duration;

use phoenix_engine::{EventKind, GuestOutcome};
use tokio::time::Instant;

use super::run::Ran;

/// A rule that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) rule: u8,
    pub(crate) what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}: {}", self.rule, self.what)
    }
}

/// Collects breaches of one rule.
#[derive(Debug)]
pub(crate) struct Findings {
    rule: u8,
    found: Vec<Breach>,
}

impl Findings {
    pub(crate) fn of(rule: u8) -> Self {
        Self { rule, found: Vec::new() }
    }

    pub(crate) fn add(&mut self, what: impl Into<String>) {
        self.found.push(Breach { rule: self.rule, what: what.into() });
    }

    pub(crate) fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.add(what());
        }
    }

    pub(crate) fn found(self) -> Vec<Breach> {
        self.found
    }
}

/// Everything that one run broke.
pub(crate) fn check(ran: &Ran) -> Vec<Breach> {
    const RULES: [fn(&Ran) -> Vec<Breach>; 11] = [
        branches::rule_1_dependants_come_after_gates,
        guests::rule_2_what_is_not_ours_stays,
        guests::rule_3_nothing_is_destroyed_unasked,
        branches::rule_6_a_failure_stops_only_what_depends_on_it,
        branches::rule_7_no_slot_is_held_while_a_gate_waits,
        commands::rule_9_no_secret_is_seen,
        guests::rule_10_no_empty_firewall_and_no_snapshot_lost,
        commands::rule_11_every_command_is_accepted,
        commands::rule_12_waiting_is_bounded,
        guests::rule_13_no_disk_shrinks_and_no_address_changes,
        guests::rule_15_a_rollback_restores_everything,
    ];
    RULES.iter().flat_map(|rule| rule(ran)).collect()
}

impl Ran {
    /// When an event happened.
    pub(crate) fn at(&self, at_ms: u64) -> Instant {
        self.started + Duration::from_millis(at_ms)
    }

    /// When a guest was done with and how.
    pub(crate) fn finished(&self, guest: u32) -> Option<(Instant, &GuestOutcome)> {
        self.events.iter().find_map(|event| match &event.kind {
            EventKind::GuestFinished { outcome } if event.guest.is_some_and(|id| id.get() == guest) => {
                Some((self.at(event.at_ms), outcome))
            }
            _ => None,
        })
    }
}
