//! What has to be done, as data: pure, deterministic, shown by `phoenix plan` and run by `phoenix up`.

mod clone;
mod container;
mod differences;
mod guest;
mod judge;
mod leftovers;
mod outage;
mod power;
mod provisioning;
mod removal;
mod scripts;
mod unmanaged;
mod vm;

use camino::Utf8PathBuf;
use phoenix_types::{FirewallFile, GuestId, GuestKind, Power, SnapshotName, VolumeId};
use serde::Serialize;

use crate::converge::rehearse;
use crate::desired::Desired;
use crate::observe::Observed;
use crate::record::{Digest, Record};

use guest::plan_guest;
pub use outage::{Outage, OutagePart};
pub use power::{PowerAction, PowerRefused, plan_power};
pub use removal::{RemovalRefused, plan_removal};
pub use unmanaged::Unmanaged;

/// One of the fixed phases that a guest goes through, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The guest comes into being: from a template, an image or as a clone.
    Define,
    /// The lock that a task left when it died.
    Unlock,
    /// Directories of the node that it mounts, and who owns them.
    HostPaths,
    /// Its settings.
    Configure,
    /// Its firewall file.
    Firewall,
    /// Its root disk grows.
    Disk,
    /// It is started, or restarted so that settings act.
    Start,
    /// The guest agent answers (VMs).
    Agent,
    /// cloud-init has finished (VMs).
    CloudInit,
    /// NFS volumes inside (VMs).
    Volumes,
    /// The snapshot before provisioning.
    SnapshotBefore,
    /// Gates that hold back its own provisioning.
    WaitFor,
    /// Features and application script.
    Provision,
    /// Gates that hold back its dependants.
    Health,
    /// What clones must not share is taken out of a template to be, or made anew in a clone.
    Clean,
    /// The snapshot that clones are made from, or the conversion to a template.
    Template,
    /// The snapshot of the finished guest.
    SnapshotAfter,
    /// It is stopped, because that is what it should be.
    Stop,
    /// The snapshot that a change could be undone with.
    Undo,
    /// It is destroyed.
    Destroy,
}

/// The name of the snapshot that a change goes back to when it fails.
pub(crate) const UNDO: &str = "phoenix-undo";

impl Stage {
    /// The stage's name, as it stands in the command log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Define => "define",
            Self::Unlock => "unlock",
            Self::Configure => "configure",
            Self::Firewall => "firewall",
            Self::HostPaths => "host-paths",
            Self::Disk => "disk",
            Self::Start => "start",
            Self::Agent => "agent",
            Self::CloudInit => "cloud-init",
            Self::Volumes => "volumes",
            Self::SnapshotBefore => "snapshot-before",
            Self::WaitFor | Self::Health => "gate",
            Self::Provision => "provision",
            Self::Clean => "clean",
            Self::Template => "template",
            Self::SnapshotAfter => "snapshot-after",
            Self::Stop => "stop",
            Self::Undo => "undo",
            Self::Destroy => "destroy",
        }
    }
}

/// What a step means for a guest that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Nothing that a user of the guest would notice.
    None,
    /// It acts at once, while the guest runs.
    Hot,
    /// The guest is restarted, or is down for a while.
    Restart,
    /// The guest comes into being.
    Create,
    /// The guest is destroyed, with its disks.
    Destroy,
    /// Only a guest that is made anew has it, which is never done unasked.
    Recreate,
    /// It cannot be done.
    Impossible,
}

/// One changed setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Difference {
    /// The setting.
    pub key: String,
    /// What it is now; absent when it is not set.
    pub from: Option<String>,
    /// What it should be; absent when it goes.
    pub to: Option<String>,
    /// Why it differs, or why it stays so.
    pub reason: String,
    /// What the change means.
    pub effect: Effect,
}

/// A command that a step will run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PlannedCommand {
    /// Program and arguments, secrets masked. `*` stands for a value that is known only then, such as the digest of a file
    /// that an earlier step changes.
    pub argv: Vec<String>,
    /// Whether it can change the node.
    pub effect: phoenix_host::Effect,
}

/// A gate that a step waits for, and what is done each time that it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PlannedGate {
    /// What messages call it.
    pub name: String,
    /// Its question in words.
    pub question: String,
    /// How often it is asked at most; absent when only time limits that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// From the end of one attempt to the start of the next, in milliseconds.
    pub interval_ms: u64,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// How long it is waited for in all, in milliseconds, when that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// The commands that are run on the node, secrets masked, until the first one that has to know what the one before it said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Vec<String>>,
    /// The addresses with ports that the node connects to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<String>,
}

