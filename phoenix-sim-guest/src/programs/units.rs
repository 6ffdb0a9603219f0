//! systemd, its journal, and cloud-init.

use std::time::Duration;

use phoenix_sim_shell::files::{Follow, Offset};

use super::arguments::Arguments;
use super::system::format_time;
use super::{Call, Ending};
use crate::cloud_status;
use crate::journal;
use crate::running::{AGENT, Effect};
use crate::services;
use crate::view::View;
use crate::world::{Begins, CloudInitResult, ServiceWorld, UnitState};

/// Where cloud-init is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloudInit {
    Running,
    Ended(CloudInitResult),
}

pub(super) fn short(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
}

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

    pub(super) async fn systemctl(&self) -> Ending {
        let long = ["property", "type", "state", "output", "lines", "signal", "kill-who", "job-mode"];
        let arguments = Arguments::read_long(self.arguments(), "ptonHMs", &long);
        let Some(vmid) = self.machine().guest else { return Ok(0) };
        let verb = arguments
            .rest
            .first()
            .map_or(if arguments.has_long("failed") { "--failed" } else { "list-units" }, String::as_str);
        let units: Vec<String> = arguments.rest.iter().skip(1).map(|unit| short(unit).to_owned()).collect();
        let quiet = arguments.has('q') || arguments.has_long("quiet");
        let mut status = 0;
        match verb {
            "start" | "restart" | "reload-or-restart" | "try-restart" => {
                for name in &units {
                    if verb == "start" && self.world_unit_runs(vmid, name) {
                        continue;
                    }
                    if self.begin_unit(vmid, name) == UnitState::Failed {
                        self.err(&format!(
                            "Job for {name}.service failed because the control process exited with error code.\nSee \"systemctl status {name}.service\" and \"journalctl -xeu {name}.service\" for details.\n"
                        ))
                        .await;
                        status = 1;
                    }
                }
            }
            "stop" | "kill" => units.iter().for_each(|name| self.end_unit(vmid, name)),
            "enable" | "disable" | "mask" | "unmask" | "reenable" => {
                for name in &units {
                    if verb == "enable" || verb == "reenable" {
                        services::enable(&mut *self.machine().node.state(), vmid, name);
                    } else if verb != "unmask" {
                        services::disable(&mut *self.machine().node.state(), vmid, name);
                    }
                    if arguments.has_long("now") {
                        if verb == "enable" {
                            if !self.world_unit_runs(vmid, name) && self.begin_unit(vmid, name) == UnitState::Failed {
                                status = 1;
                            }
                        } else {
                            self.end_unit(vmid, name);
                        }
                    }
                }
            }
            "reset-failed" => {
                let mut state = self.machine().node.state();
                if let Some(running) = state.inside.get_mut(&vmid) {
                    for state in running.units.values_mut().filter(|state| **state == UnitState::Failed) {
                        *state = UnitState::Inactive;
                    }
                }
            }
            "is-active" | "is-failed" => {
                let mut any = false;
                for name in &units {
                    let state = self.unit_state(vmid, name);
                    any |= (verb == "is-active") == (state == UnitState::Active)
                        && (verb == "is-active" || state == UnitState::Failed);
                    if !quiet {
                        self.line(state.name()).await?;
                    }
                }
                status = if any {
                    0
                } else if verb == "is-active" {
                    3
                } else {
                    1
                };
            }
            "is-enabled" => {
                status = 1;
                for name in &units {
                    let enabled = services::is_enabled(&mut *self.machine().node.state(), vmid, name)
                        || self.machine().world().service(name).is_none();
                    if enabled {
                        status = 0;
                    }
                    if !quiet {
                        self.line(if enabled { "enabled" } else { "disabled" }).await?;
                    }
                }
            }
            "is-system-running" => {
                if arguments.has_long("wait") {
                    while self.system_state(vmid) == "starting" {
                        self.pause(Duration::from_secs(1)).await;
                    }
                }
                let state = self.system_state(vmid);
                if !quiet {
                    self.line(state).await?;
                }
                status = i32::from(state != "running");
            }
            "show" => {
                let wanted = arguments
                    .value('p')
                    .or(arguments.long_value("property"))
                    .unwrap_or("ActiveState,SubState,Result")
                    .to_owned();
                let bare = arguments.has_long("value");
                if units.is_empty() && wanted == "UnitsLoadStartTimestamp" {
                    let began = self.machine().node.state().inside.get(&vmid).map_or(0, |running| running.began);
                    let time = format_time("%a %Y-%m-%d %H:%M:%S UTC", began, 0);
                    self.line(&if bare { time } else { format!("{wanted}={time}") }).await?;
                }
                for name in &units {
                    let state = self.unit_state(vmid, name);
                    for property in wanted.split(',') {
                        let value = match property {
                            "ActiveState" => state.name(),
                            "SubState" => match state {
                                UnitState::Active => "running",
                                UnitState::Activating => "start",
                                UnitState::Restarting => "auto-restart",
                                UnitState::Failed => "failed",
                                UnitState::Inactive => "dead",
                            },
                            "Result" => match (state, self.was_killed(vmid, name)) {
                                (UnitState::Failed, true) => "signal",
                                (UnitState::Failed, false) => "exit-code",
                                _ => "success",
                            },
                            "ExecMainStatus" => {
                                if state == UnitState::Failed {
                                    "1"
                                } else {
                                    "0"
                                }
                            }
                            "LoadState" => "loaded",
                            "MainPID" => {
                                if state == UnitState::Active {
                                    "321"
                                } else {
                                    "0"
                                }
                            }
                            "NRestarts" => "0",
                            "Id" => name,
                            _ => "",
                        };
                        self.line(&if bare { value.to_owned() } else { format!("{property}={value}") }).await?;
                    }
                }
            }
            "status" => {
                for name in &units {
                    let state = self.unit_state(vmid, name);
                    let text = format!(
                        "● {name}.service - {name}\n     Loaded: loaded (/etc/systemd/system/{name}.service; enabled; preset: enabled)\n     Active: {} ({})",
                        state.name(),
                        match state {
                            UnitState::Active => "running",
                            UnitState::Activating => "start",
                            UnitState::Restarting => "auto-restart",
                            UnitState::Failed => "Result: exit-code",
                            UnitState::Inactive => "dead",
                        }
                    );
                    self.line(&text).await?;
                    if state != UnitState::Active {
                        status = 3;
                    }
                }
            }
            "list-units" | "--failed" | "list-unit-files" => {
                let wanted = match arguments.long_value("state") {
                    _ if verb == "--failed" || arguments.has_long("failed") => Some("failed"),
                    wanted => wanted,
                };
                let is_wanted = |state: UnitState| {
                    wanted.is_none_or(|wanted| wanted.split(',').any(|wanted| wanted == state.name()))
                };
                let listed: Vec<(String, UnitState)> = {
                    let state = self.machine().node.state();
                    let units = state.inside.get(&vmid).map(|running| running.units.clone()).unwrap_or_default();
                    units.into_iter().filter(|(_, state)| is_wanted(*state)).collect()
                };
                let plain = arguments.has_long("plain") || arguments.has_long("no-legend");
                if !plain {
                    self.line("  UNIT LOAD ACTIVE SUB DESCRIPTION").await?;
                }
                for (name, state) in &listed {
                    let (mark, sub) = match state {
                        UnitState::Active => ("  ", "running"),
                        UnitState::Activating => ("  ", "start"),
                        UnitState::Restarting => ("  ", "auto-restart"),
                        UnitState::Failed => ("● ", "failed"),
                        UnitState::Inactive => ("  ", "dead"),
                    };
                    let mark = if plain { "" } else { mark };
                    self.line(&format!("{mark}{name}.service loaded {} {sub} {name}", state.name())).await?;
                }
                if !plain {
                    self.line(&format!("\n{} loaded units listed.", listed.len())).await?;
                }
            }
            "daemon-reload" => self.daemon_reload(vmid),
            "cat" => {
                for name in &units {
                    let folders = ["/etc/systemd/system", services::TRANSIENT];
                    let read = |view: &mut View<'_>| {
                        folders.iter().map(|folder| view.read(&format!("{folder}/{name}.service"))).find_map(Result::ok)
                    };
                    match self.machine().files(read).ok_or(()) {
                        Ok(text) => self.out(text).await?,
                        Err(_) => {
                            self.err(&format!("No files found for {name}.service.\n")).await;
                            status = 1;
                        }
                    }
                }
            }
            _ => {}
        }
        self.machine().touch();
        Ok(status)
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

    pub(super) async fn service(&self) -> Ending {
        let [name, verb, ..] = self.arguments() else { return Ok(1) };
        let mut other = self.clone();
        other.invocation.argv = vec!["systemctl".to_owned(), verb.clone(), name.clone()];
        Box::pin(other.systemctl()).await
    }

    pub(super) async fn journalctl(&self) -> Ending {
        let long = ["unit", "lines", "since", "until", "output", "identifier", "priority", "grep"];
        let arguments = Arguments::read_long(self.arguments(), "unSUotpg", &long);
        let Some(vmid) = self.machine().guest else { return Ok(0) };
        let wanted: Vec<String> =
            arguments.all('u').chain(arguments.long_value("unit")).map(|unit| short(unit).to_owned()).collect();
        let count = arguments.value('n').or(arguments.long_value("lines")).and_then(|text| text.parse::<usize>().ok());
        let format = arguments.value('o').or(arguments.long_value("output")).unwrap_or("short").to_owned();
        let search =
            arguments.value('g').or(arguments.long_value("grep")).and_then(|text| regex::Regex::new(text).ok());
        let this_boot = arguments.has('b') || arguments.has_long("boot");
        let boot_before = arguments.long_value("boot") == Some("-1");
        let now = self.machine().node.state().time_of(Some(vmid));
        // A time, or a span before now in seconds.
        let since = arguments.value('S').or(arguments.long_value("since")).and_then(|text| {
            let before_now = || Some(now - text.strip_prefix('-')?.strip_suffix('s')?.parse::<i64>().ok()?);
            text.strip_prefix('@').map_or_else(before_now, |time| time.parse().ok())
        });
        let host = self.machine().hostname();
        let mut shown = 0;
        loop {
            let lines: Vec<String> = {
                let state = self.machine().node.state();
                let journal = state.inside.get(&vmid).map(|running| running.journal.as_slice()).unwrap_or_default();
                let before = state.journals.get(&vmid).filter(|_| !this_boot || boot_before);
                let before = before.map(Vec::as_slice).unwrap_or_default();
                let journal = if boot_before { &[] } else { journal };
                let chosen = before.iter().chain(journal).filter(|line| {
                    let of_unit = wanted.is_empty()
                        || wanted.contains(&line.source)
                        || wanted.iter().any(|name| {
                            line.source.starts_with("systemd") && line.text.contains(&format!("{name}.service"))
                        });
                    of_unit
                        && since.is_none_or(|since| line.at >= since)
                        && search.as_ref().is_none_or(|search| search.is_match(&line.text))
                });
                chosen
                    .map(|line| match format.as_str() {
                        "cat" => line.text.clone(),
                        "short-iso" => format!(
                            "{} {host} {}: {}",
                            format_time("%Y-%m-%dT%H:%M:%S+0000", line.at, 0),
                            line.source,
                            line.text
                        ),
                        "short-unix" => format!("{}.000000 {host} {}: {}", line.at, line.source, line.text),
                        "json" => {
                            let entry = serde_json::json!({
                                "__REALTIME_TIMESTAMP": (line.at * 1_000_000).to_string(),
                                "_HOSTNAME": host,
                                "SYSLOG_IDENTIFIER": line.source,
                                "MESSAGE": line.text,
                            });
                            entry.to_string()
                        }
                        _ => format!(
                            "{} {host} {}: {}",
                            format_time("%b %d %H:%M:%S", line.at, 0),
                            line.source,
                            line.text
                        ),
                    })
                    .collect()
            };
            if shown == 0
                && let Some(count) = count
            {
                shown = lines.len().saturating_sub(count);
            }
            if lines.is_empty() && !arguments.has('f') && !arguments.has('q') && !arguments.has_long("quiet") {
                self.line("-- No entries --").await?;
            }
            for line in lines.get(shown..).unwrap_or_default() {
                self.line(line).await?;
            }
            shown = lines.len();
            if !arguments.has('f') {
                return Ok(0);
            }
            self.pause(Duration::from_secs(1)).await;
        }
    }

    pub(super) async fn logger(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "tpf");
        let source = arguments.value('t').unwrap_or("root").to_owned();
        let text = if arguments.rest.is_empty() {
            String::from_utf8_lossy(&self.input().await).into_owned()
        } else {
            arguments.rest.join(" ")
        };
        if let Some(vmid) = self.machine().guest {
            let mut state = self.machine().node.state();
            for line in text.lines() {
                journal::log(&mut *state, vmid, &source, line);
            }
        }
        Ok(0)
    }

    fn cloud_init_state(&self, vmid: u32) -> CloudInit {
        let state = self.machine().node.state();
        match state.inside.get(&vmid).and_then(|running| running.cloud_init) {
            Some(result) => CloudInit::Ended(result),
            None => CloudInit::Running,
        }
    }

    pub(super) async fn cloud_init(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "", &["format"]);
        let Some(vmid) = self.machine().guest else { return Ok(1) };
        match arguments.rest.first().map(String::as_str) {
            Some("status") => {}
            Some("clean") => {
                self.machine().files(|view| {
                    let logs = ["/var/log/cloud-init.log", "/var/log/cloud-init-output.log"];
                    let logs = logs.iter().filter(|_| arguments.has('l') || arguments.has_long("logs"));
                    let seed = arguments.has('s') || arguments.has_long("seed");
                    let seed = seed.then_some(&"/var/lib/cloud/seed");
                    let state = ["/var/lib/cloud/instance", "/var/lib/cloud/instances", "/var/lib/cloud/data"];
                    // What `cloud-init status` says of this boot is below `/run` and stays.
                    for path in state.iter().chain(logs).chain(seed) {
                        if view.entry(path, Follow::Parents).is_ok() {
                            let _ = view.remove_all(path);
                        }
                    }
                    if arguments.has_long("machine-id") {
                        let _ = view.write("/etc/machine-id", b"uninitialized\n", Offset::Replace, 0o444);
                    }
                });
                return Ok(0);
            }
            Some("--version" | "version") | None => {
                self.line("/usr/bin/cloud-init 24.1.4").await?;
                return Ok(0);
            }
            Some(_) => return Ok(0),
        }
        let is_vm = self.machine().node.state().inside.get(&vmid).is_some_and(|running| running.is_vm);
        if !is_vm {
            self.line("status: disabled").await?;
            return Ok(0);
        }
        if arguments.has_long("wait") || arguments.has('w') {
            while self.cloud_init_state(vmid) == CloudInit::Running {
                let node = &self.machine().node;
                let next = node.state().inside.get(&vmid).and_then(|running| {
                    let effects = running.planned.iter();
                    effects
                        .filter(|planned| matches!(planned.effect, Effect::CloudInit(_)))
                        .map(|planned| planned.at)
                        .next()
                });
                match next {
                    Some(at) => self.pause(at.saturating_sub(node.elapsed()).max(Duration::from_millis(1))).await,
                    None => std::future::pending().await,
                }
            }
        }
        let (status, extended, errors, code) = match self.cloud_init_state(vmid) {
            CloudInit::Running => ("running", "running", false, 0),
            CloudInit::Ended(CloudInitResult::Done) => ("done", "done", false, 0),
            CloudInit::Ended(CloudInitResult::Reboot) => ("done", "degraded done", false, 2),
            CloudInit::Ended(CloudInitResult::Error) => ("error", "error - done", true, 1),
        };
        let (reason, warning) = (cloud_status::ERROR, cloud_status::WARNING);
        if arguments.long_value("format") == Some("json") {
            let recoverable = if code == 2 { serde_json::json!({"WARNING": [warning]}) } else { serde_json::json!({}) };
            let errors: Vec<&str> = if errors { vec![reason] } else { Vec::new() };
            let report = serde_json::json!({
                "boot_status_code": "enabled-by-generator",
                "datasource": "nocloud",
                "detail": "DataSourceNoCloud [seed=/dev/sr0]",
                "errors": errors,
                "extended_status": extended,
                "last_update": "",
                "recoverable_errors": recoverable,
                "status": status,
            });
            self.line(&format!("{report:#}")).await?;
        } else if arguments.has_long("long") || arguments.has('l') {
            let mut text = format!(
                "status: {status}\nextended_status: {extended}\nboot_status_code: enabled-by-generator\ndetail: DataSourceNoCloud [seed=/dev/sr0]\n"
            );
            if errors {
                text.push_str(&format!("errors:\n\t- {reason}\n"));
            } else {
                text.push_str("errors: []\n");
            }
            if code == 2 {
                text.push_str(&format!("recoverable_errors:\nWARNING:\n\t- {warning}\n"));
            } else {
                text.push_str("recoverable_errors: {}\n");
            }
            self.out(text).await?;
        } else {
            self.line(&format!("status: {status}")).await?;
        }
        Ok(code)
    }
}
