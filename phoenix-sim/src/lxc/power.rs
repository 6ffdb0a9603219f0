//! Starting and stopping containers (pve-container `API2/LXC/Status.pm`, `LXC.pm`).

use std::time::Duration;

use phoenix_sim_guest::{Exec, node_files};

use super::config;
use super::rootfs;
use super::set::{check_lock, regenerate};
use crate::node::mount_points::{self, MountSourceKind, mount_points};
use crate::node::{CT, Call, Failure, Worker};

/// `pct start`.
pub(crate) async fn start(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    if call.state().is_running(vmid) {
        return Err(Failure::die(format!("CT {vmid} already running")));
    }
    call.begin(Worker::Checked, "vzstart", vmid);
    start_worker(call, vmid).await
}

/// What the worker of a start does.
pub(super) async fn start_worker(call: &mut Call<'_>, vmid: u32) -> Result<(), Failure> {
    let _lock = match call.inv.command.as_str() {
        // The creation holds it already.
        "create" => None,
        _ => Some(call.lock_guest(CT, vmid).await?),
    };
    let conf = call.state().conf(CT, vmid)?;
    if conf.is_template() {
        return Err(Failure::die("you can't start a CT if it's a template"));
    }
    if conf.lock() != Some("mounted") && !call.is_set("skiplock") {
        check_lock(&conf)?;
    }
    let has_quota = |(_, mount): &(String, mount_points::MountPoint)| mount.get("quota") == Some("1");
    if conf.live.get("unprivileged") == Some("1") && mount_points(&conf.live).iter().any(has_quota) {
        return Err(Failure::die("Quotas are not supported by unprivileged containers."));
    }
    if call.state().is_running(vmid) {
        return Err(Failure::die(format!("CT {vmid} already running")));
    }
    run_up(call, vmid, conf).await
}

/// Starts a container that may be started.
async fn run_up(call: &mut Call<'_>, vmid: u32, mut conf: phoenix_types::GuestConf) -> Result<(), Failure> {
    if conf.pending.is_some() {
        config::apply_pending(call, vmid, &mut conf).await;
        call.state().write_conf(CT, vmid, &conf);
    }
    regenerate(call, &conf)?;
    let hook = conf.live.get("hookscript").map(str::to_owned);
    run_hook(call, hook.as_deref(), vmid, "pre-start").await;
    if let Some(status) = failing_source(call, &conf) {
        call.work(Duration::from_millis(400)).await;
        call.out(&format!(
            "run_buffer: 571 Script exited with status {status}\n\
             lxc_init: 845 Failed to run lxc.hook.pre-start for container \"{vmid}\"\n\
             __lxc_start: 2039 Failed to initialize container \"{vmid}\"\n"
        ));
        return Err(Failure::die(format!("startup for container '{vmid}' failed")));
    }
    call.work(Duration::from_millis(600)).await;
    {
        let now = call.node.clock().now();
        let mut state = call.state();
        rootfs::prepare(&mut state, vmid, &conf);
        state.set_running(vmid, now);
    }
    call.node.inside(vmid).started();
    run_hook(call, hook.as_deref(), vmid, "post-start").await;
    rootfs::warn_of_nesting(call, &conf);
    Ok(())
}

/// The status of the pre-start hook when a source of a mount or a device is not there.
fn failing_source(call: &Call<'_>, conf: &phoenix_types::GuestConf) -> Option<i32> {
    let mut state = call.state();
    for (_, mount) in mount_points(&conf.live) {
        let exists = match mount.source_kind() {
            MountSourceKind::Bind => node_files(&mut state).exists(mount.volume()),
            MountSourceKind::Device => call.node.has_device(mount.volume()),
            MountSourceKind::Volume => state.volume(mount.volume()).is_some(),
        };
        if !exists {
            return Some(2);
        }
    }
    for (key, value) in &conf.live.raw {
        let words: Vec<&str> = value.split_whitespace().collect();
        if let (true, [source, _, _, options, ..]) = (key == "lxc.mount.entry", words.as_slice()) {
            let options: Vec<&str> = options.split(',').collect();
            let is_bind = options.contains(&"bind") || options.contains(&"rbind");
            let exists =
                node_files(&mut state).exists(source) || (source.starts_with("/dev/") && call.node.has_device(source));
            if is_bind && !exists && !options.contains(&"optional") {
                return Some(1);
            }
        }
    }
    None
}

/// Runs a hook script on the node; its output is the worker's.
async fn run_hook(call: &mut Call<'_>, hook: Option<&str>, vmid: u32, phase: &str) {
    let Some((storage, name)) = hook.and_then(|hook| hook.split_once(':')) else { return };
    let path = match call.state().storage(storage) {
        Ok(storage) => storage.path(name, None),
        Err(_) => return,
    };
    let argv = [path, vmid.to_string(), phase.to_owned()];
    let exec = Exec { argv: &argv, env: &[], stdin: b"" };
    let mut console = crate::node::Console::default();
    call.node.exec(exec, &mut console).await;
    let (stdout, stderr) = console.into_texts();
    call.out(&stdout);
    call.out(&stderr);
}

