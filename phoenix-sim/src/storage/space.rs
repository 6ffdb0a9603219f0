//! How full a storage is, and what its tools say when nothing more fits.
//!
//! What the real tools count as taken is more than this: here a disk that grows as it is written to holds a fixed part of its
//! size. To fill a storage, give it a size in the world, or put a large disk on it.

use super::Storage;
use crate::node::{Failure, Format, SimNode, Space, State, Volume};
use crate::world::StorageKind;

/// The size of a storage that the world says nothing about, in bytes.
const DEFAULT_SIZE: u64 = 1 << 40;

/// LVM allots in extents of this many bytes.
const EXTENT: u64 = 4 << 20;

impl Storage {
    /// Whether a disk takes all of its size as soon as it is made: a volume of plain LVM, and a block device of ZFS (by its
    /// `refreservation`), unless the storage is `sparse`.
    fn reserves(&self, format: Format) -> bool {
        match self.kind {
            StorageKind::Lvm => true,
            StorageKind::Zfspool => {
                format == Format::Raw && self.options.get("sparse").is_none_or(|value| value != "1")
            }
            _ => false,
        }
    }

    /// What a new disk of a size takes.
    fn needed(&self, format: Format, size: u64) -> u64 {
        if self.reserves(format) { size } else { size / 16 }
    }

    fn taken(&self, volume: &Volume) -> u64 {
        let written = |space: &Space| (space.size / 16).max(space.files.bytes());
        match (&volume.base, self.reserves(volume.format)) {
            // A linked clone holds what differs.
            (Some(_), _) => 0,
            // What a snapshot holds on to is no longer part of the reservation.
            (None, true) => volume.space.size + volume.snapshots.values().map(written).sum::<u64>(),
            (None, false) => written(&volume.space),
        }
    }
}

impl State {
    /// How much of a storage is in use, in bytes.
    fn used(&self, storage: &Storage, total: u64) -> u64 {
        let of_volumes: u64 = self
            .volumes
            .range(format!("{}:", storage.id)..)
            .take_while(|(volid, _)| volid.split(':').next() == Some(storage.id.as_str()))
            .map(|(_, volume)| storage.taken(volume))
            .sum();
        (total / 256 + of_volumes).min(total)
    }

    /// How many bytes are missing for something that takes so many more, with how many are free; `None` when it fits.
    fn lack(&self, storage: &Storage, more: u64) -> Option<u64> {
        let total = *self.sizes.get(&storage.id)?;
        let free = total - self.used(storage, total);
        (more > free).then_some(free)
    }

    /// Refuses a new disk that does not fit (`alloc_image` of the plugins of pve-storage).
    pub(crate) fn fits(&self, storage: &Storage, name: &str, format: Format, size: u64) -> Result<(), Failure> {
        let needed = storage.needed(format, size);
        let Some(free) = self.lack(storage, needed) else { return Ok(()) };
        let (place, file) = (storage.place(), name.rsplit('/').next().unwrap_or(name));
        Err(Failure::die(match storage.kind {
            StorageKind::Zfspool => format!("zfs error: cannot create '{place}/{file}': out of space"),
            StorageKind::Lvm => format!(
                "lvcreate '{place}/{file}' error:   Volume group \"{place}\" has insufficient free space ({} extents): {} required.",
                free / EXTENT,
                needed.div_ceil(EXTENT)
            ),
            StorageKind::Lvmthin => {
                let pool = storage.options.get("thinpool").map_or("data", String::as_str);
                format!(
                    "lvcreate '{place}/{file}' error:   Cannot create new thin volume, free space in thin pool {place}/{pool} \
                     reached threshold."
                )
            }
            StorageKind::Rbd => format!("rbd create '{file}' error: rbd: create error: (28) No space left on device"),
            StorageKind::Dir | StorageKind::Nfs | StorageKind::Cifs | StorageKind::Btrfs => {
                let path = storage.path(name, Some(format));
                format!("unable to create image: qemu-img: {path}: Could not resize file: No space left on device")
            }
        }))
    }

    /// Refuses to let a disk grow where there is no room (`volume_resize`).
    pub(crate) fn grows(&self, storage: &Storage, volid: &str, size: u64) -> Result<(), Failure> {
        let Some(volume) = self.volume(volid) else { return Ok(()) };
        let more = storage.needed(volume.format, size).saturating_sub(storage.needed(volume.format, volume.space.size));
        let Some(free) = self.lack(storage, more) else { return Ok(()) };
        let name = volid.split_once(':').map_or(volid, |(_, name)| name);
        let (place, path) = (storage.place(), storage.path(name, Some(volume.format)));
        Err(Failure::die(match storage.kind {
            StorageKind::Zfspool => {
                let file = name.rsplit('/').next().unwrap_or(name);
                format!("zfs error: cannot set property for '{place}/{file}': size is greater than available space")
            }
            StorageKind::Lvm | StorageKind::Lvmthin => format!(
                "error resizing volume '{path}':   Insufficient free space: {} extents needed, but only {} available",
                more.div_ceil(EXTENT),
                free / EXTENT
            ),
            _ => format!("qemu-img: Could not resize file: No space left on device ({path})"),
        }))
    }

    /// Refuses a snapshot that would not leave a disk its reservation (`volume_snapshot`).
    pub(crate) fn can_hold_snapshot(&self, volid: &str, name: &str) -> Result<(), Failure> {
        let Some((id, file)) = volid.split_once(':') else { return Ok(()) };
        let storage = self.storages().into_iter().find(|storage| storage.id == id);
        let (Some(storage), Some(volume)) = (storage, self.volume(volid)) else { return Ok(()) };
        if storage.kind != StorageKind::Zfspool || !storage.reserves(volume.format) {
            return Ok(());
        }
        match self.lack(&storage, volume.space.size / 16) {
            None => Ok(()),
            Some(_) => {
                let place = storage.place();
                Err(Failure::die(format!("zfs error: cannot create snapshot '{place}/{file}@{name}': out of space")))
            }
        }
    }
}

