//! What single guests need of the node: ids, bridges, addresses, directories, identities, graphics cards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use camino::Utf8PathBuf;
use phoenix_config::Severity;
use phoenix_config::model::{Container, IdMapKind};
use phoenix_host::{FileKind, HostError};
use phoenix_types::{Cidr, GuestConf, GuestId};

use super::inspection::Inspection;
use crate::check::Check;
use crate::decide::removed;
use crate::observe::{DATACENTER_FIREWALL, Observed};

/// Looks at what guests need.
pub(super) async fn examine(inspection: &mut Inspection<'_>, observed: &Observed) -> Result<(), HostError> {
    ownership(inspection, observed);
    addresses(inspection, observed);
    bridges(inspection).await?;
    firewall(inspection, observed);
    directories(inspection).await?;
    identities(inspection).await?;
    cards(inspection).await
}

fn ownership(inspection: &mut Inspection<'_>, observed: &Observed) {
    let found: Vec<(GuestId, String, String)> = inspection
        .guests
        .iter()
        .filter_map(|guest| {
            if let Some(node) = observed.elsewhere.get(&guest.id) {
                let message = format!("guest {} is on the node `{node}` of the cluster", guest.id);
                return Some((guest.id, message, "move it here, or choose another id".to_owned()));
            }
            let present = observed.present.get(&guest.id)?;
            if present.kind != guest.kind() {
                let message =
                    format!("{} is a {}, but the configuration describes a {}", guest.id, present.kind, guest.kind());
                return Some((guest.id, message, "choose another id".to_owned()));
            }
            let proof = present.proof(guest.id);
            let message = format!("guest {} exists but is not managed by Phoenix: it is left alone", guest.id);
            let advice = proof.why_foreign(guest.id, present.conf.lock());
            proof.into_record().is_none().then_some((guest.id, message, advice))
        })
        .collect();
    for (id, message, advice) in found {
        inspection.note_of((Check::Ownership, Severity::Warning), [id], &[], message, advice);
    }
    for removed in removed(inspection.desired, observed) {
        let message =
            format!("guest {} ({}) is removed from the configuration, and still there", removed.id, removed.name);
        inspection.note_of((Check::Ownership, Severity::Warning), [removed.id], &[], message, removed.advice());
    }
}

fn firewall(inspection: &mut Inspection<'_>, observed: &Observed) {
    if observed.datacenter_firewall != Some(false) {
        return;
    }
    let guests: Vec<GuestId> = inspection
        .guests
        .iter()
        .filter(|guest| guest.firewall.as_ref().is_some_and(|firewall| firewall.enabled))
        .map(|guest| guest.id)
        .collect();
    let message = "the datacenter's firewall is off, so the firewalls of guests filter nothing".to_owned();
    let advice = DATACENTER_FIREWALL.to_owned();
    inspection.note_of((Check::Firewall, Severity::Warning), guests, &["firewall".into()], message, advice);
}

/// The addresses and MAC addresses in a guest's configuration file.
fn claims(conf: &GuestConf) -> (BTreeSet<IpAddr>, BTreeSet<String>) {
    let settings = conf.live.keys.iter().filter(|(key, _)| key.starts_with("net") || key.starts_with("ipconfig"));
    let mut addresses = BTreeSet::new();
    let mut macs = BTreeSet::new();
    for (key, value) in settings {
        for item in value.split(',') {
            match item.split_once('=') {
                Some(("ip" | "ip6", value)) => addresses.extend(value.parse::<Cidr>().ok().map(Cidr::address)),
                Some((word, value)) if key.starts_with("net") && (word == "hwaddr" || is_mac(value)) => {
                    macs.insert(value.to_ascii_uppercase());
                }
                _ => {}
            }
        }
    }
    (addresses, macs)
}

/// A VM's card is written as its model and its address: `virtio=BC:24:11:00:00:01`.
fn is_mac(text: &str) -> bool {
    text.parse::<phoenix_types::Mac>().is_ok()
}

