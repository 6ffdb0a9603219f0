//! What storages must be able to do for guests: snapshots, templates, and snippets for the guest agent.

use phoenix_config::Severity;
use std::collections::{BTreeMap, BTreeSet};

use phoenix_config::model::{OnFailure, State};
use phoenix_config::source::Segment;
use phoenix_lxc::MountSource;
use phoenix_pve::{DiskFormat, Feature, Storages};
use phoenix_types::{ConfSection, GuestId, GuestKind, VolumeId};

use super::inspection::Inspection;
use crate::check::Check;
use crate::desired::{Desired, DesiredGuest, ImageSource, Spec, VmOrigin};
use crate::observe::Observed;

/// What the checks decide from.
#[derive(Clone, Copy)]
pub(super) struct Situation<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) storages: &'a Storages,
}

/// A disk that a guest has or will have: the storage's name and the format.
type Disk = (String, DiskFormat);

/// Reports storages that cannot do what guests need.
pub(super) fn examine(inspection: &mut Inspection<'_>, situation: &Situation<'_>) {
    let guests: Vec<&DesiredGuest> =
        inspection.guests.iter().filter_map(|guest| situation.desired.guests.get(&guest.id)).collect();
    let mut missing: BTreeMap<(Feature, String, &'static str), (BTreeSet<GuestId>, &'static str)> = BTreeMap::new();
    for guest in &guests {
        let Some((feature, key)) = needed(guest, situation.observed) else { continue };
        for (name, format) in disks(situation, guest) {
            let Some(storage) = situation.storages.get(&name) else { continue };
            if storage.can(feature, format) == Some(false) {
                let what = describe(guest.kind(), format);
                missing.entry((feature, name, what)).or_insert_with(|| (BTreeSet::new(), key)).0.insert(guest.id);
            }
        }
    }
    for ((feature, name, what), (ids, key)) in missing {
        let plugin = situation.storages.get(&name).map(|storage| storage.plugin.to_string()).unwrap_or_default();
        let verb = match feature {
            Feature::Snapshot => "take snapshots of",
            Feature::Template => "make a template of",
        };
        let message = format!("the storage `{name}` ({plugin}) cannot {verb} {what}");
        let advice =
            format!("choose another `storage_pool`: ZFS, thin LVM, Btrfs and Ceph RBD support it; or remove `{key}`");
        inspection.note_of((Check::StorageFeature, Severity::Error), ids, &[Segment::from(key)], message, advice);
    }
    snippets(inspection, situation, &guests);
}

fn describe(kind: GuestKind, format: DiskFormat) -> &'static str {
    match (kind, format) {
        (GuestKind::Container, _) => "a container's disk",
        (GuestKind::Vm, DiskFormat::Qcow2) => "a VM's qcow2 disk",
        (GuestKind::Vm, DiskFormat::Vmdk) => "a VM's vmdk disk",
        (GuestKind::Vm, DiskFormat::Raw | DiskFormat::Subvolume) => "a VM's raw disk",
    }
}

/// What the guest's disks have to be able to do, and the key that asks for it. A template has no use for snapshots once it is
/// one, and a snapshot that exists needs no other.
fn needed(guest: &DesiredGuest, observed: &Observed) -> Option<(Feature, &'static str)> {
    let present = observed.present.get(&guest.id);
    if present.is_some_and(|present| present.conf.is_template()) {
        return None;
    }
    if guest.state == State::Template {
        return Some((Feature::Template, "is_template"));
    }
    if !guest.can_snapshot() {
        return None;
    }
    let has = |name: &str| present.is_some_and(|present| present.conf.snapshots.contains_key(name));
    let lifecycle = guest.snapshot_before.iter().chain(&guest.snapshot_after).any(|name| !has(name.as_str()));
    let template = guest.template_snapshot.as_ref().is_some_and(|name| !has(name.as_str()));
    if template {
        Some((Feature::Snapshot, "template_snapshot_name"))
    } else if lifecycle {
        Some((Feature::Snapshot, "enable_lifecycle_snapshots"))
    } else {
        (guest.on_failure == OnFailure::Rollback).then_some((Feature::Snapshot, "on_failure"))
    }
}

