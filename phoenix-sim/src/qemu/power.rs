//! Starting and stopping VMs: `qm start`, `stop`, `shutdown`, `reboot`, `reset`, `suspend`, `resume`, `wait`.
//!
//! Rules from `PVE::API2::Qemu` and `PVE::QemuServer` (`vm_start`, `vm_start_nolock`, `_do_vm_stop`, `vm_reboot`).

use std::time::Duration;

use phoenix_sim_guest::calendar::local_time;
use phoenix_types::{ConfSection, GuestConf, Power};

use crate::grammar::parse_property_string;
use crate::node::{Call, Console, Failure, Worker};

use super::{cloud_init, drive, guest, pending, saved_state, settings, update, vm, volumes};

/// How long QEMU takes to come up.
const START: Duration = Duration::from_millis(300);

/// How long QEMU takes to go.
const QUIT: Duration = Duration::from_millis(300);

/// Whether a lock of the VM counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locks {
    /// It does.
    Respected,
    /// It does not (`--skiplock`).
    Skipped,
}

fn locks(call: &Call<'_>) -> Locks {
    if call.is_set("skiplock") { Locks::Skipped } else { Locks::Respected }
}

/// `qm start`.
pub(super) async fn start(call: &mut Call<'_>) -> Result<(), Failure> {
    let (id, locks) = (call.vmid(), locks(call));
    call.begin(Worker::Checked, "qmstart", id);
    start_vm(call, id, locks).await
}

/// Starts a VM as a step of another worker, which continues when that fails.
pub(super) async fn start_inside(call: &mut Call<'_>, id: u32) {
    if let Err(failure) = start_vm(call, id, Locks::Respected).await {
        call.out(&format!("{}\n", failure.message()));
    }
}

async fn start_vm(call: &mut Call<'_>, id: u32, locks: Locks) -> Result<(), Failure> {
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    if conf.is_template() {
        return Err(Failure::die("you can't start a vm if it's a template"));
    }
    let runs = call.runs(id);
    if conf.lock() == Some("backup") && runs {
        set_power(call, id, Power::Running);
        return Ok(());
    }
    let is_suspended = conf.lock() == Some("suspended");
    if locks == Locks::Respected && !is_suspended {
        vm::check_lock(&conf)?;
    }
    if runs {
        return Err(Failure::die(format!("VM {id} already running")));
    }
    if settings::has_pending(&conf) {
        let effects = pending::apply(&mut conf, id);
        update::conclude(call, id, &mut conf, &effects)?;
        conf = call.vm(id)?;
    }
    if drive::cloud_init_key(&conf.live, "").is_some() {
        let differs = !conf.special.is_empty();
        cloud_init::write_drive(call, &mut conf)?;
        if differs {
            call.save(id, &mut conf);
        }
    }
    let state_file = conf.live.get("vmstate").map(str::to_owned);
    let resumes = is_suspended || state_file.is_some();
    if resumes {
        call.out("Resuming suspended VM\n");
    }
    prepare(call, &conf)?;
    call.work(START).await;
    let memory = settings::memory_mib(conf.live.get("memory"));
    if memory > call.node.world().memory_mib {
        call.out("kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory\n");
        return Err(Failure::die("start failed: QEMU exited with code 1"));
    }
    {
        let now = call.node.clock().now();
        call.state().set_running(id, now);
        call.node.inside(id).started();
    }
    if resumes {
        call.out("Resumed VM, removing state\n");
        call.free_disks(&state_file.into_iter().collect::<Vec<_>>());
        for key in ["lock", "vmstate", "runningmachine", "runningcpu"] {
            conf.live.keys.remove(key);
        }
        call.save(id, &mut conf);
    }
    Ok(())
}

