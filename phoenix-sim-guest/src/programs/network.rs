//! Programs that use the network.

use std::time::Duration;

use phoenix_sim_shell::files::Offset;

use super::arguments::Arguments;
use super::{Call, Ending};
use crate::network::{Listener, Reached, reach, reason};
use crate::world::ResponseWorld;

/// How long a connection to an address without a machine is tried, when nothing else is said.
pub(super) const PATIENCE: Duration = Duration::from_secs(130);

/// A URL in its parts.
pub(super) struct Url {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (secure, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (true, rest)
        } else {
            (false, text.strip_prefix("http://").unwrap_or(text))
        };
        if rest.contains("://") {
            return None;
        }
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (authority, if secure { 443 } else { 80 }),
        };
        Some(Self { host: host.to_owned(), port, path: path.to_owned() })
    }

    fn is_own_network(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok()
    }
}

/// How a request went.
pub(super) enum Got {
    Answer(ResponseWorld),
    Refused,
    NoAnswer,
    NoName,
}

impl Call {
    pub(super) async fn nc(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "wipsqXx");
        let zero = arguments.has('z');
        let [host, ports, ..] = arguments.rest.as_slice() else {
            if arguments.has('l') {
                std::future::pending::<()>().await;
            }
            self.err("usage: nc [-46CDdFhklNnrStUuvZz] [destination] [port]\n").await;
            return Ok(1);
        };
        let patience = arguments.value('w').and_then(|text| text.parse().ok()).map_or(PATIENCE, Duration::from_secs);
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else {
            self.complain(&format!("port number invalid: {ports}")).await;
            return Ok(1);
        };
        let mut status = 1;
        for port in first..=last {
            let reached = reach(&*self.machine().node, self.machine().guest, host, port);
            let said = match &reached {
                Reached::Open(_) => "succeeded!",
                Reached::Refused => "Connection refused",
                Reached::NoAnswer => {
                    self.pause(patience).await;
                    "Connection timed out"
                }
                Reached::NoName => {
                    self.err(&format!("nc: getaddrinfo for host \"{host}\" port {port}: Name or service not known\n"))
                        .await;
                    return Ok(1);
                }
            };
            let open = matches!(reached, Reached::Open(_));
            if open {
                status = 0;
            }
            if arguments.has('v') {
                let text = if open {
                    format!("Connection to {host} {port} port [tcp/*] {said}\n")
                } else {
                    format!("nc: connect to {host} port {port} (tcp) failed: {said}\n")
                };
                self.err(&text).await;
            }
            if let (Reached::Open(listener), false) = (reached, zero) {
                self.talk(&listener).await?;
            }
        }
        Ok(status)
    }

    /// Sends what there is to read; an HTTP request is answered.
    async fn talk(&self, listener: &Listener) -> Result<(), super::Broken> {
        let input = self.input().await;
        let text = String::from_utf8_lossy(&input);
        let mut words = text.split_whitespace();
        if let (Some("GET" | "HEAD" | "POST"), Some(path)) = (words.next(), words.next()) {
            let response = listener.answer(&*self.machine().node, path);
            let status = format!("HTTP/1.1 {} {}\r\n\r\n", response.status, reason(response.status));
            self.out(format!("{status}{}", response.body)).await?;
        }
        Ok(())
    }

    /// Asks for a URL. A name that is no machine here is one of the Internet, which always answers.
    pub(super) async fn fetch(&self, url: &Url, patience: Duration) -> Got {
        match reach(&*self.machine().node, self.machine().guest, &url.host, url.port) {
            Reached::Open(listener) => Got::Answer(listener.answer(&*self.machine().node, &url.path)),
            Reached::Refused => Got::Refused,
            Reached::NoAnswer => {
                self.pause(patience).await;
                Got::NoAnswer
            }
            Reached::NoName if url.is_own_network() => Got::NoName,
            Reached::NoName => Got::Answer(ResponseWorld::default()),
        }
    }

    pub(super) async fn wget(&self) -> Ending {
        let long = [
            "timeout",
            "tries",
            "output-document",
            "header",
            "post-data",
            "directory-prefix",
            "user-agent",
            "waitretry",
        ];
        let arguments = Arguments::read_long(self.arguments(), "OTtPUo", &long);
        let Some(target) = arguments.rest.first() else {
            self.err("wget: missing URL\n").await;
            return Ok(1);
        };
        let limit = arguments.value('T').or(arguments.long_value("timeout")).and_then(|text| text.parse().ok());
        let limit = limit.map_or(PATIENCE, Duration::from_secs);
        let Some(url) = Url::parse(target) else { return Ok(0) };
        match self.fetch(&url, limit).await {
            Got::Answer(response) if response.status < 400 => {
                let output = arguments.value('O').or(arguments.long_value("output-document"));
                if arguments.has_long("spider") {
                    return Ok(0);
                }
                let name = url.path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("index.html");
                match output.or(arguments.value('q')).unwrap_or(name) {
                    "-" => self.out(response.body).await?,
                    path => {
                        let path = match arguments.value('P') {
                            Some(folder) => self.absolute(&format!("{folder}/{path}")),
                            None => self.absolute(path),
                        };
                        if !path.starts_with("/dev/") {
                            let _ = self
                                .machine()
                                .files(|view| view.write(&path, response.body.as_bytes(), Offset::Replace, 0o644));
                        }
                    }
                }
                Ok(0)
            }
            Got::Answer(response) => {
                self.err(&format!("ERROR {}: {}.\n", response.status, reason(response.status))).await;
                Ok(8)
            }
            Got::Refused => {
                self.err("failed: Connection refused.\n").await;
                Ok(4)
            }
            Got::NoAnswer => {
                self.err("failed: Connection timed out.\n").await;
                Ok(4)
            }
            Got::NoName => {
                self.err(&format!("wget: unable to resolve host address '{}'\n", url.host)).await;
                Ok(4)
            }
        }
    }

    pub(super) async fn sockets(&self) -> Ending {
        let Some(vmid) = self.machine().guest else { return Ok(0) };
        let node = &self.machine().node;
        let now = node.elapsed();
        let ports: Vec<u16> = {
            let mut state = node.state();
            let known: Vec<u16> =
                state.inside.get(&vmid).map(|running| running.ports.keys().copied().collect()).unwrap_or_default();
            let open = |port: &u16| crate::services::listener(&mut *state, vmid, *port, now).is_some();
            known.into_iter().filter(open).collect()
        };
        let headed = !self.arguments().iter().any(|word| word.starts_with('-') && word.contains('H'));
        if self.program() == "netstat" {
            self.line("Active Internet connections (only servers)").await?;
            self.line("Proto Recv-Q Send-Q Local Address           Foreign Address         State").await?;
            for port in ports {
                self.line(&format!(
                    "tcp        0      0 {:<23} 0.0.0.0:*               LISTEN",
                    format!("0.0.0.0:{port}")
                ))
                .await?;
            }
            return Ok(0);
        }
        if headed {
            self.line("State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess").await?;
        }
        let wanted = self.arguments().iter().find_map(|word| {
            word.rsplit_once(':').and_then(|(_, port)| port.trim_matches([')', ' ']).parse::<u16>().ok())
        });
        for port in ports.into_iter().filter(|port| wanted.is_none_or(|wanted| wanted == *port)) {
            self.line(&format!("LISTEN 0      4096         0.0.0.0:{port:<7}     0.0.0.0:*")).await?;
        }
        Ok(0)
    }

    pub(super) async fn ip(&self) -> Ending {
        let words: Vec<&str> =
            self.arguments().iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
        let Some(vmid) = self.machine().guest else { return Ok(0) };
        let brief = self.arguments().iter().any(|word| word == "-br" || word == "-brief");
        let line = self.arguments().iter().any(|word| word == "-o" || word == "-oneline");
        let node = &self.machine().node;
        let found = crate::facts::addresses_of(&mut *node.state(), vmid);
        match words.first() {
            Some(&("a" | "addr" | "address")) => {
                for (place, address) in found.iter().enumerate() {
                    let (length, family) = if address.is_ipv4() { (24, "inet") } else { (64, "inet6") };
                    let text = if brief {
                        format!("eth{place}             UP             {address}/{length}")
                    } else if line {
                        format!("{}: eth{place}    {family} {address}/{length} scope global eth{place}", place + 2)
                    } else {
                        format!(
                            "{}: eth{place}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000\n    {family} {address}/{length} scope global eth{place}",
                            place + 2
                        )
                    };
                    self.line(&text).await?;
                }
            }
            Some(&("r" | "route")) => {
                self.line("default via 192.0.2.1 dev eth0").await?;
            }
            _ => {}
        }
        Ok(0)
    }

    pub(super) async fn ping(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "cwWiIs");
        let Some(host) = arguments.rest.first() else { return Ok(2) };
        match reach(&*self.machine().node, self.machine().guest, host, 7) {
            Reached::Open(_) | Reached::Refused => Ok(0),
            Reached::NoAnswer => {
                let patience =
                    arguments.value('w').or(arguments.value('W')).and_then(|text| text.parse().ok()).unwrap_or(10);
                self.pause(Duration::from_secs(patience)).await;
                Ok(1)
            }
            // A name of the Internet answers.
            Reached::NoName => Ok(0),
        }
    }
}
