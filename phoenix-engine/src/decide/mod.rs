//! Decides what has to be done: compares what should be with what is. Pure: it reads no files and no environment, knows no clock
//! and no runtime, and the same input gives the same plan, byte for byte.

mod builder;
mod clone;
mod container;
mod differences;
mod finish;
mod fleet;
mod guest;
mod hibernated;
mod judge;
mod obstacle;
mod outage;
mod power;
mod provisioning;
mod recovered;
mod remnants;
mod removal;
mod removed;
mod scripts;
mod unmanaged;
mod vm;

pub use fleet::{Prune, Request, plan, plan_request};
pub use power::{PowerAction, PowerRefused, plan_power};
pub use recovered::Provisioned;
pub(crate) use recovered::as_configured;
pub use removal::{RemovalRefused, plan_down, plan_removal};
pub(crate) use removed::removed;
pub use scripts::Provision;