/// What is looked at while the command line of QEMU is made.
fn prepare(call: &mut Call<'_>, conf: &GuestConf) -> Result<(), Failure> {
    for (_, drive) in drive::drives(&conf.live) {
        let file = drive.file();
        if drive.volume().is_some() && volumes::size_of(&mut call.state(), file).is_none() {
            return Err(Failure::die(format!("volume '{file}' does not exist")));
        }
    }
    if conf.live.get("bios") == Some("ovmf") && conf.live.get("efidisk0").is_none() {
        call.warn("no efidisk configured! Using temporary efivars disk.");
    }
    check_devices(call, conf)?;
    check_processors(call, &conf.live)?;
    for warning in warnings(conf) {
        call.warn(&warning);
    }
    for (_, value) in conf.live.keys.iter().filter(|(key, _)| settings::is_net(key)) {
        let net = parse_property_string("qm-net", value).unwrap_or_default();
        let bridges = call.node.world().bridges.as_ref();
        if let Some(bridge) = net.get("bridge")
            && bridges.is_some_and(|bridges| !bridges.iter().any(|known| known == bridge))
        {
            return Err(Failure::die(format!("bridge '{bridge}' does not exist")));
        }
    }
    Ok(())
}

/// What the tools warn about when they make the command line of QEMU.
pub(super) fn warnings(conf: &GuestConf) -> Vec<String> {
    let single = conf.live.get("scsihw") == Some("virtio-scsi-single");
    drive::drives(&conf.live)
        .iter()
        .filter(|(key, drive)| key.starts_with("scsi") && drive.get("iothread") == Some("1") && !single)
        .map(|_| "iothread is only valid with virtio disk or virtio-scsi-single controller, ignoring".to_owned())
        .collect()
}

/// A VM cannot have more processors than the node.
pub(super) fn check_processors(call: &Call<'_>, section: &ConfSection) -> Result<(), Failure> {
    let count = |key: &str| section.get(key).and_then(|text| text.parse::<u64>().ok()).filter(|count| *count > 0);
    let wanted = count("sockets").unwrap_or(1).saturating_mul(count("cores").unwrap_or(1));
    let there = call.node.world().cores;
    if wanted > u64::from(there) {
        return Err(Failure::die(format!("MAX {there} vcpus allowed per VM on this node")));
    }
    Ok(())
}

/// Looks for the serial ports and PCI devices that a VM takes from the node.
fn check_devices(call: &mut Call<'_>, conf: &GuestConf) -> Result<(), Failure> {
    for (_, path) in conf.live.keys.iter().filter(|(key, _)| settings::number(key, "serial").is_some()) {
        let known = call.node.world().devices.as_ref();
        if path != "socket" && known.is_some_and(|known| !known.contains(path)) {
            return Err(Failure::die("no such serial device"));
        }
    }
    let Some(known) = call.node.world().pci_devices.clone() else { return Ok(()) };
    for (_, value) in conf.live.keys.iter().filter(|(key, _)| settings::number(key, "hostpci").is_some()) {
        let device = parse_property_string("pve-qm-hostpci", value).unwrap_or_default();
        for host in device.get("host").unwrap_or_default().split(';').filter(|host| !host.is_empty()) {
            let full = if host.matches(':').count() == 1 { format!("0000:{host}") } else { host.to_owned() };
            if !known.iter().any(|device| device == &full || device.starts_with(&format!("{full}."))) {
                let reason = format!("no PCI device found for '{host}'");
                call.out(&format!("{reason}\n"));
                return Err(Failure::die(reason));
            }
        }
    }
    Ok(())
}

fn set_power(call: &Call<'_>, id: u32, power: Power) {
    if let Some(guest) = call.state().guests.get_mut(&id) {
        guest.power = power;
    }
}

/// How a VM is brought down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// QEMU is told to quit.
    Quit,
    /// The system is told to shut down.
    Shutdown,
}

/// What happens to a VM that does not go in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Its process is ended.
    Terminate,
    /// It stays, and that is an error.
    Fail,
}

/// `qm stop`.
pub(super) async fn stop(call: &mut Call<'_>) -> Result<(), Failure> {
    let (id, locks, timeout) = (call.vmid(), locks(call), call.number("timeout"));
    call.begin(Worker::Checked, "qmstop", id);
    let _held = call.lock_vm(id).await?;
    stop_vm(call, id, locks, timeout, Way::Quit, Overdue::Terminate).await
}

/// `qm shutdown`.
pub(super) async fn shutdown(call: &mut Call<'_>) -> Result<(), Failure> {
    let (id, locks, timeout) = (call.vmid(), locks(call), call.number("timeout"));
    let mut way = Way::Shutdown;
    if ask_whether_paused(call, id) {
        if !call.is_set("forceStop") {
            return Err(Failure::die("VM is paused - cannot shutdown"));
        }
        call.err("VM is paused - stop instead of shutdown\n");
        way = Way::Quit;
    }
    let overdue = if call.is_set("forceStop") { Overdue::Terminate } else { Overdue::Fail };
    call.begin(Worker::Checked, "qmshutdown", id);
    let _held = call.lock_vm(id).await?;
    stop_vm(call, id, locks, timeout, way, overdue).await
}

