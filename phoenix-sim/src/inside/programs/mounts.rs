//! `mount` and its kin.

use super::super::facts;
use super::super::view::Follow;
use super::super::{Share, kernel};
use super::arguments::Arguments;
use super::{Call, Ending};
use crate::files::FileTree;

/// What a mount asks for.
struct Wanted {
    device: String,
    at: String,
    kind: String,
    options: String,
}

impl Call {
    fn table(&self) -> Vec<Vec<String>> {
        let text = self.machine().files(|view| view.read("/etc/fstab")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .filter(|fields: &Vec<String>| fields.len() >= 2)
            .collect()
    }

    fn mounts(&self) -> Vec<(String, String, String)> {
        let Some(vmid) = self.machine().guest else { return Vec::new() };
        let text = self.machine().files(|view| kernel::mounts(view.state(), vmid));
        let words = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Some((words.next()?, words.next()?, words.next()?))
        };
        text.lines().filter_map(words).collect()
    }

    pub(super) async fn mount(&self) -> Ending {
        let arguments = Arguments::read_long(self.arguments(), "toL", &["types", "options"]);
        if arguments.rest.is_empty() && !arguments.has('a') && !arguments.has_long("all") {
            for (device, at, kind) in self.mounts() {
                self.line(&format!("{device} on {at} type {kind} (rw,relatime)")).await?;
            }
            return Ok(0);
        }
        let given = arguments.value('o').or(arguments.long_value("options")).unwrap_or_default();
        if given.split(',').any(|option| option == "remount") {
            return Ok(0);
        }
        let kind = arguments.value('t').or(arguments.long_value("types"));
        let wanted: Vec<Wanted> = match arguments.rest.as_slice() {
            [] => {
                let lines = self.table().into_iter().filter(|fields| {
                    let kind_matches = kind.is_none_or(|kinds| {
                        kinds.split(',').any(|kind| Some(kind) == fields.get(2).map(String::as_str))
                    });
                    let options = fields.get(3).map(String::as_str).unwrap_or_default();
                    kind_matches
                        && !options.split(',').any(|option| option == "noauto")
                        && fields.get(2).is_none_or(|kind| kind != "swap")
                });
                lines.map(|fields| from_table(&fields)).collect()
            }
            [one] => {
                let path = FileTree::normalise(&self.absolute(one));
                let line = self
                    .table()
                    .into_iter()
                    .find(|fields| fields[1].trim_end_matches('/') == path || fields[0] == *one);
                let Some(fields) = line else {
                    self.complain(&format!("{one}: can't find in /etc/fstab.")).await;
                    return Ok(1);
                };
                vec![from_table(&fields)]
            }
            [device, at, ..] => vec![Wanted {
                device: device.clone(),
                at: self.absolute(at),
                kind: kind.map_or_else(|| if device.contains(":/") { "nfs" } else { "auto" }.to_owned(), str::to_owned),
                options: given.to_owned(),
            }],
        };
        let mut status = 0;
        for wanted in wanted {
            let mounted = self.mounts().iter().any(|(_, at, _)| *at == FileTree::normalise(&wanted.at));
            if mounted && arguments.rest.is_empty() {
                continue;
            }
            if let Err(reason) = self.mount_one(&wanted) {
                self.err(&format!("{reason}\n")).await;
                status = 32;
            }
        }
        Ok(status)
    }

