//! What happens during a run, as facts. Reporters make text of them; they cannot change the run's course.

mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use phoenix_types::{GuestId, KnownSecrets};
use serde::Serialize;

use crate::plan::Stage;

/// One fact of a run.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Event {
    /// Counts from 1.
    pub seq: u64,
    /// Time since the run began, in milliseconds.
    pub at_ms: u64,
    /// The guest that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The run began.
    RunStarted {
        /// The version of the event format: 1.
        format: u32,
        /// How many guests take part.
        guests: usize,
        /// How many steps are planned for all of them.
        steps: usize,
    },
    /// A guest waits for others to be done.
    GuestWaiting {
        /// Those that are not done yet.
        on: Vec<GuestId>,
    },
    /// A guest's first step, or its gates, begin.
    GuestStarted {
        /// Its name.
        name: String,
        /// How many steps are planned for it.
        steps: usize,
    },
    /// A step begins.
    StepStarted {
        /// Its stage.
        stage: Stage,
        /// What it does.
        summary: String,
    },
    /// A step waited for other guests: for the source that they clone too, or for one of the run's slots.
    StepHeld {
        /// Its stage.
        stage: Stage,
        /// How long, in milliseconds.
        ms: u64,
    },
    /// A step could not be done now because something else is busy; it is tried again.
    StepRetried {
        /// Its stage.
        stage: Stage,
        /// The tool's words.
        reason: String,
        /// How long until the next try, in milliseconds.
        delay_ms: u64,
    },
    /// A step ended.
    StepFinished {
        /// Its stage.
        stage: Stage,
        /// What it did.
        summary: String,
        /// How long it took, in milliseconds.
        ms: u64,
        /// Why it failed, when it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A line of a script's output.
    Output {
        /// The script.
        script: String,
        /// The line.
        line: String,
    },
    /// A gate's probe was asked.
    GateAsked {
        /// The gate.
        gate: String,
        /// Which attempt this was, from 1.
        attempt: u32,
        /// How many attempts counted against `of` up to and with this one. Attempts in the start period do not count.
        counted: u32,
        /// How many are allowed, when that is limited.
        #[serde(skip_serializing_if = "Option::is_none")]
        of: Option<u32>,
        /// Whether the answer was yes.
        passed: bool,
        /// What the probe saw.
        detail: String,
    },
    /// A gate passed.
    GatePassed {
        /// The gate.
        gate: String,
        /// Attempts made.
        attempts: u32,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// Something that a person should know, and that stops nothing.
    Notice {
        /// The text.
        text: String,
    },
    /// A guest is done with, one way or another.
    GuestFinished {
        /// How it ended.
        outcome: GuestOutcome,
    },
    /// The run is over.
    RunFinished {
        /// How many guests ended which way.
        counts: BTreeMap<&'static str, usize>,
    },
}

impl EventKind {
    /// Masks secrets that came back from the node.
    pub(crate) fn mask(&mut self, secrets: &KnownSecrets) {
        match self {
            Self::StepRetried { reason: text, .. }
            | Self::Output { line: text, .. }
            | Self::GateAsked { detail: text, .. }
            | Self::Notice { text } => secrets.mask_in(text),
            Self::StepStarted { summary, .. } => secrets.mask_in(summary),
            Self::StepFinished { summary, error, .. } => {
                secrets.mask_in(summary);
                error.iter_mut().for_each(|error| secrets.mask_in(error));
            }
            Self::GuestFinished { outcome } => outcome.mask(secrets),
            Self::RunStarted { .. }
            | Self::GuestWaiting { .. }
            | Self::GuestStarted { .. }
            | Self::StepHeld { .. }
            | Self::GatePassed { .. }
            | Self::RunFinished { .. } => {}
        }
    }
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GuestOutcome {
    /// It was changed, and all its gates passed.
    Changed {
        /// How many steps were done.
        steps: usize,
        /// How many gates passed.
        gates: usize,
    },
    /// There was nothing to change, and all its gates passed.
    Unchanged {
        /// How many gates passed.
        gates: usize,
    },
    /// It exists and is configured, but Phoenix did not make it.
    NotOurs,
    /// It is on another node of the cluster.
    Elsewhere,
    /// It is of the other kind than the configuration says.
    OtherKind,
    /// It cannot get the configured state: it is a template, or has snapshots and should become one.
    WrongState,
    /// A step or a gate failed.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// It was not touched, because a guest that it needs failed.
    Blocked {
        /// The guest whose failure is the cause.
        by: GuestId,
    },
    /// The run was cancelled before it was done.
    Cancelled,
}

impl GuestOutcome {
    /// Whether the guest is up to date, so that dependants may continue.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Changed { .. } | Self::Unchanged { .. })
    }

    /// Masks secrets that came back from the node.
    pub(crate) fn mask(&mut self, secrets: &KnownSecrets) {
        let Self::Failed { failure } = self else { return };
        let Failure { message, hint, asked, cause, last_output, evidence, rollback, .. } = failure;
        let texts = [message, last_output].into_iter().chain(hint).chain(asked).chain(cause).chain(rollback);
        texts.chain(evidence.iter_mut().map(|(_, text)| text)).for_each(|text| secrets.mask_in(text));
    }

    /// One word for tables and counts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "done",
            Self::Unchanged { .. } => "unchanged",
            Self::NotOurs => "not ours",
            Self::Elsewhere => "elsewhere",
            Self::OtherKind => "other kind",
            Self::WrongState => "wrong state",
            Self::Failed { .. } => "failed",
            Self::Blocked { .. } => "blocked",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a guest failed, with the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Failure {
    /// The stage that failed.
    pub stage: Stage,
    /// What went wrong, in one sentence.
    pub message: String,
    /// What to do about it, when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Attempts made, when a gate failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The attempts with their times since the gate was first asked, those that said the same in one line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// The nearest cause in a sentence, when a gate failed and a cause is known. It is part of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The last output of the probe, script or command.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_output: String,
    /// How long the failing step took, in milliseconds.
    pub elapsed_ms: u64,
    /// What was found in the guest afterwards: title and text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<(String, String)>,
    /// What happened to the guest after the failure, when it was rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
}

/// Where events go. Sinks are called in order, one event at a time.
pub trait EventSink: Send {
    /// Takes one event.
    fn emit(&mut self, event: &Event);
}

impl<F: FnMut(&Event) + Send> EventSink for F {
    fn emit(&mut self, event: &Event) {
        self(event);
    }
}

impl EventSink for Vec<Event> {
    fn emit(&mut self, event: &Event) {
        self.push(event.clone());
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
