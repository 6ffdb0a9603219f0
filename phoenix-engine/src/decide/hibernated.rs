//! VMs whose memory was saved to a disk. Proxmox changes nothing on one, and a start goes on with the saved memory.

use phoenix_config::model::State;
use phoenix_types::Power;

use super::builder::Builder;
use crate::guest::HIBERNATED;
use crate::observe::Present;
use crate::plan::{Effect, Stage, Work};

/// What becomes of a guest that is hibernated.
pub(super) enum Hibernated {
    /// It is not.
    No,
    /// It stays as it is.
    Stays,
    /// It is resumed, and this is what it is then.
    Resumed(Box<Present>),
}

pub(super) fn hibernated(plan: &mut Builder<'_>, present: &Present) -> Hibernated {
    if present.conf.lock() != Some(HIBERNATED) {
        return Hibernated::No;
    }
    if plan.guest.state != State::Running {
        let id = plan.guest.id;
        plan.remarks.push(format!("it is hibernated, and nothing of it is changed: `phoenix start {id}` resumes it"));
        return Hibernated::Stays;
    }
    plan.step(Stage::Start, "resume it with its saved memory", "it is hibernated", Effect::Hot, Work::Resume);
    let mut after = Present { power: Power::Running, ..present.clone() };
    for key in ["lock", "runningcpu", "runningmachine", "vmstate"] {
        after.conf.live.keys.remove(key);
    }
    Hibernated::Resumed(Box::new(after))
}
