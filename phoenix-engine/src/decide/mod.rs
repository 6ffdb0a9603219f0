//! Decides what has to be done: compares what should be with what is. Pure: it reads no files and no environment, knows no clock
//! and no runtime, and the same input gives the same plan, byte for byte.

mod builder;
mod clone;
mod container;
mod differences;
mod finish;
mod fleet;
mod guest;
mod judge;
mod obstacle;
mod outage;
mod power;
mod provisioning;
mod remnants;
mod removal;
mod scripts;
mod unmanaged;
mod vm;

pub use fleet::plan;
pub use power::{PowerAction, PowerRefused, plan_power};
pub use removal::{RemovalRefused, plan_removal};
pub use scripts::Provision;
