//! The commands of `pct` by name.

use super::{clone, create, destroy, disks, exec, inspect, power, set, show, snapshot};
use crate::ha;
use crate::node::{Call, Failure};

/// Runs a command of `pct`.
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    if ha::takes(call) {
        return Ok(());
    }
    match call.inv.command.as_str() {
        "list" => show::list(call),
        "status" => show::status(call),
        "config" => show::config(call),
        "pending" => show::pending(call),
        "listsnapshot" => show::listsnapshot(call),
        "cpusets" => show::cpusets(call),
        "create" => create::create(call).await,
        "restore" => create::restore(call).await,
        "clone" => clone::clone(call).await,
        "set" => set::set(call).await,
        "destroy" => destroy::destroy(call).await,
        "template" => destroy::template(call).await,
        "unlock" => set::unlock(call).await,
        "start" => power::start(call).await,
        "stop" => power::stop(call).await,
        "shutdown" => power::shutdown(call).await,
        "reboot" => power::reboot(call).await,
        "suspend" => power::suspend(call).await,
        "resume" => power::resume(call),
        "migrate" => power::migrate(call),
        "snapshot" => snapshot::snapshot(call).await,
        "delsnapshot" => snapshot::delsnapshot(call).await,
        "rollback" => snapshot::rollback(call).await,
        "resize" => disks::resize(call).await,
        "move-volume" => disks::move_volume(call).await,
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
