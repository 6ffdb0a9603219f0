//! What happens inside by itself: booting, services, and what they bring about.

use std::sync::Arc;
use std::time::Duration;

use phoenix_sim_shell::files::{Content, Entry, Follow, Offset};
use phoenix_sim_shell::pattern;
use phoenix_sim_shell::process::{End, Processes, signal_name};
use phoenix_types::GuestKind;

use crate::cloud_config::CloudConfig;
use crate::ground::{Ground, HeldNode, Node};
use crate::journal;
use crate::running::{AGENT, Effect, Listening, Planned, Running};
use crate::shares;
use crate::view::View;
use crate::world::{Begins, CloudInitResult, ImageWorld, Merged, PortState, ServiceWorld, UnitState};

/// How long it takes to come up when it is started in a running system.
const AGENT_START: Duration = Duration::from_secs(1);
/// Where systemd writes the units that it makes itself.
pub(crate) const TRANSIENT: &str = "/run/systemd/transient";
/// Where units are enabled.
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";

/// Begins a guest's boot.
pub(crate) fn boot(state: &mut dyn HeldNode, vmid: u32, now: Duration) {
    let Some(kind) = state.guest_kind(vmid) else { return };
    if let Some(before) = state.inside.remove(&vmid) {
        journal::keep(state, vmid, before.journal);
    }
    let is_vm = kind == GuestKind::Vm;
    let running = Running { started: now, began: state.now, is_vm, clock: state.clock, ..Running::default() };
    state.inside.insert(vmid, running);
    let worlds = Arc::clone(&state.worlds);
    let merged = worlds.of(vmid);
    crate::base::furnish(state, vmid, kind, merged);
    journal::log(state, vmid, "kernel", "Booting.");
    let init = merged.init(kind == GuestKind::Vm);
    plan(state, vmid, now + init.unwrap_or_default() / 2, "", Effect::Mounts);
    if kind == GuestKind::Vm && (merged.image() == ImageWorld::Bare || agent_is_installed(state, vmid)) {
        start_agent(state, merged, vmid);
    }
    if kind == GuestKind::Vm
        && let Some(after) = merged.cloud_init()
    {
        // The first boot of this disk in this guest does all the work.
        let (after, result) = if is_new_instance(state, vmid) {
            let CloudConfig { packages, commands } = CloudConfig::of(state, vmid);
            // Packages come last but for the commands.
            plan(state, vmid, now + after * 3 / 4, "", Effect::Packages(packages));
            plan(state, vmid, now + after, "", Effect::Commands(commands));
            (after, merged.cloud_init_result())
        } else {
            (merged.agent().unwrap_or_default() + Duration::from_secs(2), CloudInitResult::Done)
        };
        crate::cloud_status::begun(state, vmid);
        plan(state, vmid, now + after, "", Effect::CloudInit(result));
    }
    for (name, service) in merged.services() {
        let unit = format!("{WANTS}/{name}.service");
        let enabled = View::new(state, Some(vmid)).entry(&unit, Follow::Parents).is_ok();
        if enabled || service.begins == Begins::Boot {
            begin(state, vmid, name, service, now);
        }
    }
}

/// Whether cloud-init has not set up this guest on this disk yet.
fn is_new_instance(state: &mut dyn HeldNode, vmid: u32) -> bool {
    let known = View::new(state, Some(vmid)).read(crate::base::INSTANCE);
    known.map_or(true, |id| *id != *vmid.to_string().as_bytes())
}

fn agent_is_installed(state: &mut dyn HeldNode, vmid: u32) -> bool {
    View::new(state, Some(vmid)).exists(crate::base::AGENT)
}

/// The guest agent starts, and answers as soon as it can after the boot.
fn start_agent(state: &mut dyn HeldNode, merged: Merged<'_>, vmid: u32) {
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.agent = merged.agent().map(|after| running.started + after);
    }
}

/// The guest agent is started again in a running system: what it had started ends with it, unless that left its service, and it
/// knows of no process any more (systemd.kill(5), `KillMode=control-group`).
pub(crate) fn restart_agent(state: &mut dyn HeldNode, vmid: u32, now: Duration) {
    let is_there = agent_is_installed(state, vmid) && state.worlds.of(vmid).agent().is_some();
    stop_agent(state, vmid);
    if let Some(running) = state.inside.get_mut(&vmid).filter(|_| is_there) {
        running.agent = Some(now + AGENT_START);
    }
}