/// One change of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Step {
    /// Its phase.
    pub stage: Stage,
    /// What it does, in a few words.
    pub summary: String,
    /// Why it is needed.
    pub reason: String,
    /// What it means for the guest.
    pub effect: Effect,
    /// The settings that change, where it is about settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The commands that it will run on the node when all goes well, in order; made by the code that runs them. Those of
    /// gates stand in `gates`: how often they are asked is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<PlannedCommand>,
    /// The files of the node that it will write or remove without a command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub writes: Vec<Utf8PathBuf>,
    /// The gates that it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<PlannedGate>,
    /// What converge does.
    #[serde(skip)]
    pub(crate) work: Work,
}

impl Step {
    fn new(stage: Stage, summary: impl Into<String>, reason: impl Into<String>, effect: Effect, work: Work) -> Self {
        Self {
            stage,
            summary: summary.into(),
            reason: reason.into(),
            effect,
            differences: Vec::new(),
            commands: Vec::new(),
            writes: Vec::new(),
            gates: Vec::new(),
            work,
        }
    }
}

/// What a step does, for converge. Each piece of work looks at the guest again and does nothing when it is as it should be,
/// so that a run that was cut off can be run again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    Undo,
    /// Takes off the lock of a task that is gone.
    BreakLock,
    /// Writes the vendor data by which cloud-init installs the guest agent.
    AgentSnippet(Utf8PathBuf),
    /// Makes the guest; one from a cloud image with this vendor data.
    Define(Option<VolumeId>),
    Settings {
        restart: Restart,
    },
    Firewall(FirewallFile),
    RemoveFirewall,
    HostPaths,
    Grow,
    Start,
    Stop,
    AwaitAgent,
    AwaitCloudInit,
    Volumes,
    Snapshot {
        name: SnapshotName,
        purpose: SnapshotPurpose,
    },
    /// Takes a snapshot anew; the old one goes when its successor stands.
    Replace {
        name: SnapshotName,
        purpose: SnapshotPurpose,
    },
    WaitFor,
    Script(usize),
    Health,
    Clean,
    RenewIdentity,
    ConvertToTemplate,
    /// Goes back to the snapshot that was taken before a change, which a run that died had begun.
    GoBack,
    /// Takes the snapshot that the change can go back to.
    Guard,
    /// Removes it, now that the new state is proven.
    ForgetGuard,
    Destroy,
}

impl Work {
    /// Whether it asks if the guest is as it should be.
    pub(crate) fn is_proof(&self) -> bool {
        matches!(self, Self::AwaitAgent | Self::AwaitCloudInit | Self::Health)
    }

    /// Whether it is a snapshot of the guest as it should be.
    pub(crate) fn shows_the_guest(&self) -> bool {
        let purpose = match self {
            Self::Snapshot { purpose, .. } | Self::Replace { purpose, .. } => *purpose,
            _ => return false,
        };
        purpose != SnapshotPurpose::Undo
    }

    /// Whether it comes first, because the guest takes no note before it: a task left it locked, or it is still to go back.
    pub(crate) fn makes_ready(&self) -> bool {
        matches!(self, Self::BreakLock | Self::GoBack)
    }

    /// Whether it changes the node from its beginning to its end. What waits, or runs inside the guest, holds no slot; making a
    /// guest and applying its settings wait in between and take their slots themselves.
    pub(crate) fn holds_a_slot(&self) -> bool {
        matches!(
            self,
            Self::Undo
                | Self::Grow
                | Self::Start
                | Self::Stop
                | Self::Snapshot { .. }
                | Self::Replace { .. }
                | Self::ConvertToTemplate
                | Self::GoBack
                | Self::Guard
                | Self::ForgetGuard
                | Self::Destroy
        )
    }
}

/// Whether a running guest is restarted so that its new settings act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    NotNeeded,
    Needed,
}

/// What a snapshot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotPurpose {
    Lifecycle,
    Template,
    Undo,
}

/// How the plan regards a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attitude {
    /// It does not exist and is made.
    Create,
    /// It was being made when a run was cut off, and is finished.
    Finish,
    /// It exists and is changed.
    Update,
    /// It exists and is as it should be.
    Keep,
    /// It exists, but Phoenix did not make it: left alone.
    NotOurs,
    /// It exists on another node of the cluster: left alone.
    Elsewhere,
    /// It is destroyed.
    Destroy,
}

