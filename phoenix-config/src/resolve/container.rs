//! Containers.

use phoenix_types::{DiskSize, GuestId, GuestKind, MemoryMib, Span};

use super::dependencies::dependencies;
use super::state::StateKeys;
use super::{
    Draft, ResolveContext, application, defaults, features, firewall, gate, health, limits, network, notes, proxmox,
    raw, tags,
};
use crate::diagnostic::{Code, Finding, Target};
use crate::dialect::{
    ContainerEntry, Cores, IdMapEntry, MountOption, MountOptionsEntry, MountPointEntry, TemplateRef, VolumeEntry, Whole,
};
use crate::model::{
    CloneSource, Container, ContainerSource, Context, Guest, IdMap, Kind, Lifecycle, MountOptions, MountPoint, Owner,
    Volume,
};

pub(crate) fn container(
    id: GuestId,
    entry: ContainerEntry,
    context: Context,
    inputs: &ResolveContext<'_>,
    findings: &mut Vec<Finding>,
) -> Draft {
    let target = Target::Guest(id);
    let lxc_defaults = inputs.hypervisor_entry.and_then(|file| file.proxmox_defaults.as_ref()?.lxc.as_ref());
    let cores = entry.cores.or(lxc_defaults.and_then(|lxc| lxc.cores));
    let memory = entry.memory_mb.or(lxc_defaults.and_then(|lxc| lxc.memory_mb));
    let disk = entry.storage_size_gb.map(Whole::get);
    let source = source(entry.template.as_ref(), entry.clone_from_ctid, target, findings);
    let guest_firewall = entry.firewall.map(|entry| firewall::firewall(entry, target, findings));
    let firewalled = guest_firewall.as_ref().is_some_and(|firewall| firewall.enabled);
    let networks = network::of_container(entry.network_config, entry.mac_address, firewalled, target, findings);
    let proxmox = proxmox::settings(entry.pct.as_ref(), inputs.usual_pct, target, findings);
    let mut mount_points: Vec<MountPoint> =
        entry.mount_points.unwrap_or_default().into_iter().map(mount_point).collect();
    for shared in inputs.shared_mounts.get(&id).into_iter().flatten() {
        if !mount_points.contains(shared) {
            mount_points.push(shared.clone());
        }
    }
    let volumes =
        entry.zfs_volumes.into_iter().flatten().chain(entry.volumes.into_iter().flatten()).map(volume).collect();
    let gpus: Vec<u32> = entry.gpu_assignment.map_or_else(Vec::new, |gpus| gpus.0.into_iter().collect());
    let id_maps: Vec<IdMap> = entry.id_maps.unwrap_or_default().iter().map(id_map).collect();
    let mut raw_lines = raw::written(entry.lxc_options.unwrap_or_default(), target, findings);
    if let Some(profile) = &entry.apparmor_profile {
        let nesting = entry.apparmor_manages_nesting.unwrap_or(false);
        raw::apparmor(profile.as_str(), nesting, &mut raw_lines, target, findings);
    }
    raw::add(&mut raw_lines, raw::gpus(&gpus));
    raw::id_maps(&id_maps, &mut raw_lines, target, findings);
    if entry.vllm_engine_config.is_some() {
        findings.extend(crate::rules::secrets::in_vllm(&context, target));
    }
    let url = entry.bootstrap_ca_url.as_ref().map_or("", |url| url.as_str());
    findings.extend(crate::rules::secrets::in_guest(target, url, &["bootstrap_ca_url"]));
    let (before, after) = defaults::CONTAINER_SNAPSHOTS;
    let lifecycle = if entry.enable_lifecycle_snapshots == Some(true) {
        Lifecycle { before: Some(defaults::snapshot(before)), after: Some(defaults::snapshot(after)) }
    } else {
        Lifecycle::default()
    };
    let scripts = entry.features.as_ref().map_or(0, Vec::len) + 1;
    let guest = Guest {
        id,
        name: entry.name,
        dependencies: dependencies(entry.dependencies, target, findings),
        clone_from: entry.clone_from_ctid.map(|id| CloneSource { id, snapshot: None }),
        cores: match cores {
            None => Some(defaults::CORES),
            Some(Cores::Count(count)) => Some(count.get()),
            Some(Cores::All) => None,
        },
        memory: MemoryMib(memory.map_or(defaults::MEMORY_MIB, Whole::get)),
        disk: disk.map(DiskSize::from_gib),
        storage: entry.storage_pool,
        networks,
        proxmox,
        state: StateKeys {
            role: entry.role,
            state: entry.state,
            is_template: entry.is_template,
            start_at_boot: entry.start_at_boot,
        }
        .state(target, findings),
        role: entry.role.unwrap_or_default(),
        start_at_boot: entry.start_at_boot.unwrap_or(false),
        boot_order: entry.boot_order.map(Whole::get),
        boot_delay: entry.boot_delay.map(|delay| Span::from_secs(delay.get())),
        limits: limits::of_container(entry.limits.as_ref()),
        firewall: guest_firewall,
        health: health(entry.health_check, entry.health_checks, inputs.scripts, target, findings),
        wait_for: gate::gates(entry.wait_for, gate::Purpose::WaitFor, "wait_for", inputs.scripts, target, findings),
        features: features(entry.features.unwrap_or_default(), GuestKind::Container, inputs.scripts, target, findings),
        application: application(entry.application_script, inputs.scripts, target, findings),
        lifecycle,
        template_snapshot: entry.template_snapshot_name,
        on_failure: inputs.on_failure(entry.on_failure),
        protection: entry.protection.unwrap_or(false),
        tags: tags(entry.tags, target, findings),
        description: notes(entry.description, scripts, target, findings),
        kind: Kind::Container(Box::new(Container {
            source,
            unprivileged: entry.unprivileged.unwrap_or(true),
            swap: entry.swap_mb.map(|swap| MemoryMib(swap.get())),
            features: entry.pct_options.unwrap_or_default().into_iter().map(|option| (option.0, option.1)).collect(),
            raw_lines,
            mount_points,
            volumes,
            gpus,
            gpu_memory_share: entry.vllm_engine_config.and_then(|vllm| vllm.gpu_memory_utilization),
            id_maps,
        })),
        context,
    };
    Draft { guest, unprivileged: entry.unprivileged }
}

