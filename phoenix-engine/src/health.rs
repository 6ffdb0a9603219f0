//! Asks the gates of guests once, now.

use std::collections::BTreeSet;
use std::time::Duration;

use phoenix_health::Attempt;
use phoenix_types::{GuestId, Power};
use serde::Serialize;

use crate::converge::probe_context;
use crate::desired::Desired;
use crate::node::Node;
use crate::observe::Observed;

/// What the gates of a guest say now.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct GuestHealth {
    /// The guest.
    pub id: GuestId,
    /// Its name.
    pub name: String,
    /// Whether it runs; absent when it does not exist. The gates of a guest that does not run are not asked.
    pub power: Option<Power>,
    /// The other node of the cluster that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Each gate with its answer.
    pub gates: Vec<(String, Attempt)>,
}

impl GuestHealth {
    /// Whether it runs and every gate passed. A guest without gates is healthy when it runs.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.power == Some(Power::Running) && self.gates.iter().all(|(_, attempt)| attempt.passed())
    }
}

/// Asks the health gates of the guests, all at the same time, each once and none longer than `most`.
///
/// Cancel safety: a dropped future ends the probes that run.
pub async fn ask(
    node: &Node,
    desired: &Desired,
    observed: &Observed,
    ids: &BTreeSet<GuestId>,
    most: Duration,
) -> Vec<GuestHealth> {
    let node = &node.clone().learning(desired.secrets.clone());
    let questions = desired.guests.values().filter(|guest| ids.contains(&guest.id)).map(|guest| async {
        let power = observed.present.get(&guest.id).map(|present| present.power);
        let context = probe_context(node, guest);
        let gates = if power == Some(Power::Running) { guest.health.as_slice() } else { &[] };
        let answers = gates.iter().map(|gate| {
            let context = &context;
            let mut gate = gate.clone();
            gate.schedule.timeout = gate.schedule.timeout.min(most);
            async move {
                let mut attempt = phoenix_health::ask_once(&gate, context).await;
                desired.secrets.mask_in(&mut attempt.answer.said);
                desired.secrets.mask_in(&mut attempt.answer.output);
                (gate.name, attempt)
            }
        });
        let gates = futures_util::future::join_all(answers).await;
        let node = observed.elsewhere.get(&guest.id).cloned();
        GuestHealth { id: guest.id, name: guest.name.to_string(), power, node, gates }
    });
    futures_util::future::join_all(questions).await
}
