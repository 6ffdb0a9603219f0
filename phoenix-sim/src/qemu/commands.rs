//! The commands of `qm` by name.

use super::{
    agent, clone, cloud_init, command_line, create, disk_commands, life, monitor, power, snapshot, status, update, vm,
};
use crate::ha;
use crate::node::{Call, Failure};

/// Runs a command of `qm`.
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    if ha::takes(call) {
        return Ok(());
    }
    match call.inv.command.as_str() {
        "create" => create::create(call).await,
        "set" => update::set(call).await,
        "clone" => clone::clone(call).await,
        "destroy" => life::destroy(call).await,
        "template" => life::template(call).await,
        "config" => status::config(call),
        "pending" => status::pending(call),
        "list" => status::list(call),
        "status" => status::show(call),
        "unlock" => vm::unlock(call).await,
        "start" => power::start(call).await,
        "stop" => power::stop(call).await,
        "shutdown" => power::shutdown(call).await,
        "reboot" => power::reboot(call).await,
        "reset" => power::reset(call).await,
        "suspend" => power::suspend(call).await,
        "resume" => power::resume(call).await,
        "wait" => power::wait(call).await,
        "sendkey" => power::send_key(call).await,
        "snapshot" => snapshot::create(call).await,
        "delsnapshot" => snapshot::delete(call).await,
        "rollback" => snapshot::rollback(call).await,
        "listsnapshot" => status::list_snapshots(call),
        "disk resize" | "resize" => disk_commands::resize(call).await,
        "disk move" | "move-disk" | "move_disk" => disk_commands::relocate(call).await,
        "disk import" | "importdisk" => disk_commands::import(call).await,
        "disk unlink" | "unlink" => update::unlink(call).await,
        "disk rescan" | "rescan" => disk_commands::rescan(call).await,
        "cloudinit dump" => cloud_init::dump(call),
        "cloudinit pending" => cloud_init::pending(call),
        "cloudinit update" => cloud_init::update(call).await,
        "guest cmd" | "agent" => agent::command(call).await,
        "guest exec" => agent::exec(call).await,
        "guest exec-status" => agent::exec_status(call).await,
        "guest passwd" => agent::set_password(call).await,
        "showcmd" => command_line::show(call),
        "monitor" => monitor::monitor(call),
        "terminal" => monitor::terminal(call),
        "vncproxy" => monitor::vnc_proxy(call),
        "migrate" => monitor::migrate(call),
        "nbdstop" | "mtunnel" | "cleanup" => Ok(()),
        command => {
            let reason = format!("the simulated node has no `qm {command}`");
            Err(Failure::die(reason))
        }
    }
}