fn source(
    template: Option<&TemplateRef>,
    clone_from: Option<GuestId>,
    target: Target,
    findings: &mut Vec<Finding>,
) -> ContainerSource {
    match (template, clone_from) {
        (Some(_), Some(_)) => {
            findings.push(
                Finding::error(Code::Conflict, target, "a container has a template or a clone source, not both")
                    .at(["template"])
                    .on_key()
                    .label(target, ["clone_from_ctid"], "cloned from here")
                    .help("keep one of the two"),
            );
            ContainerSource::Clone
        }
        (None, Some(_)) => ContainerSource::Clone,
        (Some(TemplateRef::Path(path)), None) => ContainerSource::Path(path.as_str().into()),
        (Some(TemplateRef::Volume(volume)), None) => ContainerSource::Volume(volume.clone()),
        (None, None) => {
            findings.push(
                Finding::error(Code::NoSource, target, "the container has neither `template` nor `clone_from_ctid`")
                    .help("set one of the two"),
            );
            ContainerSource::Clone
        }
    }
}

fn mount_point(entry: MountPointEntry) -> MountPoint {
    let owner = match (entry.owner_uid, entry.owner_gid) {
        (None, None) => None,
        (uid, gid) => Some(Owner { uid: uid.map_or(0, Whole::get), gid: gid.map_or(0, Whole::get) }),
    };
    MountPoint {
        host_path: String::from(entry.host_path).into(),
        container_path: String::from(entry.container_path).into(),
        owner,
        read_only: entry.read_only.unwrap_or(false),
        options: mount_options(entry.options),
    }
}

fn mount_options(entry: Option<MountOptionsEntry>) -> MountOptions {
    let Some(entry) = entry else { return MountOptions::default() };
    MountOptions {
        acl: entry.acl,
        keep_attributes: entry.keepattrs.unwrap_or(false),
        mount_options: entry.mountoptions.into_iter().flatten().map(MountOption::word).collect(),
        quota: entry.quota.unwrap_or(false),
        no_replication: entry.replicate == Some(false),
        shared: entry.shared.unwrap_or(false),
        id_map: entry.idmap.map(String::from),
    }
}

fn volume(entry: VolumeEntry) -> Volume {
    Volume {
        name: entry.name.map(String::from),
        storage: entry.pool,
        size: DiskSize::from_gib(entry.size_gb.get()),
        mount_point: String::from(entry.mount_point).into(),
        backup: entry.backup.unwrap_or(false),
        read_only: entry.read_only.unwrap_or(false),
        options: mount_options(entry.options),
    }
}

fn id_map(entry: &IdMapEntry) -> IdMap {
    IdMap {
        kind: entry.kind,
        container_id: entry.container_id.get(),
        host_id: entry.host_id.get(),
        size: entry.size.map_or(1, Whole::get),
    }
}
