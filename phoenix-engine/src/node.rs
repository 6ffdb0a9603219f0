//! The node that the engine works on: a host, and the adapters over it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phoenix_health::{CustomProbe, CustomProbes};
use phoenix_host::{Glanced, Host, HostError, Layered, LocalSecrets, Recorder, Secrets, Wanted};
use phoenix_lxc::{Containers, Pct};
use phoenix_pve::{GuestError, Guests};
use phoenix_types::{GuestId, GuestKind, KnownSecrets, Power};
use phoenix_vm::{Qm, VirtualMachines};

use tokio::sync::Semaphore;

use crate::plan::Stage;

type MakeContainers = dyn Fn(Arc<dyn Host>) -> Arc<dyn Containers> + Send + Sync;
type MakeMachines = dyn Fn(Arc<dyn Host>) -> Arc<dyn VirtualMachines> + Send + Sync;

/// A node: the way to it, and what drives its containers and VMs. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    host: Layered,
    containers: Arc<MakeContainers>,
    machines: Arc<MakeMachines>,
    secrets: Arc<dyn Secrets>,
    known: KnownSecrets,
    custom: CustomProbes,
    turns: Arc<Semaphore>,
}

/// How many gates are asked at the same time, unless said otherwise.
const GATES_AT_ONCE: usize = 32;

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
            secrets: Arc::new(LocalSecrets),
            known: KnownSecrets::default(),
            custom: CustomProbes::default(),
            turns: Arc::new(Semaphore::new(GATES_AT_ONCE)),
        }
    }

    /// The same node with another way to drive its containers and VMs. Each is recreated for every guest and stage, over a
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

    /// The same node with another place to read secrets from.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Arc<dyn Secrets>) -> Self {
        self.secrets = secrets;
        self
    }

    /// The same node with a probe of the embedding program, for gates whose probe is
    /// [`Custom`](phoenix_health::Probe::Custom) with this name.
    #[must_use]
    pub fn with_probe(mut self, name: impl Into<String>, probe: Arc<dyn CustomProbe>) -> Self {
        self.custom = self.custom.with(name, probe);
        self
    }

    /// The probes of the embedding program.
    pub(crate) fn custom_probes(&self) -> &CustomProbes {
        &self.custom
    }

    /// The same node, of whose gates this many are asked at the same time, in turn among all guests. Default: 32.
    #[must_use]
    pub fn with_gates_at_once(mut self, most: usize) -> Self {
        self.turns = Arc::new(Semaphore::new(most.max(1)));
        self
    }

    /// Who may ask a gate now.
    pub(crate) fn turns(&self) -> &Arc<Semaphore> {
        &self.turns
    }

    /// The same node whose commands are heard by one more listener.
    pub(crate) fn heard_by(mut self, listener: Arc<dyn Recorder>) -> Self {
        self.host = self.host.recorded(listener);
        self
    }

    /// The same node that adds the secrets which it reads to `known`.
    pub(crate) fn learning(mut self, known: KnownSecrets) -> Self {
        self.known = known;
        self
    }

    /// The secrets that were read so far.
    pub(crate) fn known(&self) -> &KnownSecrets {
        &self.known
    }

    /// Where secrets are read.
    #[must_use]
    pub fn secrets(&self) -> &Arc<dyn Secrets> {
        &self.secrets
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
        let adapters = Adapters { containers: self.containers.clone(), machines: self.machines.clone() };
        adapters.over(Arc::new(self.host.scoped(guest, label)))
    }
}

/// What makes the adapters over a host.
#[derive(Clone)]
struct Adapters {
    containers: Arc<MakeContainers>,
    machines: Arc<MakeMachines>,
}

impl fmt::Debug for Adapters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapters")
    }
}

impl Adapters {
    fn over(self, host: Arc<dyn Host>) -> Site {
        let (containers, machines) = ((self.containers)(host.clone()), (self.machines)(host.clone()));
        Site { host, containers, machines, adapters: self }
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
    adapters: Adapters,
}

impl Site {
    /// The same at this moment: files are answered from one look at them.
    pub(crate) async fn glanced(&self, wanted: &[Wanted]) -> Result<Self, HostError> {
        Ok(self.adapters.clone().over(Arc::new(Glanced::at(self.host.clone(), wanted).await?)))
    }

    /// Its guests of one kind.
    #[must_use]
    pub fn guests(&self, kind: GuestKind) -> &dyn Guests {
        match kind {
            GuestKind::Container => &*self.containers,
            GuestKind::Vm => &*self.machines,
        }
    }

    /// Whether a guest runs; `None` when it does not exist here.
    ///
    /// # Errors
    /// When the tool or the host fails.
    pub async fn power(&self, kind: GuestKind, id: GuestId) -> Result<Option<Power>, GuestError> {
        Ok(self.guests(kind).inspect(id).await?.map(|guest| guest.power))
    }

    /// How long a guest has been running; `None` when it does not exist or its tool does not say.
    ///
    /// # Errors
    /// When the tool or the host fails.
    pub async fn uptime(&self, kind: GuestKind, id: GuestId) -> Result<Option<Duration>, GuestError> {
        Ok(self.guests(kind).inspect(id).await?.and_then(|guest| guest.uptime))
    }
}
