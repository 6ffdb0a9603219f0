//! `pct`: containers (pve-container `CLI/pct.pm`, `API2/LXC*.pm`, `LXC/Config.pm`).

mod clone;
mod commands;
mod config;
mod create;
mod destroy;
mod disks;
mod exec;
mod info;
mod inspect;
mod power;
mod rootfs;
mod set;
mod show;
mod snapshot;
mod volumes;

pub(crate) use self::commands::run;
pub(crate) use self::info::info;