/// The guest agent stops.
pub(crate) fn stop_agent(state: &mut dyn HeldNode, vmid: u32) {
    if let Some(processes) = state.agent.get_mut(&vmid) {
        processes.forget();
    }
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.agent = None;
        running.processes.kill_unit(AGENT);
    }
}

fn plan(state: &mut dyn HeldNode, vmid: u32, at: Duration, service: &str, effect: Effect) {
    state.nothing_before = state.nothing_before.min(at);
    if let Some(running) = state.inside.get_mut(&vmid) {
        // After all that is planned for the same time: the order of the world's file counts.
        let place = running.planned.partition_point(|planned| planned.at <= at);
        running.planned.insert(place, Planned { at, service: service.to_owned(), effect });
    }
}

/// Begins a service now: it runs, and will do what the world says.
pub(crate) fn begin(state: &mut dyn HeldNode, vmid: u32, name: &str, service: &ServiceWorld, now: Duration) {
    end(state, vmid, name);
    set_state(state, vmid, name, UnitState::Active);
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.begun.insert(name.to_owned());
    }
    journal::log(state, vmid, "systemd[1]", &format!("Started {name}.service."));
    for event in &service.events {
        let at = now + event.after.get();
        let flapping = event.flapping;
        let effects = event
            .log
            .iter()
            .map(|line| Effect::Log(line.clone()))
            .chain(event.close.iter().map(|port| Effect::Close(*port)))
            .chain(event.remove.iter().map(|path| Effect::Remove(path.clone())))
            .chain(event.files.iter().map(|(path, text)| Effect::File { path: path.clone(), text: text.clone() }))
            .chain(event.open.iter().map(|port| Effect::Open { port: *port, flapping }))
            .chain(event.state.map(Effect::State))
            .chain(event.clock.map(Effect::Clock));
        for effect in effects {
            plan(state, vmid, at, name, effect);
        }
    }
    catch_up_guest(state, vmid, now);
}

/// Ends a service: its ports close, and what it would still have done does not happen.
pub(crate) fn end(state: &mut dyn HeldNode, vmid: u32, name: &str) {
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.begun.remove(name);
        running.planned.retain(|planned| planned.service != name);
        running.ports.retain(|_, listening| listening.service != name);
    }
}

/// Makes a service begin with every boot.
pub(crate) fn enable(state: &mut dyn HeldNode, vmid: u32, name: &str) {
    let now = state.now;
    let mut view = View::new(state, Some(vmid));
    let unit = format!("/etc/systemd/system/{name}.service");
    let _ = view.make_folders(WANTS, 0o755);
    if !view.exists(&unit) {
        let text = format!(
            "[Unit]\nDescription={name}\n\n[Service]\nExecStart=/usr/bin/{name}\n\n[Install]\nWantedBy=multi-user.target\n"
        );
        let _ = view.write(&unit, text.as_bytes(), Offset::Replace, 0o644);
    }
    let link = Entry { content: Content::Link(unit), ..Entry::folder(now) };
    let _ = view.insert(&format!("{WANTS}/{name}.service"), link);
}

/// Stops a service from beginning with the boot.
pub(crate) fn disable(state: &mut dyn HeldNode, vmid: u32, name: &str) {
    let _ = View::new(state, Some(vmid)).remove(&format!("{WANTS}/{name}.service"));
}

/// Whether a unit begins with the boot.
pub(crate) fn is_enabled(state: &mut dyn HeldNode, vmid: u32, name: &str) -> bool {
    View::new(state, Some(vmid)).entry(&format!("{WANTS}/{name}.service"), Follow::Parents).is_ok()
}

/// A script or a command succeeded: the services that wait for it begin.
pub(crate) fn succeeded(node: &dyn Node, vmid: u32, cause: Cause<'_>) {
    let worlds = Arc::clone(&node.quiet_state().worlds);
    for (name, service) in worlds.of(vmid).services() {
        let begins = match (&service.begins, cause) {
            (Begins::Script(script), Cause::Script(name)) => script == name,
            (Begins::Command(wanted), Cause::Command(line)) => pattern::matches(wanted, line),
            _ => false,
        };
        if begins {
            let now = node.elapsed();
            let mut state = node.state();
            enable(&mut *state, vmid, name);
            // What runs is not disturbed by running its script once more.
            if !state.inside.get(&vmid).is_some_and(|running| running.begun.contains(name)) {
                begin(&mut *state, vmid, name, service, now);
            }
        }
    }
}

