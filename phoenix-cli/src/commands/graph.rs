//! `phoenix graph`

use std::collections::BTreeSet;

use phoenix_config::model::Guest;
use phoenix_config::{Edge, Fleet, State};
use phoenix_types::{GuestId, GuestKind};
use serde::Serialize;

use super::configuration;
use crate::args::{Drawing, Graph};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::graph::{dot, mermaid, svg};
use crate::settings::Settings;

/// A guest in the graph.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub(crate) struct GraphNode {
    /// Its id.
    pub(crate) id: GuestId,
    /// Its name.
    pub(crate) name: String,
    /// Container or VM.
    pub(crate) kind: GuestKind,
    /// How it is left.
    pub(crate) state: State,
    /// The guests that it needs.
    pub(crate) needs: Vec<Edge>,
    /// What blocks its own provisioning.
    pub(crate) wait_for: Vec<String>,
    /// What blocks its dependants.
    pub(crate) gates: Vec<String>,
}

impl GraphNode {
    fn new(fleet: &Fleet, guest: &Guest) -> Self {
        let names = |gates: &[phoenix_types::gate::Gate]| gates.iter().map(|gate| gate.name.clone()).collect();
        Self {
            id: guest.id,
            name: guest.name.to_string(),
            kind: guest.kind(),
            state: guest.state,
            needs: fleet.graph.needs(guest.id).to_vec(),
            wait_for: names(&guest.wait_for),
            gates: names(&guest.health),
        }
    }
}

pub(super) fn run(args: &Graph, settings: &Settings) -> Result<ExitStatus, CliError> {
    let configuration = configuration(settings)?;
    let fleet = &configuration.fleet;
    let shown: Option<BTreeSet<GuestId>> =
        configuration.select(&args.guests.guests)?.map(|named| fleet.graph.closure(named));
    let nodes: Vec<GraphNode> = fleet
        .graph
        .order()
        .iter()
        .filter(|id| shown.as_ref().is_none_or(|shown| shown.contains(id)))
        .filter_map(|id| fleet.guest(*id))
        .map(|guest| GraphNode::new(fleet, guest))
        .collect();
    let human = || match args.to {
        Drawing::Mermaid => mermaid(&nodes),
        Drawing::Dot => dot(&nodes),
        Drawing::Svg => svg(&nodes),
    };
    settings.data(human, || &nodes, || nodes.iter().collect())?;
    Ok(ExitStatus::Done)
}
