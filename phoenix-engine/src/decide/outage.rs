//! How long a guest is down while it is changed, and who is without it.

use std::time::Duration;

use phoenix_pve::Deadlines;
use phoenix_types::{ConfSection, GuestId, GuestKind, Power, Span};

use crate::desired::{Desired, DesiredGuest};
use crate::guest::{AgentSource, agent_gate, shutdown_limit};
use crate::observe::Observed;
use crate::plan::{Outage, OutagePart, Restart, Step, Work};

/// The outage that the steps of a guest mean; `None` when it does not run, or continues running.
pub(super) fn outage(desired: &Desired, observed: &Observed, id: GuestId, steps: &[Step]) -> Option<Outage> {
    let guest = desired.guests.get(&id)?;
    let present = observed.present.get(&id)?;
    if present.power == Power::Stopped {
        return None;
    }
    let last = steps.iter().filter_map(|step| stays_up(&step.work)).next_back();
    let down = steps.iter().any(|step| step.work == RESTART || stays_up(&step.work) == Some(false));
    if !down {
        return None;
    }
    let parts = if last == Some(false) { Vec::new() } else { parts(guest, &present.conf.live) };
    let runs = |id: &GuestId| observed.present.get(id).is_some_and(|present| present.power != Power::Stopped);
    let affected = desired.hangs_on(id).into_iter().filter(|(id, _)| runs(id));
    Some(Outage {
        up_to_seconds: (last != Some(false)).then(|| parts.iter().map(|part| part.up_to_seconds).sum()),
        parts,
        affects: affected.map(|(id, name)| (id, name.clone())).collect(),
    })
}

const RESTART: Work = Work::Settings { restart: Restart::Needed };

/// Whether a guest runs after a piece of work; `None` when that does not change it.
fn stays_up(work: &Work) -> Option<bool> {
    match work {
        Work::Stop | Work::Destroy => Some(false),
        Work::Start | Work::Resume => Some(true),
        work if *work == RESTART => Some(true),
        _ => None,
    }
}

fn parts(guest: &DesiredGuest, live: &ConfSection) -> Vec<OutagePart> {
    let part = |what: &str, longest: Duration| OutagePart { what: what.to_owned(), up_to_seconds: longest.as_secs() };
    let mut parts = vec![
        part("to shut down", shutdown_limit(Some(&guest.limits), live)),
        part("to start", guest.limits.start.map_or(Deadlines::default().power, Span::get)),
    ];
    if guest.kind() == GuestKind::Vm {
        parts.push(part("until its agent answers", agent_gate(&guest.limits, AgentSource::Image).schedule.longest()));
    }
    // They are asked at the same time, so the slowest one counts.
    if let Some(gate) = guest.health.iter().max_by_key(|gate| gate.schedule.longest()) {
        parts.push(part(&format!("until `{}` passes", gate.name), gate.schedule.longest()));
    }
    parts
}