/// Marks a container as off, with what the post-stop hook does.
pub(super) async fn switch_off(call: &mut Call<'_>, vmid: u32) {
    {
        let mut state = call.state();
        state.set_stopped(vmid);
    }
    call.node.inside(vmid).stopped();
    let conf = call.state().conf(CT, vmid);
    if let Ok(mut conf) = conf
        && conf.pending.is_some()
    {
        // The hook of LXC does it, whose output nobody sees.
        call.mute();
        config::apply_pending(call, vmid, &mut conf).await;
        call.unmute();
        call.state().write_conf(CT, vmid, &conf);
    }
}

fn check_running(call: &Call<'_>, vmid: u32, word: &str) -> Result<(), Failure> {
    if call.state().is_running(vmid) { Ok(()) } else { Err(Failure::die(format!("{word} {vmid} not running"))) }
}

/// `pct stop`.
pub(crate) async fn stop(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    check_running(call, vmid, "CT")?;
    call.begin(Worker::Checked, "vzstop", vmid);
    let _lock = call.lock_guest(CT, vmid).await?;
    let conf = call.state().conf(CT, vmid)?;
    if conf.lock() != Some("mounted") && !call.is_set("skiplock") {
        check_lock(&conf)?;
    }
    check_running(call, vmid, "CT")?;
    run_hook(call, conf.live.get("hookscript"), vmid, "pre-stop").await;
    call.work(Duration::from_secs(1)).await;
    switch_off(call, vmid).await;
    Ok(())
}

/// How long a container takes to shut down when it is asked to.
const SHUTDOWN: Duration = Duration::from_millis(1100);

/// `pct shutdown`.
pub(crate) async fn shutdown(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    check_running(call, vmid, "CT")?;
    call.begin(Worker::Checked, "vzshutdown", vmid);
    let _lock = call.lock_guest(CT, vmid).await?;
    let conf = call.state().conf(CT, vmid)?;
    check_lock(&conf)?;
    check_running(call, vmid, "CT")?;
    run_hook(call, conf.live.get("hookscript"), vmid, "pre-stop").await;
    let timeout = Duration::from_secs(call.number("timeout").unwrap_or(60));
    if SHUTDOWN <= timeout {
        call.work(SHUTDOWN).await;
    } else {
        call.node.sleep(timeout).await;
        if !call.is_set("forceStop") {
            return Err(Failure::die("container did not stop"));
        }
    }
    switch_off(call, vmid).await;
    Ok(())
}

/// `pct reboot`.
pub(crate) async fn reboot(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    check_running(call, vmid, "VM")?;
    call.begin(Worker::Checked, "vzreboot", vmid);
    // Neither a lock nor the rest of what a start looks at stops a reboot.
    let _lock = call.lock_guest(CT, vmid).await?;
    let timeout = Duration::from_secs(call.number("timeout").unwrap_or(60));
    call.work(SHUTDOWN.min(timeout)).await;
    switch_off(call, vmid).await;
    let conf = call.state().conf(CT, vmid)?;
    run_up(call, vmid, conf).await
}

/// `pct suspend`: experimental in the real tool, and it needs criu.
pub(super) async fn suspend(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    check_running(call, vmid, "CT")?;
    call.begin(Worker::Checked, "vzsuspend", vmid);
    let _lock = call.lock_guest(CT, vmid).await?;
    check_lock(&call.state().conf(CT, vmid)?)?;
    call.out(&format!("lxc-checkpoint: {vmid}: criu.c: criu_version_ok: 767 No such file or directory - execing criu failed, is it installed?\n"));
    Err(Failure::die(format!("command 'lxc-checkpoint -n {vmid} -s -D /var/lib/vz/dump' failed: exit code 1")))
}

/// `pct resume`.
pub(super) fn resume(call: &mut Call<'_>) -> Result<(), Failure> {
    let vmid = call.vmid();
    if call.state().is_running(vmid) {
        return Err(Failure::die(format!("CT {vmid} already running")));
    }
    call.begin(Worker::Checked, "vzresume", vmid);
    Err(Failure::die(format!(
        "command 'lxc-checkpoint -n {vmid} -r --foreground -D /var/lib/vz/dump' failed: exit code 1"
    )))
}

/// `pct migrate`: there is no other node.
pub(super) fn migrate(call: &mut Call<'_>) -> Result<(), Failure> {
    let target = call.param("target").unwrap_or_default();
    if target == crate::grammar::NODE {
        return Err(call.bad_param("target", "target is local node."));
    }
    Err(Failure::die(format!("no such cluster node '{target}'")))
}
