//! VMs.

use phoenix_types::{DiskSize, GuestKind, MemoryMib, Span, is_ssh_key};

use super::dependencies::dependencies;
use super::scripts::text_of;
use super::state::StateKeys;
use super::{
    Draft, ResolveContext, application, defaults, features, firewall, gate, health, limits, network, notes, proxmox,
    tags,
};
use crate::diagnostic::{Code, Finding, Target};
use crate::dialect::{FileName, ImageRef, NfsVolumeEntry, UserEntry, VmEntry, Whole};
use crate::model::{
    AgentUse, CloneSource, CloudImage, CloudUser, Context, Guest, KeyFile, Kind, Lifecycle, NfsVolume, State, Vm,
    VmSource,
};

pub(crate) fn vm(entry: VmEntry, context: Context, inputs: &ResolveContext<'_>, findings: &mut Vec<Finding>) -> Draft {
    let id = entry.vmid;
    let target = Target::Guest(id);
    let usual = inputs.vm_defaults;
    let cores = entry.cores.or(usual.and_then(|usual| usual.cores));
    let memory = entry.memory_mb.or(usual.and_then(|usual| usual.memory_mb));
    let state = StateKeys {
        role: entry.role,
        state: entry.state,
        is_template: entry.is_template,
        start_at_boot: entry.start_at_boot,
    }
    .state(target, findings);
    // A template keeps its image's size unless it says otherwise, so that its clones may have any.
    let usual_disk = usual.and_then(|usual| usual.disk_size_gb).filter(|_| state != State::Template);
    let disk = entry.disk_size_gb.or(usual_disk);
    let source = source(&entry, inputs, target, findings);
    let guest_firewall = entry.firewall.map(|entry| firewall::firewall(entry, target, findings));
    let firewalled = guest_firewall.as_ref().is_some_and(|firewall| firewall.enabled);
    let bridge = entry.network_bridge.or_else(|| usual.and_then(|usual| usual.network_bridge.clone()));
    let networks =
        network::of_vm(entry.network_config, bridge, entry.mac_address, firewalled, inputs, target, findings);
    let proxmox = proxmox::settings(entry.qm.as_ref(), inputs.usual_qm, target, findings);
    let agent = entry.guest_agent.map(|agent| agent.0);
    let inside = [
        ("features", entry.features.as_ref().is_some_and(|features| !features.is_empty())),
        ("application_script", entry.application_script.is_some()),
        ("volumes", entry.volumes.as_ref().is_some_and(|volumes| !volumes.is_empty())),
    ];
    if let Some(AgentUse::Absent | AgentUse::Ping) = agent {
        for (key, _) in inside.into_iter().filter(|(_, written)| *written) {
            let message = format!("`{key}` needs the guest agent, which runs no programs in this VM");
            findings.push(
                Finding::error(Code::Conflict, target, message)
                    .at([key])
                    .on_key()
                    .label(target, ["guest_agent"], "said here")
                    .help(format!("remove `{key}`, or let the agent run programs")),
            );
        }
    }
    let volumes = entry.volumes.unwrap_or_default();
    let volumes =
        volumes.into_iter().enumerate().filter_map(|(index, entry)| volume(entry, index, inputs, target, findings));
    let volumes: Vec<NfsVolume> = volumes.collect();
    let scripts = entry.features.as_ref().map_or(0, Vec::len) + 1;
    let guest = Guest {
        id,
        name: entry.name,
        dependencies: dependencies(entry.dependencies, target, findings),
        clone_from: entry.clone_from_vmid.map(|id| CloneSource { id, snapshot: None }),
        cores: Some(cores.map_or(defaults::CORES, Whole::get)),
        memory: MemoryMib(memory.map_or(defaults::MEMORY_MIB, Whole::get)),
        disk: disk.map(|size| DiskSize::from_gib(size.get())),
        storage: entry.storage_pool.or_else(|| usual.and_then(|usual| usual.storage_pool.clone())),
        networks: Some(networks),
        proxmox,
        state,
        role: entry.role.unwrap_or_default(),
        start_at_boot: entry.start_at_boot.unwrap_or(false),
        boot_order: entry.boot_order.map(Whole::get),
        boot_delay: entry.boot_delay.map(|delay| Span::from_secs(delay.get())),
        limits: limits::of_vm(entry.limits.as_ref()),
        firewall: guest_firewall,
        health: health(entry.health_check, entry.health_checks, inputs.scripts, target, findings),
        wait_for: gate::gates(entry.wait_for, gate::Purpose::WaitFor, "wait_for", inputs.scripts, target, findings),
        features: features(entry.features.unwrap_or_default(), GuestKind::Vm, inputs.scripts, target, findings),
        application: application(entry.application_script, inputs.scripts, target, findings),
        lifecycle: lifecycle(entry.enable_lifecycle_snapshots, entry.snapshots),
        template_snapshot: entry.template_snapshot_name,
        on_failure: inputs.on_failure(entry.on_failure),
        protection: entry.protection.unwrap_or(false),
        tags: tags(entry.tags, target, findings),
        description: notes(entry.description, scripts, target, findings),
        kind: Kind::Vm(Box::new(Vm {
            source,
            volumes,
            user: entry.user_config.map(|entry| user(entry, inputs, target, findings)),
            agent,
            cloud_init: entry.cloud_init,
        })),
        context,
    };
    Draft { guest, unprivileged: None }
}

