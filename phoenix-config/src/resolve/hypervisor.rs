//! The hypervisor file.

use std::collections::BTreeMap;

use ipnet::IpNet;
use phoenix_types::{Cidr, GuestId, MemoryMib};
use serde_json::Value;

use super::defaults;
use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::dialect::{HypervisorEntry, SecretEntry};
use crate::model::{Hypervisor, MountPoint, NfsExport, NodeNetwork, OnFailure};

const TARGET: Target = Target::File(FileKind::Hypervisor);

/// Where the hypervisor file and guests hold secrets: they are not handed to scripts.
const SECRETS: [&[&str]; 3] =
    [&["portainer_api", "admin_password"], &["users", "password_hash"], &["user_config", "password"]];

/// The value without its secrets.
pub(crate) fn without_secrets(mut value: Value) -> Value {
    for path in SECRETS {
        if let [parent, key] = path
            && let Some(Value::Object(parent)) = value.get_mut(parent)
        {
            parent.remove(*key);
        }
    }
    value
}

/// Resolves the file. The second part is what `shared_volumes` mounts into each guest.
pub(crate) fn hypervisor(
    entry: &HypervisorEntry,
    settings: Value,
    findings: &mut Vec<Finding>,
) -> (Hypervisor, BTreeMap<GuestId, Vec<MountPoint>>) {
    let network = entry.network.as_ref();
    let interface = network.and_then(|network| network.interfaces.as_ref());
    let behaviour = entry.behavior.as_ref();
    let rollback = behaviour.and_then(|behaviour| behaviour.rollback_on_failure).unwrap_or(false);
    let exports = entry.nfs.as_ref().and_then(|nfs| nfs.exports.as_ref());
    let words = |list: &Option<Vec<_>>| list.iter().flatten().map(ToString::to_string).collect::<Vec<String>>();
    let resolved = Hypervisor {
        domain: entry.domain_name.clone(),
        network: interface.map(|interface| NodeNetwork {
            bridge: interface.name.clone().unwrap_or_else(defaults::bridge),
            address: interface.address.as_ref().and_then(|text| text.as_str().parse::<Cidr>().ok()),
            gateway: interface.gateway.map(|address| address.0),
        }),
        subnet: network
            .and_then(|network| network.default_subnet.as_ref())
            .and_then(|text| text.as_str().parse::<IpNet>().ok())
            .map(|net| net.trunc()),
        nfs_server: network.and_then(|network| network.nfs_server.as_ref()).map(ToString::to_string),
        exports: exports
            .into_iter()
            .flatten()
            .map(|export| NfsExport {
                path: export.path.as_str().into(),
                clients: words(&export.clients),
                options: words(&export.options),
            })
            .collect(),
        memory: entry.node.as_ref().and_then(|node| node.memory_mb).map(|memory| MemoryMib(memory.get())),
        on_failure: if rollback { OnFailure::Rollback } else { OnFailure::Keep },
        context: without_secrets(settings),
    };
    plain_secrets(entry, findings);
    (resolved, shared_mounts(entry, findings))
}

fn plain_secrets(entry: &HypervisorEntry, findings: &mut Vec<Finding>) {
    let portainer = entry.portainer_api.as_ref().and_then(|portainer| portainer.admin_password.as_ref());
    let users = entry.users.as_ref().and_then(|users| users.password_hash.as_ref());
    for (secret, path) in [(portainer, SECRETS[0]), (users, SECRETS[1])] {
        // The predecessor writes `NOT_SET` where there is no password.
        if let Some(SecretEntry::Plain(text)) = secret
            && !text.expose().is_empty()
            && text.expose() != "NOT_SET"
        {
            findings.push(super::plain_secret(TARGET, path));
        }
    }
}

fn shared_mounts(entry: &HypervisorEntry, findings: &mut Vec<Finding>) -> BTreeMap<GuestId, Vec<MountPoint>> {
    let mut mounts: BTreeMap<GuestId, Vec<MountPoint>> = BTreeMap::new();
    let volumes = entry.shared_volumes.iter().flat_map(|shared| &shared.volumes);
    for (name, volume) in volumes {
        for (id, path) in &volume.mounts.0 {
            match id.parse::<GuestId>() {
                Ok(id) => mounts.entry(id).or_default().push(MountPoint {
                    host_path: volume.host_path.as_str().into(),
                    container_path: path.as_str().into(),
                    owner: None,
                    read_only: false,
                }),
                Err(_) => findings.push(
                    Finding::error(Code::InvalidId, TARGET, format!("`{id}` is not a guest id"))
                        .at(["shared_volumes", name, "mounts", id])
                        .on_key()
                        .expected("a guest id from 100 to 999999999"),
                ),
            }
        }
    }
    mounts
}