fn addresses(inspection: &mut Inspection<'_>, observed: &Observed) {
    let others: Vec<(GuestId, BTreeSet<IpAddr>, BTreeSet<String>)> = observed
        .present
        .iter()
        .filter(|(id, _)| inspection.fleet.guest(**id).is_none())
        .map(|(id, present)| {
            let (addresses, macs) = claims(&present.conf);
            (*id, addresses, macs)
        })
        .collect();
    let mut found = Vec::new();
    for guest in &inspection.guests {
        for network in guest.networks.iter().flatten() {
            let own = [(network.address(), "ip"), (network.address6(), "ip6")];
            for (other, addresses, macs) in &others {
                for (address, key) in own {
                    let Some(address) = address.filter(|address| addresses.contains(address)) else { continue };
                    let message = format!("guest {other} on the node also has the address {address}");
                    found.push((guest.id, network.at(key), message));
                }
                if let Some(mac) = network.mac.filter(|mac| macs.contains(&mac.to_string())) {
                    let message = format!("guest {other} on the node also has the MAC address {mac}");
                    found.push((guest.id, guest.mac_place(network), message));
                }
            }
        }
    }
    for (id, path, message) in found {
        let advice = "change one of them".to_owned();
        inspection.note_of((Check::Address, Severity::Error), [id], &path, message, advice);
    }
}

async fn bridges(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let mut wanted: BTreeMap<String, Vec<GuestId>> = BTreeMap::new();
    for guest in &inspection.guests {
        for network in guest.networks.iter().flatten() {
            let guests = wanted.entry(network.bridge.to_string()).or_default();
            if guests.last() != Some(&guest.id) {
                guests.push(guest.id);
            }
        }
    }
    for (bridge, guests) in wanted {
        // The kernel has this folder for its own bridges, and Open vSwitch makes a plain interface of each of its.
        let places = [format!("/sys/class/net/{bridge}/bridge"), format!("/sys/class/net/{bridge}")];
        let mut is_there = false;
        for place in places {
            is_there = is_there || inspection.reader.stat(place).await?.is_some();
        }
        if !is_there {
            let message = format!("the node has no bridge `{bridge}`");
            let advice =
                "create it in `/etc/network/interfaces`, then run `ifreload -a`; or use another bridge".to_owned();
            let path = ["network_config".into(), "bridge".into()];
            inspection.note_of((Check::Bridge, Severity::Error), guests, &path, message, advice);
        }
    }
    Ok(())
}

async fn directories(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let mut wanted: BTreeMap<Utf8PathBuf, Vec<(GuestId, usize)>> = BTreeMap::new();
    for guest in &inspection.guests {
        let mounts = guest.container().map_or(&[][..], |container| &container.mount_points);
        for (index, mount) in mounts.iter().enumerate() {
            wanted.entry(mount.host_path.clone()).or_default().push((guest.id, index));
        }
    }
    for (folder, places) in wanted {
        let (severity, message, advice) = match inspection.reader.stat(folder.clone()).await? {
            None if folder.starts_with("/dev") => {
                (Severity::Error, format!("the node has no device `{folder}`"), "connect it, or mount another one")
            }
            Some(_) if folder.starts_with("/dev") => continue,
            Some(found) if found.kind != FileKind::Folder => {
                (Severity::Error, format!("`{folder}` is not a directory"), "move it away, or mount another directory")
            }
            Some(_) => continue,
            None if has_folder_above(inspection, folder.as_str()).await? => continue,
            None => (
                Severity::Warning,
                format!("`{folder}` and its parent directory do not exist; both will be created empty"),
                "if a file system should be mounted there, mount it first",
            ),
        };
        let path = ["mount_points".into(), places.first().map_or(0, |(_, index)| *index).into(), "host_path".into()];
        let guests = places.into_iter().map(|(guest, _)| guest);
        inspection.note_of((Check::MountPoint, severity), guests, &path, message, advice.to_owned());
    }
    Ok(())
}

/// Whether the folder above is there: then the last part is simply made, and nothing of the node's is missing.
async fn has_folder_above(inspection: &Inspection<'_>, path: &str) -> Result<bool, HostError> {
    let above = path.rsplit_once('/').map_or("/", |(above, _)| above);
    Ok(above.len() > 1 && inspection.reader.stat(above).await?.is_some())
}

/// Whether a line of root's in `/etc/subuid` or `/etc/subgid` (subuid(5)) allows all of a range.
fn allows(text: &str, first: u32, size: u32) -> bool {
    let end = u64::from(first) + u64::from(size);
    text.lines().any(|line| {
        let fields: Vec<&str> = line.trim().split(':').collect();
        let ["root" | "0", from, count] = fields.as_slice() else { return false };
        let (Ok(from), Ok(count)) = (from.parse::<u64>(), count.parse::<u64>()) else { return false };
        from <= u64::from(first) && end <= from + count
    })
}

