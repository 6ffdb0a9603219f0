//! Secrets that everybody who reads the files knows.

use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::model::{CloudImage, Command, Context, Guest, Probe, SecretSource, VmSource};
use crate::rules::{Rule, View};
use crate::source::Segment;

/// No secret stands in plain text where it can be known for one.
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
        Probe::Command(command) => tell(in_command(command), &["command".into()]),
        Probe::HostCommand(command) => tell(in_command(command), &["host_command".into()]),
        Probe::Http(http) => {
            tell(revealed(&http.path), &["http".into(), "path".into()]);
            for (name, value) in &http.headers {
                if let SecretSource::Plain(value) = value
                    && (is_secret(name) || revealed(value.expose()).is_some())
                {
                    findings.push(
                        Finding::warning(
                            Code::PlainSecret,
                            target,
                            format!("the header `{name}` stands in plain text"),
                        )
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
        _ => {}
    }
}

/// What to do about a secret in plain text.
pub(crate) const ELSEWHERE: &str =
    r#"write `{"secret": {"file": "…"}}` or `{"secret": {"env": "…"}}`, and change the secret"#;

fn finding(target: Target, what: &str) -> Finding {
    Finding::warning(Code::PlainSecret, target, format!("{what} stands in plain text"))
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

fn in_command(command: &Command) -> Option<&'static str> {
    match command {
        Command::Shell(text) => revealed(text),
        Command::Argv(argv) => revealed(&argv.join(" ")),
    }
}

/// Whether something of this name is a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let place = ["_file", "_path", "_dir", "_name", "_url", "_id"].iter().any(|end| name.ends_with(end));
    let words =
        ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "access_key", "private_key"];
    let known = ["authorization", "proxy_authorization", "cookie", "pgpassword", "mysql_pwd"];
    !place && (known.contains(&name.as_str()) || words.iter().any(|word| name.contains(word)))
}

/// Whether a value is the thing itself, and no variable, placeholder or file that holds it.
fn is_given(value: &str) -> bool {
    let value = value.trim_start_matches(['"', '\'', '\\']);
    !value.is_empty() && !value.starts_with(['$', '`', '/', '<', '{', '@', '*', '%'])
}

/// What a text reveals: an address with a password, an assignment to something that is called a secret, an option of a
/// program.
fn revealed(text: &str) -> Option<&'static str> {
    if !text.contains(['=', ':', ' ']) {
        return None;
    }
    for (at, _) in text.match_indices("://") {
        let rest = text.get(at + 3..).unwrap_or_default();
        let authority = rest.split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
        if let Some((_, password)) = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'))
            && is_given(password)
        {
            return Some("the password of an address");
        }
    }
    let mut words =
        text.split([' ', '\t', ';', '&', '?', '|', '(', ')', ',']).filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let word = word.trim_start_matches(['"', '\'', '\\']);
        let option = word.strip_prefix("--");
        let assigned = word.split_once('=').map(|(name, value)| (name.trim_start_matches('-'), value));
        if let Some((name, value)) = assigned {
            if is_secret(name.rsplit('.').next().unwrap_or(name)) && is_given(value) {
                return Some("a secret");
            }
            // A raw line may set a variable: `lxc.environment=NAME=value`.
            if let Some((name, value)) = value.split_once('=')
                && is_secret(name)
                && is_given(value)
            {
                return Some("a secret");
            }
        } else if let Some(name) = word.strip_suffix(':') {
            // A header on a command line: `Authorization: Bearer …`.
            let mut value = words.peek().copied().unwrap_or_default();
            if ["bearer", "basic", "token"].contains(&value.to_ascii_lowercase().as_str()) {
                words.next();
                value = words.peek().copied().unwrap_or_default();
            }
            if is_secret(name) && is_given(value) {
                return Some("a secret");
            }
        } else if option.is_some_and(is_secret)
            && words.peek().is_some_and(|value| is_given(value) && !value.starts_with('-'))
        {
            return Some("a secret");
        } else if (word == "-u" || word == "--user")
            && words.peek().and_then(|value| value.split_once(':')).is_some_and(|(user, password)| {
                // Two numbers are a user and a group.
                is_given(password) && !user.bytes().all(|byte| byte.is_ascii_digit())
            })
        {
            return Some("a password");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("https://admin:hunter2@registry.example/v2/" ; "an address")]
    #[test_case("PGPASSWORD=hunter2 psql -c 'select 1'" ; "a variable before a command")]
    #[test_case("redis-cli --pass-token hunter2 ping" ; "an option")]
    #[test_case("mysqladmin --password=hunter2 ping" ; "an option with its value")]
    #[test_case("curl -fsS -u admin:hunter2 http://localhost/" ; "curl's user")]
    #[test_case("curl -H 'Authorization: Bearer abc.def' http://localhost/" ; "a header")]
    #[test_case("lxc.environment=DB_PASSWORD=hunter2" ; "a variable of a container")]
    #[test_case("lxc.environment: HF_TOKEN=hf_abc" ; "a variable of a container after a colon")]
    #[test_case("/health?api_key=abc" ; "a query")]
    fn plain(text: &str) {
        assert!(revealed(text).is_some());
    }

    #[test_case("nc -z localhost 9000")]
    #[test_case("https://10.0.0.10:9000")]
    #[test_case("https://admin@registry.example/")]
    #[test_case("https://admin:$PASSWORD@registry.example/")]
    #[test_case("PGPASSWORD=$(cat /run/secret) psql")]
    #[test_case("PGPASSWORD=\"$PW\" psql")]
    #[test_case("step ca health --root /etc/step-ca/root.crt")]
    #[test_case("test -s /etc/phoenix/token")]
    #[test_case("TOKEN_FILE=/run/token check.sh")]
    #[test_case("vault token lookup")]
    #[test_case("curl --oauth2-token-file t http://localhost/")]
    #[test_case("psql --password -c x")]
    #[test_case("docker run -u 1000:1000 x" ; "numbers of a user and a group")]
    #[test_case("lxc.mount.entry=/run/secrets run/secrets none bind,ro")]
    #[test_case("lxc.cgroup2.devices.allow: c 195:* rwm")]
    #[test_case("grep -q 'password: ' /var/log/app")]
    fn not_plain(text: &str) {
        assert_eq!(revealed(text), None);
    }
}
