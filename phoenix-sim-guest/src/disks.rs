//! Which disks and folders a guest has, from its configuration.

use phoenix_sim_shell::files::FileTree;
use phoenix_types::GuestKind;

use crate::ground::{Ground, HeldNode};
use crate::running::{Mount, MountSource};

/// The drives of a VM that can hold its root file system, in the order in which it looks for one without `boot`.
const DRIVES: [&str; 4] = ["ide", "scsi", "virtio", "sata"];

/// The volume that holds a guest's root file system.
#[must_use]
pub fn root_volume(node: &dyn HeldNode, vmid: u32) -> Option<String> {
    let kind = node.guest_kind(vmid)?;
    let conf = node.conf(kind, vmid)?;
    let volume = |key: &str| {
        let value = conf.live.get(key)?;
        let volid = value.split(',').next()?;
        let volid = volid.strip_prefix("file=").or(volid.strip_prefix("volume=")).unwrap_or(volid);
        let is_disk = !value.contains("media=cdrom") && !volid.contains("cloudinit");
        (is_disk && node.disk(volid).is_some()).then(|| volid.to_owned())
    };
    if kind == GuestKind::Container {
        return volume("rootfs");
    }
    let boot = conf.live.get("boot").and_then(|boot| boot.split("order=").nth(1)).unwrap_or_default();
    let order = boot.split(',').next().unwrap_or_default().split(';');
    order.filter_map(volume).next().or_else(|| {
        DRIVES.iter().flat_map(|bus| (0..31).map(move |n| format!("{bus}{n}"))).find_map(|key| volume(&key))
    })
}

/// What is mounted in a container besides its root file system, from its configuration: mount points and raw bind mounts.
pub(crate) fn mounts(ground: &Ground, vmid: u32) -> Vec<Mount> {
    let Some(conf) = ground.conf(GuestKind::Container, vmid) else { return Vec::new() };
    let mut mounts = Vec::new();
    for (key, value) in &conf.live.keys {
        let is_mount = key.strip_prefix("mp").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        let Some(at) = value.split(',').find_map(|item| item.strip_prefix("mp=")).filter(|_| is_mount) else {
            continue;
        };
        let source = value.split(',').next().unwrap_or_default();
        let source = source.strip_prefix("volume=").unwrap_or(source);
        let source = if source.starts_with('/') {
            MountSource::Host(source.to_owned())
        } else {
            MountSource::Volume(source.to_owned())
        };
        let read_only = value.split(',').any(|item| item == "ro=1");
        mounts.push(Mount { at: FileTree::normalise(at), source, read_only });
    }
    for (key, value) in &conf.live.raw {
        let mut words = value.split_whitespace();
        if let (true, Some(from), Some(to)) =
            (key == "lxc.mount.entry" && value.contains("bind"), words.next(), words.next())
        {
            let at = FileTree::normalise(to);
            let read_only = words.nth(1).is_some_and(|options| options.split(',').any(|option| option == "ro"));
            mounts.push(Mount { at, source: MountSource::Host(from.to_owned()), read_only });
        }
    }
    mounts
}
