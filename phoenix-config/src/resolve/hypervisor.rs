//! The hypervisor file.

use std::collections::BTreeMap;

use ipnet::IpNet;
use phoenix_types::{Cidr, GuestId, MemoryMib};
use serde_json::Value;

use super::{defaults, proxmox};
use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::dialect::{HypervisorEntry, LxcFrame, SecretEntry, VmFrame};
use crate::model::{Hypervisor, MountOptions, MountPoint, NfsExport, NodeNetwork, OnFailure, SECRETS, without_secrets};
use crate::rules::secrets::{ELSEWHERE, in_text};

const TARGET: Target = Target::File(FileKind::Hypervisor);

/// The value without the fleet's name, which says nothing to scripts: a fleet that gets another name runs none of them again.
fn without_fleet(mut value: Value) -> Value {
    if let Value::Object(settings) = &mut value {
        settings.remove("fleet");
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
        fleet: entry.fleet.clone().unwrap_or_default(),
        domain: entry.domain_name.clone(),
        network: interface.map(|interface| NodeNetwork {
            bridge: interface.name.clone().unwrap_or_else(defaults::bridge),
            address: interface.address.as_ref().and_then(|text| text.as_str().parse::<Cidr>().ok()),
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
        context: without_fleet(without_secrets(settings)),
    };
    secrets(entry, findings);
    (resolved, shared_mounts(entry, findings))
}

/// Secrets in plain text are kept from scripts; where a secret is they may know.
fn secrets(entry: &HypervisorEntry, findings: &mut Vec<Finding>) {
    let portainer = entry.portainer_api.as_ref().and_then(|portainer| portainer.admin_password.as_ref());
    let users = entry.users.as_ref().and_then(|users| users.password_hash.as_ref());
    for (secret, path) in [(portainer, SECRETS[0]), (users, SECRETS[1])] {
        let key = path.last().copied().unwrap_or_default();
        // The predecessor writes `NOT_SET` where there is no password.
        if let Some(SecretEntry::Plain(text)) = secret
            && !["", "NOT_SET"].contains(&text.expose())
        {
            findings.push(
                Finding::warning(Code::PlainSecret, TARGET, format!("the secret `{key}` is in plain text"))
                    .at(path.iter().copied())
                    .on_key()
                    .help(ELSEWHERE),
            );
        }
    }
    let registry = entry.network.as_ref().and_then(|network| network.external_registry_url.as_ref());
    let driver = entry.nvidia_driver.as_ref().and_then(|driver| driver.runfile_url.as_ref());
    let texts: [(Option<&str>, &[&str]); 2] = [
        (registry.map(AsRef::as_ref), &["network", "external_registry_url"]),
        (driver.map(AsRef::as_ref), &["nvidia_driver", "runfile_url"]),
    ];
    for (text, path) in texts {
        findings.extend(text.and_then(|text| in_text(FileKind::Hypervisor, text, path)));
    }
}

/// The texts at the top of the containers' file.
pub(crate) fn lxc_frame(frame: &LxcFrame, findings: &mut Vec<Finding>) {
    for (key, url) in [("nvidia_repo_url", &frame.nvidia_repo_url), ("nvidia_runfile_url", &frame.nvidia_runfile_url)] {
        findings.extend(url.as_ref().and_then(|url| in_text(FileKind::Lxc, url.as_str(), &[key])));
    }
}

/// Proxmox's own keys of every container.
pub(crate) fn usual_pct(entry: Option<&HypervisorEntry>, findings: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let usual = entry.and_then(|entry| entry.proxmox_defaults.as_ref()?.lxc.as_ref()?.pct.as_ref());
    proxmox::defaults(usual, TARGET, &["proxmox_defaults", "lxc"], findings)
}

/// Proxmox's own keys of every VM.
pub(crate) fn usual_qm(frame: Option<&VmFrame>, findings: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let usual = frame.and_then(|frame| frame.vm_defaults.as_ref()?.qm.as_ref());
    proxmox::defaults(usual, Target::File(FileKind::Vm), &["vm_defaults"], findings)
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
                    options: MountOptions::default(),
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
