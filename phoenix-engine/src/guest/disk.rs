//! The disks of a guest.

use phoenix_lxc::MountSource;
use phoenix_types::{ConfSection, DiskSize, GuestKind, PropertyString};
use phoenix_vm::DriveSlot;

use crate::desired::{DesiredGuest, Spec};

/// A disk whose size the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SizedDisk {
    /// Its key on the node, such as `scsi1`.
    pub(crate) key: String,
    /// What people write its size with.
    pub(crate) word: String,
    /// The size that it should have.
    pub(crate) want: DiskSize,
    /// The size that it has, as Proxmox noted it down.
    pub(crate) have: Option<DiskSize>,
}

/// The disks of a guest whose sizes the configuration says, the root disk first. New ones, which are not there yet, are left
/// out: they are made with their size.
pub(crate) fn sized_disks(guest: &DesiredGuest, live: &ConfSection) -> Vec<SizedDisk> {
    let word = match guest.kind() {
        GuestKind::Container => "storage_size_gb",
        GuestKind::Vm => "disk_size_gb",
    };
    let root = guest.disk.zip(root_disk(live, guest.kind()));
    let root = root.map(|(want, (key, have))| SizedDisk { key, word: word.to_owned(), want, have });
    let further: Vec<SizedDisk> = match &guest.spec {
        Spec::Container(spec) => spec
            .mounts
            .iter()
            .filter_map(|mount| {
                let MountSource::New { size, .. } = &mount.source else { return None };
                let at_path = |value: &str| {
                    value.parse::<PropertyString>().is_ok_and(|value| value.get("mp") == Some(mount.path.as_str()))
                };
                let (key, value) = live.keys.iter().find(|(key, value)| key.starts_with("mp") && at_path(value))?;
                Some(SizedDisk { key: key.clone(), word: format!("{key} size"), want: *size, have: disk_size(value) })
            })
            .collect(),
        Spec::Vm(spec) => spec
            .settings
            .further
            .iter()
            .filter_map(|(key, value)| {
                key.parse::<DriveSlot>().ok()?;
                let drive: PropertyString = value.parse().ok()?;
                let (_, gib) = drive.get_default("file")?.split_once(':')?;
                let want = format!("{gib}G").parse().ok()?;
                let have = disk_size(live.get(key)?);
                Some(SizedDisk { key: key.clone(), word: format!("{key} size"), want, have })
            })
            .collect(),
    };
    root.into_iter().chain(further).collect()
}

/// The key and size of a guest's root disk.
pub(crate) fn root_disk(live: &ConfSection, kind: GuestKind) -> Option<(String, Option<DiskSize>)> {
    let key = match kind {
        GuestKind::Container => "rootfs",
        GuestKind::Vm => {
            let order: Option<PropertyString> = live.get("boot").and_then(|boot| boot.parse().ok());
            let boot = order.as_ref().and_then(|order| order.get("order")).unwrap_or_default().to_owned();
            let is_disk = |key: &str| {
                live.get(key).is_some_and(|value| !value.contains("media=cdrom") && !value.contains("cloudinit"))
                    && ["scsi", "virtio", "sata", "ide"].iter().any(|bus| key.starts_with(bus))
                    && key != "scsihw"
            };
            let first = boot.split(';').find(|key| is_disk(key)).map(str::to_owned);
            let key = first.or_else(|| {
                ["scsi0", "virtio0", "sata0", "ide0"].into_iter().find(|key| is_disk(key)).map(str::to_owned)
            })?;
            return Some((key.clone(), disk_size(live.get(&key)?)));
        }
    };
    Some((key.to_owned(), disk_size(live.get(key)?)))
}

fn disk_size(value: &str) -> Option<DiskSize> {
    value.parse::<PropertyString>().ok()?.get("size")?.parse().ok()
}
