//! Random fleets on simulated nodes, and what must always hold.

pub(crate) mod case;
mod edit;
pub(crate) mod fleet;
pub(crate) mod folder;
pub(crate) mod hand;
mod log;
pub(crate) mod random;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod state;
mod stories;
pub(crate) mod tale;
pub(crate) mod watch;
pub(crate) mod world;
