//! What steps do. Every piece of work looks at the guest first and does nothing where nothing is to be done.

mod boot;
mod define;
mod disk;
mod fetch;
mod follow;
mod identity;
mod lines;
mod on_node;
mod power;
mod script;
pub(super) mod settings;
pub(super) mod snapshot;
mod template;
mod undo;
mod unlock;
pub(super) mod volumes;
