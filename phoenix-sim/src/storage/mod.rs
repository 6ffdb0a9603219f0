//! Storages and volumes: what holds the guests' disks, templates and images.

mod config;
mod ext4;
mod held;
mod listing;
mod output;
pub(crate) mod pveam;
pub(crate) mod pvesm;
mod space;
mod volume;

pub(crate) use self::config::{Storage, set_up};
pub(crate) use self::ext4::Ext4;
pub(crate) use self::output::{created, formatting};
