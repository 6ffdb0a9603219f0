//! Every default of the dialect, in one place.

use phoenix_types::Span;

/// CPU cores of a guest (Proxmox's own default is 1 for VMs and all of the node's for containers; a guest is given one).
pub(crate) const CORES: u32 = 1;
/// Memory of a guest in MiB, as Proxmox has it.
pub(crate) const MEMORY_MIB: u32 = 512;
/// The size in GiB of the root disk of a container made from a template.
pub(crate) const CONTAINER_DISK_GIB: u32 = 8;
/// The bridge of a guest.
pub(crate) const BRIDGE: &str = "vmbr0";
/// The name of a container's interface inside.
pub(crate) const INTERFACE: &str = "eth0";
/// The Ubuntu release whose cloud images are fetched.
pub(crate) const UBUNTU_RELEASE: &str = "noble";
/// Mount options of an NFS volume: `_netdev` makes the guest's boot wait for the network first.
pub(crate) const NFS_OPTIONS: &str = "defaults,_netdev";

/// How many characters of notes Proxmox keeps (pve-container, qemu-server: `description`).
pub(crate) const NOTES: usize = 8192;
/// The most that Phoenix notes about a guest next to the user's notes, in characters, its scripts aside.
pub(crate) const RECORD: usize = 1024;
/// The most that it notes about one script.
pub(crate) const RECORD_OF_SCRIPT: usize = 192;

/// How many attempts a health check makes.
pub(crate) const HEALTH_RETRIES: u32 = 30;
/// From the end of one attempt of a health check to the start of the next.
pub(crate) const HEALTH_INTERVAL: Span = Span::from_secs(10);
/// From the end of one attempt of a wait to the start of the next.
pub(crate) const WAIT_INTERVAL: Span = Span::from_secs(5);
/// How long a wait may take in all.
pub(crate) const WAIT_DEADLINE: Span = Span::from_secs(300);
/// How long one attempt may take.
pub(crate) const ATTEMPT_TIMEOUT: Span = Span::from_secs(10);

/// How long a start may take.
pub(crate) const START: Span = Span::from_secs(300);
/// How long a script may run. Model downloads and driver builds take long; an endless script must still end.
pub(crate) const SCRIPT: Span = Span::from_secs(4 * 3600);
/// How long cloud-init may take. It may upgrade all packages.
pub(crate) const CLOUD_INIT: Span = Span::from_secs(1800);

/// The names of the snapshots around a container's provisioning.
pub(crate) const CONTAINER_SNAPSHOTS: (&str, &str) = ("pre-configured", "final-form");
/// The names of the snapshots around a VM's features.
pub(crate) const VM_SNAPSHOTS: (&str, &str) = ("pre-features", "post-features");

/// The first number on the node for users and groups of an unprivileged container (pve-container, `PVE/LXC.pm`).
pub(crate) const ID_OFFSET: u32 = 100_000;
/// How many users and groups an unprivileged container has.
pub(crate) const ID_COUNT: u32 = 65_536;

/// [`BRIDGE`] as a bridge's name.
pub(crate) fn bridge() -> phoenix_types::BridgeName {
    BRIDGE.parse().expect("the default is a bridge's name")
}

/// A snapshot's name from the constants above.
pub(crate) fn snapshot(name: &str) -> phoenix_types::SnapshotName {
    name.parse().expect("the default is a snapshot's name")
}