    fn mount_one(&self, wanted: &Wanted) -> Result<(), String> {
        let at = FileTree::normalise(&wanted.at);
        let Some(vmid) = self.machine().guest else { return Ok(()) };
        let point = self.machine().files(|view| view.entry(&at, Follow::Last));
        if !point.is_ok_and(|entry| entry.is_folder()) {
            return Err(format!("mount: {at}: mount point does not exist."));
        }
        let is_network = wanted.kind.starts_with("nfs");
        if !is_network {
            // File systems in memory and of disks that were attached: nothing to see in them that is not there.
            return Ok(());
        }
        let Some((server, folder)) = wanted.device.rsplit_once(':') else {
            return Err(format!(
                "mount.nfs: remote share not in 'host:dir' format\nmount.nfs: {} is no share",
                wanted.device
            ));
        };
        let folder = FileTree::normalise(folder);
        let node = &self.machine().node;
        if !facts::serves_nfs(&node.state(), node.world(), server) {
            use super::super::network::{Reached, reach};
            return Err(match reach(node, Some(vmid), server, 2049) {
                Reached::NoName => format!("mount.nfs: Failed to resolve server {server}: Name or service not known"),
                Reached::Refused | Reached::Open(_) => "mount.nfs: Connection refused".to_owned(),
                Reached::NoAnswer => format!("mount.nfs: Connection timed out for {server}"),
            });
        }
        let mut state = node.state();
        let addresses = facts::addresses_of(&mut state, node.world(), vmid);
        let exports = state.files.text("/etc/exports").unwrap_or_default();
        if !state.files.is_folder(&folder) {
            return Err(format!(
                "mount.nfs: mounting {} failed, reason given by server: No such file or directory",
                wanted.device
            ));
        }
        match exported(&exports, &folder, &addresses) {
            Export::Refused => {
                return Err(format!("mount.nfs: access denied by server while mounting {}", wanted.device));
            }
            Export::Granted { read_only } => {
                let options: Vec<&str> = wanted.options.split(',').filter(|option| !option.is_empty()).collect();
                let share = Share {
                    at: at.clone(),
                    device: wanted.device.clone(),
                    folder,
                    kind: if wanted.kind == "nfs" { "nfs4".to_owned() } else { wanted.kind.clone() },
                    options: options
                        .iter()
                        .filter(|option| option.contains("vers"))
                        .map(|option| format!(",{option}"))
                        .collect(),
                    read_only: read_only || options.contains(&"ro"),
                };
                if let Some(running) = state.inside.get_mut(&vmid) {
                    running.shares.push(share);
                }
            }
        }
        drop(state);
        self.machine().touch();
        Ok(())
    }

    pub(super) async fn unmount(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "tO");
        let Some(vmid) = self.machine().guest else { return Ok(0) };
        let mut status = 0;
        if arguments.has('a') {
            if let Some(running) = self.machine().node.state().inside.get_mut(&vmid) {
                running.shares.clear();
            }
            return Ok(0);
        }
        for target in &arguments.rest {
            let path = FileTree::normalise(&self.absolute(target));
            let mut gone = false;
            {
                let mut state = self.machine().node.state();
                if let Some(running) = state.inside.get_mut(&vmid)
                    && let Some(place) =
                        running.shares.iter().rposition(|share| share.at == path || share.device == *target)
                {
                    running.shares.remove(place);
                    gone = true;
                }
            }
            if !gone {
                self.complain(&format!("{target}: not mounted.")).await;
                status = 32;
            }
        }
        Ok(status)
    }

    pub(super) async fn mount_point(&self) -> Ending {
        let arguments = Arguments::read(self.arguments(), "");
        let Some(path) = arguments.rest.first() else { return Ok(1) };
        let absolute = FileTree::normalise(&self.absolute(path));
        let quiet = arguments.has('q') || arguments.has_long("quiet");
        if self.machine().files(|view| view.entry(&absolute, Follow::Last)).is_err() {
            if !quiet {
                self.complain(&format!("{path}: No such file or directory")).await;
            }
            return Ok(1);
        }
        let is_mount = absolute == "/" || self.mounts().iter().any(|(_, at, _)| *at == absolute);
        if !quiet {
            self.line(&format!("{path} is {}a mountpoint", if is_mount { "" } else { "not " })).await?;
        }
        Ok(if is_mount { 0 } else { 32 })
    }

    pub(super) async fn find_mount(&self) -> Ending {
        let arguments =
            Arguments::read_long(self.arguments(), "oTtSM", &["output", "target", "mountpoint", "source", "types"]);
        let mut found = self.mounts();
        let target = arguments.value('T').or(arguments.long_value("target"));
        let point = arguments.value('M').or(arguments.long_value("mountpoint"));
        let source = arguments.value('S').or(arguments.long_value("source"));
        let kinds = arguments.value('t').or(arguments.long_value("types"));
        if let Some(target) = target {
            let at = self.machine().files(|view| view.mount_point(&self.absolute(target)));
            found.retain(|(_, known, _)| *known == at);
        }
        for wanted in arguments.rest.iter().map(String::as_str).chain(point) {
            let path = FileTree::normalise(&self.absolute(wanted));
            found.retain(|(device, at, _)| *at == path || device == wanted);
        }
        if let Some(source) = source {
            found.retain(|(device, ..)| device == source);
        }
        if let Some(kinds) = kinds {
            found.retain(|(.., kind)| {
                kinds.split(',').any(|wanted| wanted == kind || (wanted == "nfs" && kind == "nfs4"))
            });
        }
        if found.is_empty() {
            return Ok(1);
        }
        let columns = arguments
            .value('o')
            .or(arguments.long_value("output"))
            .unwrap_or("TARGET,SOURCE,FSTYPE,OPTIONS")
            .to_uppercase();
        if !arguments.has('n') && !arguments.has_long("noheadings") {
            self.line(&columns.replace(',', " ")).await?;
        }
        for (device, at, kind) in found {
            let row: Vec<&str> = columns
                .split(',')
                .map(|column| match column {
                    "TARGET" => at.as_str(),
                    "SOURCE" => device.as_str(),
                    "FSTYPE" => kind.as_str(),
                    _ => "rw,relatime",
                })
                .collect();
            self.line(&row.join(" ")).await?;
        }
        Ok(0)
    }
}

