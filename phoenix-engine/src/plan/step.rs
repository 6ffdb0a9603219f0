//! One change of a plan, and what is shown of it.

use camino::Utf8PathBuf;
use serde::Serialize;

use super::stage::Stage;
use super::work::Work;

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
    /// Only a guest that is recreated has it, which is never done unasked.
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
    /// gates are in `gates`: how often they are asked is not known.
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
    pub(crate) fn new(
        stage: Stage,
        summary: impl Into<String>,
        reason: impl Into<String>,
        effect: Effect,
        work: Work,
    ) -> Self {
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
