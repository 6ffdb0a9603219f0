//! Storages and volumes: what holds the guests' disks, templates and images.

mod config;
pub(crate) mod pveam;
pub(crate) mod pvesm;
mod volume;

pub(crate) use self::config::{Storage, set_up};
pub(crate) use self::volume::{Format, Space, Volume, VolumeRef};