/// The disks of a guest: those it has, or those it will be made with.
fn disks(situation: &Situation<'_>, guest: &DesiredGuest) -> Vec<Disk> {
    let Situation { desired, observed, storages } = situation;
    if let Some(present) = observed.present.get(&guest.id) {
        return disks_of(&present.conf.live);
    }
    let new = |storage: &str| {
        let format = storages.get(storage).map_or(DiskFormat::Raw, |storage| storage.new_disk(guest.kind()));
        (storage.to_owned(), format)
    };
    let (target, extra) = match &guest.spec {
        Spec::Container(container) => {
            let mounts = container.settings_on(&ConfSection::default()).mounts;
            let volumes = mounts.into_values().filter_map(|mount| match mount.source {
                MountSource::New { storage, .. } => Some(new(storage.as_str())),
                MountSource::Volume(volume) => Some((volume.storage().to_owned(), DiskFormat::of(&volume))),
                MountSource::Path(_) => None,
            });
            (container.clone_storage.as_ref(), volumes.collect())
        }
        Spec::Vm(vm) => (vm.clone_storage.as_ref(), Vec::new()),
    };
    let mut found = match (guest.clone_source(), target) {
        (Some(_), Some(target)) => vec![new(target.as_str())],
        (Some(source), None) => match desired.guests.get(&source) {
            // The graph has no cycles.
            Some(source) => disks(situation, source),
            None => observed.present.get(&source).map(|present| disks_of(&present.conf.live)).unwrap_or_default(),
        },
        (None, _) => desired.storage_of(guest).into_iter().map(|id| new(id.as_str())).collect(),
    };
    found.extend::<Vec<Disk>>(extra);
    found
}

/// The disks in a configuration. CD drives and bind mounts are none.
fn disks_of(live: &ConfSection) -> Vec<Disk> {
    let is_disk = |key: &str| {
        let name = key.trim_end_matches(|c: char| c.is_ascii_digit());
        ["rootfs", "mp", "scsi", "virtio", "sata", "ide", "efidisk", "tpmstate"].contains(&name)
    };
    let volumes = live.keys.iter().filter(|(key, value)| is_disk(key) && !value.contains("media=cdrom"));
    volumes
        .filter_map(|(_, value)| {
            let first = value.split(',').next()?;
            let volume: VolumeId = first.strip_prefix("file=").unwrap_or(first).parse().ok()?;
            Some((volume.storage().to_owned(), DiskFormat::of(&volume)))
        })
        .collect()
}

/// Without snippets cloud-init cannot install the guest agent. A downloaded cloud image has none; another image may.
fn snippets(inspection: &mut Inspection<'_>, situation: &Situation<'_>, guests: &[&DesiredGuest]) {
    let Situation { observed, storages, .. } = situation;
    if observed.agent_snippet.is_some() {
        return;
    }
    let (mut downloaded, mut own) = (BTreeSet::new(), BTreeSet::new());
    for guest in guests.iter().filter(|guest| !observed.present.contains_key(&guest.id)) {
        let Spec::Vm(vm) = &guest.spec else { continue };
        match &vm.origin {
            VmOrigin::Image(ImageSource::Fetched { .. }) => downloaded.insert(guest.id),
            VmOrigin::Image(ImageSource::Volume(_) | ImageSource::File(_)) => own.insert(guest.id),
            VmOrigin::Clone { .. } => false,
        };
    }
    let contents = storages.get("local").and_then(|local| local.option("content")).unwrap_or_default();
    let contents = if contents.is_empty() { "snippets".to_owned() } else { format!("{contents},snippets") };
    let advice = format!("allow them: `pvesm set local --content {contents}`");
    for (severity, ids, image) in [
        (Severity::Error, downloaded, "cloud images do not contain it"),
        (Severity::Warning, own, "Phoenix cannot reach a VM whose image does not contain it"),
    ] {
        if !ids.is_empty() {
            let message = format!("no storage allows snippets, so cloud-init cannot install the guest agent: {image}");
            inspection.note_of((Check::Snippets, severity), ids, &["template_image".into()], message, advice.clone());
        }
    }
}
