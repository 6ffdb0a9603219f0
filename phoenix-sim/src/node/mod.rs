//! The ground of the node: its state, its clock, its locks and tasks, and a command that runs on it.

mod call;
mod clock;
mod cluster;
mod failure;
mod guest;
mod ha;
mod inside;
mod locks;
pub(crate) mod mount_points;
mod public_keys;
mod random;
mod running;
mod sim_node;
mod snapshot_tree;
mod state;
mod store;
mod tasks;
mod volume;

pub(crate) use phoenix_sim_guest::Console;

pub(crate) use self::call::{Call, Worker, interruptible};
pub(crate) use self::clock::Clock;
pub(crate) use self::cluster::LIST;
pub(crate) use self::failure::Failure;
pub(crate) use self::guest::{CT, missing};
pub(crate) use self::ha::{Request, Resource};
pub(crate) use self::public_keys::check_public_keys;
pub(crate) use self::random::Random;
pub use self::sim_node::SimNode;
pub(crate) use self::sim_node::StateGuard;
pub(crate) use self::snapshot_tree::snapshot_tree;
pub(crate) use self::state::{Pool, State};
pub(crate) use self::store::Store;
pub use self::store::{Between, StoreError};
pub(crate) use self::tasks::{Task, TaskEnd};
pub(crate) use self::volume::{Format, Space, Volume, VolumeRef};
