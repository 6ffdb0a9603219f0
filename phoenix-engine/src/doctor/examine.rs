//! The examination of a node.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_config::Severity;
use phoenix_config::model::Fleet;
use phoenix_host::HostError;
use phoenix_types::GuestId;

use super::inspection::{Examination, Finding, Inspection};
use super::reader::NodeReader;
use super::{guests, node, shares, storages};
use crate::check::Check;
use crate::decide::{Provision, plan};
use crate::desired::Desired;
use crate::node::Node;
use crate::observe::{ObserveError, Observed, observe};
use crate::plan::Obstacle;

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
