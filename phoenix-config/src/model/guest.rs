//! A guest: what containers and VMs have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use phoenix_types::gate::Gate;
use phoenix_types::{DiskSize, GuestId, GuestKind, Hostname, MemoryMib, SnapshotName, Span, StorageId};
use serde::{Deserialize, Serialize};

use crate::model::{Container, ContainerSource, Context, Dependency, Firewall, Network, Role, Script, Vm};
use crate::resolve::defaults::CONTAINER_DISK_GIB;
use crate::source::Segment;

/// One guest, fully resolved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Guest {
    /// Its id.
    pub id: GuestId,
    /// Its host name.
    pub name: Hostname,
    /// What only a container or only a VM has.
    pub kind: Kind,
    /// The guests that this one waits for before its first step.
    pub dependencies: BTreeMap<GuestId, Dependency>,
    /// The guest that this one is cloned from; its provider must be finished too.
    pub clone_from: Option<CloneSource>,
    /// CPU cores. Absent: all of the node, which only a container can have.
    pub cores: Option<u32>,
    /// Memory.
    pub memory: MemoryMib,
    /// The size of the root disk, where it is written. See also [`first_disk`](Self::first_disk).
    pub disk: Option<DiskSize>,
    /// The storage of the root disk. Absent for a clone that stays on its source's storage.
    pub storage: Option<StorageId>,
    /// The network interfaces, in order: `net0`, `net1` and so on. Absent when nothing is written: a clone keeps its source's.
    pub networks: Option<Vec<Network>>,
    /// Proxmox's own keys that the files set, as its tools take them.
    pub proxmox: BTreeMap<String, String>,
    /// What it is for.
    pub role: Role,
    /// What it should be in the end.
    pub state: State,
    /// Whether the node starts it when it boots (`onboot`).
    pub start_at_boot: bool,
    /// Its place in the node's own start order (`startup order=`).
    pub boot_order: Option<u32>,
    /// How long the node waits after it is started (`startup up=`), whole seconds.
    pub boot_delay: Option<Span>,
    /// How long the work on it may take.
    pub limits: Limits,
    /// Its firewall. Absent when nothing is written.
    pub firewall: Option<Firewall>,
    /// What must pass before the guest counts as done.
    pub health: Vec<Gate>,
    /// What must pass before its own features run.
    pub wait_for: Vec<Gate>,
    /// Provisioning scripts, in order.
    pub features: Vec<Script>,
    /// The script that runs after all features.
    pub application: Option<Script>,
    /// Snapshots taken before and after provisioning.
    pub lifecycle: Lifecycle,
    /// The snapshot that clones are made from.
    pub template_snapshot: Option<SnapshotName>,
    /// What happens when a change fails.
    pub on_failure: OnFailure,
    /// Whether Proxmox refuses to destroy it.
    pub protection: bool,
    /// Tags shown by Proxmox.
    pub tags: BTreeSet<String>,
    /// The user's own notes.
    pub description: Option<String>,
    /// Its own JSON as it is written, for scripts.
    pub context: Context,
}

impl Guest {
    /// Container or VM.
    #[must_use]
    pub fn kind(&self) -> GuestKind {
        match self.kind {
            Kind::Container(_) => GuestKind::Container,
            Kind::Vm(_) => GuestKind::Vm,
        }
    }

    /// The container's own part.
    #[must_use]
    pub fn container(&self) -> Option<&Container> {
        match &self.kind {
            Kind::Container(container) => Some(container),
            Kind::Vm(_) => None,
        }
    }

    /// The VM's own part.
    #[must_use]
    pub fn vm(&self) -> Option<&Vm> {
        match &self.kind {
            Kind::Vm(vm) => Some(vm),
            Kind::Container(_) => None,
        }
    }

    /// The size that its root disk is made with, where that is known: what is written, and 8 GiB for a container from a template.
    /// A disk that is there keeps its size unless another one is written.
    #[must_use]
    pub fn first_disk(&self) -> Option<DiskSize> {
        let usual = match &self.kind {
            Kind::Container(container) if container.source != ContainerSource::Clone => {
                Some(DiskSize::from_gib(CONTAINER_DISK_GIB))
            }
            Kind::Container(_) | Kind::Vm(_) => None,
        };
        self.disk.or(usual)
    }

    /// The first network interface.
    #[must_use]
    pub fn network(&self) -> Option<&Network> {
        self.networks.as_ref()?.first()
    }

    /// The name servers, in order, of the first interface that has some.
    #[must_use]
    pub fn nameservers(&self) -> Option<&[IpAddr]> {
        let mut all = self.networks.iter().flatten().map(|network| network.nameservers.as_slice());
        all.find(|servers| !servers.is_empty())
    }

    /// The DNS search domain, of the first interface that has one.
    #[must_use]
    pub fn search_domain(&self) -> Option<&Hostname> {
        self.networks.iter().flatten().find_map(|network| network.search_domain.as_ref())
    }

    /// Where the MAC address of one of its interfaces is written: the guest itself can have that of the first.
    #[must_use]
    pub fn mac_place(&self, network: &Network) -> Vec<Segment> {
        match self.network() {
            Some(first) if first == network && self.context.writes(&["mac_address"]) => vec!["mac_address".into()],
            _ => network.at("mac_address"),
        }
    }

    /// All scripts in the order they run.
    pub fn scripts(&self) -> impl Iterator<Item = &Script> {
        self.features.iter().chain(&self.application)
    }
}

/// How long the work on a guest may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Its start. Absent: 300 s, and less where the tool gives a VM less.
    pub start: Option<Span>,
    /// Its shutdown (`startup down=`), whole seconds. Absent: what its settings on the node say.
    pub shutdown: Option<Span>,
    /// One of its scripts.
    pub script: Span,
    /// From its start until its agent answers. Absent: longer where cloud-init has to install it.
    pub agent: Option<Span>,
    /// From its start until cloud-init has finished.
    pub cloud_init: Span,
}

/// What only one kind of guest has.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// An LXC container.
    Container(Box<Container>),
    /// A QEMU virtual machine.
    Vm(Box<Vm>),
}

/// Where a clone comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneSource {
    /// The guest that is cloned.
    pub id: GuestId,
    /// The snapshot of it that is cloned: the source's `template_snapshot_name`. Absent: its current state, as with every
    /// source that is a template.
    pub snapshot: Option<SnapshotName>,
}

/// What a guest should be in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    Running,
    /// It is off; it runs only while it is provisioned.
    Stopped,
    /// It is a template: never started.
    Template,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Template => "template",
        })
    }
}

/// What happens when a change of an existing guest fails.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The guest is left as it is, for a person to look at.
    #[default]
    Keep,
    /// The guest goes back to the snapshot that was taken before the change.
    Rollback,
}

/// The snapshots taken around provisioning; absent ones are not taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lifecycle {
    /// Taken before the features run: `pre-configured` for a container, `pre-features` for a VM.
    pub before: Option<SnapshotName>,
    /// Taken when the guest is done: `final-form` for a container, `post-features` for a VM. Absent also where the
    /// template snapshot has the same name: then it is the one snapshot for both.
    pub after: Option<SnapshotName>,
}
