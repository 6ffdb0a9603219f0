//! The node that the sessions were recorded on.

use std::collections::BTreeMap;

use super::record::Record;
use crate::SimNode;
use crate::grammar::Locale;
use crate::world::{GuestWorld, ImageWorld, Images, StorageKind, StorageWorld, World};

/// The world of a node like the one that the sessions were recorded on.
pub(super) fn recorded_world(_records: &[(usize, Record)]) -> World {
    let storage = |kind, path: &str, content: &[&str]| StorageWorld {
        kind,
        path: Some(path.to_owned()),
        content: Some(content.iter().map(|held| (*held).to_owned()).collect()),
        size_gib: 256,
        options: BTreeMap::new(),
    };
    let storages = BTreeMap::from([
        ("local", storage(StorageKind::Dir, "/var/lib/vz", &["snippets", "import", "iso", "backup", "vztmpl"])),
        ("local-lvm", storage(StorageKind::Dir, "/srv/local-lvm", &["rootdir", "images"])),
        ("quickOS-vm-disks", storage(StorageKind::Dir, "/quickOS/vm", &["images"])),
        ("quickOS-lxc-disks", storage(StorageKind::Btrfs, "/quickOS/lxc", &["images", "rootdir"])),
    ]);
    let mut storages = storages;
    if let Some(storage) = storages.get_mut("quickOS-lxc-disks") {
        storage.options.insert("is_mountpoint".to_owned(), "yes".to_owned());
    }
    let files = [
        ("/root/cloud.qcow2", "QFI\u{fb} 1G"),
        ("/root/key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me@x\n"),
        ("/etc/resolv.conf", "nameserver 10.255.255.53\n"),
    ];
    World {
        storages: Some(storages.into_iter().map(|(id, storage)| (id.to_owned(), storage)).collect()),
        images: Images::Listed,
        bridges: Some(vec!["vmbr0".to_owned()]),
        devices: Some(Vec::new()),
        pci_devices: Some(Vec::new()),
        files: files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect(),
        memory_mib: 24_105,
        cores: 2,
        locale: Locale::C,
        // VMs there booted a RAM disk with little more than a shell.
        every_guest: GuestWorld {
            image: Some(ImageWorld::Bare),
            missing: vec!["chpasswd".to_owned()],
            ..GuestWorld::default()
        },
        ..World::default()
    }
}

/// Puts onto the node what the sessions presuppose.
pub(super) fn furnish(node: &SimNode) {
    let mut state = node.state();
    state.make_folders("/srv/shared");
    state.write_file("/var/lib/vz/template/cache/debian-12-standard_12.7-1_amd64.tar.zst", vec![0; 46_648_922]);
    // A CD image of 350 KiB.
    state.write_file("/var/lib/vz/template/iso/test.iso", vec![0; 350 << 10]);
}