fn source(entry: &VmEntry, inputs: &ResolveContext<'_>, target: Target, findings: &mut Vec<Finding>) -> VmSource {
    match (&entry.template_image, entry.clone_from_vmid) {
        (Some(_), Some(_)) => {
            findings.push(
                Finding::error(Code::Conflict, target, "a VM has an image or a clone source, not both")
                    .at(["template_image"])
                    .on_key()
                    .label(target, ["clone_from_vmid"], "cloned from here")
                    .help("keep one of the two"),
            );
            VmSource::Clone
        }
        (None, Some(_)) => VmSource::Clone,
        (Some(image), None) => VmSource::Image(cloud_image(image, inputs, target, findings)),
        (None, None) => {
            findings.push(
                Finding::error(Code::NoSource, target, "the VM has neither `template_image` nor `clone_from_vmid`")
                    .help("set one of the two"),
            );
            VmSource::Clone
        }
    }
}

fn cloud_image(
    image: &ImageRef,
    inputs: &ResolveContext<'_>,
    target: Target,
    findings: &mut Vec<Finding>,
) -> CloudImage {
    match image {
        ImageRef::Path(path) => CloudImage::Path(path.as_str().into()),
        ImageRef::Volume(volume) => CloudImage::Volume(volume.clone()),
        ImageRef::Web(url) => {
            let url = url.to_string();
            let path = url.split(['?', '#']).next().unwrap_or(&url);
            let name =
                path.splitn(4, '/').nth(3).and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
            if name.parse::<FileName>().is_err() {
                findings.push(
                    Finding::error(
                        Code::InvalidValue,
                        target,
                        format!("the image's address ends with `{name}`, which is not a valid file name"),
                    )
                    .at(["template_image"])
                    .expected("an address that ends with a file name: letters, digits, `_`, `.`, `+`, `~` and `-`"),
                );
            }
            CloudImage::Download { name, url }
        }
        ImageRef::Name(name) => {
            let name = name.to_string();
            let written = inputs.hypervisor_entry.and_then(|file| file.vm_defaults.as_ref()?.ubuntu_release.as_ref());
            let release = written.map_or(defaults::UBUNTU_RELEASE, |release| release.as_str());
            let url = distributor(&name, release).unwrap_or_else(|| {
                findings.push(
                    Finding::error(Code::NoSource, target, format!("the source of `{name}` is unknown"))
                        .at(["template_image"])
                        .help(
                            "it is not the name of an Ubuntu or Debian cloud image: write a URL, a path on the node, or a volume, such as `local:import/IMAGE`",
                        ),
                );
                String::new()
            });
            CloudImage::Download { name, url }
        }
    }
}

/// The URL of the newest build of a cloud image, from its name alone. Both distributors have a folder for each release:
/// <https://cloud-images.ubuntu.com> and <https://cloud.debian.org/images/cloud>. `release` is for names of Ubuntu's images that
/// do not begin with one.
fn distributor(name: &str, release: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("debian-") {
        let codename = match rest.split('-').next()? {
            "11" => "bullseye",
            "12" => "bookworm",
            "13" => "trixie",
            _ => return None,
        };
        return Some(format!("https://cloud.debian.org/images/cloud/{codename}/latest/{name}"));
    }
    let (begin, _) = name.split_once("-cloudimg-")?;
    let word = begin.split('-').next()?;
    let is_release = word != "ubuntu" && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let release = if is_release { word } else { release };
    Some(format!("https://cloud-images.ubuntu.com/{release}/current/{name}"))
}

