//! What is on the node: the guests' files and which of them run.

use std::collections::BTreeMap;

use phoenix_host::Host;
use phoenix_sim::SimNode;
use phoenix_types::{ConfSection, GuestConf, GuestKind};

/// The node as a person would find it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NodeState {
    pub(crate) guests: BTreeMap<u32, Found>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: GuestKind,
    pub(crate) conf: String,
    pub(crate) firewall: Option<String>,
    pub(crate) power: String,
}

impl Found {
    pub(crate) fn live(&self) -> ConfSection {
        GuestConf::parse(&self.conf, self.kind).live
    }
}

impl NodeState {
    pub(crate) async fn of(node: &SimNode) -> Self {
        let mut guests = BTreeMap::new();
        for (kind, folder, tool) in [(GuestKind::Container, "lxc", "pct"), (GuestKind::Vm, "qemu-server", "qm")] {
            let power = powers(node, tool).await;
            for name in node.list(format!("/etc/pve/{folder}").as_str().into()).await.unwrap() {
                let Some(id) = name.strip_suffix(".conf").and_then(|id| id.parse::<u32>().ok()) else { continue };
                let conf = text(node, &format!("/etc/pve/{folder}/{name}")).await.unwrap_or_default();
                let firewall = text(node, &format!("/etc/pve/firewall/{id}.fw")).await;
                let power = power.get(&id).cloned().unwrap_or_default();
                guests.insert(id, Found { kind, conf, firewall, power });
            }
        }
        Self { guests }
    }

    /// The same without what differs between two runs that did the same: random addresses and identities, and times.
    pub(crate) fn normalised(&self) -> BTreeMap<u32, String> {
        self.guests
            .iter()
            .map(|(id, found)| {
                let mut text = format!("power {}\n", found.power);
                let mut disks = Vec::new();
                for line in found.conf.lines() {
                    text.push_str(&renumbered(&normalise(line), *id, &mut disks));
                    text.push('\n');
                }
                text.push_str("firewall\n");
                text.push_str(found.firewall.as_deref().unwrap_or("none"));
                (*id, text)
            })
            .collect()
    }
}

/// A line with the guest's disks numbered as they come: a command that is killed after it allocated a disk and before it
/// wrote so leaves that disk behind, with its number (and so do the real tools).
fn renumbered(line: &str, id: u32, seen: &mut Vec<String>) -> String {
    let Some((before, rest)) = line.split_once(&format!("-{id}-disk-")) else { return line.to_owned() };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let after = &rest[digits.len()..];
    let at = seen.iter().position(|known| *known == digits).unwrap_or_else(|| {
        seen.push(digits);
        seen.len() - 1
    });
    format!("{before}-{id}-disk-#{at}{after}")
}

async fn text(node: &SimNode, path: &str) -> Option<String> {
    let bytes = node.read(path.into(), 1 << 20).await.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The second column of `pct list` and the third of `qm list`.
async fn powers(node: &SimNode, tool: &str) -> BTreeMap<u32, String> {
    let argv = [tool, "list"].map(str::to_owned);
    let answer = node.run(&argv, b"").await;
    let column = if tool == "pct" { 1 } else { 2 };
    answer
        .stdout
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some((words.first()?.parse().ok()?, (*words.get(column)?).to_owned()))
        })
        .collect()
}

fn normalise(line: &str) -> String {
    let Some((key, value)) = line.split_once(": ") else { return check_values(line) };
    match key {
        "vmgenid" | "smbios1" | "snaptime" | "meta" => format!("{key}: …"),
        _ if key.starts_with("net") => {
            let parts: Vec<String> = value
                .split(',')
                .map(|part| match part.split_once('=') {
                    Some((name, mac)) if is_mac(mac) && !mac.starts_with("52:54:00:20:00:") => format!("{name}=…"),
                    _ => part.to_owned(),
                })
                .collect();
            format!("{key}: {}", parts.join(","))
        }
        _ => line.to_owned(),
    }
}

fn is_mac(text: &str) -> bool {
    text.len() == 17 && text.split(':').all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A record's check value is a VM's `vmgenid`, which is random.
fn check_values(line: &str) -> String {
    const OPEN: &str = "\"c\"%3A\"";
    let Some((before, rest)) = line.split_once(OPEN) else { return line.to_owned() };
    let Some((value, after)) = rest.split_once('"') else { return line.to_owned() };
    // That of a container follows from what ran, so it counts.
    if value.len() == 8 { line.to_owned() } else { format!("{before}{OPEN}…\"{after}") }
}