/// Asks the monitor of a VM; one that is off leaves a trace on stderr.
fn ask_whether_paused(call: &mut Call<'_>, id: u32) -> bool {
    if !call.runs(id) {
        call.err(&format!("VM {id} not running\n\n"));
    }
    call.is_paused(id)
}

/// Stops a VM whose lock is held. One that is off is left alone.
pub(super) async fn stop_vm(
    call: &mut Call<'_>,
    id: u32,
    locks: Locks,
    timeout: Option<u64>,
    way: Way,
    overdue: Overdue,
) -> Result<(), Failure> {
    if !call.runs_here(id)? {
        return Ok(());
    }
    let conf = call.vm(id)?;
    if locks == Locks::Respected {
        vm::check_lock(&conf)?;
    }
    let startup = conf.live.get("startup").filter(|_| way == Way::Shutdown);
    let down = startup.and_then(|text| text.split(',').find_map(|item| item.strip_prefix("down=")?.parse().ok()));
    let patience = Duration::from_secs(timeout.or(down.filter(|down| *down > 0)).unwrap_or(60));
    let needs = match way {
        Way::Quit => Some(QUIT),
        Way::Shutdown => {
            if settings::agent_enabled(&conf.live) == Some(true) {
                guest::look(call, id).await;
            }
            guest::shutdown_time(call.node, id)
        }
    };
    match needs.filter(|needs| *needs < patience) {
        Some(needs) => call.work(needs).await,
        None => {
            call.node.sleep(patience).await;
            if overdue == Overdue::Fail {
                return Err(Failure::die("VM quit/powerdown failed - got timeout"));
            }
            call.err("VM still running - terminating now with SIGTERM\n");
            call.node.sleep(QUIT).await;
        }
    }
    gone(call, id)
}

/// The system powers off by itself, as its agent was told.
pub(super) async fn shut_down_from_inside(call: &mut Call<'_>, id: u32) -> Result<(), Failure> {
    if let Some(needs) = guest::shutdown_time(call.node, id) {
        call.node.sleep(needs).await;
        gone(call, id)?;
    }
    Ok(())
}

/// The process of a VM is gone: what was pending comes into force.
fn gone(call: &mut Call<'_>, id: u32) -> Result<(), Failure> {
    {
        let mut state = call.state();
        state.set_stopped(id);
        state.agent.remove(&id);
    }
    call.node.inside(id).stopped();
    let mut conf = call.vm(id)?;
    if settings::has_pending(&conf) {
        let effects = pending::apply(&mut conf, id);
        update::conclude(call, id, &mut conf, &effects)?;
    }
    Ok(())
}

/// `qm reboot`. The real node starts the VM again in the background a moment after the command ended; here it is up at once.
pub(super) async fn reboot(call: &mut Call<'_>) -> Result<(), Failure> {
    let (id, timeout) = (call.vmid(), call.number("timeout"));
    if ask_whether_paused(call, id) {
        return Err(Failure::die("VM is paused - cannot shutdown"));
    }
    if !call.runs_here(id)? {
        return Err(vm::not_running(id));
    }
    call.begin(Worker::Checked, "qmreboot", id);
    {
        let _held = call.lock_vm(id).await?;
        stop_vm(call, id, Locks::Respected, timeout, Way::Shutdown, Overdue::Fail).await?;
    }
    start_in_background(call, id).await;
    Ok(())
}

/// Starts a VM without a word, as `qmeventd` does.
async fn start_in_background(call: &Call<'_>, id: u32) {
    let mut quiet = Console::default();
    let mut background = Call::new(call.node, call.inv.clone(), b"", &mut quiet);
    background.begin(Worker::Checked, "qmstart", id);
    let result = start_vm(&mut background, id, Locks::Respected).await;
    background.conclude(result);
}

