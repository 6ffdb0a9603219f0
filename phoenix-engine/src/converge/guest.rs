//! One guest's way through its steps.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use phoenix_config::model::{OnFailure, State};
use phoenix_types::{GuestId, Power, SecretSource};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::error::StepError;
use super::event_sender::EventSender;
use super::gates;
use super::run::{DependencyOutcome, Run};
use super::target::Target;
use super::worker::Worker;
use crate::desired::DesiredGuest;
use crate::event::{EventKind, Failure, GuestOutcome, millis};
use crate::plan::{Disposition, GuestPlan, Stage, Step};

/// Runs a guest's part of the plan and tells its dependants how it went.
pub(super) async fn run(
    run: &Run,
    guest: Option<&DesiredGuest>,
    plan: GuestPlan,
    events: &EventSender,
) -> GuestOutcome {
    let span = tracing::info_span!("guest", id = events.guest.get(), name = plan.name);
    let outcome = match guest {
        Some(guest) if plan.disposition != Disposition::Destroy => {
            unless_it_panics(Box::pin(drive(run, guest, plan, events)).instrument(span)).await
        }
        // The configuration may not have it any more, or say that it is of the other kind.
        guest => unless_it_panics(remove(run, plan, guest, events).instrument(span)).await,
    };
    events.send(EventKind::GuestFinished { outcome: outcome.clone() });
    let word = match &outcome {
        outcome if outcome.is_good() => DependencyOutcome::Good,
        GuestOutcome::Blocked { by } => DependencyOutcome::Bad(*by),
        _ => DependencyOutcome::Bad(events.guest),
    };
    if let Some(progress) = run.outcomes.get(&events.guest) {
        // It is set here alone.
        let _ = progress.end.set(word);
    }
    outcome
}

/// A panic must not leave the dependants waiting: it ends as a failure of this guest.
async fn unless_it_panics(work: impl Future<Output = GuestOutcome>) -> GuestOutcome {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => broken(panic_message(&*panic)),
    }
}

/// What a panic says.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}

/// Removes a guest.
async fn remove(run: &Run, plan: GuestPlan, guest: Option<&DesiredGuest>, events: &EventSender) -> GuestOutcome {
    if let Err(outcome) = wait_for_needs(run, &plan, events).await {
        return outcome;
    }
    events.send(EventKind::GuestStarted { name: plan.name.clone(), steps: plan.steps.len() });
    let copied_from = guest.and_then(DesiredGuest::clone_source);
    let limits = guest.map(|guest| &guest.limits);
    let target = Target { run, events, id: plan.id, kind: plan.kind, copied_from, limits };
    let steps = plan.steps.len();
    for step in plan.steps {
        if run.cancel.is_cancelled() {
            return GuestOutcome::Cancelled;
        }
        if let Err(outcome) = attempt(events, &step, target.work(&step)).await {
            return outcome;
        }
    }
    GuestOutcome::Changed { steps, gates: 0 }
}

/// Carries a step out and tells how it went.
async fn attempt(
    events: &EventSender,
    step: &Step,
    work: impl Future<Output = Result<(), StepError>>,
) -> Result<(), GuestOutcome> {
    events.send(EventKind::StepStarted { stage: step.stage, summary: step.summary.clone() });
    let started = Instant::now();
    let result = work.instrument(tracing::info_span!("step", stage = step.stage.name())).await;
    events.send(EventKind::StepFinished {
        stage: step.stage,
        summary: step.summary.clone(),
        ms: millis(started.elapsed()),
        error: result.as_ref().err().map(ToString::to_string),
    });
    match result {
        Ok(()) => Ok(()),
        Err(StepError::Cancelled) => Err(GuestOutcome::Cancelled),
        Err(error) => Err(GuestOutcome::Failed { failure: report(step.stage, &error, started.elapsed()) }),
    }
}

async fn drive(run: &Run, guest: &DesiredGuest, plan: GuestPlan, events: &EventSender) -> GuestOutcome {
    match plan.disposition {
        Disposition::NotOurs => return GuestOutcome::NotOurs,
        Disposition::Elsewhere => return GuestOutcome::Elsewhere,
        Disposition::OtherKind => return GuestOutcome::OtherKind,
        Disposition::WrongState => return GuestOutcome::WrongState,
        Disposition::Create
        | Disposition::Finish
        | Disposition::Update
        | Disposition::Keep
        | Disposition::Held
        | Disposition::Destroy
        | Disposition::Replace => {}
    }
    if let Err(outcome) = wait_for_needs(run, &plan, events).await {
        return outcome;
    }
    if let Some(obstacle) = plan.obstacles.first() {
        let error = StepError::Obstacle(obstacle.clone());
        return GuestOutcome::Failed { failure: report(Stage::Define, &error, Duration::ZERO) };
    }
    events.send(EventKind::GuestStarted { name: plan.name.clone(), steps: plan.steps.len() });
    if !plan.steps.is_empty()
        && let Err(error) = secrets(run, guest).await
    {
        return GuestOutcome::Failed { failure: report(Stage::Health, &error, Duration::ZERO) };
    }
    let before = plan.record.clone();
    let mut worker = Worker::new(run, guest, events, &plan);
    let steps = plan.steps.len();
    let starting = plan.steps.iter().rposition(|step| step.work.leaves_it_running());
    if starting.is_none() && plan.power == Power::Running {
        tell_started(run, guest.id);
    }
    for (at, step) in plan.steps.into_iter().enumerate() {
        if run.cancel.is_cancelled() {
            return GuestOutcome::Cancelled;
        }
        match worker.step(&step).await {
            Ok(()) if starting == Some(at) => tell_started(run, guest.id),
            Ok(()) => {}
            Err(GuestOutcome::Failed { mut failure }) if guest.on_failure == OnFailure::Rollback => {
                failure.rollback = worker.roll_back(&before, plan.power).await;
                return GuestOutcome::Failed { failure };
            }
            Err(outcome) => return outcome,
        }
    }
    if steps > 0 {
        return GuestOutcome::Changed { steps, gates: guest.health.len() };
    }
    // Health is part of the state.
    if guest.state != State::Running || guest.health.is_empty() {
        return GuestOutcome::Unchanged { gates: 0 };
    }
    let started = Instant::now();
    match still_healthy(run, guest, events).await {
        Ok(()) => GuestOutcome::Unchanged { gates: guest.health.len() },
        Err(StepError::Cancelled) => GuestOutcome::Cancelled,
        Err(error) => GuestOutcome::Failed { failure: report(Stage::Health, &error, started.elapsed()) },
    }
}

