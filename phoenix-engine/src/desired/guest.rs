//! Guests as they should be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::Utf8PathBuf;
use phoenix_config::model::{Dependency, Limits, OnFailure, State};
use phoenix_types::gate::Gate;
use phoenix_types::{
    DiskSize, FirewallFile, FleetName, GuestId, GuestKind, Hostname, KnownSecrets, SnapshotName, StorageId,
};

use super::container::{ContainerOrigin, DesiredContainer};
use super::script::DesiredScript;
use super::vm::{DesiredVm, ImageSource, NfsServer, VmOrigin};

/// Everything that should be on the node.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The fleet's name.
    pub fleet: FleetName,
    /// All guests of the configuration, also those that are not in `guests`.
    pub configured: BTreeSet<GuestId>,
    /// The guests.
    pub guests: BTreeMap<GuestId, DesiredGuest>,
    /// An order in which each comes after what it needs.
    pub order: Vec<GuestId>,
    /// Who depends on a guest, with names: in the whole fleet, also those that are not in `guests`. A clone does not depend
    /// on its source once it is made.
    pub dependants: BTreeMap<GuestId, BTreeMap<GuestId, Hostname>>,
    /// The secrets of the configuration, to be masked wherever they come back.
    pub secrets: KnownSecrets,
}

/// What a guest should be.
#[derive(Debug, Clone)]
pub struct DesiredGuest {
    /// Its id.
    pub id: GuestId,
    /// Its name.
    pub name: Hostname,
    /// The guests that must be done first: dependencies and clone source.
    pub needs: Vec<GuestId>,
    /// What is said about these beyond that they must be done.
    pub conditions: BTreeMap<GuestId, Dependency>,
    /// What only one kind of guest has.
    pub spec: Spec,
    /// Running, stopped or template in the end.
    pub state: State,
    /// Its firewall file. Absent: the configuration says nothing about it.
    pub firewall: Option<FirewallFile>,
    /// The size of its root disk, where the configuration says one.
    pub disk: Option<DiskSize>,
    /// The size that its root disk is made with, where that is known.
    pub first_disk: Option<DiskSize>,
    /// The size that its root disk begins with, when it is a clone and the configuration tells.
    pub source_disk: Option<DiskSize>,
    /// What blocks its own provisioning.
    pub wait_for: Vec<Gate>,
    /// What blocks its dependants.
    pub health: Vec<Gate>,
    /// Its scripts, in order.
    pub scripts: Vec<DesiredScript>,
    /// The snapshot before provisioning.
    pub snapshot_before: Option<SnapshotName>,
    /// The snapshot of the finished guest.
    pub snapshot_after: Option<SnapshotName>,
    /// The snapshot that clones are made from.
    pub template_snapshot: Option<SnapshotName>,
    /// What happens when a change fails.
    pub on_failure: OnFailure,
    /// How long the work on it may take.
    pub limits: Limits,
    /// The user's own notes; absent: whatever is there stays.
    pub notes: Option<String>,
    /// Its fixed address, for probes from the node.
    pub address: Option<std::net::IpAddr>,
    /// The guest's configuration as JSON, for its scripts.
    pub context: Arc<[u8]>,
}

/// What only one kind of guest has.
#[derive(Debug, Clone)]
pub enum Spec {
    /// A container.
    Container(Box<DesiredContainer>),
    /// A VM.
    Vm(Box<DesiredVm>),
}

impl Spec {
    /// The paths of the node that the guest needs and that are not Proxmox's own.
    pub(crate) fn paths(&self) -> Vec<&Utf8PathBuf> {
        match self {
            Self::Container(container) => container.host_paths.iter().map(|path| &path.path).collect(),
            Self::Vm(vm) => {
                let image = match &vm.origin {
                    VmOrigin::Image(ImageSource::Fetched { path, .. }) => Some(path),
                    _ => None,
                };
                let shared = vm.volumes.iter().filter(|volume| volume.on == NfsServer::ThisNode);
                image.into_iter().chain(shared.map(|volume| &volume.path)).collect()
            }
        }
    }
}