/// `qm reset`.
pub(super) async fn reset(call: &mut Call<'_>) -> Result<(), Failure> {
    let (id, locks) = (call.vmid(), locks(call));
    if !call.runs_here(id)? {
        return Err(vm::not_running(id));
    }
    call.begin(Worker::Checked, "qmreset", id);
    let _held = call.lock_vm(id).await?;
    let conf = call.vm(id)?;
    if locks == Locks::Respected {
        vm::check_lock(&conf)?;
    }
    let now = call.node.clock().now();
    let inside = call.node.inside(id);
    inside.stopped();
    if let Some(guest) = call.state().guests.get_mut(&id) {
        guest.started = now;
    }
    inside.started();
    Ok(())
}

/// `qm suspend`.
pub(super) async fn suspend(call: &mut Call<'_>) -> Result<(), Failure> {
    let (id, locks) = (call.vmid(), locks(call));
    if !call.runs_here(id)? {
        return Err(vm::not_running(id));
    }
    if !call.is_set("todisk") {
        call.begin(Worker::Checked, "qmpause", id);
        let _held = call.lock_vm(id).await?;
        let conf = call.vm(id)?;
        if locks == Locks::Respected && conf.lock() != Some("backup") {
            vm::check_lock(&conf)?;
        }
        set_power(call, id, Power::Paused);
        return Ok(());
    }
    let conf = call.vm(id)?;
    if conf.live.keys.keys().any(|key| settings::number(key, "hostpci").is_some()) {
        let reason = "cannot suspend VM to disk due to passed-through PCI device(s), which lack the possibility to \
                      save/restore their internal state";
        return Err(Failure::die(reason));
    }
    let wanted = call.param("statestorage").map(str::to_owned);
    call.begin(Worker::Checked, "qmsuspend", id);
    let _held = call.lock_vm(id).await?;
    let mut conf = call.vm(id)?;
    if locks == Locks::Respected {
        vm::check_lock(&conf)?;
    }
    let now = local_time(call.node.unix_time());
    let date = now.split(' ').next().unwrap_or_default();
    let state_file = saved_state::make_state_file(call, id, &conf, wanted.as_deref(), &format!("suspend-{date}"))?;
    for (key, value) in [
        ("lock", "suspended".to_owned()),
        ("vmstate", state_file),
        ("runningmachine", saved_state::running_machine(&conf)),
        ("runningcpu", saved_state::RUNNING_CPU.to_owned()),
    ] {
        settings::put(&mut conf.live, key, value);
    }
    call.save(id, &mut conf);
    call.state().set_stopped(id);
    call.node.inside(id).stopped();
    Ok(())
}

/// `qm resume`.
pub(super) async fn resume(call: &mut Call<'_>) -> Result<(), Failure> {
    let (id, locks) = (call.vmid(), locks(call));
    let is_suspended = {
        let _held = call.lock_vm(id).await;
        call.vm(id).is_ok_and(|conf| conf.lock() == Some("suspended"))
    };
    if !is_suspended && !call.runs_here(id)? {
        return Err(vm::not_running(id));
    }
    call.begin(Worker::Checked, "qmresume", id);
    if is_suspended {
        return start_vm(call, id, locks).await;
    }
    let _held = call.lock_vm(id).await?;
    let conf = call.vm(id)?;
    if locks == Locks::Respected && conf.lock() != Some("backup") {
        vm::check_lock(&conf)?;
    }
    set_power(call, id, Power::Running);
    Ok(())
}

/// `qm wait`.
pub(super) async fn wait(call: &mut Call<'_>) -> Result<(), Failure> {
    let (id, timeout) = (call.vmid(), call.number::<u64>("timeout"));
    if !call.runs_here(id)? {
        return Ok(());
    }
    let pid = call.state().guests.get(&id).map_or(0, |guest| guest.pid);
    call.out(&format!("waiting until VM {id} stops (PID {pid})\n"));
    let mut seconds = 0;
    while call.runs(id) && timeout.is_none_or(|timeout| seconds < timeout) {
        call.node.sleep(Duration::from_secs(1)).await;
        seconds += 1;
    }
    if call.runs(id) { Err(Failure::die("wait failed - got timeout")) } else { Ok(()) }
}

/// `qm sendkey`.
pub(super) async fn send_key(call: &mut Call<'_>) -> Result<(), Failure> {
    let id = call.vmid();
    let _held = call.lock_vm(id).await?;
    call.vm(id)?;
    if call.runs(id) { Ok(()) } else { Err(Failure::die(format!("VM {id} not running"))) }
}