/// Tells those who wait for the guest's start that it runs.
fn tell_started(run: &Run, guest: GuestId) {
    if let Some(progress) = run.outcomes.get(&guest) {
        // One event for each guest is enough.
        let _ = progress.started.set(());
    }
}

/// Whether every secret that the guest's gates need can be read. A guest whose gates cannot be asked is not changed.
async fn secrets(run: &Run, guest: &DesiredGuest) -> Result<(), StepError> {
    for gate in guest.wait_for.iter().chain(&guest.health) {
        for secret in gate.probe.secrets() {
            let read = run.node.secrets().read(secret).await;
            let value = read.map_err(|source| StepError::Secret { gate: gate.name.clone(), source })?;
            // The guest's scripts may print it before the gate is asked.
            if !matches!(secret, SecretSource::Plain(_)) {
                run.node.known().learn(&value);
            }
        }
    }
    Ok(())
}

/// Asks the gates of a guest that needs no change once: it should be healthy already. One that was started so recently that its
/// gates would still be waited for, by the node as it booted or by a person, gets that time.
async fn still_healthy(run: &Run, guest: &DesiredGuest, events: &EventSender) -> Result<(), StepError> {
    let context = gates::probe_context(&run.node, guest);
    let Err(failure) = gates::ask_all(&guest.health, &context, events).await else { return Ok(()) };
    let patience = guest.health.iter().map(|gate| gate.schedule.longest()).max().unwrap_or_default();
    match run.node.at(guest.id, Stage::Health).uptime(guest.kind(), guest.id).await {
        Ok(Some(uptime)) if uptime < patience => {
            let text = format!("started {} s ago: waiting with start timeouts", uptime.as_secs());
            events.send(EventKind::Notice { text });
            gates::wait(run, &guest.health, &context, events).await
        }
        _ => Err(StepError::Gate(failure)),
    }
}

/// Waits, without any slot, until everything that the guest needs is as far as it must be.
async fn wait_for_needs(run: &Run, plan: &GuestPlan, events: &EventSender) -> Result<(), GuestOutcome> {
    let open: Vec<GuestId> = plan
        .needs
        .iter()
        .copied()
        .filter(|id| run.outcomes.get(id).is_some_and(|progress| !progress.answers(plan.terms(*id))))
        .collect();
    if !open.is_empty() {
        events.send(EventKind::GuestWaiting { on: open });
    }
    for need in &plan.needs {
        let Some(progress) = run.outcomes.get(need) else { continue };
        let outcome = tokio::select! {
            biased;
            outcome = progress.answer(plan.terms(*need)) => outcome,
            () = run.cancel.cancelled() => return Err(GuestOutcome::Cancelled),
        };
        match outcome {
            DependencyOutcome::Good => {}
            DependencyOutcome::Bad(by) => return Err(GuestOutcome::Blocked { by }),
        }
    }
    Ok(())
}

/// A failed step as people will read it.
fn report(stage: Stage, error: &StepError, elapsed: Duration) -> Failure {
    let gate = if let StepError::Gate(failure) = error { Some(&**failure) } else { None };
    let sections = gate.map(|gate| gate.evidence.sections.as_slice()).unwrap_or_default();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Failure {
        stage,
        message,
        hint: error.hint(),
        attempts: gate.map(|gate| gate.attempts.made),
        asked: gate.map(|gate| gate.attempts.lines()).unwrap_or_default(),
        cause: gate.and_then(|gate| gate.evidence.cause.clone()),
        last_output: error.tail().to_owned(),
        elapsed_ms: millis(elapsed),
        evidence: sections.iter().map(|section| (section.title.clone(), section.text.clone())).collect(),
        rollback: None,
    }
}

impl Worker<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), GuestOutcome> {
        let events = self.events;
        attempt(events, step, self.work(step)).await
    }
}

/// A guest whose task broke off: a fault of Phoenix itself, which must not look like success.
pub(super) fn broken(reason: &str) -> GuestOutcome {
    GuestOutcome::Failed {
        failure: Failure {
            stage: Stage::Define,
            message: format!("internal error while working on this guest: {reason}"),
            hint: Some("this is a bug in Phoenix: please report it with the output of RUST_BACKTRACE=1".to_owned()),
            attempts: None,
            asked: Vec::new(),
            cause: None,
            last_output: String::new(),
            elapsed_ms: 0,
            evidence: Vec::new(),
            rollback: None,
        },
    }
}