fn volume(
    entry: NfsVolumeEntry,
    index: usize,
    inputs: &ResolveContext<'_>,
    target: Target,
    findings: &mut Vec<Finding>,
) -> Option<NfsVolume> {
    let server = entry.server.map(String::from).or_else(|| inputs.hypervisor.nfs_server.clone());
    let Some(server) = server else {
        if !inputs.node_holes.spare(&["network".into(), "nfs_server".into()]) {
            return None;
        }
        findings.push(
            Finding::error(Code::NoServer, target, "the NFS volume has no server")
                .at(["volumes"])
                .nth(index)
                .help("write `server`, or `network.nfs_server` in the hypervisor file"),
        );
        return None;
    };
    Some(NfsVolume {
        name: entry.name.map(String::from),
        server,
        path: String::from(entry.path).into(),
        mount_point: String::from(entry.mount_point).into(),
        options: entry.options.map_or_else(|| defaults::NFS_OPTIONS.to_owned(), String::from),
    })
}

fn lifecycle(enabled: Option<bool>, names: Option<crate::dialect::SnapshotsEntry>) -> Lifecycle {
    let (before, after) = names.map_or((None, None), |names| (names.pre_features, names.post_features));
    let (usual_before, usual_after) = defaults::VM_SNAPSHOTS;
    let usual = |name: &str| (enabled == Some(true)).then(|| defaults::snapshot(name));
    Lifecycle { before: before.or_else(|| usual(usual_before)), after: after.or_else(|| usual(usual_after)) }
}

fn user(entry: UserEntry, inputs: &ResolveContext<'_>, target: Target, findings: &mut Vec<Finding>) -> CloudUser {
    if entry.password.is_some() {
        findings.push(
            Finding::error(
                Code::SecretRefused,
                target,
                "`qm` takes a password only on its command line, where all users of the node can read it",
            )
            .at(["user_config", "password"])
            .on_key()
            .help("give the user an ssh key instead: `ssh_public_key` or `ssh_key_file`"),
        );
    }
    let no_key = |line: &str| {
        let shown: String = line.chars().take(20).collect();
        Finding::error(Code::InvalidValue, target, format!("`{shown}…` is not a public ssh key"))
            .expected("a line such as `ssh-ed25519 AAAA… name`, as in a `.pub` file")
    };
    let mut keys: Vec<String> = Vec::new();
    for (index, key) in entry.ssh_public_key.map_or_else(Vec::new, |keys| keys.0).into_iter().enumerate() {
        if !is_ssh_key(key.as_str().trim()) {
            findings.push(no_key(key.as_str()).at(["user_config", "ssh_public_key"]).nth(index));
        }
        keys.push(key.into());
    }
    let ssh_key_file = entry.ssh_key_file.map(|file| {
        let path = inputs.scripts.beside(file.as_str());
        let place = |finding: Finding| finding.at(["user_config", "ssh_key_file"]);
        let text = text_of(&path, target).unwrap_or_else(|missing| {
            findings.push(place(*missing));
            String::new()
        });
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys: Vec<String> = lines.map(str::to_owned).collect();
        findings.extend(keys.iter().find(|line| !is_ssh_key(line)).map(|line| place(no_key(line))));
        KeyFile { path, keys }
    });
    CloudUser { name: entry.username.map(String::from), ssh_keys: keys, ssh_key_file }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(
        "debian-12-genericcloud-amd64.qcow2",
        Some("https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2")
    )]
    #[test_case("debian-99-genericcloud-amd64.qcow2", None)]
    #[test_case(
        "jammy-server-cloudimg-amd64.img",
        Some("https://cloud-images.ubuntu.com/jammy/current/jammy-server-cloudimg-amd64.img")
    )]
    #[test_case(
        "ubuntu-24.04-server-cloudimg-amd64.img",
        Some("https://cloud-images.ubuntu.com/noble/current/ubuntu-24.04-server-cloudimg-amd64.img")
    )]
    #[test_case("image.qcow2", None)]
    fn where_images_come_from(name: &str, url: Option<&str>) {
        assert_eq!(distributor(name, "noble").as_deref(), url);
    }
}