/// What succeeded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    Script(&'a str),
    Command(&'a str),
}

/// Lets happen what is due in all guests.
pub fn catch_up(state: &mut dyn HeldNode, now: Duration) {
    if now < state.nothing_before {
        return;
    }
    while let Some((at, vmid)) = next_planned(state).filter(|(at, _)| *at <= now) {
        state.changed = true;
        state.go_to(at);
        catch_up_guest(state, vmid, at);
        state.go_to(now);
    }
    state.nothing_before = next_planned(state).map_or(Duration::MAX, |(at, _)| at);
}

/// When something is planned next, and in which guest. All guests have one order of time: they may share folders.
fn next_planned(ground: &Ground) -> Option<(Duration, u32)> {
    ground.inside.iter().filter_map(|(vmid, running)| Some((running.planned.first()?.at, *vmid))).min()
}

fn catch_up_guest(state: &mut dyn HeldNode, vmid: u32, now: Duration) {
    loop {
        let Some(running) = state.inside.get_mut(&vmid) else { return };
        if running.planned.first().is_none_or(|planned| planned.at > now) {
            running.processes.changed.notify_waiters();
            return;
        }
        let planned = running.planned.remove(0);
        apply(state, vmid, planned);
    }
}

fn apply(state: &mut dyn HeldNode, vmid: u32, planned: Planned) {
    let Planned { at, service, effect } = planned;
    match effect {
        Effect::Open { port, flapping } => {
            if let Some(running) = state.inside.get_mut(&vmid) {
                running.ports.insert(port, Listening { service, since: at, flapping });
            }
        }
        Effect::Close(port) => {
            if let Some(running) = state.inside.get_mut(&vmid) {
                running.ports.remove(&port);
            }
        }
        Effect::File { path, text } => {
            let mut view = View::new(state, Some(vmid));
            let _ = view.make_folders(phoenix_sim_shell::files::FileTree::parent(&path), 0o755);
            let _ = view.write(&path, text.as_bytes(), Offset::Replace, 0o644);
        }
        Effect::Remove(path) => {
            let _ = View::new(state, Some(vmid)).remove_all(&path);
        }
        Effect::Log(text) => journal::log(state, vmid, &service, &text),
        Effect::State(to) => {
            set_state(state, vmid, &service, to);
            if matches!(to, UnitState::Failed | UnitState::Restarting) {
                journal::log(state, vmid, "systemd[1]", &format!("{service}.service: Failed with result 'exit-code'."));
            }
            if matches!(to, UnitState::Failed | UnitState::Inactive | UnitState::Restarting)
                && let Some(running) = state.inside.get_mut(&vmid)
            {
                running.ports.retain(|_, listening| listening.service != service);
                running.begun.remove(&service);
            }
        }
        Effect::Clock(seconds) => {
            match state.inside.get_mut(&vmid).filter(|running| running.is_vm) {
                Some(running) => running.clock += seconds,
                None => state.clock += seconds,
            }
            let elapsed = state.elapsed;
            state.go_to(elapsed);
        }
        Effect::Mounts => shares::attach_all(state, vmid),
        Effect::Packages(packages) => install(state, vmid, &packages),
        Effect::Commands(commands) => {
            let worlds = Arc::clone(&state.worlds);
            for name in commands.iter().filter_map(|line| started_unit(line)) {
                if let Some(service) = worlds.of(vmid).service(name) {
                    begin(state, vmid, name, service, at);
                }
            }
        }
        Effect::CloudInit(result) => {
            if is_new_instance(state, vmid) {
                crate::identity::make_host_keys(state, vmid, crate::identity::Keys::All);
            }
            let mut view = View::new(state, Some(vmid));
            let _ = view.make_folders("/var/lib/cloud/instance", 0o755);
            let _ = view.make_folders("/var/lib/cloud/data", 0o755);
            let _ = view.write("/var/lib/cloud/instance/boot-finished", b"finished\n", Offset::Replace, 0o644);
            let _ = view.write("/var/log/cloud-init.log", b"finished\n", Offset::Replace, 0o640);
            let _ = view.write(crate::base::INSTANCE, vmid.to_string().as_bytes(), Offset::Replace, 0o644);
            if let Some(running) = state.inside.get_mut(&vmid) {
                running.cloud_init = Some(result);
            }
            crate::cloud_status::finished(state, vmid, result);
            journal::log(state, vmid, "cloud-init", "Cloud-init finished.");
        }
    }
}

