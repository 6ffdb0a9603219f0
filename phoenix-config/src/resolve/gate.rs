//! Gates.

use std::ops::RangeInclusive;

use camino::Utf8PathBuf;
use phoenix_types::gate::{
    Age, Backoff, CloudInitProbe, CommandLine, CommandProbe, Contents, DnsProbe, FileProbe, Gate, HttpProbe, Jitter,
    LogProbe, LogSource, Place, Probe, Schedule, Scheme, TcpProbe, Tls, Trust,
};
use phoenix_types::{Secret, SecretSource, Span};

use super::{Scripts, defaults};
use crate::diagnostic::{Code, Finding, Target};
use crate::dialect::{
    CommandEntry, FileEntry, GateEntry, HeaderValue, HttpEntry, OneOrMany, ProbeEntry, Real, SchemeEntry, StatusEntry,
    StatusItem, TcpEntry, Vantage, Whole,
};
use crate::source::Segment;

/// What a gate blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// `health_check`: the guest's dependants.
    Health,
    /// `wait_for`: the guest's own provisioning.
    WaitFor,
}

pub(super) fn gates(
    entries: Option<OneOrMany<GateEntry>>,
    purpose: Purpose,
    key: &'static str,
    scripts: &Scripts,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Vec<Gate> {
    let entries = entries.map_or_else(Vec::new, |list| list.0);
    entries
        .into_iter()
        .enumerate()
        .filter_map(|(index, entry)| gate(entry, purpose, &[key.into(), index.into()], scripts, target, findings))
        .collect()
}

fn gate(
    mut entry: GateEntry,
    purpose: Purpose,
    path: &[Segment],
    scripts: &Scripts,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Option<Gate> {
    let bounded = entry.retries.is_some() || entry.timeout.is_some() || entry.deadline.is_some();
    let retries = entry.retries.map(Whole::get);
    let (retries, deadline, timeout) = match purpose {
        Purpose::Health => {
            let retries = match (retries, entry.deadline) {
                (None, None) => Some(defaults::HEALTH_RETRIES),
                (retries, _) => retries,
            };
            (retries, entry.deadline, entry.attempt_timeout.or(entry.timeout).unwrap_or(defaults::ATTEMPT_TIMEOUT))
        }
        Purpose::WaitFor => {
            let deadline = match (entry.deadline.or(entry.timeout), retries) {
                (None, None) => Some(defaults::WAIT_DEADLINE),
                (deadline, _) => deadline,
            };
            (retries, deadline, entry.attempt_timeout.unwrap_or(defaults::ATTEMPT_TIMEOUT))
        }
    };
    let says_how_long = match purpose {
        Purpose::Health => entry.retries.is_some() || entry.deadline.is_some(),
        Purpose::WaitFor => bounded,
    };
    if !says_how_long {
        let (assumed, help) = match purpose {
            Purpose::Health => ("at most 30 attempts are made", "write `retries`, or `deadline`"),
            Purpose::WaitFor => ("it waits for 300 s", "write `timeout`"),
        };
        findings.push(
            Finding::warning(Code::NoDeadline, target, format!("the gate has no limit for its wait: {assumed}"))
                .at(path.iter().cloned())
                .help(help),
        );
    }
    let interval = entry.interval.unwrap_or(match purpose {
        Purpose::Health => defaults::HEALTH_INTERVAL,
        Purpose::WaitFor => defaults::WAIT_INTERVAL,
    });
    let start_period = entry.start_period.unwrap_or_default();
    let success_threshold = entry.success_threshold.map_or(1, Whole::get);
    possible(&Bounds { retries, deadline, start_period, success_threshold, timeout }, path, target, findings);
    let name = entry.name.take().map(String::from);
    let factor = entry.backoff.map_or(1.0, Real::get);
    let max = entry.max_interval.map(Span::get);
    let jitter = entry.jitter.map_or(0.0, Real::get);
    let probe = probe(entry.take_probe(), path, scripts, target, findings)?;
    let name = name.unwrap_or_else(|| probe.title());
    let schedule = Schedule {
        attempts: retries,
        interval: interval.get(),
        timeout: timeout.get(),
        deadline: deadline.map(Span::get),
        start_period: start_period.get(),
        success_threshold,
        backoff: (factor > 1.0 || max.is_some()).then_some(Backoff { factor, max }),
        jitter: (jitter > 0.0).then(|| Jitter { share: jitter, seed: seed(&name) }),
    };
    Some(Gate { name, probe, schedule })
}

/// Gates of different names get different sequences; the same gate gets the same one in every run.
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

struct Bounds {
    retries: Option<u32>,
    deadline: Option<Span>,
    start_period: Span,
    success_threshold: u32,
    timeout: Span,
}

fn possible(schedule: &Bounds, path: &[Segment], target: Target, findings: &mut Vec<Finding>) {
    let mut impossible = |message: String, key: &str, help: &str| {
        findings.push(
            Finding::error(Code::ImpossibleSchedule, target, message)
                .at(path.iter().cloned())
                .at([key])
                .help(help.to_owned()),
        );
    };
    if let (Some(deadline), Some(_)) = (schedule.deadline, schedule.retries)
        && schedule.start_period >= deadline
        && deadline > Span::default()
        && schedule.start_period > Span::default()
    {
        let message = format!(
            "attempts are counted after {}, but the gate ends after {deadline}, so `retries` would have no effect",
            schedule.start_period
        );
        impossible(message, "start_period", "make `start_period` shorter");
    }
    if let Some(retries) = schedule.retries
        && schedule.success_threshold > retries
    {
        let message =
            format!("{} passes are required, but there are only {retries} attempts", schedule.success_threshold);
        impossible(message, "success_threshold", "make `success_threshold` smaller than `retries`");
    }
    if schedule.timeout == Span::default() {
        impossible("an attempt with a timeout of 0 never passes".to_owned(), "timeout", "set a larger value");
    }
    if schedule.deadline == Some(Span::default()) {
        impossible("a gate with a limit of 0 never passes".to_owned(), "timeout", "set a larger value");
    }
}

fn probe(
    entry: ProbeEntry,
    path: &[Segment],
    scripts: &Scripts,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Option<Probe> {
    let inner = |entries: Vec<ProbeEntry>, key: &'static str, findings: &mut Vec<Finding>| -> Option<Vec<Probe>> {
        if entries.is_empty() {
            findings.push(
                Finding::error(Code::ProbeCount, target, format!("`{key}` names no probe"))
                    .at(path.iter().cloned())
                    .at([key])
                    .help("name at least one"),
            );
            return None;
        }
        let probes = entries.into_iter().enumerate().map(|(index, entry)| {
            let mut path = path.to_vec();
            path.extend([key.into(), index.into()]);
            probe(entry, &path, scripts, target, findings)
        });
        probes.collect::<Vec<_>>().into_iter().collect()
    };
    let mut probes: Vec<Probe> = Vec::with_capacity(1);
    let mut count = 0;
    if let Some(entry) = entry.command {
        count += 1;
        probes.push(command(entry, Place::Guest));
    }
    if let Some(entry) = entry.host_command {
        count += 1;
        probes.push(command(entry, Place::Host));
    }
    if let Some(entry) = entry.tcp {
        count += 1;
        probes.push(Probe::Tcp(tcp(&entry)));
    }
    if let Some(entry) = entry.dns {
        count += 1;
        probes.push(Probe::Dns(DnsProbe {
            name: entry.name.to_string(),
            address: entry.address.map(|address| address.0.into()),
            from: entry.from.map_or(Place::Guest, place),
        }));
    }
    if let Some(entry) = entry.http {
        count += 1;
        let path: Vec<Segment> = path.iter().cloned().chain(["http".into(), "headers".into()]).collect();
        probes.push(Probe::Http(http(entry, &path, scripts, target, findings)));
    }
    if let Some(entry) = entry.file {
        count += 1;
        probes.push(Probe::File(file(entry)));
    }
    if let Some(entry) = entry.log {
        count += 1;
        if entry.unit.is_some() && entry.file.is_some() {
            findings.push(
                Finding::error(
                    Code::Conflict,
                    target,
                    "a log line is looked for in a unit's journal or in a file, not in both",
                )
                .at(path.iter().cloned())
                .at(["log", "file"])
                .on_key()
                .help("keep one of `unit` and `file`"),
            );
        }
        let source = match (&entry.unit, &entry.file) {
            (_, Some(file)) => LogSource::File(file.as_str().into()),
            (unit, None) => LogSource::Journal { unit: unit.as_ref().map(ToString::to_string) },
        };
        probes.push(Probe::Log(LogProbe { source, contains: entry.contains.to_string() }));
    }
    if entry.agent.is_some() {
        count += 1;
        probes.push(Probe::Agent);
    }
    if entry.cloud_init.is_some() {
        count += 1;
        probes.push(Probe::CloudInit(CloudInitProbe::default()));
    }
    if let Some(entries) = entry.all {
        count += 1;
        probes.extend(inner(entries, "all", findings).map(Probe::All));
    }
    if let Some(entries) = entry.any {
        count += 1;
        probes.extend(inner(entries, "any", findings).map(Probe::Any));
    }
    if count != 1 {
        let message = if count == 0 { "the gate has no probe" } else { "the gate has several probes" };
        let help = if count == 0 { "add a probe" } else { "keep one, or put them into `all` or `any`" };
        findings.push(
            Finding::error(Code::ProbeCount, target, message)
                .at(path.iter().cloned())
                .expected(format!("exactly one of `{}`", ProbeEntry::KEYS.join("`, `")))
                .help(help),
        );
        return None;
    }
    probes.pop()
}

fn command(entry: CommandEntry, place: Place) -> Probe {
    let command = match entry {
        CommandEntry::Shell(text) => CommandLine::Shell(text.into()),
        CommandEntry::Argv(argv) => CommandLine::Argv(argv),
    };
    Probe::Command(CommandProbe { command, place })
}

fn place(vantage: Vantage) -> Place {
    match vantage {
        Vantage::Guest => Place::Guest,
        Vantage::Host => Place::Host,
    }
}

fn file(FileEntry(entry): FileEntry) -> FileProbe {
    FileProbe {
        path: String::from(entry.path).into(),
        place: entry.on.map_or(Place::Guest, place),
        contents: match entry.contains {
            Some(text) => Contents::Text(text),
            None if entry.non_empty == Some(true) => Contents::NonEmpty,
            None => Contents::Any,
        },
        age: if entry.newer_than_start == Some(true) { Age::SinceStart } else { Age::Any },
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the type of the number ends at 65535")]
fn port(number: u32) -> u16 {
    number as u16
}

fn tcp(entry: &TcpEntry) -> TcpProbe {
    TcpProbe {
        address: entry.host.as_ref().map(ToString::to_string),
        port: port(entry.port.get()),
        from: entry.from.map_or(Place::Host, place),
    }
}

fn http(
    entry: HttpEntry,
    path: &[Segment],
    scripts: &Scripts,
    target: Target,
    findings: &mut Vec<Finding>,
) -> HttpProbe {
    let mut header = |name: &str, value: HeaderValue| match value {
        HeaderValue::Plain(text) => SecretSource::Plain(Secret::new(text.as_str())),
        HeaderValue::Reference(reference) => {
            let path: Vec<Segment> = path.iter().cloned().chain([name.into()]).collect();
            scripts.secret(reference, target, &path, findings)
        }
    };
    let (scheme, usual) = match entry.scheme.unwrap_or(SchemeEntry::Http) {
        SchemeEntry::Http => (Scheme::Http, 80),
        SchemeEntry::Https => {
            let trust = match entry.ca_file.map(|path| Utf8PathBuf::from(String::from(path))) {
                _ if entry.insecure.is_some() => Trust::Anyone,
                Some(path) => Trust::Bundle(path),
                None => Trust::default(),
            };
            (Scheme::Https(Tls { trust, server_name: entry.server_name.map(String::from) }), 443)
        }
    };
    HttpProbe {
        scheme,
        address: entry.host.map(String::from),
        port: entry.port.map_or(usual, |number| port(number.get())),
        path: entry.path.map_or_else(|| "/".to_owned(), String::from),
        method: entry.method.map_or_else(|| "GET".to_owned(), String::from),
        headers: entry
            .headers
            .unwrap_or_default()
            .0
            .into_iter()
            .map(|(name, value)| {
                let value = header(&name, value);
                (name, value)
            })
            .collect(),
        status: entry.status.as_ref().map_or_else(|| vec![200..=399], status),
        body: entry.body,
        from: entry.from.map_or(Place::Host, place),
    }
}

fn status(entry: &StatusEntry) -> Vec<RangeInclusive<u16>> {
    let code = |text: &str| text.parse().unwrap_or(0);
    let ranges = entry.0.iter().map(|item| match item {
        StatusItem::Code(number) => port(number.get())..=port(number.get()),
        StatusItem::Range(text) => {
            let (from, to) = text.as_str().split_once('-').unwrap_or((text.as_str(), text.as_str()));
            code(from)..=code(to)
        }
    });
    ranges.collect()
}