impl DesiredGuest {
    /// Whether its firewall is to filter.
    #[must_use]
    pub fn has_firewall(&self) -> bool {
        let enabled = |file: &FirewallFile| file.options.iter().any(|(key, value)| key == "enable" && value == "1");
        self.firewall.as_ref().is_some_and(enabled)
    }

    /// Container or VM.
    #[must_use]
    pub fn kind(&self) -> GuestKind {
        match self.spec {
            Spec::Container(_) => GuestKind::Container,
            Spec::Vm(_) => GuestKind::Vm,
        }
    }

    /// What it is made from, by the key of the configuration.
    pub(crate) fn origin(&self) -> BTreeMap<String, String> {
        let (key, text) = match &self.spec {
            Spec::Container(container) => match &container.origin {
                ContainerOrigin::Clone { source, .. } => ("clone_from_ctid", source.to_string()),
                ContainerOrigin::Template(template) => ("template", template.to_string()),
            },
            Spec::Vm(vm) => match &vm.origin {
                VmOrigin::Clone { source, .. } => ("clone_from_vmid", source.to_string()),
                VmOrigin::Image(image) => ("template_image", image.to_string()),
            },
        };
        [(key.to_owned(), text)].into()
    }

    /// The guest that it is cloned from.
    #[must_use]
    pub fn clone_source(&self) -> Option<GuestId> {
        match &self.spec {
            Spec::Container(container) => match &container.origin {
                ContainerOrigin::Clone { source, .. } => Some(*source),
                ContainerOrigin::Template(_) => None,
            },
            Spec::Vm(vm) => match &vm.origin {
                VmOrigin::Clone { source, .. } => Some(*source),
                VmOrigin::Image(_) => None,
            },
        }
    }

    /// Whether Proxmox can take snapshots of it; it makes no template of a VM that has some.
    pub(crate) fn can_snapshot(&self) -> bool {
        match &self.spec {
            Spec::Container(spec) => spec.can_snapshot(),
            Spec::Vm(_) => self.state != State::Template,
        }
    }

    /// Whether a run has to know that it is still being made: because only a whole one has something that a change could go
    /// back to, or because it is started this once to be asked whether it is well.
    pub(crate) fn minds_being_made(&self) -> bool {
        match self.state {
            State::Running => self.on_failure == OnFailure::Rollback,
            State::Stopped => {
                self.on_failure == OnFailure::Rollback || !self.health.is_empty() || !self.wait_for.is_empty()
            }
            State::Template => false,
        }
    }

    /// Whether it has snapshots that are taken again when its scripts run again.
    pub(crate) fn renews_snapshots(&self) -> bool {
        let has_some = self.snapshot_after.is_some() || self.template_snapshot.is_some();
        has_some && self.can_snapshot() && self.state != State::Template
    }
}

impl Desired {
    /// The storage that a guest's root disk is made on; `None` for a clone of a guest that is not in the configuration.
    #[must_use]
    pub fn storage_of<'a>(&'a self, guest: &'a DesiredGuest) -> Option<&'a StorageId> {
        let (own, copied_to) = match &guest.spec {
            Spec::Container(container) => (&container.storage, container.clone_storage.as_ref()),
            Spec::Vm(vm) => (&vm.storage, vm.clone_storage.as_ref()),
        };
        match guest.clone_source() {
            None => Some(own),
            // The graph has no rings.
            Some(source) => copied_to.or_else(|| self.storage_of(self.guests.get(&source)?)),
        }
    }

    /// Everything that hangs on a guest: those that depend on it, and what depends on those in turn.
    #[must_use]
    pub fn hangs_on(&self, id: GuestId) -> BTreeMap<GuestId, &Hostname> {
        let mut found = BTreeMap::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            for (other, name) in self.dependants.get(&id).into_iter().flatten() {
                if found.insert(*other, name).is_none() {
                    open.push(*other);
                }
            }
        }
        found
    }
}
