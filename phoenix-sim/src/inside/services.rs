//! What happens inside by itself: booting, services, and what they bring about.

use std::sync::Arc;
use std::time::Duration;

use phoenix_sim_shell::files::{Content, Entry, Follow, Offset};
use phoenix_sim_shell::pattern;
use phoenix_sim_shell::process::{End, Processes, signal_name};
use phoenix_types::GuestKind;
use serde::{Deserialize, Serialize};

use super::cloud_config::CloudConfig;
use super::view::View;
use super::world::{Begins, CloudInitResult, Flapping, ImageWorld, Merged, PortState, ServiceWorld, UnitState};
use super::{Line, Running};
use super::{facts, shares};
use crate::node::{SimNode, State};
use crate::world::World;

/// The service of the guest agent.
pub(crate) const AGENT: &str = "qemu-guest-agent";
/// How long it takes to come up when it is started in a running system.
const AGENT_START: Duration = Duration::from_secs(1);
/// Where systemd writes the units that it makes itself.
pub(crate) const TRANSIENT: &str = "/run/systemd/transient";
/// Where units are enabled.
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";
/// Lines of a journal that are kept.
const JOURNAL: usize = 5000;

/// Something that will happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// When, on the node's clock.
    pub(crate) at: Duration,
    /// The service that it belongs to; empty for booting itself.
    pub(crate) service: String,
    pub(crate) effect: Effect,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Effect {
    Open {
        port: u16,
        flapping: Option<Flapping>,
    },
    Close(u16),
    File {
        path: String,
        text: String,
    },
    Remove(String),
    Log(String),
    State(UnitState),
    /// The clock jumps by so many seconds.
    Clock(i64),
    CloudInit(CloudInitResult),
    /// Cloud-init installs packages.
    Packages(Vec<String>),
    /// Cloud-init runs commands.
    Commands(Vec<String>),
    /// What stands in `/etc/fstab` is mounted.
    Mounts,
}

/// A port that someone listens at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) service: String,
    pub(crate) since: Duration,
    pub(crate) flapping: Option<Flapping>,
}

impl Listening {
    fn is_open(&self, now: Duration) -> bool {
        let Some(Flapping { open, closed }) = self.flapping else { return true };
        let (open, closed) = (open.get().as_millis(), closed.get().as_millis());
        let passed = now.saturating_sub(self.since).as_millis();
        open + closed == 0 || passed % (open + closed) < open
    }
}

/// Begins a guest's boot.
pub(crate) fn boot(state: &mut State, world: &World, vmid: u32, now: Duration) {
    let Some(kind) = state.guest_kind(vmid) else { return };
    if let Some(before) = state.inside.remove(&vmid) {
        keep_journal(state, vmid, before.journal);
    }
    let is_vm = kind == GuestKind::Vm;
    let running = Running { started: now, began: state.now, is_vm, clock: state.clock, ..Running::default() };
    state.inside.insert(vmid, running);
    let merged = facts::world_of(world, vmid);
    super::base::furnish(state, vmid, kind, merged);
    log(state, vmid, "kernel", "Booting.");
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
        plan(state, vmid, now + after, "", Effect::CloudInit(result));
    }
    for (name, service) in merged.services() {
        let unit = format!("{WANTS}/{name}.service");
        let enabled = View::new(state, Some(vmid)).entry(&unit, Follow::Parents).is_ok();
        if enabled || service.begins == Begins::Boot {
            begin(state, world, vmid, name, service, now);
        }
    }
}

/// Whether cloud-init has not set up this guest on this disk yet.
fn is_new_instance(state: &mut State, vmid: u32) -> bool {
    let known = View::new(state, Some(vmid)).read(super::base::INSTANCE);
    known.map_or(true, |id| *id != *vmid.to_string().as_bytes())
}

fn agent_is_installed(state: &mut State, vmid: u32) -> bool {
    View::new(state, Some(vmid)).exists(super::base::AGENT)
}

/// The guest agent starts, and answers as soon as it can after the boot.
fn start_agent(state: &mut State, merged: Merged<'_>, vmid: u32) {
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.agent = merged.agent().map(|after| running.started + after);
    }
}