/// Installs packages from the network, unless the world says that `apt-get install` fails. The guest agent is the only one
/// that makes a difference.
fn install(state: &mut dyn HeldNode, vmid: u32, packages: &[String]) {
    let worlds = Arc::clone(&state.worlds);
    let merged = worlds.of(vmid);
    for package in packages {
        let line = format!("apt-get install {package}");
        if let Some(said) = merged.commands().find(|said| said.exit != 0 && pattern::matches(&said.when, &line)) {
            journal::log(state, vmid, "cloud-init", &format!("Failed to install {package}: {}", said.stderr.trim()));
            continue;
        }
        journal::log(state, vmid, "cloud-init", &format!("Setting up {package}"));
        if package == "qemu-guest-agent" {
            let _ = View::new(state, Some(vmid)).write(crate::base::AGENT, b"", Offset::Replace, 0o755);
            start_agent(state, merged, vmid);
        }
    }
}

/// The unit that a command starts: `systemctl start NAME`, `systemctl enable --now NAME`.
fn started_unit(line: &str) -> Option<&str> {
    let words = line.strip_prefix("systemctl ")?;
    let starts = words.starts_with("start ") || (words.starts_with("enable ") && words.contains("--now"));
    let unit = words.split(' ').rfind(|word| !word.starts_with('-')).filter(|_| starts)?;
    Some(unit.strip_suffix(".service").unwrap_or(unit))
}

pub(crate) fn set_state(state: &mut dyn HeldNode, vmid: u32, name: &str, to: UnitState) {
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.units.insert(name.to_owned(), to);
    }
}

/// The main process of a service that `systemd-run` made has ended, in the boot that has these processes.
pub(crate) fn transient_ended(state: &mut dyn HeldNode, vmid: u32, boot: &Arc<Processes>, name: &str, end: End) {
    if !state.inside.get(&vmid).is_some_and(|running| Arc::ptr_eq(&running.processes, boot)) {
        return;
    }
    let _ = View::new(state, Some(vmid)).remove(&format!("{TRANSIENT}/{name}.service"));
    let Some(running) = state.inside.get_mut(&vmid) else { return };
    let (said, to) = match end {
        End::Exit(0) => (vec!["Deactivated successfully.".to_owned()], UnitState::Inactive),
        End::Exit(status) => (
            vec![
                format!("Main process exited, code=exited, status={status}/n/a"),
                "Failed with result 'exit-code'.".to_owned(),
            ],
            UnitState::Failed,
        ),
        End::Signal(signal) => {
            running.killed.insert(name.to_owned());
            let signal = format!("{signal}/{}", signal_name(signal).unwrap_or("n/a"));
            let main = format!("Main process exited, code=killed, status={signal}");
            (vec![main, "Failed with result 'signal'.".to_owned()], UnitState::Failed)
        }
    };
    set_state(state, vmid, name, to);
    for text in said {
        journal::log(state, vmid, "systemd[1]", &format!("{name}.service: {text}"));
    }
}

/// Whether someone listens at a port of a guest, and which service.
pub(crate) fn listener(state: &mut dyn HeldNode, vmid: u32, port: u16, now: Duration) -> Option<String> {
    let worlds = Arc::clone(&state.worlds);
    let merged = worlds.of(vmid);
    let running = state.inside.get(&vmid)?;
    if let Some(listening) = running.ports.get(&port) {
        return listening.is_open(now).then(|| listening.service.clone());
    }
    let mut events = merged.services().into_values().flat_map(|service| &service.events);
    let belongs = events.any(|event| event.open.contains(&port));
    let booted = merged.init(running.is_vm).is_some_and(|init| now >= running.started + init);
    (!belongs && booted && merged.other_ports() != PortState::Closed).then(String::new)
}
