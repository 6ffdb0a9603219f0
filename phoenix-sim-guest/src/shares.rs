//! Network shares of the node, as guests mount them.

use std::net::IpAddr;

use phoenix_sim_shell::files::{FileTree, Follow};
use phoenix_types::Cidr;

use crate::facts;
use crate::ground::HeldNode;
use crate::running::Share;
use crate::view::{View, node_files};

/// What a mount asks for: a line of `/etc/fstab`, or the words of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) device: String,
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) options: String,
}

impl Wanted {
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|given| given == option)
    }
}

/// The lines of a text in the form of `/etc/fstab`.
pub(crate) fn table(text: &str) -> Vec<Wanted> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut fields = line.split_whitespace().map(|field| field.replace("\\040", " "));
            let (device, at) = (fields.next()?, fields.next()?);
            Some(Wanted {
                device,
                at,
                kind: fields.next().unwrap_or_default(),
                options: fields.next().unwrap_or_default(),
            })
        })
        .collect()
}

/// Mounts something in a guest; what is no network share has no effect that could be seen. The error is what `mount` says.
pub(crate) fn attach(state: &mut dyn HeldNode, vmid: u32, wanted: &Wanted) -> Result<(), String> {
    let at = FileTree::normalise(&wanted.at);
    let point = View::new(state, Some(vmid)).entry(&at, Follow::Last);
    if !point.is_ok_and(|entry| entry.is_folder()) {
        return Err(format!("mount: {at}: mount point does not exist."));
    }
    if !wanted.kind.starts_with("nfs") {
        return Ok(());
    }
    let Some((server, folder)) = wanted.device.rsplit_once(':') else {
        return Err("mount.nfs: remote share not in 'host:dir' format".to_owned());
    };
    let folder = FileTree::normalise(folder);
    let server = server.trim_matches(['[', ']']);
    if !facts::serves_nfs(state, server) {
        let (address, named) = (server.parse::<IpAddr>().ok(), facts::named(state, server));
        let owner = address.and_then(|address| facts::owner(state, address)).or(named);
        return Err(match (owner, address) {
            (Some(_), _) => "mount.nfs: Connection refused".to_owned(),
            (None, Some(_)) => format!("mount.nfs: Connection timed out for {server}"),
            (None, None) => format!("mount.nfs: Failed to resolve server {server}: Name or service not known"),
        });
    }
    if !node_files(state).entry(&folder, Follow::Last).is_ok_and(|entry| entry.is_folder()) {
        return Err(format!(
            "mount.nfs: mounting {} failed, reason given by server: No such file or directory",
            wanted.device
        ));
    }
    let addresses = facts::addresses_of(state, vmid);
    let exports = node_files(state).read("/etc/exports").unwrap_or_default();
    let exports = String::from_utf8_lossy(&exports);
    let Export::Granted { read_only } = exported(&exports, &folder, &addresses) else {
        return Err(format!("mount.nfs: access denied by server while mounting {}", wanted.device));
    };
    let versions = wanted.options.split(',').filter(|option| option.contains("vers"));
    let share = Share {
        at,
        device: wanted.device.clone(),
        folder,
        kind: if wanted.kind == "nfs" { "nfs4".to_owned() } else { wanted.kind.clone() },
        options: versions.map(|option| format!(",{option}")).collect(),
        read_only: read_only || wanted.has("ro"),
    };
    state.changed = true;
    if let Some(running) = state.inside.get_mut(&vmid) {
        running.shares.push(share);
    }
    Ok(())
}

/// Mounts what is in a guest's `/etc/fstab`, as init does; what fails is written to the journal.
pub(crate) fn attach_all(state: &mut dyn HeldNode, vmid: u32) {
    let text = View::new(state, Some(vmid)).read("/etc/fstab").unwrap_or_default();
    for wanted in table(&String::from_utf8_lossy(&text)) {
        if wanted.kind.starts_with("nfs")
            && !wanted.has("noauto")
            && let Err(reason) = attach(state, vmid, &wanted)
        {
            crate::journal::log(state, vmid, "mount", &reason);
        }
    }
}

/// What an NFS server says to a mount.
#[derive(Debug, PartialEq, Eq)]
enum Export {
    Granted { read_only: bool },
    Refused,
}

/// Reads `/etc/exports`: without any line in it, every folder of the node is taken to be exported.
fn exported(exports: &str, folder: &str, addresses: &[IpAddr]) -> Export {
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
                    who.parse() == Ok(*address) || who.parse::<Cidr>().is_ok_and(|network| network.contains(*address))
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

    #[test_case("", &Export::Granted { read_only: false })]
    #[test_case("/srv 10.0.0.0/24(rw,sync)", &Export::Granted { read_only: false })]
    #[test_case("/srv/shared 10.0.0.7(ro)", &Export::Granted { read_only: true })]
    #[test_case("/srv/shared 10.0.0.8(rw)", &Export::Refused)]
    #[test_case("/srv/share *(rw)", &Export::Refused)]
    fn exports(text: &str, expected: &Export) {
        assert_eq!(exported(text, "/srv/shared", &["10.0.0.7".parse().unwrap()]), *expected);
    }
}
