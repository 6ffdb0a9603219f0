//! What is examined, and what is found.

use std::collections::BTreeSet;

use phoenix_config::Severity;
use phoenix_config::model::{Fleet, Guest};
use phoenix_config::source::{Location, Segment};
use phoenix_types::GuestId;
use serde::Serialize;

use super::reader::NodeReader;
use crate::check::Check;
use crate::desired::Desired;

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
pub(super) struct Inspection<'a> {
    pub(super) reader: NodeReader<'a>,
    pub(super) fleet: &'a Fleet,
    pub(super) desired: &'a Desired,
    /// The guests that are examined, in the order of their ids.
    pub(super) guests: Vec<&'a Guest>,
    /// What was found so far.
    pub(super) findings: Vec<Finding>,
}

impl Inspection<'_> {
    /// Notes something about the node itself.
    pub(super) fn note(&mut self, check: Check, severity: Severity, message: String, advice: &str) {
        let advice = advice.to_owned();
        self.findings.push(Finding { check, severity, guests: Vec::new(), message, advice, at: None });
    }

    /// Notes something about guests; `path` is what in the first one's configuration it comes from.
    pub(super) fn note_of(
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
