//! `systemctl` and `service`.

use std::time::Duration;

use super::arguments::Arguments;
use super::system::format_time;
use super::units::short;
use super::{Broken, Call, Ending};
use crate::journal;
use crate::running::AGENT;
use crate::services;
use crate::view::View;
use crate::world::{Begins, ServiceWorld, UnitState};

/// What `systemctl` was asked.
struct Request {
    verb: String,
    units: Vec<String>,
    arguments: Arguments,
    vmid: u32,
}

impl Request {
    fn read(words: &[String], vmid: u32) -> Self {
        let long = ["property", "type", "state", "output", "lines", "signal", "kill-who", "job-mode"];
        let arguments = Arguments::read_long(words, "ptonHMs", &long);
        let default = if arguments.has_long("failed") { "--failed" } else { "list-units" };
        let verb = arguments.rest.first().map_or(default, String::as_str).to_owned();
        let units = arguments.rest.iter().skip(1).map(|unit| short(unit).to_owned()).collect();
        Self { verb, units, arguments, vmid }
    }

    fn is_quiet(&self) -> bool {
        self.arguments.has('q') || self.arguments.has_long("quiet")
    }
}

/// The state of a unit in systemd's finer words.
fn substate(state: UnitState) -> &'static str {
    match state {
        UnitState::Active => "running",
        UnitState::Activating => "start",
        UnitState::Restarting => "auto-restart",
        UnitState::Failed => "failed",
        UnitState::Inactive => "dead",
    }
}

/// The commands by verb.
impl Call {
    pub(super) async fn systemctl(&self) -> Ending {
        let Some(vmid) = self.machine().guest else { return Ok(0) };
        let request = Request::read(self.arguments(), vmid);
        let status = match request.verb.as_str() {
            "start" | "restart" | "reload-or-restart" | "try-restart" => self.start_units(&request).await,
            "stop" | "kill" => {
                request.units.iter().for_each(|name| self.end_unit(vmid, name));
                0
            }
            "enable" | "disable" | "mask" | "unmask" | "reenable" => self.change_start(&request),
            "reset-failed" => {
                self.reset_failed(vmid);
                0
            }
            "is-active" | "is-failed" => self.are_in_state(&request).await?,
            "is-enabled" => self.are_enabled(&request).await?,
            "is-system-running" => self.is_system_running(&request).await?,
            "show" => self.show_units(&request).await?,
            "status" => self.unit_status(&request).await?,
            "list-units" | "--failed" | "list-unit-files" => self.list_units(&request).await?,
            "daemon-reload" => {
                self.daemon_reload(vmid);
                0
            }
            "cat" => self.unit_files(&request).await?,
            _ => 0,
        };
        self.machine().touch();
        Ok(status)
    }

    pub(super) async fn service(&self) -> Ending {
        let [name, verb, ..] = self.arguments() else { return Ok(1) };
        let mut other = self.clone();
        other.invocation.argv = vec!["systemctl".to_owned(), verb.clone(), name.clone()];
        Box::pin(other.systemctl()).await
    }

    async fn start_units(&self, request: &Request) -> i32 {
        let mut status = 0;
        for name in &request.units {
            if request.verb == "start" && self.world_unit_runs(request.vmid, name) {
                continue;
            }
            if self.begin_unit(request.vmid, name) == UnitState::Failed {
                self.err(&format!(
                    "Job for {name}.service failed because the control process exited with error code.\nSee \"systemctl status {name}.service\" and \"journalctl -xeu {name}.service\" for details.\n"
                ))
                .await;
                status = 1;
            }
        }
        status
    }

    /// Enables or disables units, with `--now` at once.
    fn change_start(&self, request: &Request) -> i32 {
        let (vmid, verb) = (request.vmid, request.verb.as_str());
        let mut status = 0;
        for name in &request.units {
            match verb {
                "enable" | "reenable" => services::enable(&mut *self.machine().node.state(), vmid, name),
                "unmask" => {}
                _ => services::disable(&mut *self.machine().node.state(), vmid, name),
            }
            if !request.arguments.has_long("now") {
                continue;
            }
            if verb != "enable" {
                self.end_unit(vmid, name);
            } else if !self.world_unit_runs(vmid, name) && self.begin_unit(vmid, name) == UnitState::Failed {
                status = 1;
            }
        }
        status
    }

