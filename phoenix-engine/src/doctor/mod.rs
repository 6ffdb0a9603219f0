//! Whether a node has what a configuration needs, found out without changing anything: faults that would otherwise come to
//! light in the middle of a run.
//!
//! It costs a constant number of processes, whatever the size of the fleet; everything else is read from files.

mod features;
mod guests;
mod node;
mod reader;
mod shares;
mod storages;

use std::collections::{BTreeMap, BTreeSet};

use phoenix_config::Severity;
use phoenix_config::model::{Fleet, Guest};
use phoenix_config::source::{Location, Segment};
use phoenix_host::HostError;
use phoenix_types::GuestId;
use serde::Serialize;

use crate::check::Check;
use crate::decide::{Provision, plan};
use crate::desired::Desired;
use crate::node::Node;
use crate::observe::{ObserveError, Observed, observe};
use crate::plan::Obstacle;

use reader::NodeReader;

/// Something that a person should fix or know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    #[schemars(with = "String")]
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// The guests that it is about; none when it is the node itself.
    pub guests: Vec<GuestId>,
    /// What is so.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// What in the configuration needs it, for the first of the guests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
}

/// What came of looking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct Examination {
    /// The node's version, when it could be asked.
    pub version: Option<String>,
    /// Everything that was found: the worst first, then in the order of the checks and of the guests.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// Whether `up` may go well: nothing is an error.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }
}

/// What is examined, and what has been found so far.
struct Inspection<'a> {
    reader: NodeReader<'a>,
    fleet: &'a Fleet,
    desired: &'a Desired,
    /// The guests that are examined, in the order of their ids.
    guests: Vec<&'a Guest>,
    findings: Vec<Finding>,
}

impl Inspection<'_> {
    /// Notes something about the node itself.
    fn note(&mut self, check: Check, severity: Severity, message: String, advice: &str) {
        let advice = advice.to_owned();
        self.findings.push(Finding { check, severity, guests: Vec::new(), message, advice, at: None });
    }

    /// Notes something about guests; `path` is what in the first one's configuration it comes from.
    fn note_of(
        &mut self,
        (check, severity): (Check, Severity),
        guests: impl IntoIterator<Item = GuestId>,
        path: &[Segment],
        message: String,
        advice: String,
    ) {
        let guests: Vec<GuestId> = guests.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let first = guests.first().and_then(|id| self.fleet.guest(*id));
        let at = first.map(|guest| guest.context.location(path));
        self.findings.push(Finding { check, severity, guests, message, advice, at });
    }
}

/// Checks whether the node has what the guests of `desired`, which is lowered from `fleet`, need.
///
/// # Errors
/// When the node cannot be looked at at all.
///
/// Cancel safety: it changes nothing, so it can be dropped at any time.
pub async fn examine(node: &Node, fleet: &Fleet, desired: &Desired) -> Result<Examination, ObserveError> {
    let site = node.labelled(None, "doctor");
    let guests = fleet.guests.values().filter(|guest| desired.guests.contains_key(&guest.id)).collect();
    let mut inspection =
        Inspection { reader: NodeReader::new(&*site.host), fleet, desired, guests, findings: Vec::new() };
    let version = node::examine(&mut inspection).await?;
    // Without the tools there is nothing more to be found.
    if inspection.findings.iter().any(|finding| finding.check == Check::Programs && finding.severity == Severity::Error)
    {
        return Ok(Examination { version, findings: inspection.findings });
    }
    let observed = observe(&site, desired).await?;
    needs(&mut inspection, desired, &observed).await?;
    let mut findings = inspection.findings;
    findings.sort_by(|a, b| (a.severity, a.check, &a.guests).cmp(&(b.severity, b.check, &b.guests)));
    Ok(Examination { version, findings })
}

/// Checks what guests need of the node.
async fn needs(inspection: &mut Inspection<'_>, desired: &Desired, observed: &Observed) -> Result<(), HostError> {
    storages::examine(inspection, desired, observed).await?;
    guests::examine(inspection, observed).await?;
    shares::examine(inspection, desired).await
}

/// What stops guests before their first change: the errors that [`examine`] would report for those that a plan would change,
/// without the checks in `skip`. Put them into [`Observed::obstacles`], and [`plan`](crate::plan) blocks the guests concerned
/// and those that need them. A fleet that is up to date costs nothing.
///
/// # Errors
/// When the node cannot be read.
///
/// Cancel safety: it changes nothing, so it can be dropped at any time.
pub async fn obstacles(
    node: &Node,
    (fleet, desired): (&Fleet, &Desired),
    observed: &Observed,
    skip: &BTreeSet<Check>,
) -> Result<BTreeMap<GuestId, Vec<Obstacle>>, ObserveError> {
    let planned = plan(desired, observed, Provision::WhenChanged).guests;
    let guests: BTreeSet<GuestId> = planned.iter().filter(|guest| !guest.is_empty()).map(|guest| guest.id).collect();
    if guests.is_empty() {
        return Ok(BTreeMap::new());
    }
    let site = node.labelled(None, "check");
    let concerned = guests.iter().filter_map(|id| fleet.guest(*id)).collect();
    let mut inspection =
        Inspection { reader: NodeReader::new(&*site.host), fleet, desired, guests: concerned, findings: Vec::new() };
    node::basics(&mut inspection).await?;
    needs(&mut inspection, desired, observed).await?;
    let mut obstacles: BTreeMap<GuestId, Vec<Obstacle>> = BTreeMap::new();
    let is_obstacle = |finding: &Finding| finding.severity == Severity::Error && !skip.contains(&finding.check);
    for finding in inspection.findings.into_iter().filter(is_obstacle) {
        let Finding { check, guests: about, message, advice, .. } = finding;
        let obstacle = Obstacle { check, message, advice };
        // A finding about the node itself stops them all.
        let stopped = if about.is_empty() { guests.iter().copied().collect() } else { about };
        for id in stopped {
            obstacles.entry(id).or_default().push(obstacle.clone());
        }
    }
    Ok(obstacles)
}
