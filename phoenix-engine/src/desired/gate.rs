//! Gates of the configuration as gates of `phoenix-health`.

use phoenix_config::model as config;
use phoenix_health as health;
use phoenix_health::{Gate, Place};
use phoenix_types::{GuestId, KnownSecrets, Secret, is_secret_name};

use super::LowerError;

pub(super) fn lower(guest: GuestId, gates: &[config::Gate], secrets: &KnownSecrets) -> Result<Vec<Gate>, LowerError> {
    gates.iter().map(|gate| lower_one(guest, gate, secrets)).collect()
}

fn lower_one(guest: GuestId, gate: &config::Gate, secrets: &KnownSecrets) -> Result<Gate, LowerError> {
    let backoff = (gate.backoff > 1.0).then(|| health::Backoff {
        factor: gate.backoff,
        max: gate.max_interval.map_or(gate.interval.get() * 10, phoenix_types::Span::get),
    });
    let jitter = (gate.jitter > 0.0).then(|| health::Jitter { share: gate.jitter, seed: seed(&gate.name) });
    Ok(Gate {
        name: gate.name.clone(),
        probe: probe(guest, &gate.probe, secrets)?,
        schedule: health::Schedule {
            attempts: gate.retries,
            interval: gate.interval.get(),
            timeout: gate.timeout.get(),
            deadline: gate.deadline.map(phoenix_types::Span::get),
            start_period: gate.start_period.get(),
            success_threshold: gate.success_threshold,
            backoff,
            jitter,
        },
    })
}

/// Gates of different names get different sequences; the same gate gets the same one in every run.
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn place(vantage: config::Vantage) -> Place {
    match vantage {
        config::Vantage::Host => Place::Host,
        config::Vantage::Guest => Place::Guest,
    }
}

fn command(command: &config::Command, place: Place) -> health::Probe {
    let command = match command {
        config::Command::Shell(line) => health::CommandLine::Shell(line.clone()),
        config::Command::Argv(argv) => health::CommandLine::Argv(argv.clone()),
    };
    health::Probe::Command(health::CommandProbe { command, place })
}

fn probe(guest: GuestId, probe: &config::Probe, secrets: &KnownSecrets) -> Result<health::Probe, LowerError> {
    let all = |probes: &[config::Probe]| {
        probes.iter().map(|probe| self::probe(guest, probe, secrets)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match probe {
        config::Probe::Command(line) => command(line, Place::Guest),
        config::Probe::HostCommand(line) => command(line, Place::Host),
        config::Probe::Tcp(tcp) => {
            health::Probe::Tcp(health::TcpProbe { port: tcp.port, address: tcp.host.clone(), from: place(tcp.from) })
        }
        config::Probe::Http(http) => health::Probe::Http(self::http(guest, http, secrets)?),
        config::Probe::File(file) => health::Probe::File(self::file(file)),
        config::Probe::Log(log) => health::Probe::Log(health::LogProbe {
            source: match &log.source {
                config::LogSource::Journal => health::LogSource::Journal { unit: None },
                config::LogSource::Unit(unit) => health::LogSource::Journal { unit: Some(unit.clone()) },
                config::LogSource::File(path) => health::LogSource::File(path.clone()),
            },
            pattern: health::Pattern::Text(log.contains.clone()),
        }),
        config::Probe::Agent => health::Probe::Agent,
        config::Probe::CloudInit => health::Probe::CloudInit(health::CloudInitProbe::default()),
        config::Probe::All(probes) => health::Probe::All(all(probes)?),
        config::Probe::Any(probes) => health::Probe::Any(all(probes)?),
        // The configuration's list of probes may grow before this one does; such a gate must not pass unasked.
        _ => health::Probe::Any(Vec::new()),
    })
}

fn file(file: &config::FileProbe) -> health::FileProbe {
    health::FileProbe {
        path: file.path.clone(),
        place: place(file.place),
        contents: match &file.contains {
            Some(text) => health::Contents::Match(health::Pattern::Text(text.clone())),
            None if file.non_empty => health::Contents::NonEmpty,
            None => health::Contents::Any,
        },
        age: if file.newer_than_start { health::Age::SinceStart } else { health::Age::Any },
    }
}

fn http(guest: GuestId, http: &config::HttpProbe, secrets: &KnownSecrets) -> Result<health::HttpProbe, LowerError> {
    let scheme = match http.scheme {
        config::Scheme::Http => health::Scheme::Http,
        config::Scheme::Https => health::Scheme::Https(health::Tls {
            trust: match &http.ca_file {
                _ if http.insecure => health::Trust::Anyone,
                Some(path) => health::Trust::Bundle(path.clone()),
                None => health::Trust::default(),
            },
            server_name: http.server_name.clone(),
        }),
    };
    let header = |(name, source): (&String, &config::SecretSource)| {
        let value = secret(guest, source)?;
        if is_secret_name(name) || !matches!(source, config::SecretSource::Plain(_)) {
            secrets.learn(&value);
        }
        Ok((name.clone(), value))
    };
    Ok(health::HttpProbe {
        scheme,
        method: http.method.clone(),
        from: place(http.from),
        address: http.host.clone(),
        port: http.port,
        path: http.path.clone(),
        headers: http.headers.iter().map(header).collect::<Result<_, LowerError>>()?,
        status: http.status.iter().map(|range| health::StatusRange { first: range.from, last: range.to }).collect(),
        body: http.body.clone().map(health::Pattern::Text),
    })
}

/// The value of a secret; a last line break in a file does not count.
fn secret(guest: GuestId, source: &config::SecretSource) -> Result<Secret, LowerError> {
    let unread = |reason: String| LowerError::Secret { guest, reason };
    let text = match source {
        config::SecretSource::Plain(secret) => return Ok(secret.clone()),
        config::SecretSource::File(path) => std::fs::read_to_string(path)
            .map_err(|error| unread(format!("cannot read the secret in `{path}`: {error}")))?,
        config::SecretSource::Env(name) => std::env::var(name)
            .map_err(|_| unread(format!("the environment has no secret `{name}`; set the variable")))?,
    };
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(unread("a secret that stands in a header is one line, and not empty".to_owned()));
    }
    Ok(Secret::new(text))
}
