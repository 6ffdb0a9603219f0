//! The root disk of a guest.

use phoenix_types::{ConfSection, DiskSize, GuestKind, PropertyString};

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
