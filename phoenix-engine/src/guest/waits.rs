//! What every guest is waited for with, whatever its configuration: the gates of a started VM, and the time to shut down.

use std::time::Duration;

use phoenix_config::model::{AgentUse, Limits};
use phoenix_health::{Absence, CloudInitProbe, Gate, Probe, Recoverable, Schedule};
use phoenix_types::{ConfSection, Span, Startup};
use phoenix_vm::VmSettings;

use crate::desired::{DesiredGuest, Spec};

/// How long a VM gets until its agent answers.
const AGENT: Span = Span::from_secs(600);

/// How long a guest gets to shut down before it is switched off, where neither its settings nor the configuration tell.
const SHUTDOWN: Span = Span::from_secs(120);

/// How long a guest gets to shut down: what the configuration says, else its own settings.
pub(crate) fn shutdown_limit(limits: Option<&Limits>, live: &ConfSection) -> Duration {
    let own = || live.get("startup")?.parse::<Startup>().ok()?.down.map(Span::from_secs);
    limits.and_then(|limits| limits.shutdown).or_else(own).unwrap_or(SHUTDOWN).get()
}

fn built_in(name: &str, probe: Probe, deadline: Span) -> Gate {
    Gate {
        name: name.to_owned(),
        probe,
        schedule: Schedule {
            attempts: None,
            interval: Duration::from_secs(5),
            // `cloud-init status` was measured to take 22 s on a slow node.
            timeout: Duration::from_secs(60),
            deadline: Some(deadline.get()),
            ..Schedule::default()
        },
    }
}

/// Where a VM has its guest agent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentSource {
    /// It is on the disk.
    Image,
    /// Cloud-init installs it, perhaps after it upgraded all packages.
    CloudInit,
}

/// What messages call the gate that a started VM passes first.
pub(crate) const AGENT_GATE: &str = "guest agent";

/// The gate that a started VM passes first.
pub(crate) fn agent_gate(limits: &Limits, source: AgentSource) -> Gate {
    let usual = match source {
        AgentSource::Image => AGENT,
        AgentSource::CloudInit => limits.cloud_init,
    };
    built_in(AGENT_GATE, Probe::Agent, limits.agent.unwrap_or(usual))
}

/// Whether a guest that asks for a reboot can still get one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reboot {
    Possible,
    Done,
}

/// The gate that a started VM passes second.
pub(crate) fn cloud_init_gate(limits: &Limits, reboot: Reboot) -> Gate {
    let recoverable = match reboot {
        Reboot::Possible => Recoverable::NeedsReboot,
        Reboot::Done => Recoverable::Passes,
    };
    built_in("cloud-init", Probe::CloudInit(CloudInitProbe { recoverable, absent: Absence::Passes }), limits.cloud_init)
}

/// What the guest agent of a VM does: what the configuration says, else what the settings on the node say. A guest that is not
/// there yet has the agent that it will be made with.
pub(crate) fn agent_use(guest: &DesiredGuest, live: Option<&ConfSection>) -> AgentUse {
    let Spec::Vm(spec) = &guest.spec else { return AgentUse::Absent };
    let enabled = |live: &ConfSection| {
        VmSettings::from_conf(&only_agent(live))
            .ok()
            .and_then(|settings| settings.agent)
            .is_some_and(|agent| agent.enabled)
    };
    match (spec.agent, live) {
        (Some(agent), _) => agent,
        (None, Some(live)) if !enabled(live) => AgentUse::Absent,
        (None, _) => AgentUse::Exec,
    }
}

fn only_agent(live: &ConfSection) -> ConfSection {
    let keys = live.get("agent").map(|value| ("agent".to_owned(), value.to_owned()));
    ConfSection { keys: keys.into_iter().collect(), ..ConfSection::default() }
}

/// Whether cloud-init is waited for after a start: a program asks for it.
pub(crate) fn awaits_cloud_init(guest: &DesiredGuest, live: Option<&ConfSection>) -> bool {
    let Spec::Vm(spec) = &guest.spec else { return false };
    spec.cloud_init != Some(false) && agent_use(guest, live) == AgentUse::Exec
}
