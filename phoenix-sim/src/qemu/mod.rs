//! `qm`: virtual machines.
//!
//! Every subcommand that manages a VM's life, with the words, streams, exit statuses, state rules and configuration files of
//! qemu-server 9.2. A VM's settings are [`settings`], its drives [`drive`], the disks behind them [`volumes`]; what waits for
//! a cold start and what changes in a VM that runs is [`pending`].

pub(crate) mod agent;
mod agent_replies;
mod clone;
mod cloud_init;
mod command_line;
mod commands;
mod create;
mod disk_commands;
mod disks;
mod drive;
mod guest;
mod life;
mod monitor;
mod pending;
mod power;
mod saved_state;
pub(crate) mod settings;
mod snapshot;
pub(crate) mod status;
#[cfg(test)]
mod tests;
mod update;
mod vm;
mod volumes;

pub(crate) use self::commands::run;
