//! Directories that VMs mount from the node over NFS.

use std::net::IpAddr;

use camino::Utf8Path;
use phoenix_config::Severity;
use phoenix_host::HostError;
use phoenix_types::{Cidr, GuestId};

use super::inspection::Inspection;
use crate::check::Check;
use crate::desired::{Desired, NfsServer, Spec};

/// A volume that a VM mounts from this node.
struct Volume {
    guest: GuestId,
    index: usize,
    path: camino::Utf8PathBuf,
    client: Option<IpAddr>,
}

/// Checks whether the node serves NFS, and exports what VMs mount.
pub(super) async fn examine(inspection: &mut Inspection<'_>, desired: &Desired) -> Result<(), HostError> {
    let volumes = volumes(desired);
    if volumes.is_empty() {
        return Ok(());
    }
    if inspection.reader.stat("/proc/fs/nfsd").await?.is_none() {
        let message = "the node has no NFS server".to_owned();
        let advice = "install and start the server: `apt install nfs-kernel-server`".to_owned();
        let guests = volumes.iter().map(|volume| volume.guest);
        inspection.note_of((Check::NfsServer, Severity::Error), guests, &["volumes".into()], message, advice);
        return Ok(());
    }
    let exports = exports(inspection).await?;
    for Volume { guest, index, path, client } in volumes {
        if exports.iter().any(|export| export.covers(&path, client)) {
            continue;
        }
        let to = client.map_or_else(String::new, |client| format!(" to {client}"));
        let message = format!("`/etc/exports` of the node does not export `{path}`{to}");
        let advice = format!("add the line `{}`, then run `exportfs -ra`", line(inspection, &path, client));
        let place = ["volumes".into(), index.into()];
        inspection.note_of((Check::NfsExport, Severity::Error), [guest], &place, message, advice);
    }
    Ok(())
}

/// The line that exports a directory: as the hypervisor file describes it, where it does.
fn line(inspection: &Inspection<'_>, path: &Utf8Path, client: Option<IpAddr>) -> String {
    let client = client.map_or_else(|| "CLIENT".to_owned(), |client| client.to_string());
    match inspection.fleet.hypervisor.exports.iter().find(|export| path.starts_with(&export.path)) {
        Some(export) if !export.options.is_empty() => format!("{} {client}({})", export.path, export.options.join(",")),
        Some(export) => format!("{} {client}(rw,sync,no_subtree_check)", export.path),
        None => format!("{path} {client}(rw,sync,no_subtree_check)"),
    }
}

fn volumes(desired: &Desired) -> Vec<Volume> {
    let vms = desired.guests.values().filter_map(|guest| match &guest.spec {
        Spec::Vm(vm) => Some((guest, vm)),
        Spec::Container(_) => None,
    });
    vms.flat_map(|(guest, vm)| {
        let here = vm.volumes.iter().enumerate().filter(|(_, volume)| volume.on == NfsServer::ThisNode);
        here.map(|(index, volume)| Volume { guest: guest.id, index, path: volume.path.clone(), client: guest.address })
    })
    .collect()
}

/// An entry of `/etc/exports` (exports(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Export {
    path: String,
    clients: Vec<String>,
}

impl Export {
    /// Whether a client may mount a directory. A client whose address nobody knows may be any that is named.
    fn covers(&self, path: &Utf8Path, client: Option<IpAddr>) -> bool {
        path.starts_with(&self.path)
            && match client {
                None => !self.clients.is_empty(),
                Some(client) => self.clients.iter().any(|pattern| admits(pattern, client)),
            }
    }
}

/// Whether a client's address falls under a pattern. Names, wildcards and net groups are taken at their word.
fn admits(pattern: &str, client: IpAddr) -> bool {
    match (pattern.parse::<IpAddr>(), pattern.parse::<Cidr>()) {
        (Ok(address), _) => address == client,
        (_, Ok(network)) => network.contains(client),
        _ => match pattern.split_once('/') {
            Some((address, mask)) => within(address, mask, client),
            None => true,
        },
    }
}

/// A network written with a mask: `10.0.0.0/255.255.255.0`.
fn within(address: &str, mask: &str, client: IpAddr) -> bool {
    let parse = |text: &str| text.parse::<std::net::Ipv4Addr>().ok().map(u32::from);
    match (parse(address), parse(mask), client) {
        (Some(address), Some(mask), IpAddr::V4(client)) => address & mask == u32::from(client) & mask,
        _ => false,
    }
}

async fn exports(inspection: &Inspection<'_>) -> Result<Vec<Export>, HostError> {
    let mut exports = entries(&inspection.reader.text("/etc/exports").await?.unwrap_or_default());
    let folder = Utf8Path::new("/etc/exports.d");
    for name in inspection.reader.host().list(folder).await?.iter().filter(|name| name.ends_with(".exports")) {
        exports.extend(entries(&inspection.reader.text(folder.join(name).as_str()).await?.unwrap_or_default()));
    }
    Ok(exports)
}

/// Reads the entries: a path, then clients, each with options in brackets; a backslash continues with the next line.
fn entries(text: &str) -> Vec<Export> {
    let text = text.replace("\\\n", " ");
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let path = words.next()?.trim_matches('"').replace("\\040", " ");
            // A dash begins options for all clients that follow; options alone are for everybody.
            let clients = words.filter(|word| !word.starts_with('-')).map(|word| {
                let client = word.split('(').next().unwrap_or_default();
                if client.is_empty() { "*".to_owned() } else { client.to_owned() }
            });
            Some(Export { clients: clients.collect(), path })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("/tank/ca 10.0.0.5(ro)", "/tank/ca", "10.0.0.5", true)]
    #[test_case("/tank 10.0.0.0/24(rw) 10.0.1.1(rw)", "/tank/ca", "10.0.1.1", true; "a folder above, the second client")]
    #[test_case("/tank/c 10.0.0.5(rw)", "/tank/ca", "10.0.0.5", false; "a name that only begins alike")]
    #[test_case("/tank/ca 10.0.0.0/24(rw)", "/tank/ca", "10.0.1.5", false; "another network")]
    #[test_case("/tank/ca 10.0.0.0/255.255.254.0(rw)", "/tank/ca", "10.0.1.5", true; "a mask")]
    #[test_case("/tank/ca *(ro)", "/tank/ca", "10.0.1.5", true; "everybody")]
    #[test_case("/tank/ca (ro)", "/tank/ca", "10.0.1.5", true; "options alone")]
    #[test_case("/tank/ca -ro \\\n  10.0.0.5", "/tank/ca", "10.0.0.5", true; "two lines")]
    #[test_case("# /tank/ca *(ro)", "/tank/ca", "10.0.0.5", false; "a comment")]
    #[test_case("/tank/ca", "/tank/ca", "10.0.0.5", false; "nobody")]
    fn what_is_exported_to_whom(text: &str, path: &str, client: &str, expected: bool) {
        let covered = entries(text).iter().any(|export| export.covers(path.into(), Some(client.parse().unwrap())));
        assert_eq!(covered, expected);
    }
}