    fn reset_failed(&self, vmid: u32) {
        let mut state = self.machine().node.state();
        if let Some(running) = state.inside.get_mut(&vmid) {
            for state in running.units.values_mut().filter(|state| **state == UnitState::Failed) {
                *state = UnitState::Inactive;
            }
        }
    }

    /// `is-active` and `is-failed`: whether any of the units is.
    async fn are_in_state(&self, request: &Request) -> Ending {
        let (wanted, otherwise) =
            if request.verb == "is-active" { (UnitState::Active, 3) } else { (UnitState::Failed, 1) };
        let mut status = otherwise;
        for name in &request.units {
            let state = self.unit_state(request.vmid, name);
            if state == wanted {
                status = 0;
            }
            if !request.is_quiet() {
                self.line(state.name()).await?;
            }
        }
        Ok(status)
    }

    async fn are_enabled(&self, request: &Request) -> Ending {
        let mut status = 1;
        for name in &request.units {
            let enabled = services::is_enabled(&mut *self.machine().node.state(), request.vmid, name)
                || self.machine().world().service(name).is_none();
            if enabled {
                status = 0;
            }
            if !request.is_quiet() {
                self.line(if enabled { "enabled" } else { "disabled" }).await?;
            }
        }
        Ok(status)
    }

    async fn is_system_running(&self, request: &Request) -> Ending {
        if request.arguments.has_long("wait") {
            while self.system_state(request.vmid) == "starting" {
                self.pause(Duration::from_secs(1)).await;
            }
        }
        let state = self.system_state(request.vmid);
        if !request.is_quiet() {
            self.line(state).await?;
        }
        Ok(i32::from(state != "running"))
    }

    async fn show_units(&self, request: &Request) -> Ending {
        let (vmid, arguments) = (request.vmid, &request.arguments);
        let wanted = arguments.value('p').or(arguments.long_value("property")).unwrap_or("ActiveState,SubState,Result");
        let print = async |property: &str, value: &str| -> Result<(), Broken> {
            let bare = arguments.has_long("value");
            self.line(&if bare { value.to_owned() } else { format!("{property}={value}") }).await
        };
        if request.units.is_empty() && wanted == "UnitsLoadStartTimestamp" {
            let began = self.machine().node.state().inside.get(&vmid).map_or(0, |running| running.began);
            print(wanted, &format_time("%a %Y-%m-%d %H:%M:%S UTC", began, 0)).await?;
        }
        for name in &request.units {
            for property in wanted.split(',') {
                print(property, self.property(vmid, name, property)).await?;
            }
        }
        Ok(0)
    }

    /// A property of a unit; empty when systemd has no such property here.
    fn property<'n>(&self, vmid: u32, name: &'n str, property: &str) -> &'n str {
        let state = self.unit_state(vmid, name);
        match (property, state) {
            ("ActiveState", state) => state.name(),
            ("SubState", state) => substate(state),
            ("Result", UnitState::Failed) if self.was_killed(vmid, name) => "signal",
            ("Result", UnitState::Failed) => "exit-code",
            ("Result", _) => "success",
            ("ExecMainStatus", UnitState::Failed) => "1",
            ("ExecMainStatus" | "NRestarts", _) => "0",
            ("LoadState", _) => "loaded",
            ("MainPID", UnitState::Active) => "321",
            ("MainPID", _) => "0",
            ("Id", _) => name,
            _ => "",
        }
    }

    async fn unit_status(&self, request: &Request) -> Ending {
        let mut status = 0;
        for name in &request.units {
            let state = self.unit_state(request.vmid, name);
            let detail = if state == UnitState::Failed { "Result: exit-code" } else { substate(state) };
            let text = format!(
                "● {name}.service - {name}\n     Loaded: loaded (/etc/systemd/system/{name}.service; enabled; preset: enabled)\n     Active: {} ({detail})",
                state.name()
            );
            self.line(&text).await?;
            if state != UnitState::Active {
                status = 3;
            }
        }
        Ok(status)
    }

    async fn list_units(&self, request: &Request) -> Ending {
        let arguments = &request.arguments;
        let wanted = match arguments.long_value("state") {
            _ if request.verb == "--failed" || arguments.has_long("failed") => Some("failed"),
            wanted => wanted,
        };
        let is_wanted =
            |state: UnitState| wanted.is_none_or(|wanted| wanted.split(',').any(|wanted| wanted == state.name()));
        let listed: Vec<(String, UnitState)> = {
            let state = self.machine().node.state();
            let units = state.inside.get(&request.vmid).map(|running| running.units.clone()).unwrap_or_default();
            units.into_iter().filter(|(_, state)| is_wanted(*state)).collect()
        };
        let plain = arguments.has_long("plain") || arguments.has_long("no-legend");
        if !plain {
            self.line("  UNIT LOAD ACTIVE SUB DESCRIPTION").await?;
        }
        for (name, state) in &listed {
            let mark = match state {
                _ if plain => "",
                UnitState::Failed => "● ",
                _ => "  ",
            };
            self.line(&format!("{mark}{name}.service loaded {} {} {name}", state.name(), substate(*state))).await?;
        }
        if !plain {
            self.line(&format!("\n{} loaded units listed.", listed.len())).await?;
        }
        Ok(0)
    }

    /// `systemctl cat`.
    async fn unit_files(&self, request: &Request) -> Ending {
        let mut status = 0;
        for name in &request.units {
            let folders = ["/etc/systemd/system", services::TRANSIENT];
            let read = |view: &mut View<'_>| {
                folders.iter().map(|folder| view.read(&format!("{folder}/{name}.service"))).find_map(Result::ok)
            };
            match self.machine().files(read) {
                Some(text) => self.out(text).await?,
                None => {
                    self.err(&format!("No files found for {name}.service.\n")).await;
                    status = 1;
                }
            }
        }
        Ok(status)
    }
}

