//! What happened to each guest in a run, put together from its events. The table, the timeline and the report of failures
//! are read off it.

use std::collections::BTreeMap;

use phoenix_engine::{Event, EventKind, GuestOutcome, Plan, Stage};
use phoenix_types::{GuestId, GuestKind};

use crate::render::attempt::attempt_of;

/// What a guest did in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Activity {
    /// It waited for the guests that it needs.
    Waiting,
    /// One of its own gates was being asked.
    Gated,
    /// It was worked on.
    Working,
}

/// A span of a guest's time, in milliseconds since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) activity: Activity,
    pub(crate) from: u64,
    /// Absent while it lasts.
    pub(crate) to: Option<u64>,
}

/// A step that ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReportedStep {
    pub(crate) stage: Stage,
    pub(crate) summary: String,
    /// When it began, in milliseconds since the run began.
    pub(crate) from: u64,
    /// How long it took.
    pub(crate) ms: u64,
    pub(crate) error: Option<String>,
}

/// A no of a gate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// In milliseconds since the run began.
    pub(crate) at: u64,
    pub(crate) gate: String,
    pub(crate) attempt: u32,
    pub(crate) said: String,
}

/// What happened to one guest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Story {
    pub(crate) name: String,
    pub(crate) kind: GuestKind,
    /// The guests that it waits for.
    pub(crate) needs: Vec<GuestId>,
    pub(crate) periods: Vec<Period>,
    /// What it does just now, and since when.
    pub(crate) doing: Option<(u64, String)>,
    /// The steps that ended, in order.
    pub(crate) steps: Vec<ReportedStep>,
    /// Every attempt of its gates that did not pass, in order.
    pub(crate) refusals: Vec<Refusal>,
    /// How often a step of it was tried again, because something was busy.
    pub(crate) retries: u32,
    /// The stage of the step that is being done. A gate of another stage may have the name of a health gate.
    stage: Option<Stage>,
    /// The gates that make it done, by name.
    pub(crate) gates: Vec<String>,
    /// How many of those passed.
    pub(crate) passed: usize,
    /// The moment and the way in which it ended.
    pub(crate) end: Option<(u64, GuestOutcome)>,
}

impl Story {
    /// That of a guest to which nothing has happened.
    pub(crate) fn new(name: String, kind: GuestKind, gates: Vec<String>, needs: Vec<GuestId>) -> Self {
        Self {
            name,
            kind,
            needs,
            periods: Vec::new(),
            doing: None,
            steps: Vec::new(),
            refusals: Vec::new(),
            retries: 0,
            stage: None,
            gates,
            passed: 0,
            end: None,
        }
    }

    /// How long it was worked on and gated, in milliseconds.
    pub(crate) fn busy_ms(&self) -> u64 {
        let busy = self.periods.iter().filter(|period| period.activity != Activity::Waiting);
        busy.map(|period| period.to.unwrap_or(period.from).saturating_sub(period.from)).sum()
    }

    fn turn(&mut self, at: u64, activity: Option<Activity>) {
        if let Some(last) = self.periods.last_mut().filter(|period| period.to.is_none()) {
            if Some(last.activity) == activity {
                return;
            }
            last.to = Some(at);
        }
        self.periods.extend(activity.map(|activity| Period { activity, from: at, to: None }));
    }
}

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RunHistory {
    /// In the order of the plan: each guest after what it needs.
    pub(crate) order: Vec<GuestId>,
    pub(crate) guests: BTreeMap<GuestId, Story>,
    /// The moment of the last event, in milliseconds since the run began.
    pub(crate) now: u64,
}

impl RunHistory {
    /// An empty one for the guests of a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self::new(plan.guests.iter().map(|guest| {
            (guest.id, Story::new(guest.name.clone(), guest.kind, guest.gates.clone(), guest.needs.clone()))
        }))
    }

    pub(crate) fn new(guests: impl IntoIterator<Item = (GuestId, Story)>) -> Self {
        let mut history = Self::default();
        for (id, story) in guests {
            history.order.push(id);
            history.guests.insert(id, story);
        }
        history
    }

    /// The guests that made the run as long as it was: the one that ended last, before it the one of those it waited for that
    /// ended last, and so on, in the order of time.
    pub(crate) fn longest_chain(&self) -> Vec<GuestId> {
        let ended = |id: &GuestId| {
            let story = self.guests.get(id)?;
            Some((story.end.as_ref()?.0, *id)).filter(|_| story.busy_ms() > 0)
        };
        let last = |ids: &[GuestId]| ids.iter().filter_map(ended).max().map(|(_, id)| id);
        let mut chain = Vec::new();
        let mut next = last(&self.order);
        while let Some(id) = next {
            chain.push(id);
            // Each guest is after what it needs, so this ends.
            next = self.guests.get(&id).and_then(|story| last(&story.needs)).filter(|need| !chain.contains(need));
        }
        chain.reverse();
        chain
    }

    /// For a run in which no guest is asked whether it is healthy.
    pub(crate) fn without_gates(&mut self) {
        self.guests.values_mut().for_each(|story| story.gates.clear());
    }

    /// Takes in the next event.
    pub(crate) fn take(&mut self, event: &Event) {
        self.now = self.now.max(event.at_ms);
        let at = event.at_ms;
        let Some(story) = event.guest.and_then(|id| self.guests.get_mut(&id)) else { return };
        match &event.kind {
            EventKind::StepStarted { stage, .. } => story.stage = Some(*stage),
            EventKind::StepFinished { .. } => story.stage = None,
            _ => {}
        }
        match &event.kind {
            EventKind::StepStarted { summary, .. } => story.doing = Some((at, summary.clone())),
            EventKind::GateAsked { gate, attempt, counted, of, passed: false, detail } => {
                let (gate, attempt) = (gate.clone(), *attempt);
                story.refusals.push(Refusal { at, gate: gate.clone(), attempt, said: detail.clone() });
                let since = story.doing.as_ref().map_or(at, |(since, _)| *since);
                story.doing = Some((since, format!("gate `{gate}`, {}", attempt_of(attempt, *counted, *of))));
            }
            EventKind::StepFinished { stage, summary, ms, error } => {
                story.doing = None;
                let (stage, summary, error) = (*stage, summary.clone(), error.clone());
                story.steps.push(ReportedStep { stage, summary, from: at.saturating_sub(*ms), ms: *ms, error });
            }
            EventKind::StepRetried { .. } => story.retries += 1,
            EventKind::GuestFinished { .. } => story.doing = None,
            _ => {}
        }
        match &event.kind {
            EventKind::GuestWaiting { .. } => story.turn(at, Some(Activity::Waiting)),
            EventKind::StepStarted {
                stage: Stage::WaitFor | Stage::Health | Stage::Agent | Stage::CloudInit, ..
            } => story.turn(at, Some(Activity::Gated)),
            EventKind::GuestStarted { .. } | EventKind::StepStarted { .. } => story.turn(at, Some(Activity::Working)),
            EventKind::GatePassed { gate, .. }
                if story.gates.contains(gate) && story.stage.is_none_or(|stage| stage == Stage::Health) =>
            {
                story.passed += 1;
            }
            EventKind::GuestFinished { outcome } => {
                story.turn(at, None);
                story.end = Some((at, outcome.clone()));
            }
            _ => {}
        }
    }

    /// The guests with their stories, in order.
    pub(crate) fn stories(&self) -> impl Iterator<Item = (GuestId, &Story)> {
        self.order.iter().filter_map(|id| Some((*id, self.guests.get(id)?)))
    }
}
