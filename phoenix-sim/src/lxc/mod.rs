//! `pct`: containers (pve-container `CLI/pct.pm`, `API2/LXC*.pm`, `LXC/Config.pm`).

mod clone;
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

use phoenix_types::GuestKind;

use crate::node::{Call, Failure};

pub(crate) use self::clone::clone;
pub(crate) use self::create::create;
pub(crate) use self::destroy::{destroy, template};
pub(crate) use self::disks::{move_volume, resize};
pub(crate) use self::info::info;
pub(crate) use self::power::{reboot, shutdown, start, stop};
pub(crate) use self::set::set;
pub(crate) use self::show::tree;
pub(crate) use self::snapshot::{delsnapshot, rollback, snapshot};
pub(crate) use self::volumes::as_written;

const CT: GuestKind = GuestKind::Container;

/// Runs a command of `pct`.
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    if crate::ha::takes(call) {
        return Ok(());
    }
    match call.inv.command.as_str() {
        "list" => show::list(call),
        "status" => show::status(call),
        "config" => show::config(call),
        "pending" => show::pending(call),
        "listsnapshot" => show::listsnapshot(call),
        "cpusets" => show::cpusets(call),
        "create" => create(call).await,
        "restore" => create::restore(call).await,
        "clone" => clone(call).await,
        "set" => set(call).await,
        "destroy" => destroy(call).await,
        "template" => template(call).await,
        "unlock" => set::unlock(call).await,
        "start" => start(call).await,
        "stop" => stop(call).await,
        "shutdown" => shutdown(call).await,
        "reboot" => reboot(call).await,
        "suspend" => power::suspend(call).await,
        "resume" => power::resume(call),
        "migrate" => power::migrate(call),
        "snapshot" => snapshot(call).await,
        "delsnapshot" => delsnapshot(call).await,
        "rollback" => rollback(call).await,
        "resize" => resize(call).await,
        "move-volume" => move_volume(call).await,
        "rescan" => inspect::rescan(call).await,
        "df" => inspect::df(call).await,
        "fsck" => inspect::fsck(call).await,
        "fstrim" => inspect::fstrim(call).await,
        "mount" => inspect::mount(call).await,
        "unmount" => inspect::unmount(call).await,
        "exec" => exec::exec(call).await,
        "enter" => exec::enter(call).await,
        "console" => exec::console(call),
        "push" => exec::push(call).await,
        "pull" => exec::pull(call).await,
        other => Err(Failure::die(format!("`pct {other}` is not part of the simulated node"))),
    }
}