async fn identities(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let maps = |container: &Container| !container.id_maps.is_empty();
    if !inspection.guests.iter().filter_map(|guest| guest.container()).any(maps) {
        return Ok(());
    }
    let files = [("/etc/subuid", IdMapKind::Gid), ("/etc/subgid", IdMapKind::Uid)];
    for (file, other) in files {
        let text = inspection.reader.text(file).await?.unwrap_or_default();
        let mut refused = Vec::new();
        for guest in &inspection.guests {
            let maps = guest.container().map_or(&[][..], |container| &container.id_maps);
            for (index, map) in maps.iter().enumerate() {
                if map.kind != other && !allows(&text, map.host_id, map.size) {
                    refused.push((guest.id, index, map.host_id, map.size));
                }
            }
        }
        for (id, index, host_id, size) in refused {
            let message = format!("`{file}` does not allow root to map {host_id} into a container");
            let advice = format!("add the line `root:{host_id}:{size}` to it");
            inspection.note_of(
                (Check::IdMap, Severity::Error),
                [id],
                &["id_maps".into(), index.into()],
                message,
                advice,
            );
        }
    }
    Ok(())
}

async fn cards(inspection: &mut Inspection<'_>) -> Result<(), HostError> {
    let mut wanted: BTreeMap<u32, Vec<GuestId>> = BTreeMap::new();
    for guest in &inspection.guests {
        for gpu in guest.container().map_or(&[][..], |container| &container.gpus) {
            wanted.entry(*gpu).or_default().push(guest.id);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let path = ["gpu_assignment".into()];
    if inspection.reader.stat("/proc/driver/nvidia/version").await?.is_none() {
        let all: Vec<GuestId> = wanted.into_values().flatten().collect();
        let message = "the NVIDIA driver is not loaded on the node".to_owned();
        let advice = "install the version of the containers on the node, and load it: `modprobe nvidia`".to_owned();
        inspection.note_of((Check::Gpu, Severity::Error), all, &path, message, advice);
        return Ok(());
    }
    for (gpu, guests) in wanted {
        if inspection.reader.stat(format!("/dev/nvidia{gpu}")).await?.is_none() {
            let message = format!("the node has no graphics card {gpu}: `/dev/nvidia{gpu}` does not exist");
            let advice = "configure only cards that `nvidia-smi -L` lists".to_owned();
            inspection.note_of((Check::Gpu, Severity::Error), guests, &path, message, advice);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use phoenix_types::GuestKind;
    use test_case::test_case;

    use super::*;

    #[test_case("root:100000:65536\nroot:1000:1\n", 1000, 1, true)]
    #[test_case("root:1000:10\n", 1005, 5, true; "within a range")]
    #[test_case("root:1000:10\n", 1005, 6, false; "beyond its end")]
    #[test_case("alice:1000:1\n", 1000, 1, false; "somebody elses")]
    #[test_case("root:x:1\nroot:1000\n", 1000, 1, false; "broken lines")]
    #[test_case("root:4294967295:1\n", 4_294_967_295, 1, true; "the last one")]
    fn ranges(text: &str, first: u32, size: u32, allowed: bool) {
        assert_eq!(allows(text, first, size), allowed);
    }

    #[test]
    fn addresses_of_both_kinds_are_found() {
        let container = GuestConf::parse(
            "net0: name=eth0,bridge=vmbr0,hwaddr=bc:24:11:00:00:01,ip=10.0.0.5/24,ip6=auto\n",
            GuestKind::Container,
        );
        let vm = GuestConf::parse(
            "ipconfig0: ip=10.0.0.6/24,gw=10.0.0.1\nnet0: virtio=BC:24:11:00:00:02,bridge=vmbr0\n",
            GuestKind::Vm,
        );
        let (addresses, macs) = claims(&container);
        assert_eq!((addresses.len(), macs.first().map(String::as_str)), (1, Some("BC:24:11:00:00:01")));
        let (addresses, macs) = claims(&vm);
        assert!(addresses.contains(&"10.0.0.6".parse().unwrap()) && addresses.len() == 1);
        assert_eq!(macs.first().map(String::as_str), Some("BC:24:11:00:00:02"));
    }
}
