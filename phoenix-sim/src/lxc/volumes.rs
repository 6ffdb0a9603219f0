//! How volumes for the mount points of a container are made.

use std::time::Duration;

use phoenix_types::ConfSection;

use crate::node::mount_points::indexed;
use crate::node::{Call, Failure, Format};
use crate::storage::{Ext4, Storage, created};
use crate::world::StorageKind;

/// A size in GiB as bytes, in whole KiB as the real tools compute it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the size was checked to be a plain positive number"
)]
pub(super) fn bytes_of_gib(gib: f64) -> u64 {
    (gib * 1024.0 * 1024.0) as u64 * 1024
}

/// The form of a new volume of a container on a storage.
pub(super) fn new_format(storage: &Storage, size: u64) -> Format {
    match storage.kind {
        StorageKind::Zfspool => Format::Subvol,
        kind if kind.is_folder() && size == 0 => Format::Subvol,
        _ => Format::Raw,
    }
}

/// Makes a volume with a file system for a container, and gives its id.
pub(super) async fn make(call: &mut Call<'_>, storage: &Storage, vmid: u32, size: u64) -> Result<String, Failure> {
    let format = new_format(storage, size);
    let lock =
        call.lock_file(&format!("/var/lock/pve-manager/pve-storage-{}", storage.id), Duration::from_secs(10)).await?;
    let volid = call.state().allocate(storage, vmid, format, None, size)?;
    drop(lock);
    let name = volid.split_once(':').map_or("", |(_, name)| name);
    call.out(&created(storage, name, format, size));
    if format == Format::Raw {
        let uuid = call.state().random.uuid();
        call.out(&Ext4::new(size).created(&uuid));
    }
    Ok(volid)
}

/// Adds a volume to a section as the next free `unusedN`, unless it is there already.
pub(super) fn add_unused(section: &mut ConfSection, volid: &str) {
    let known = section.keys.iter().any(|(key, value)| indexed(key, "unused") && value == volid);
    if known {
        return;
    }
    if let Some(key) = (0..256).map(|n| format!("unused{n}")).find(|key| !section.keys.contains_key(key)) {
        section.keys.insert(key, volid.to_owned());
    }
}
