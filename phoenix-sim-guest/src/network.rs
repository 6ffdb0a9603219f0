//! Connections between machines on the node's network.

use std::net::IpAddr;
use std::sync::Arc;

use phoenix_host::ByteStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::facts;
use crate::ground::{HeldNode, Node};
use crate::services;
use crate::world::{PortState, ResponseWorld};

/// What a connection attempt meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reached {
    Open(Listener),
    Refused,
    NoAnswer,
    /// The name has no address.
    NoName,
}

/// Who listens at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// The guest; `None` is the node.
    guest: Option<u32>,
    service: String,
}

/// Ports of the node itself that are open: ssh, rpcbind, NFS, its web interface.
const NODE_PORTS: [u16; 4] = [22, 111, 2049, 8006];

/// Connects from a machine (`None` is the node) to a name or address.
pub(crate) fn reach(node: &dyn Node, from: Option<u32>, host: &str, port: u16) -> Reached {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut state = node.state();
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "::1" | "0.0.0.0" | "ip6-localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let guest = if loopback {
        from
    } else if facts::is_node(&*state, host) {
        None
    } else {
        let address = host.parse::<IpAddr>().ok().or_else(|| in_hosts_file(&mut *state, from, host));
        let owner = match address {
            Some(address) if address.is_loopback() => from,
            Some(address) => facts::owner(&mut *state, address),
            None => facts::named(&mut *state, host),
        };
        match (owner, address) {
            (Some(vmid), _) => Some(vmid),
            (None, Some(address)) if address.is_loopback() => None,
            (None, Some(_)) => return Reached::NoAnswer,
            (None, None) => return Reached::NoName,
        }
    };
    drop(state);
    knock(node, from, guest, port)
}

/// The address that a machine's own hosts file has for a name; `None` is the node.
fn in_hosts_file(state: &mut dyn HeldNode, machine: Option<u32>, name: &str) -> Option<IpAddr> {
    let hosts = crate::view::View::new(state, machine).read("/etc/hosts").unwrap_or_default();
    let hosts = String::from_utf8_lossy(&hosts).into_owned();
    let line = hosts.lines().find(|line| line.split_whitespace().skip(1).any(|known| known == name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What a name means on a machine (`None` is the node): its own hosts file first, then the names of the guests that run.
pub(crate) fn resolve(node: &dyn Node, machine: Option<u32>, name: &str) -> Vec<IpAddr> {
    let mut state = node.state();
    if let Some(address) = name.parse().ok().or_else(|| in_hosts_file(&mut *state, machine, name)) {
        return vec![address];
    }
    match facts::named(&mut *state, name) {
        Some(vmid) => facts::addresses_of(&mut *state, vmid),
        None => Vec::new(),
    }
}

/// Connects from a machine to a port of another one; `None` is the node.
pub(crate) fn knock(node: &dyn Node, from: Option<u32>, guest: Option<u32>, port: u16) -> Reached {
    let mut state = node.state();
    let worlds = Arc::clone(&state.worlds);
    let filters = |vmid| worlds.of(vmid).other_ports() == PortState::Filtered;
    let service = match guest {
        Some(vmid) if from != guest && filters(vmid) => return Reached::NoAnswer,
        None => NODE_PORTS.contains(&port).then(String::new),
        Some(vmid) => services::listener(&mut *state, vmid, port, node.elapsed()),
    };
    match service {
        Some(service) => Reached::Open(Listener { guest, service }),
        None => Reached::Refused,
    }
}

impl Listener {
    /// What it answers to a request for a path.
    pub(crate) fn answer(&self, node: &dyn Node, path: &str) -> ResponseWorld {
        let worlds = Arc::clone(&node.quiet_state().worlds);
        let service = self.guest.and_then(|vmid| worlds.of(vmid).service(&self.service));
        let Some(service) = service.filter(|service| !service.http.is_empty()) else { return ResponseWorld::default() };
        let bare = path.split(['?', '#']).next().unwrap_or(path);
        match service.http.get(path).or_else(|| service.http.get(bare)) {
            Some(response) => response.clone(),
            None => ResponseWorld { status: 404, body: "not found\n".to_owned() },
        }
    }
}

/// Requests longer than this are not answered.
const REQUEST: usize = 64 << 10;

/// The byte stream to a listener: it answers HTTP requests, and is silent to everything else.
pub(crate) fn converse(node: &Arc<dyn Node>, listener: Listener) -> Box<dyn ByteStream> {
    let (near, mut far) = tokio::io::duplex(64 << 10);
    let node = Arc::clone(node);
    tokio::spawn(async move {
        let mut request = Vec::new();
        loop {
            while let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&request[..end]).into_owned();
                let mut words = head.lines().next().unwrap_or_default().split(' ');
                let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or("/"));
                let header = |name: &str| {
                    head.lines().skip(1).find_map(|line| {
                        let (key, value) = line.split_once(':')?;
                        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
                    })
                };
                let length = header("content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
                if request.len() < (end + 4).saturating_add(length.min(REQUEST)) {
                    break;
                }
                request.drain(..end + 4 + length.min(REQUEST));
                let response = listener.answer(&*node, path);
                let closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                let mut answer = format!(
                    "HTTP/1.1 {} {}\r\ncontent-length: {}\r\nconnection: {}\r\n\r\n",
                    response.status,
                    reason(response.status),
                    response.body.len(),
                    if closes { "close" } else { "keep-alive" },
                );
                if method != "HEAD" {
                    answer.push_str(&response.body);
                }
                if far.write_all(answer.as_bytes()).await.is_err() || closes {
                    return;
                }
            }
            if request.len() > REQUEST {
                return;
            }
            match far.read_buf(&mut request).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    });
    Box::new(near)
}

/// The words of common HTTP statuses.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
