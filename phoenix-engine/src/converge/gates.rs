//! Gates of a guest, asked in a run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_health::{
    Addresses, Agent, AskGuest, Attempt, Gate, GateFailure, NO_ADDRESS, Outcome, ProbeContext, preferred,
};
use phoenix_host::{Command, Effect, Host, InsideError, Output};
use phoenix_pve::GuestError;
use phoenix_types::{GuestId, GuestKind, Power};
use phoenix_vm::VirtualMachines;

use super::error::StepError;
use super::event_sender::EventSender;
use super::run::Run;
use crate::desired::DesiredGuest;
use crate::event::{EventKind, millis};
use crate::node::{Node, Site};
use crate::plan::Stage;

/// The agent of a VM, asked through its adapter.
#[derive(Debug)]
struct VmAgent {
    machines: Arc<dyn VirtualMachines>,
    guest: GuestId,
}

#[async_trait]
impl Agent for VmAgent {
    async fn ping(&self, deadline: Duration) -> Result<(), InsideError> {
        let silent = |reason: String| InsideError::AgentSilent { guest: self.guest, reason };
        match tokio::time::timeout(deadline, self.machines.ping(self.guest)).await {
            Ok(Ok(())) => Ok(()),
            // What the tool said is enough; the rest would be reported again at each attempt.
            Ok(Err(GuestError::Failed(failure))) => Err(silent(failure.tail)),
            Ok(Err(error)) => Err(silent(error.to_string())),
            Err(_) => Err(InsideError::Slow { guest: self.guest, seconds: deadline.as_secs_f64() }),
        }
    }
}

/// The address that the configuration gives a guest, while the guest runs. When it does not, whoever answers there is another
/// machine, and no sign of health.
#[derive(Debug)]
struct WhileRunning {
    address: String,
    site: Site,
    kind: GuestKind,
    guest: GuestId,
}