fn from_table(fields: &[String]) -> Wanted {
    let mut fields = fields.iter();
    let mut next = || fields.next().cloned().unwrap_or_default();
    Wanted { device: next(), at: next(), kind: next(), options: next() }
}

/// What an NFS server says to a mount.
#[derive(Debug, PartialEq, Eq)]
enum Export {
    Granted { read_only: bool },
    Refused,
}

/// Reads `/etc/exports`: without any line in it, every folder of the node is taken to be exported.
fn exported(exports: &str, folder: &str, addresses: &[std::net::IpAddr]) -> Export {
    let lines: Vec<&str> =
        exports.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    if lines.is_empty() {
        return Export::Granted { read_only: false };
    }
    for line in lines {
        let mut words = line.split_whitespace();
        let path = words.next().unwrap_or_default().trim_matches('"').trim_end_matches('/');
        let below = folder.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !below {
            continue;
        }
        let clients: Vec<&str> = words.collect();
        if clients.is_empty() {
            return Export::Granted { read_only: true };
        }
        for client in clients {
            let (who, options) = client.split_once('(').unwrap_or((client, ""));
            let allowed = who.is_empty()
                || who == "*"
                || addresses.iter().any(|address| {
                    who.parse() == Ok(*address)
                        || who.parse::<phoenix_types::Cidr>().is_ok_and(|network| network.contains(*address))
                });
            if allowed {
                let read_only = !options.trim_end_matches(')').split(',').any(|option| option == "rw");
                return Export::Granted { read_only };
            }
        }
    }
    Export::Refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("", Export::Granted { read_only: false })]
    #[test_case("/srv 10.0.0.0/24(rw,sync)", Export::Granted { read_only: false })]
    #[test_case("/srv/shared 10.0.0.7(ro)", Export::Granted { read_only: true })]
    #[test_case("/srv/shared 10.0.0.8(rw)", Export::Refused)]
    #[test_case("/srv/share *(rw)", Export::Refused)]
    fn exports(text: &str, expected: Export) {
        assert_eq!(exported(text, "/srv/shared", &["10.0.0.7".parse().unwrap()]), expected);
    }
}
