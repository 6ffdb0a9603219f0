//! Why a step failed.

use phoenix_health::GateFailure;
use phoenix_host::SecretError;
use phoenix_host::{HostError, InsideError};
use phoenix_pve::{GuestError, InvalidSettings};
use phoenix_types::GuestId;

use crate::guest::AGENT_GATE;
use crate::plan::Obstacle;
use crate::tasks::TasksError;

/// A step that could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Tasks(#[from] TasksError),
    #[error(transparent)]
    Inside(#[from] InsideError),
    #[error(transparent)]
    Gate(Box<GateFailure>),
    #[error("the script `{name}` ended with status {status}")]
    Script { name: String, status: i32, tail: String },
    #[error("the script `{name}` was lost: the guest restarted, or something killed it{}", systemd_says(reason.as_deref()))]
    ScriptLost { name: String, reason: Option<String>, tail: String },
    #[error("another script of a run that died still runs in the guest")]
    ScriptsBusy,
    #[error("the script `{name}` did not end within {seconds} s and was stopped")]
    ScriptDeadline { name: String, seconds: u64, tail: String },
    #[error("guest {0} already exists, and nothing proves that Phoenix created it")]
    Taken(GuestId),
    #[error("guest {0} no longer exists: it was removed during the run")]
    Vanished(GuestId),
    #[error("guest {guest} is locked (`{lock}`): another task may still hold the lock")]
    Locked { guest: GuestId, lock: String },
    #[error("the notes have no room for the record: {length} bytes with it, but Proxmox keeps 8192")]
    NotesFull { length: usize },
    #[error("mounting the NFS volumes failed with {status}: {tail}")]
    Volumes { status: String, tail: String },
    #[error("resetting the machine id and ssh host keys failed with {status}: {tail}")]
    Identity { status: String, tail: String },
    #[error("`{command}` ended with status {status}")]
    HostCommand { command: String, status: String, tail: String },
    #[error("the root disk of guest {0} cannot be found in its settings")]
    NoRootDisk(GuestId),
    #[error("gate `{gate}` cannot run")]
    Secret {
        gate: String,
        #[source]
        source: SecretError,
    },
    #[error("blocked before its first change: {}", .0.message)]
    Obstacle(Obstacle),
    #[error("cancelled")]
    Cancelled,
}

/// What systemd calls the result of a script's service, for the end of a sentence.
fn systemd_says(result: Option<&str>) -> String {
    result.map(|result| format!(" (systemd says `{result}`)")).unwrap_or_default()
}

impl StepError {
    /// The end of what the failing command said.
    pub(super) fn tail(&self) -> &str {
        match self {
            Self::Script { tail, .. }
            | Self::ScriptLost { tail, .. }
            | Self::ScriptDeadline { tail, .. }
            | Self::HostCommand { tail, .. }
            | Self::Identity { tail, .. }
            | Self::Volumes { tail, .. } => tail,
            Self::Gate(failure) => &failure.last_output,
            Self::Guest(GuestError::Failed(failure)) => &failure.tail,
            _ => "",
        }
    }

    /// What to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Taken(id) => Some(format!("choose another id, or remove guest {id} by hand when it is not needed")),
            Self::Locked { guest, .. } => {
                Some(format!("wait for the task; if no task works on the guest, unlock {guest} by hand"))
            }
            Self::Obstacle(Obstacle { check, advice, .. }) => {
                Some(format!("{advice}; or skip the check with `--skip-check {check}`"))
            }
            Self::NotesFull { .. } => Some("shorten the guest's notes".to_owned()),
            Self::Script { .. } => Some(
                "see the script's output above; fix the script and run `phoenix up` again: it continues from here".to_owned(),
            ),
            Self::Gate(failure) if failure.gate == AGENT_GATE => Some(format!(
                "check its console with `qm terminal {}`: it may not boot, have no network, or its image may lack \
                 `qemu-guest-agent`; for a VM without an agent, configure `\"guest_agent\": false`",
                failure.guest
            )),
            Self::Volumes { tail, .. } if tail.contains("busy") => Some(
                "a process in the VM still uses it: find it with `fuser -vm` and the mount point, stop it and run `phoenix up` again"
                    .to_owned(),
            ),
            Self::Guest(error) if error.class() == phoenix_pve::ErrorClass::TimedOut => Some(
                "if the guest does not shut down, stop it with `pct stop` or `qm stop`; unsaved data is lost"
                    .to_owned(),
            ),
            Self::ScriptLost { .. } => Some("run `phoenix up` again: it runs the script again".to_owned()),
            _ => None,
        }
    }
}

impl StepError {
    /// The class of the tool's message, where a tool was at fault.
    pub(super) fn class(&self) -> Option<phoenix_pve::ErrorClass> {
        match self {
            Self::Guest(error) => Some(error.class()),
            _ => None,
        }
    }
}