impl SimNode {
    /// How large a storage is and how much of it is in use, in bytes.
    pub(crate) fn storage_space(&self, storage: &Storage) -> (u64, u64) {
        if storage.is_disabled() {
            return (0, 0);
        }
        let state = self.state();
        let total = state.sizes.get(&storage.id).copied().unwrap_or(DEFAULT_SIZE);
        (total, state.used(storage, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Answer;

    /// A node with storages of 10 GiB.
    fn node() -> SimNode {
        let storage = |kind: &str| serde_json::json!({"type": kind, "size_gib": 10, "path": "pool"});
        let kinds = ["zfspool", "lvm", "lvmthin", "rbd"].map(|kind| (kind.to_owned(), storage(kind)));
        let mut storages: serde_json::Map<_, _> = kinds.into_iter().collect();
        storages.insert("dir".to_owned(), serde_json::json!({"type": "dir", "size_gib": 10}));
        SimNode::new(serde_json::from_value(serde_json::json!({"storages": storages})).unwrap())
    }

    async fn run(node: &SimNode, line: &str) -> Answer {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        node.run(&argv, b"").await
    }

    async fn works(node: &SimNode, line: &str) {
        let answer = run(node, line).await;
        assert_eq!(answer.exit, 0, "{line}: {}", answer.stderr);
    }

    async fn refused(node: &SimNode, line: &str) -> String {
        let answer = run(node, line).await;
        assert_ne!(answer.exit, 0, "{line}");
        answer.stderr.trim_end().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn disks_that_do_not_fit_are_refused_by_each_storage_in_its_own_words() {
        let node = node();
        let cannot = "unable to create VM 100 - ";
        for (storage, text) in [
            ("zfspool", "zfs error: cannot create 'pool/vm-100-disk-0': out of space"),
            (
                "lvm",
                "lvcreate 'pool/vm-100-disk-0' error:   Volume group \"pool\" has insufficient free space (2550 extents): 2816 required.",
            ),
        ] {
            assert_eq!(
                refused(&node, &format!("qm create 100 --scsi0 {storage}:11")).await,
                format!("{cannot}{text}"),
                "{storage}"
            );
            works(&node, &format!("qm create 100 --scsi0 {storage}:9")).await;
            works(&node, "qm destroy 100").await;
        }
        // These give disks more than they have, until it is written.
        for (storage, text) in [
            (
                "lvmthin",
                "lvcreate 'pool/vm-101-disk-0' error:   Cannot create new thin volume, free space in thin pool pool/data reached threshold.",
            ),
            ("rbd", "rbd create 'vm-101-disk-0' error: rbd: create error: (28) No space left on device"),
            (
                "dir",
                "unable to create image: qemu-img: /srv/dir/images/101/vm-101-disk-0.raw: Could not resize file: No space left on device",
            ),
        ] {
            works(&node, &format!("qm create 100 --scsi0 {storage}:100")).await;
            let said = refused(&node, &format!("qm create 101 --scsi0 {storage}:100")).await;
            assert_eq!(said, format!("unable to create VM 101 - {text}"), "{storage}");
            works(&node, "qm destroy 100").await;
        }
        assert!(run(&node, "qm list").await.stdout.is_empty(), "what was refused left nothing behind");
    }

    #[tokio::test(start_paused = true)]
    async fn a_container_that_does_not_fit_leaves_nothing_behind() {
        let node = node();
        let create = "pct create 100 local:vztmpl/debian-12.tar.zst --rootfs";
        works(&node, "pvesm alloc zfspool 999 vm-999-disk-0 9G").await;
        let said = refused(&node, &format!("{create} zfspool:16")).await;
        assert_eq!(said, "unable to create CT 100 - zfs error: cannot create 'pool/subvol-100-disk-0': out of space");
        assert!(run(&node, "pct list").await.stdout.is_empty());
        works(&node, "pvesm free zfspool:vm-999-disk-0").await;
        works(&node, &format!("{create} zfspool:16")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn disks_grow_and_are_snapshotted_only_as_far_as_there_is_room() {
        let node = node();
        works(&node, "qm create 100 --scsi0 zfspool:9").await;
        let size = async || run(&node, "qm config 100").await.stdout;
        let before = size().await;
        // Exit 0 does not mean success here.
        let said = run(&node, "qm resize 100 scsi0 +2G").await.stderr;
        assert!(said.contains("cannot set property for 'pool/vm-100-disk-0': size is greater than available space"));
        assert_eq!(size().await, before);
        works(&node, "qm snapshot 100 one").await;
        let said = refused(&node, "qm snapshot 100 two").await;
        assert_eq!(said, "zfs error: cannot create snapshot 'pool/vm-100-disk-0@two': out of space");
        let text = run(&node, "qm config 100").await.stdout;
        assert!(!text.contains("lock"), "{text}");
        works(&node, "qm delsnapshot 100 one").await;
        works(&node, "qm snapshot 100 two").await;
    }

    #[tokio::test(start_paused = true)]
    async fn linked_clones_take_no_room() {
        let node = node();
        works(&node, "qm create 100 --scsi0 zfspool:6").await;
        works(&node, "qm template 100").await;
        works(&node, "qm clone 100 101").await;
        assert!(refused(&node, "qm clone 100 102 --full 1").await.contains("out of space"));
    }
}
