//! Goes through the steps of a plan.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use phoenix_health::{Gate, ProbeContext};
use phoenix_host::Layered;

use super::node::RehearsedNode;
use crate::converge::{EventSender, Run, Target, Worker, probe_context};
use crate::desired::Desired;
use crate::event::millis;
use crate::node::Node;
use crate::observe::Observed;
use crate::plan::{Disposition, GuestPlan, Plan, PlannedGate};

/// How often a future is polled at most. None of them waits for anything, but some give way once or twice.
const POLLS: usize = 1000;

impl Plan {
    /// The same plan with the commands, files and gates of every step written into it: what `phoenix plan --commands` shows, and
    /// what the JSON of a plan has. They are no part of what is decided, and no run needs them.
    #[must_use]
    pub fn rehearsed(mut self, desired: &Desired, observed: &Observed) -> Self {
        rehearse(desired, observed, &mut self.guests);
        self
    }
}

/// Writes into every step of these guests, which are in the order of the plan, what it will run and write.
fn rehearse(desired: &Desired, observed: &Observed, guests: &mut [GuestPlan]) {
    if guests.iter().all(GuestPlan::is_empty) {
        return;
    }
    // Probes need a clock, and the planning thread may have none.
    let Ok(clock) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    let within = clock.enter();
    let host = Arc::new(RehearsedNode::new(desired, guests, observed));
    let node = Node::new(Layered::new(host.clone())).with_secrets(host.clone());
    let run = Run::rehearsal(node, desired.fleet.clone(), observed.half_made.clone());
    for plan in guests.iter_mut().filter(|plan| !plan.is_empty()) {
        // The events do not matter here, only what reaches the host.
        let events = EventSender::discarding(plan.id);
        let guest = desired.guests.get(&plan.id).filter(|_| plan.disposition != Disposition::Destroy);
        let Some(guest) = guest else {
            let target =
                Target { run: &run, events: &events, id: plan.id, kind: plan.kind, copied_from: None, limits: None };
            for step in &mut plan.steps {
                let _ = at_once(target.work(step));
                (step.commands, step.writes) = host.take();
            }
            continue;
        };
        let mut worker = Worker::new(&run, guest, &events, plan);
        for step in &mut plan.steps {
            // A step that cannot be gone through to its end shows what it runs until then.
            let _ = at_once(worker.work(step));
            (step.commands, step.writes) = host.take();
            let asked = at_once(worker.gates_of(&step.work)).and_then(Result::ok).unwrap_or_default();
            step.gates = asked.iter().map(|gate| ask(gate, &probe_context(&run.node, guest), &host)).collect();
        }
    }
    drop(within);
    // Nothing runs in it, and a caller inside another runtime must not wait.
    clock.shutdown_background();
}

/// What a gate asks each time.
fn ask(gate: &Gate, context: &ProbeContext, host: &RehearsedNode) -> PlannedGate {
    host.take();
    let _ = at_once(phoenix_health::ask_once(gate, context));
    let (commands, _) = host.take();
    PlannedGate {
        name: gate.name.clone(),
        question: gate.probe.to_string(),
        attempts: gate.schedule.attempts,
        interval_ms: millis(gate.schedule.interval),
        timeout_ms: millis(gate.schedule.timeout),
        deadline_ms: gate.schedule.deadline.map(millis),
        commands: commands.into_iter().map(|command| command.argv).collect(),
        connections: host.take_connections(),
    }
}

/// Polls a future to its end; `None` when it waits for something after all.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..POLLS).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    })
}