/// The guest agent is started anew in a running system: what it had started ends with it, unless that left its service, and it
/// knows of no process any more (systemd.kill(5), `KillMode=control-group`).
pub(crate) fn restart_agent(state: &mut State, world: &World, vmid: u32, now: Duration) {
    let is_there = agent_is_installed(state, vmid) && facts::world_of(world, vmid).agent().is_some();
    stop_agent(state, vmid);
    if let Some(running) = state.inside.get_mut(&vmid).filter(|_| is_there) {
        running.agent = Some(now + AGENT_START);
    }
}

/// The guest agent stops.
pub(crate) fn stop_agent(state: &mut State, vmid: u32) {
    if let Some(processes) = state.agent.get_mut(&vmid) {
        processes.forget();
    }
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.agent = None;
        running.processes.kill_unit(AGENT);
    }
}

fn plan(state: &mut State, vmid: u32, at: Duration, service: &str, effect: Effect) {
    if let Some(running) = state.inside.get_mut(&vmid) {
        // After all that is planned for the same time: the order of the world's file counts.
        let place = running.planned.partition_point(|planned| planned.at <= at);
        running.planned.insert(place, Planned { at, service: service.to_owned(), effect });
    }
}

/// Begins a service now: it runs, and will do what the world says.
pub(crate) fn begin(state: &mut State, world: &World, vmid: u32, name: &str, service: &ServiceWorld, now: Duration) {
    end(state, vmid, name);
    set_state(state, vmid, name, UnitState::Active);
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.begun.insert(name.to_owned());
    }
    log(state, vmid, "systemd[1]", &format!("Started {name}.service."));
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
    catch_up_guest(state, world, vmid, now);
}

/// Ends a service: its ports close, and what it would still have done does not happen.
pub(crate) fn end(state: &mut State, vmid: u32, name: &str) {
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.begun.remove(name);
        running.planned.retain(|planned| planned.service != name);
        running.ports.retain(|_, listening| listening.service != name);
    }
}

