//! A node to plan for and to work on.

use std::collections::BTreeSet;
use std::sync::Arc;

use phoenix_engine::{Event, LockOwner, NodeLock, Observed, Options, Provision, Summary, observe, obstacles, plan};
use phoenix_health::CustomProbe;
use phoenix_host::{Host, Layered, Local, Secrets, Ssh};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::time::Time;

/// A node: the way to it, and what drives its guests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Node {
    engine: phoenix_engine::Node,
    ssh: Option<Ssh>,
    time: Time,
}

impl Node {
    /// The machine that this program runs on.
    #[must_use]
    pub fn local() -> Self {
        Self::over(Arc::new(Local))
    }

    /// A node that is reached by the `ssh` program: `root@pve1`.
    ///
    /// # Errors
    /// When this is no address.
    pub fn ssh(address: &str) -> Result<Self, Error> {
        let ssh: Ssh = match address.starts_with("ssh://") {
            true => address.parse()?,
            false => format!("ssh://{address}").parse()?,
        };
        Ok(Self { ssh: Some(ssh.clone()), ..Self::over(Arc::new(ssh)) })
    }

    /// A node that is reached by a host of your own.
    #[must_use]
    pub fn over(host: Arc<dyn Host>) -> Self {
        Self { engine: phoenix_engine::Node::new(Layered::new(host)), ssh: None, time: Time::Real }
    }

    /// A simulated node without guests. It has a clock of its own: an hour on it takes no time here, and the program's own
    /// clock is left alone.
    ///
    /// # Errors
    /// When its clock cannot be started.
    #[cfg(feature = "sim")]
    pub fn simulated(world: phoenix_sim::World) -> Result<Self, Error> {
        let time = phoenix_sim::VirtualTime::new().map_err(Error::Clock)?;
        let sim = time.enter(|| phoenix_sim::SimNode::new(world));
        Ok(Self { time: Time::Virtual(time), ..Self::over(Arc::new(sim)) })
    }

    /// The same node with another way to drive its containers and VMs, over a host that labels their commands.
    #[cfg(all(feature = "lxc", feature = "vm"))]
    #[must_use]
    pub fn with_backends(
        self,
        containers: impl Fn(Arc<dyn Host>) -> Arc<dyn phoenix_lxc::Containers> + Send + Sync + 'static,
        machines: impl Fn(Arc<dyn Host>) -> Arc<dyn phoenix_vm::VirtualMachines> + Send + Sync + 'static,
    ) -> Self {
        Self { engine: self.engine.with_backends(containers, machines), ..self }
    }

    /// The same node with a probe of your own, for gates with [`Probe::Custom`](phoenix_health::Probe::Custom).
    #[must_use]
    pub fn with_probe(self, name: impl Into<String>, probe: Arc<dyn CustomProbe>) -> Self {
        Self { engine: self.engine.with_probe(name, probe), ..self }
    }

    /// The same node with another place to read secrets from.
    #[must_use]
    pub fn with_secrets(self, secrets: Arc<dyn Secrets>) -> Self {
        Self { engine: self.engine.with_secrets(secrets), ..self }
    }

    /// The node as the engine takes it.
    #[must_use]
    pub fn engine(&self) -> &phoenix_engine::Node {
        &self.engine
    }

    /// What it takes to bring the node to what a fleet should be. Nothing is changed.
    ///
    /// # Errors
    /// When the node cannot be looked at.
    ///
    /// Cancel safety: it changes nothing, so it can be dropped at any time.
    pub async fn plan(&self, fleet: &Fleet) -> Result<Plan, Error> {
        let (node, fleet) = (self.engine.clone(), fleet.clone());
        let work = async move {
            let observed = observe(&node.labelled(None, "observe"), fleet.desired()).await?;
            Ok(Plan { plan: planned(&node, &fleet, observed).await?, fleet })
        };
        self.time.run(work).await
    }

    /// Carries a plan out. It takes the node's lock, and looks whether the plan still holds. `sink` hears what happens.
    ///
    /// # Errors
    /// When another run holds the lock, the node cannot be reached, or the plan is no longer what would be done. What goes
    /// wrong with a guest is in the summary.
    ///
    /// Cancel safety: dropping it is as killing a run is: the next one finds and finishes what it left.
    pub async fn converge(&self, plan: Plan, mut sink: impl FnMut(&Event)) -> Result<Summary, Error> {
        let (sender, mut events) = mpsc::unbounded_channel();
        let work = self.time.run(carry_out(self.engine.clone(), self.ssh.clone(), plan, sender));
        tokio::pin!(work);
        let result = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => sink(&event),
                result = &mut work => break result,
            }
        };
        while let Ok(event) = events.try_recv() {
            sink(&event);
        }
        result
    }
}

async fn carry_out(
    node: phoenix_engine::Node,
    ssh: Option<Ssh>,
    approved: Plan,
    events: mpsc::UnboundedSender<Event>,
) -> Result<Summary, Error> {
    let keeper = match &ssh {
        Some(ssh) => LockOwner::over_ssh(ssh).await?,
        None => LockOwner::here(),
    };
    let since = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let me = keeper.holder("a program with Phoenix in it", "converge", since);
    let lock = NodeLock::take(Arc::new(node.host().clone()), me, &keeper).await?;
    let ended = under_lock(&node, &lock, approved, events).await;
    lock.release().await?;
    ended
}

async fn under_lock(
    node: &phoenix_engine::Node,
    lock: &NodeLock,
    Plan { plan: approved, fleet }: Plan,
    events: mpsc::UnboundedSender<Event>,
) -> Result<Summary, Error> {
    let observed = lock.observe(node, fleet.desired()).await?;
    let plan = planned(node, &fleet, observed).await?;
    if plan.digest != approved.digest {
        return Err(Error::Drifted);
    }
    let options = Options { lock: Some(lock.clone()), ..Options::default() };
    let mut sink = move |event: &Event| {
        // The receiver is gone when the caller dropped the run.
        let _ = events.send(event.clone());
    };
    Ok(phoenix_engine::converge(node, fleet.desired().clone(), plan, &options, &mut [&mut sink]).await)
}

/// The plan, where guests for which a check finds an error are held back.
async fn planned(
    node: &phoenix_engine::Node,
    fleet: &Fleet,
    mut observed: Observed,
) -> Result<phoenix_engine::Plan, Error> {
    let subject = (fleet.configured(), &**fleet.desired());
    observed.obstacles = obstacles(node, subject, &observed, &BTreeSet::new()).await?;
    Ok(plan(fleet.desired(), &observed, Provision::WhenChanged))
}