/// The plan for one guest.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct GuestPlan {
    /// The guest.
    pub id: GuestId,
    /// Its name.
    pub name: String,
    /// Container or VM.
    pub kind: GuestKind,
    /// How it is regarded.
    pub attitude: Attitude,
    /// The guests that must be done first.
    pub needs: Vec<GuestId>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The gates that are asked in the end, by name.
    pub gates: Vec<String>,
    /// What differs and stays so: changes that cannot be made, or only by making the guest anew. The reason says what to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<Difference>,
    /// What a person should know: what a rollback means, what is left alone.
    pub remarks: Vec<String>,
    /// How long it is down, and who is without it, when it runs and is stopped or restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// What is on the guest and not managed by the configuration: left alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmanaged: Vec<Unmanaged>,
    /// The record that the guest's scripts are judged by.
    #[serde(skip)]
    pub(crate) record: Record,
    /// Whether it ran before.
    #[serde(skip)]
    pub(crate) power: Power,
}

impl GuestPlan {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// The plan for a fleet, in an order in which every guest comes after what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Plan {
    /// The guests.
    pub guests: Vec<GuestPlan>,
    /// What a run that died left on the node and nothing here touches; no part of what is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// A digest over all that is done: two plans with one digest do the same.
    pub digest: Digest,
}

impl Plan {
    fn of(guests: Vec<GuestPlan>) -> Self {
        let mut done = guests.clone();
        for guest in &mut done {
            // What follows from the rest, or is left alone; a file's digest in a command changes with everything in it.
            guest.outage = None;
            guest.unmanaged.clear();
            guest.unmet.clear();
            for step in &mut guest.steps {
                step.commands.clear();
                step.writes.clear();
                step.gates.clear();
            }
        }
        let json = serde_json::to_vec(&done).unwrap_or_default();
        // What is shown does not tell everything that is done: the text of a firewall file, for one.
        let works: Vec<&Work> = done.iter().flat_map(|guest| guest.steps.iter().map(|step| &step.work)).collect();
        let works = format!("{works:?}");
        Self { digest: Digest::of([json.as_slice(), works.as_bytes()]), guests, remarks: Vec::new() }
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.guests.iter().all(GuestPlan::is_empty)
    }

    /// The same plan without the changes of existing guests for which `left_alone` holds: they stay as they are.
    #[must_use]
    pub fn leaving(mut self, left_alone: impl Fn(GuestId) -> bool) -> Self {
        for guest in &mut self.guests {
            if guest.attitude == Attitude::Update && left_alone(guest.id) {
                guest.attitude = Attitude::Keep;
                guest.steps.clear();
                guest.outage = None;
            }
        }
        Self { remarks: self.remarks, ..Self::of(self.guests) }
    }

    /// The same plan for the guests for which `wanted` holds, and no others.
    #[must_use]
    pub(crate) fn only(mut self, wanted: impl Fn(GuestId) -> bool) -> Self {
        self.guests.retain(|guest| wanted(guest.id));
        Self { remarks: self.remarks, ..Self::of(self.guests) }
    }

    /// How many steps there are in all.
    #[must_use]
    pub fn step_count(&self) -> usize {
        self.guests.iter().map(|guest| guest.steps.len()).sum()
    }
}

/// Which scripts run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provision {
    /// Those whose digest changed since they ran, and those after them.
    #[default]
    WhenChanged,
    /// All of them.
    Always,
}

/// Compares what should be with what is. Pure: the same input gives the same plan, byte for byte.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, provision: Provision) -> Plan {
    let mut guests = Vec::with_capacity(desired.guests.len());
    for id in &desired.order {
        if let Some(guest) = desired.guests.get(id) {
            guests.push(plan_guest(guest, desired, observed, provision));
        }
    }
    finish(desired, observed, guests)
}

/// What is said of all plans alike: who is without whom, which commands are run, what a dead run left, and the digest.
fn finish(desired: &Desired, observed: &Observed, mut guests: Vec<GuestPlan>) -> Plan {
    for guest in &mut guests {
        guest.outage = outage::outage(desired, observed, guest.id, &guest.steps);
    }
    rehearse(desired, observed, &mut guests);
    Plan { remarks: leftovers::leftovers(desired, observed), ..Plan::of(guests) }
}
