//! What a probe asked about, as far as the probe shows it.

use camino::Utf8PathBuf;

use phoenix_types::gate::{CommandLine, LogSource, Place, Probe};

/// What a probe asked about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) means: Means,
    /// A port of the guest.
    pub(super) port: Option<u16>,
    /// Whether the port was asked for from outside the guest.
    pub(super) from_outside: bool,
    /// A file in the guest.
    pub(super) path: Option<Utf8PathBuf>,
    /// A file on the node.
    pub(super) host_path: Option<Utf8PathBuf>,
}

/// By what means it asked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// A program.
    Command,
    /// A connection.
    Connection,
    /// A request to a web server.
    Request,
    /// Something else, or several.
    #[default]
    Other,
}

impl Subject {
    pub(super) fn of(probe: &Probe) -> Self {
        match probe {
            Probe::Tcp(tcp) if tcp.address.is_none() => {
                let from_outside = tcp.from == Place::Host;
                Self { means: Means::Connection, port: Some(tcp.port), from_outside, ..Self::default() }
            }
            Probe::Http(http) if http.address.is_none() => {
                let from_outside = http.from == Place::Host;
                Self { means: Means::Request, port: Some(http.port), from_outside, ..Self::default() }
            }
            Probe::Http(_) => Self { means: Means::Request, ..Self::default() },
            Probe::File(file) if file.place == Place::Guest && file.path.is_absolute() => {
                Self { path: Some(file.path.clone()), ..Self::default() }
            }
            Probe::File(file) if file.path.is_absolute() => {
                Self { host_path: Some(file.path.clone()), ..Self::default() }
            }
            Probe::Log(log) => match &log.source {
                LogSource::File(path) => Self { path: Some(path.clone()), ..Self::default() },
                LogSource::Journal { .. } => Self::default(),
            },
            Probe::Command(command) if command.place == Place::Guest => {
                let port = match &command.command {
                    CommandLine::Shell(line) => local_port(line.split_whitespace()),
                    CommandLine::Argv(argv) => local_port(argv.iter().map(String::as_str)),
                };
                Self { means: Means::Command, port, ..Self::default() }
            }
            Probe::Command(_) => Self { means: Means::Command, ..Self::default() },
            Probe::All(probes) | Probe::Any(probes) => {
                let subjects = || probes.iter().map(Self::of);
                Self {
                    means: Means::Other,
                    port: subjects().find_map(|subject| subject.port),
                    from_outside: subjects().find(|subject| subject.port.is_some()).is_some_and(|it| it.from_outside),
                    path: subjects().find_map(|subject| subject.path),
                    host_path: subjects().find_map(|subject| subject.host_path),
                }
            }
            // Nothing more is known of where to look.
            _ => Self::default(),
        }
    }
}

/// The port of the guest itself that a command line such as `nc -z localhost 9000` or `curl http://127.0.0.1:80/` asks for.
fn local_port<'w>(words: impl Iterator<Item = &'w str>) -> Option<u16> {
    const SELF: [&str; 4] = ["localhost", "127.0.0.1", "::1", "[::1]"];
    let words: Vec<&str> = words.map(|word| word.trim_matches(['"', '\''])).collect();
    let beside = words.windows(2).find_map(|pair| if SELF.contains(&pair[0]) { pair[1].parse().ok() } else { None });
    beside.or_else(|| {
        words.iter().find_map(|word| {
            let (scheme, rest) = word.split_once("://")?;
            let authority = rest.split(['/', '?']).next()?;
            let (name, port) = match authority.rsplit_once(':') {
                Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
                _ => (authority, if scheme == "https" { 443 } else { 80 }),
            };
            SELF.contains(&name).then_some(port)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("nc -z localhost 9000", Some(9000); "the founding check")]
    #[test_case("nc -z -w 2 127.0.0.1 80 && true", Some(80); "options")]
    #[test_case("curl -fsS https://localhost:8443/health", Some(8443); "a url")]
    #[test_case("curl -k 'https://localhost/x'", Some(443); "the default port")]
    #[test_case("wget -q http://[::1]:81/", Some(81); "ipv6")]
    #[test_case("nc -z other 9000", None; "another machine")]
    #[test_case("systemctl is-active step-ca", None; "no port")]
    #[test_case("echo localhost 99999999", None; "no port either")]
    fn ports_in_command_lines(line: &str, port: Option<u16>) {
        assert_eq!(Subject::of(&Probe::shell(line)).port, port);
    }
}
