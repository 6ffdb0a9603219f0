//! systemd's journal, and cloud-init.

use std::time::Duration;

use phoenix_sim_shell::files::{Follow, Offset};

use super::arguments::Arguments;
use super::system::format_time;
use super::{Call, Ending};
use crate::cloud_status;
use crate::journal;
use crate::running::Effect;
use crate::world::CloudInitResult;

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