/// Units of the machine.
impl Call {
    fn unit_state(&self, vmid: u32, name: &str) -> UnitState {
        let node = &self.machine().node;
        let known = node.state().inside.get(&vmid).and_then(|running| running.units.get(name).copied());
        let in_world = self.machine().world().service(name).is_some();
        // A unit that the world does not speak of runs, unless someone stopped it.
        known.unwrap_or(if in_world || self.machine().world().lacks(name) {
            UnitState::Inactive
        } else {
            UnitState::Active
        })
    }

    fn begin_unit(&self, vmid: u32, name: &str) -> UnitState {
        let node = &self.machine().node;
        let now = node.elapsed();
        let mut state = node.state();
        if name == AGENT {
            services::restart_agent(&mut *state, vmid, now);
        }
        match self.machine().world().service(name) {
            // A service that its script brings about counts from the end of that script, which may start it itself.
            Some(ServiceWorld { begins: Begins::Script(script), .. })
                if self.process.script().as_ref() == Some(script) =>
            {
                services::set_state(&mut *state, vmid, name, UnitState::Active);
            }
            Some(service) => services::begin(&mut *state, vmid, name, service, now),
            None => services::set_state(&mut *state, vmid, name, UnitState::Active),
        }
        state.inside.get(&vmid).and_then(|running| running.units.get(name).copied()).unwrap_or(UnitState::Active)
    }

    fn end_unit(&self, vmid: u32, name: &str) {
        let mut state = self.machine().node.state();
        if name == AGENT {
            services::stop_agent(&mut *state, vmid);
        }
        services::end(&mut *state, vmid, name);
        self.machine().processes.kill_unit(name);
        services::set_state(&mut *state, vmid, name, UnitState::Inactive);
        journal::log(&mut *state, vmid, "systemd[1]", &format!("Stopped {name}.service."));
    }

    /// Whether the main process of a failed unit was killed.
    fn was_killed(&self, vmid: u32, name: &str) -> bool {
        let state = self.machine().node.state();
        state.inside.get(&vmid).is_some_and(|running| running.killed.contains(name))
    }

    /// Whether a unit of the world runs already: starting it once more changes nothing.
    fn world_unit_runs(&self, vmid: u32, name: &str) -> bool {
        let state = self.machine().node.state();
        let running = state.inside.get(&vmid);
        running
            .is_some_and(|running| matches!(running.units.get(name), Some(UnitState::Active | UnitState::Activating)))
    }

    fn system_state(&self, vmid: u32) -> &'static str {
        let node = &self.machine().node;
        let now = node.elapsed();
        let state = node.state();
        let Some(running) = state.inside.get(&vmid) else { return "offline" };
        let booted = self.machine().world().init(running.is_vm).is_some_and(|init| now >= running.started + init);
        if !booted {
            "starting"
        } else if running.units.values().any(|state| *state == UnitState::Failed) {
            "degraded"
        } else {
            "running"
        }
    }
}