/// Makes a service begin with every boot.
pub(crate) fn enable(state: &mut State, vmid: u32, name: &str) {
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
pub(crate) fn disable(state: &mut State, vmid: u32, name: &str) {
    let _ = View::new(state, Some(vmid)).remove(&format!("{WANTS}/{name}.service"));
}

/// Whether a unit begins with the boot.
pub(crate) fn is_enabled(state: &mut State, vmid: u32, name: &str) -> bool {
    View::new(state, Some(vmid)).entry(&format!("{WANTS}/{name}.service"), Follow::Parents).is_ok()
}

/// A script or a command succeeded: the services that wait for it begin.
pub(crate) fn succeeded(node: &SimNode, vmid: u32, cause: Cause<'_>) {
    let merged = facts::world_of(node.world(), vmid);
    for (name, service) in merged.services() {
        let begins = match (&service.begins, cause) {
            (Begins::Script(script), Cause::Script(name)) => script == name,
            (Begins::Command(wanted), Cause::Command(line)) => pattern::matches(wanted, line),
            _ => false,
        };
        if begins {
            let now = node.clock().now();
            let mut state = node.state();
            enable(&mut state, vmid, name);
            // What runs is not disturbed by running its script once more.
            if !state.inside.get(&vmid).is_some_and(|running| running.begun.contains(name)) {
                begin(&mut state, node.world(), vmid, name, service, now);
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
pub(crate) fn catch_up(state: &mut State, world: &World, now: Duration) {
    let due = |running: &Running| running.planned.first().is_some_and(|planned| planned.at <= now);
    if !state.inside.values().any(due) {
        return;
    }
    state.changed = true;
    loop {
        // In the order of time over all guests: they may share folders.
        let next = state
            .inside
            .iter()
            .filter(|(_, running)| due(running))
            .min_by_key(|(_, running)| running.planned.first().map(|planned| planned.at))
            .map(|(vmid, running)| (*vmid, running.planned.first().map(|planned| planned.at)));
        let Some((vmid, Some(at))) = next else { return };
        state.go_to(world, at);
        catch_up_guest(state, world, vmid, at);
        state.go_to(world, now);
    }
}

fn catch_up_guest(state: &mut State, world: &World, vmid: u32, now: Duration) {
    loop {
        let Some(running) = state.inside.get_mut(&vmid) else { return };
        if running.planned.first().is_none_or(|planned| planned.at > now) {
            running.processes.changed.notify_waiters();
            return;
        }
        let planned = running.planned.remove(0);
        apply(state, world, vmid, planned);
    }
}

fn apply(state: &mut State, world: &World, vmid: u32, planned: Planned) {
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
        Effect::Log(text) => log(state, vmid, &service, &text),
        Effect::State(to) => {
            set_state(state, vmid, &service, to);
            if matches!(to, UnitState::Failed | UnitState::Restarting) {
                log(state, vmid, "systemd[1]", &format!("{service}.service: Failed with result 'exit-code'."));
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
            state.go_to(world, state.elapsed);
        }
        Effect::Mounts => shares::attach_all(state, world, vmid),
        Effect::Packages(packages) => install(state, world, vmid, &packages),
        Effect::Commands(commands) => {
            for name in commands.iter().filter_map(|line| started_unit(line)) {
                if let Some(service) = facts::world_of(world, vmid).service(name) {
                    begin(state, world, vmid, name, service, at);
                }
            }
        }
        Effect::CloudInit(result) => {
            if is_new_instance(state, vmid) {
                super::identity::make_host_keys(state, vmid, super::identity::Keys::All);
            }
            let mut view = View::new(state, Some(vmid));
            let _ = view.make_folders("/var/lib/cloud/instance", 0o755);
            let _ = view.make_folders("/var/lib/cloud/data", 0o755);
            let _ = view.write("/var/lib/cloud/instance/boot-finished", b"finished\n", Offset::Replace, 0o644);
            let _ = view.write("/var/log/cloud-init.log", b"finished\n", Offset::Replace, 0o640);
            let _ = view.write(super::base::INSTANCE, vmid.to_string().as_bytes(), Offset::Replace, 0o644);
            if let Some(running) = state.inside.get_mut(&vmid) {
                running.cloud_init = Some(result);
            }
            log(state, vmid, "cloud-init", "Cloud-init finished.");
        }
    }
}

/// Installs packages from the network, unless the world says that `apt-get install` fails. The guest agent is the only one
/// that makes a difference.
fn install(state: &mut State, world: &World, vmid: u32, packages: &[String]) {
    let merged = facts::world_of(world, vmid);
    for package in packages {
        let line = format!("apt-get install {package}");
        if let Some(said) = merged.commands().find(|said| said.exit != 0 && pattern::matches(&said.when, &line)) {
            log(state, vmid, "cloud-init", &format!("Failed to install {package}: {}", said.stderr.trim()));
            continue;
        }
        log(state, vmid, "cloud-init", &format!("Setting up {package}"));
        if package == "qemu-guest-agent" {
            let _ = View::new(state, Some(vmid)).write(super::base::AGENT, b"", Offset::Replace, 0o755);
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

pub(crate) fn set_state(state: &mut State, vmid: u32, name: &str, to: UnitState) {
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.units.insert(name.to_owned(), to);
    }
}

/// The main process of a service that `systemd-run` made has ended, in the boot that has these processes.
pub(crate) fn transient_ended(state: &mut State, vmid: u32, boot: &Arc<Processes>, name: &str, end: End) {
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
        log(state, vmid, "systemd[1]", &format!("{name}.service: {text}"));
    }
}

/// What a guest's journal has when the guest stops is there after its next start: it is kept on the disk.
pub(crate) fn keep_journal(state: &mut State, vmid: u32, lines: Vec<Line>) {
    let kept = state.journals.entry(vmid).or_default();
    kept.extend(lines);
    kept.drain(..kept.len().saturating_sub(JOURNAL));
}

/// Writes a line to a guest's journal.
pub(crate) fn log(state: &mut State, vmid: u32, source: &str, text: &str) {
    let at = state.time_of(Some(vmid));
    if let Some(running) = state.inside.get_mut(&vmid) {
        if running.journal.len() >= JOURNAL {
            running.journal.drain(..JOURNAL / 10);
        }
        running.journal.push(Line { at, source: source.to_owned(), text: text.to_owned() });
    }
}

/// Whether someone listens at a port of a guest, and which service.
pub(crate) fn listener(state: &mut State, world: &World, vmid: u32, port: u16, now: Duration) -> Option<String> {
    let merged = facts::world_of(world, vmid);
    let running = state.inside.get(&vmid)?;
    if let Some(listening) = running.ports.get(&port) {
        return listening.is_open(now).then(|| listening.service.clone());
    }
    let mut events = merged.services().into_values().flat_map(|service| &service.events);
    let belongs = events.any(|event| event.open.contains(&port));
    let booted = merged.init(running.is_vm).is_some_and(|init| now >= running.started + init);
    (!belongs && booted && merged.other_ports() != PortState::Closed).then(String::new)
}
