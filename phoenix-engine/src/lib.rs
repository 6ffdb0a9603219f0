//! Observe, plan, converge: brings a Proxmox VE node to the state that a configuration describes, where a guest counts as
//! done only when its own health check passes.
//!
//! [`Desired`] is what should be, lowered from `phoenix-config`'s fleet. [`observe()`] reads what is. [`plan()`] compares
//! the two, purely. [`converge()`] runs the plan and tells what happens as [`Event`]s. What Phoenix knows of a guest beyond
//! Proxmox's own settings is in the guest's notes, as a [`Record`].
//!
//! What this crate does not do: it reads no arguments, prints nothing, and knows no way to a node but `phoenix-host`'s.
//!
//! ```
//! use std::sync::Arc;
//!
//! use phoenix_engine::{Desired, Node, Options, Provision, converge, observe, plan};
//! use phoenix_host::Layered;
//! use phoenix_sim::{SimNode, World};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! tokio::time::pause(); // the simulated node's time need not pass for real
//! # let folder = tempfile::tempdir()?;
//! # let dir = camino::Utf8Path::from_path(folder.path()).ok_or("not UTF-8")?;
//! std::fs::write(dir.join("phoenix_lxc_configs.json"), r#"{"lxc_configs": {
//!     "103": {"name": "step-ca", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs", "start_at_boot": true},
//!     "102": {"name": "traefik", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs", "dependencies": ["103"]}
//! }}"#)?;
//! let fleet = phoenix_config::load(dir).fleet.ok_or("the configuration is wrong")?;
//! let desired = Arc::new(Desired::new(&fleet, None)?);
//! let node = Node::new(Layered::new(Arc::new(SimNode::new(World::default()))));
//!
//! let site = node.labelled(None, "observe");
//! let observed = observe(&site, &desired).await?;
//! let first = plan(&desired, &observed, Provision::WhenChanged);
//! assert!(!first.is_empty());
//! assert!(converge(&node, desired.clone(), first, &Options::default(), &mut []).await.is_good());
//!
//! let observed = observe(&site, &desired).await?;
//! assert!(plan(&desired, &observed, Provision::WhenChanged).is_empty());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod adopt;
mod check;
mod converge;
mod decide;
mod desired;
mod digest;
mod doctor;
mod event;
mod export;
mod guest;
mod health;
mod lock;
mod lock_owner;
mod node;
mod observe;
mod plan;
mod rehearse;
mod snippets;
mod status;
mod takeover;
mod tasks;

pub use adopt::{AdoptError, Adoptee, Adoption, NotAdoptable, plan_adoption};
pub use check::{Check, UnknownCheck};
pub use converge::{Options, Summary, converge};
pub use decide::{
    PowerAction, PowerRefused, Provision, Provisioned, Prune, RemovalRefused, Request, plan, plan_down, plan_power,
    plan_removal, plan_request,
};
pub use desired::{
    ContainerOrigin, Desired, DesiredContainer, DesiredGuest, DesiredScript, DesiredVm, HostPath, ImageSource,
    LowerError, NfsMount, NfsServer, Spec, VmOrigin,
};
pub use digest::Digest;
pub use doctor::{Examination, Finding, examine, obstacles};
pub use event::{Event, EventKind, EventSink, Failure, GuestOutcome};
pub use export::{Export, export, remaining};
pub use guest::{ManagedText, PendingWork, RanScript, Record, Undo};
pub use health::{GuestHealth, ask};
pub use lock::{Holder, LOCK, LivenessCheck, LockError, NodeLock};
pub use lock_owner::LockOwner;
pub use node::{Node, Site};
pub use observe::{ObserveError, Observed, Present, observe};
pub use plan::{
    Difference, Disposition, Effect, GuestPlan, Obstacle, Outage, OutagePart, Plan, PlannedCommand, PlannedGate,
    RemovedGuest, Stage, Step, Unmanaged,
};
pub use snippets::AgentSnippet;
pub use status::{GuestStatus, Ownership, status};
pub use tasks::TasksError;
