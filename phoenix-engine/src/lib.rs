//! Observe, plan, converge: brings a Proxmox VE node to the state that a configuration describes, where a guest counts as
//! done only when its own health check passes.
//!
//! [`Desired`] is what should be, lowered from `phoenix-config`'s fleet. [`observe()`] reads what is. [`plan()`] compares
//! the two, purely. [`converge()`] runs the plan and tells what happens as [`Event`]s. What Phoenix knows of a guest beyond
//! Proxmox's own settings stands in the guest's notes, as a [`Record`].

mod converge;
mod desired;
mod event;
mod health;
mod lock;
mod node;
mod observe;
mod plan;
mod record;
mod status;

pub use converge::{Options, Summary, converge};
pub use desired::{
    ContainerOrigin, Desired, DesiredContainer, DesiredGuest, DesiredScript, DesiredVm, HostPath, ImageSource,
    LowerError, NfsMount, NfsServer, Spec, VmOrigin,
};
pub use event::{Event, EventKind, EventSink, Failure, GuestOutcome};
pub use health::{GuestHealth, ask};
pub use lock::{Holder, Liveness, LockError, NodeLock};
pub use node::{Node, Site};
pub use observe::{ObserveError, Observed, Present, observe};
pub use plan::{
    Attitude, Difference, Effect, GuestPlan, Plan, PowerAction, Provision, RemovalRefused, Stage, Step, plan,
    plan_power, plan_removal,
};
pub use record::{Digest, RanScript, Record};
pub use status::{GuestStatus, Ownership, status};
