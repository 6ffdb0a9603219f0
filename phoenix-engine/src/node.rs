//! The node that the engine works on: a host, and the adapters over it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phoenix_host::{Host, Inside, Layered};
use phoenix_lxc::{Containers, Pct};
use phoenix_pve::{GuestError, InvalidSettings};
use phoenix_types::{Change, DiskSize, GuestId, GuestKind, Power, SnapshotName};
use phoenix_vm::{Qm, VirtualMachines};

use crate::plan::Stage;

type MakeContainers = dyn Fn(Arc<dyn Host>) -> Arc<dyn Containers> + Send + Sync;
type MakeMachines = dyn Fn(Arc<dyn Host>) -> Arc<dyn VirtualMachines> + Send + Sync;

/// A node: the way to it, and what drives its containers and VMs. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    host: Layered,
    containers: Arc<MakeContainers>,
    machines: Arc<MakeMachines>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Node {
    /// A node whose guests are driven by `pct` and `qm`.
    #[must_use]
    pub fn new(host: Layered) -> Self {
        Self {
            host,
            containers: Arc::new(|host| Arc::new(Pct::new(host))),
            machines: Arc::new(|host| Arc::new(Qm::new(host))),
        }
    }

    /// The same node with another way to drive its containers and VMs. Each is made anew for every guest and stage, over a
    /// host that labels its commands with them.
    #[must_use]
    pub fn with_backends(
        mut self,
        containers: impl Fn(Arc<dyn Host>) -> Arc<dyn Containers> + Send + Sync + 'static,
        machines: impl Fn(Arc<dyn Host>) -> Arc<dyn VirtualMachines> + Send + Sync + 'static,
    ) -> Self {
        self.containers = Arc::new(containers);
        self.machines = Arc::new(machines);
        self
    }

    /// The node itself, without a label.
    #[must_use]
    pub fn host(&self) -> &Layered {
        &self.host
    }

    /// The node as one guest in one stage sees it.
    #[must_use]
    pub fn at(&self, guest: GuestId, stage: Stage) -> Site {
        self.labelled(Some(guest), stage.name())
    }

    /// The node for work that is about no guest in particular.
    #[must_use]
    pub fn labelled(&self, guest: Option<GuestId>, label: &'static str) -> Site {
        let host: Arc<dyn Host> = Arc::new(self.host.scoped(guest, label));
        Site { containers: (self.containers)(host.clone()), machines: (self.machines)(host.clone()), host }
    }
}

/// Host and adapters whose commands carry one label.
#[derive(Debug, Clone)]
pub struct Site {
    /// The way to the node.
    pub host: Arc<dyn Host>,
    /// Its containers.
    pub containers: Arc<dyn Containers>,
    /// Its VMs.
    pub machines: Arc<dyn VirtualMachines>,
}

impl Site {
    /// The inside of a guest.
    #[must_use]
    pub fn inside(&self, kind: GuestKind, id: GuestId) -> Arc<dyn Inside> {
        match kind {
            GuestKind::Container => self.containers.inside(id),
            GuestKind::Vm => self.machines.inside(id),
        }
    }

    /// Whether a guest runs; `None` when it does not exist here.
    ///
    /// # Errors
    /// When the tool or the host fails.
    pub async fn power(&self, kind: GuestKind, id: GuestId) -> Result<Option<Power>, GuestError> {
        Ok(match kind {
            GuestKind::Container => self.containers.inspect(id).await?.map(|guest| guest.power),
            GuestKind::Vm => self.machines.inspect(id).await?.map(|guest| guest.power),
        })
    }

    /// How long a guest has been running; `None` when it is not there or its tool does not say.
    ///
    /// # Errors
    /// When the tool or the host fails.
    pub async fn uptime(&self, kind: GuestKind, id: GuestId) -> Result<Option<Duration>, GuestError> {
        Ok(match kind {
            GuestKind::Container => self.containers.inspect(id).await?.and_then(|guest| guest.uptime),
            GuestKind::Vm => self.machines.inspect(id).await?.and_then(|guest| guest.uptime),
        })
    }

    /// Grows a disk: `rootfs` or `mpN` of a container, a drive of a VM.
    ///
    /// # Errors
    /// When the disk does not exist, is larger already, or the tool fails.
    pub async fn resize(&self, kind: GuestKind, id: GuestId, disk: &str, size: DiskSize) -> Result<(), GuestError> {
        match kind {
            GuestKind::Container => self.containers.resize(id, disk, size).await,
            GuestKind::Vm => {
                let slot = disk.parse().map_err(|_| {
                    let source = InvalidSettings::value("disk", disk, "a VM's disk is a drive such as `scsi0`");
                    GuestError::Invalid { guest: id, source }
                })?;
                self.machines.resize(id, slot, size).await
            }
        }
    }

    /// Destroys a guest with everything that is only its own.
    ///
    /// # Errors
    /// When it runs, is protected or locked, or the tool fails.
    pub async fn destroy(&self, kind: GuestKind, id: GuestId) -> Result<(), GuestError> {
        match kind {
            GuestKind::Container => self.containers.destroy(id, phoenix_lxc::Purge::Yes).await,
            GuestKind::Vm => self.machines.destroy(id, phoenix_vm::Purge::Yes).await,
        }
    }
}

/// Methods that both kinds of guests have, by kind.
macro_rules! for_both {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*);)*) => {
        impl Site {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// When the tool or the host fails; see [`GuestError::class`].
                pub async fn $name(&self, kind: GuestKind, id: GuestId $(, $arg: $type)*) -> Result<(), GuestError> {
                    match kind {
                        GuestKind::Container => self.containers.$name(id $(, $arg)*).await,
                        GuestKind::Vm => self.machines.$name(id $(, $arg)*).await,
                    }
                }
            )*
        }
    };
}

for_both! {
    /// Starts a guest.
    start();
    /// Asks a guest to shut down and waits.
    shutdown(timeout: Duration);
    /// Switches a guest off without asking it.
    stop();
    /// Changes settings with one command.
    configure(change: &Change, digest: Option<&str>);
    /// Takes a snapshot.
    snapshot(name: &SnapshotName, description: &str);
    /// Deletes a snapshot.
    delete_snapshot(name: &SnapshotName);
    /// Takes disks and settings back to a snapshot.
    rollback(name: &SnapshotName);
    /// Makes it a template for good.
    convert_to_template();
    /// Removes a lock that a dead task left.
    unlock();
}
