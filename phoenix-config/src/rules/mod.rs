//! The checks over the whole fleet.
//!
//! Each family of rules is a type that implements [`Rule`]; an embedding program adds its own with
//! [`Loader::rule`](crate::Loader::rule):
//!
//! ```
//! use phoenix_config::diagnostic::{Code, Finding, Target};
//! use phoenix_config::rules::{Rule, View};
//!
//! /// Every container of ours is protected.
//! #[derive(Debug)]
//! struct Protected;
//!
//! impl Rule for Protected {
//!     fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
//!         for (id, guest) in view.guests.iter().filter(|(_, guest)| !guest.protection) {
//!             findings.push(
//!                 Finding::warning(Code::Custom("ACME001"), Target::Guest(*id), format!("`{}` is not protected", guest.name))
//!                     .help("add `\"protection\": true`"),
//!             );
//!         }
//!     }
//! }
//!
//! let loader = phoenix_config::Loader::new("etc".into()).rule(Protected);
//! # let _ = loader;
//! ```

mod accept;
mod firewall;
mod gates;
mod identity;
mod implicit;
mod jobs;
mod network;
mod order;
mod proxmox;
mod resources;
pub(crate) mod secrets;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use phoenix_types::{FirewallRule, GuestId};

pub(crate) use accept::{ACCEPT, Accepting, unknown as unknown_codes};

use crate::diagnostic::{Finding, Target};
use crate::dialect::DependencyEntry;
use crate::graph::Graph;
use crate::model::{Guest, Hypervisor, Kind};
use crate::source::{Holes, Segment};

/// A check over the whole fleet.
pub trait Rule: Debug + Send + Sync {
    /// Adds what is wrong to `findings`.
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>);
}

/// What rules look at: all guests that could be read, also those in which something is wrong, without that.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct View<'a> {
    /// The guests.
    pub guests: &'a BTreeMap<GuestId, Guest>,
    /// The node.
    pub hypervisor: &'a Hypervisor,
    /// The graph; absent when dependency cycle.
    pub graph: Option<&'a Graph>,
    /// Every id that is written, also those of guests that could not be read.
    pub known: &'a BTreeSet<GuestId>,
    /// Whether the ids of all guests are known.
    pub complete: Completeness,
    pub(crate) holes: &'a FleetHoles,
}

impl View<'_> {
    /// Whether a guest's value is what is written, or the default where nothing is. It is not where something is written that
    /// could not be read: what follows from such a value is reported once the value is fixed.
    #[must_use]
    pub fn reads(&self, id: GuestId, path: &[&str]) -> bool {
        self.holes.guests.get(&id).is_none_or(|holes| spared(holes, path))
    }

    /// [`reads`](Self::reads) for a place, which may be an element of a list.
    pub(crate) fn reads_place(&self, id: GuestId, path: &[Segment]) -> bool {
        self.holes.guests.get(&id).is_none_or(|holes| holes.spare(&holes.original(path)))
    }

    /// [`reads`](Self::reads) for the hypervisor file.
    #[must_use]
    pub fn reads_node(&self, path: &[&str]) -> bool {
        spared(&self.holes.node, path)
    }

    /// Whether every guest of the fleet is known with its values at these keys.
    #[must_use]
    pub fn reads_all(&self, keys: &[&str]) -> bool {
        self.complete == Completeness::Whole
            && self.guests.len() == self.known.len()
            && self.holes.guests.values().all(|holes| keys.iter().all(|key| spared(holes, &[key])))
    }
}

fn spared(holes: &Holes, path: &[&str]) -> bool {
    let path: Vec<Segment> = path.iter().map(|key| (*key).into()).collect();
    holes.spare(&path)
}

/// What could not be read of the guests and of the hypervisor file.
#[derive(Debug, Default)]
pub(crate) struct FleetHoles {
    pub(crate) guests: BTreeMap<GuestId, Holes>,
    pub(crate) node: Holes,
}

impl FleetHoles {
    /// A finding about what could be read, with its places in what is written.
    pub(crate) fn in_the_whole(&self, mut finding: Finding) -> Finding {
        let place = |target: Target, path: &mut Vec<Segment>| {
            if let Target::Guest(id) = target
                && let Some(holes) = self.guests.get(&id)
            {
                *path = holes.original(path);
            }
        };
        place(finding.target, &mut finding.path);
        finding.labels.iter_mut().for_each(|(target, path, _)| place(*target, path));
        finding
    }
}

/// Whether the ids of all guests are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Yes.
    Whole,
    /// No: what is missing may be in a file, or below an id, that could not be read.
    Partial,
}

impl Completeness {
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Self::Whole { other } else { self }
    }
}

/// The rules of Phoenix.
pub(crate) fn all() -> Vec<Box<dyn Rule>> {
    vec![
        Box::new(order::Order),
        Box::new(jobs::Jobs),
        Box::new(implicit::Implicit),
        Box::new(identity::Identity),
        Box::new(network::Addresses),
        Box::new(proxmox::ProxmoxKeys),
        Box::new(firewall::FirewallRules),
        Box::new(gates::Gates),
        Box::new(storage::Volumes),
        Box::new(storage::Disks),
        Box::new(storage::Snapshots),
        Box::new(resources::Resources),
        Box::new(secrets::Secrets),
    ]
}

/// The key that names a guest's clone source.
pub(crate) fn clone_key(guest: &Guest) -> &'static str {
    match guest.kind {
        Kind::Container(_) => "clone_from_ctid",
        Kind::Vm(_) => "clone_from_vmid",
    }
}

/// The key under which a guest's health checks are written.
pub(crate) fn health_key(guest: &Guest) -> &'static str {
    if guest.context.writes(&["health_checks"]) { "health_checks" } else { "health_check" }
}

/// Where a guest names a dependency.
pub(crate) fn dependency_path(guest: &Guest, id: GuestId) -> Vec<Segment> {
    let text = guest.context.text();
    let written = crate::source::elements(text, &["dependencies".into()]);
    let index = written
        .iter()
        .position(|item| serde_json::from_str::<DependencyEntry>(item).is_ok_and(|written| written.on == id));
    std::iter::once("dependencies".into()).chain(index.map(Segment::Index)).collect()
}

/// So many faults of one guest's dependencies are reported; finding the place of each costs a walk through the guest.
pub(crate) const MAX_DEPENDENCY_FAULTS: usize = 100;

/// Whether two firewall rules do the same; remarks and logging make no difference.
pub(crate) fn same_rule(a: &FirewallRule, b: &FirewallRule) -> bool {
    fn matched(rule: &FirewallRule) -> [Option<&String>; 7] {
        let FirewallRule { macro_name, interface, source, dest, proto, dport, sport, .. } = rule;
        [macro_name, interface, source, dest, proto, dport, sport].map(Option::as_ref)
    }
    let done = |rule: &FirewallRule| (rule.direction, rule.verdict, rule.state);
    done(a) == done(b) && matched(a) == matched(b)
}
