//! Secrets that everybody who reads the files knows.

use phoenix_types::gate::{CommandLine, Place, Probe};
use phoenix_types::{SecretSource, find_secrets, is_secret_name};

use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::model::{CloudImage, Context, Guest, VmSource};
use crate::rules::{Rule, View};
use crate::source::Segment;

/// No secret is in plain text where it can be known for one.
#[derive(Debug)]
pub(super) struct Secrets;

impl Rule for Secrets {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        for guest in view.guests.values() {
            let target = Target::Guest(guest.id);
            let mut found = Vec::new();
            for (key, gates) in [("health_check", &guest.health), ("wait_for", &guest.wait_for)] {
                for (index, gate) in gates.iter().enumerate() {
                    in_probe(&gate.probe, target, &[key.into(), index.into()], &mut found);
                }
            }
            // The other name of the key, looked up in the text, which only a finding is worth.
            for finding in &mut found {
                if let Some(key) = finding.path.first_mut().filter(|key| **key == "health_check".into()) {
                    *key = super::health_key(guest).into();
                }
            }
            findings.append(&mut found);
            if guest
                .container()
                .is_some_and(|container| container.raw_lines.iter().any(|line| revealed(&line.value).is_some()))
            {
                in_raw_lines(guest, target, findings);
            }
            if let Some(VmSource::Image(CloudImage::Download { url, .. })) = guest.vm().map(|vm| &vm.source) {
                findings.extend(revealed(url).map(|what| finding(target, what).at(["template_image"])));
            }
        }
    }
}

/// The lines as they are written: looked up in the text, which only a secret is worth.
fn in_raw_lines(guest: &Guest, target: Target, findings: &mut Vec<Finding>) {
    let lines = crate::source::elements(guest.context.text(), &["lxc_options".into()]);
    let found = lines.iter().enumerate().filter_map(|(index, line)| Some((index, revealed(line)?)));
    findings.extend(found.map(|(index, what)| finding(target, what).at(["lxc_options"]).nth(index)));
}

/// A key of vLLM's own server, which is written as `ServerConfig.api_key`.
pub(crate) fn in_vllm(context: &Context, target: Target) -> Option<Finding> {
    let path = ["vllm_engine_config", "ServerConfig", "api_key"];
    context.writes(&path).then(|| finding(target, "a key").at(path).on_key())
}

fn in_probe(probe: &Probe, target: Target, path: &[Segment], findings: &mut Vec<Finding>) {
    let mut tell = |what: Option<&'static str>, inside: &[Segment]| {
        let found = what.map(|what| finding(target, what).at(path.iter().cloned()).at(inside.iter().cloned()));
        findings.extend(found);
    };
    match probe {
        Probe::Command(probe) => {
            let key = match probe.place {
                Place::Guest => "command",
                Place::Host => "host_command",
            };
            tell(in_command(&probe.command), &[key.into()]);
        }
        Probe::Http(http) => {
            tell(revealed(&http.path), &["http".into(), "path".into()]);
            for (name, value) in &http.headers {
                if let SecretSource::Plain(value) = value
                    && (is_secret_name(name) || revealed(value.expose()).is_some())
                {
                    findings.push(
                        Finding::warning(Code::PlainSecret, target, format!("the header `{name}` is in plain text"))
                            .at(path.iter().cloned())
                            .at(["http", "headers", name])
                            .on_key()
                            .help(ELSEWHERE),
                    );
                }
            }
        }
        Probe::All(probes) | Probe::Any(probes) => {
            let key = if matches!(probe, Probe::All(_)) { "all" } else { "any" };
            for (index, inner) in probes.iter().enumerate() {
                let path: Vec<Segment> = path.iter().cloned().chain([key.into(), index.into()]).collect();
                in_probe(inner, target, &path, findings);
            }
        }
        Probe::Tcp(_)
        | Probe::Dns(_)
        | Probe::File(_)
        | Probe::Log(_)
        | Probe::Agent
        | Probe::CloudInit(_)
        | Probe::Custom(_) => {}
    }
}

/// What to do about a secret in plain text.
pub(crate) const ELSEWHERE: &str =
    r#"write `{"secret": {"file": "…"}}` or `{"secret": {"env": "…"}}`, and change the secret"#;

fn finding(target: Target, what: &str) -> Finding {
    Finding::warning(Code::PlainSecret, target, format!("{what} is in plain text"))
        .help("let the program read it from a file that only it can read, and change the secret")
}

/// A text of the files that Phoenix itself does not use.
pub(crate) fn in_text(kind: FileKind, text: &str, path: &[&str]) -> Option<Finding> {
    revealed(text).map(|what| finding(Target::File(kind), what).at(path.iter().copied()))
}

/// A text of a guest that Phoenix itself does not use.
pub(crate) fn in_guest(target: Target, text: &str, path: &[&str]) -> Option<Finding> {
    revealed(text).map(|what| finding(target, what).at(path.iter().copied()))
}

fn in_command(command: &CommandLine) -> Option<&'static str> {
    match command {
        CommandLine::Shell(text) => revealed(text),
        CommandLine::Argv(argv) => revealed(&argv.join(" ")),
    }
}

/// What a text reveals.
fn revealed(text: &str) -> Option<&'static str> {
    find_secrets(text).first().map(|found| found.what)
}