#[async_trait]
impl Addresses for WhileRunning {
    async fn address(&self) -> Result<String, String> {
        // What a running guest has on its node, seen without a process: its control group (pve-container `LXC/CGroup.pm`), the file
        // of its process id (qemu-server `QemuServer/Helpers.pm`). Where it is not found the tool has the word.
        let sign = match self.kind {
            GuestKind::Container => format!("/sys/fs/cgroup/lxc/{}", self.guest),
            GuestKind::Vm => format!("/run/qemu-server/{}.pid", self.guest),
        };
        if matches!(self.site.host.stat(Utf8Path::new(&sign)).await, Ok(Some(_))) {
            return Ok(self.address.clone());
        }
        match self.site.power(self.kind, self.guest).await {
            Ok(None | Some(Power::Stopped)) => Err("it does not run".to_owned()),
            Ok(Some(Power::Running | Power::Paused)) => Ok(self.address.clone()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The address of a guest that gets it by DHCP. The guest is asked first; a guest without GNU tools or a shell is looked at
/// from the node.
#[derive(Debug)]
struct WhereItIs {
    inside: AskGuest,
    host: Arc<dyn Host>,
    kind: GuestKind,
    guest: GuestId,
}

#[async_trait]
impl Addresses for WhereItIs {
    async fn address(&self) -> Result<String, String> {
        match self.inside.ask().await {
            Ok(address) => address.ok_or_else(|| NO_ADDRESS.to_owned()),
            Err(reason) => self.seen_from_node().await.ok_or(reason),
        }
    }
}

impl WhereItIs {
    async fn seen_from_node(&self) -> Option<String> {
        let id = self.guest.to_string();
        let read = |program: &str| Command::new(program, Effect::Read, Duration::from_secs(5));
        let question = match self.kind {
            GuestKind::Container => read("lxc-info").args(["-n", &id, "-iH"]),
            GuestKind::Vm => read("qm").args(["guest", "cmd", &id, "network-get-interfaces"]),
        };
        let output = self.host.run(question).await.ok().filter(Output::succeeded)?;
        let text = output.stdout_text();
        // One address a line, or JSON in which each address is a text of its own.
        preferred(text.split(['"', '\n', ' ']))
    }
}

/// What the gates of a guest are asked with. Their commands are labelled as a gate's.
pub(crate) fn probe_context(node: &Node, guest: &DesiredGuest) -> ProbeContext {
    let Site { host, containers, machines, .. } = node.at(guest.id, Stage::Health);
    let kind = guest.kind();
    let inside = match kind {
        GuestKind::Container => containers.inside(guest.id),
        GuestKind::Vm => machines.inside(guest.id),
    };
    let addresses: Arc<dyn Addresses> = match guest.address {
        Some(address) => Arc::new(WhileRunning {
            address: address.to_string(),
            site: node.at(guest.id, Stage::Health),
            kind,
            guest: guest.id,
        }),
        None => Arc::new(WhereItIs { inside: AskGuest(inside.clone()), host: host.clone(), kind, guest: guest.id }),
    };
    let agent: Option<Arc<dyn Agent>> = match kind {
        GuestKind::Vm => Some(Arc::new(VmAgent { machines, guest: guest.id })),
        GuestKind::Container => None,
    };
    ProbeContext {
        guest: guest.id,
        kind,
        host,
        inside,
        addresses,
        agent,
        secrets: node.secrets().clone(),
        known: node.known().clone(),
        custom: node.custom_probes().clone(),
        turns: node.turns().clone(),
    }
}

fn report_attempt(events: &EventSender, gate: &Gate, attempt: &Attempt) {
    events.send(EventKind::GateAsked {
        gate: gate.name.clone(),
        attempt: attempt.number,
        counted: attempt.counted,
        of: gate.schedule.attempts,
        passed: attempt.passed(),
        detail: attempt.answer.said.clone(),
    });
    // It passes, and a person should know all the same.
    if attempt.passed()
        && matches!(gate.probe, phoenix_types::gate::Probe::CloudInit(_))
        && let Some(errors) = attempt.answer.said.strip_prefix("done with errors")
    {
        events
            .send(EventKind::Notice { text: format!("cloud-init finished with errors that no reboot mends{errors}") });
    }
}

/// Waits for all gates, at the same time; the first one that fails decides.
pub(super) async fn wait_all(
    gates: &[Gate],
    context: &ProbeContext,
    events: &EventSender,
) -> Result<(), Box<GateFailure>> {
    let mut waits = Vec::with_capacity(gates.len());
    for gate in gates {
        waits.push(wait_one(gate, context, events));
    }
    futures_util::future::try_join_all(waits).await.map(|_| ())
}

async fn wait_one(gate: &Gate, context: &ProbeContext, events: &EventSender) -> Result<(), Box<GateFailure>> {
    match phoenix_health::wait(gate, context, &mut |attempt| report_attempt(events, gate, attempt)).await {
        Outcome::Passed { attempts, elapsed } => {
            events.send(EventKind::GatePassed { gate: gate.name.clone(), attempts, ms: millis(elapsed) });
            Ok(())
        }
        Outcome::Failed(failure) => Err(failure),
    }
}

/// Asks all gates once, now: for a guest that should be healthy already.
pub(super) async fn ask_all(
    gates: &[Gate],
    context: &ProbeContext,
    events: &EventSender,
) -> Result<(), Box<GateFailure>> {
    let once: Vec<Gate> = gates
        .iter()
        .map(|gate| {
            let mut gate = gate.clone();
            gate.schedule.attempts = Some(1);
            gate.schedule.start_period = Duration::ZERO;
            gate.schedule.success_threshold = 1;
            gate
        })
        .collect();
    wait_all(&once, context, events).await
}

/// Waits for gates, unless the run is cancelled.
pub(super) async fn wait(
    run: &Run,
    gates: &[Gate],
    context: &ProbeContext,
    events: &EventSender,
) -> Result<(), StepError> {
    tokio::select! {
        biased;
        passed = wait_all(gates, context, events) => passed.map_err(StepError::Gate),
        () = run.cancel.cancelled() => Err(StepError::Cancelled),
    }
}
