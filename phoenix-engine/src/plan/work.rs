//! What a step does, for the code that carries it out.

use camino::Utf8PathBuf;
use phoenix_types::{FirewallFile, SnapshotName, VolumeId};

/// What a step does, for converge. Each piece of work looks at the guest again and does nothing when it is up to date,
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
    /// Starts a hibernated VM, which continues with its saved memory.
    Resume,
    Stop,
    AwaitAgent,
    AwaitCloudInit,
    Volumes,
    Snapshot {
        name: SnapshotName,
        purpose: SnapshotPurpose,
    },
    /// Takes a snapshot again; the old one goes when its successor stands.
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
    /// Goes back to the snapshot that was taken before a change, which a run that died had started.
    GoBack,
    /// Takes the snapshot that the change can go back to.
    Guard,
    /// Removes it, now that the new state is proven.
    ForgetGuard,
    Destroy,
}

impl Work {
    /// Whether it checks that the guest is healthy.
    pub(crate) fn is_proof(&self) -> bool {
        matches!(self, Self::AwaitAgent | Self::AwaitCloudInit | Self::Health)
    }

    /// Whether it is a snapshot of the finished guest.
    pub(crate) fn shows_the_guest(&self) -> bool {
        let purpose = match self {
            Self::Snapshot { purpose, .. } | Self::Replace { purpose, .. } => *purpose,
            _ => return false,
        };
        purpose != SnapshotPurpose::Undo
    }

    /// Whether the guest runs when it is over, although it did not run all the time.
    pub(crate) fn leaves_it_running(&self) -> bool {
        let restarts = matches!(self, Self::Settings { restart: Restart::Needed });
        restarts || matches!(self, Self::Start | Self::Resume | Self::RenewIdentity | Self::GoBack)
    }

    /// Whether it comes first, because the guest takes no note before it: it is locked by a task or hibernated, or it is still
    /// to go back.
    pub(crate) fn makes_ready(&self) -> bool {
        matches!(self, Self::BreakLock | Self::Resume | Self::GoBack)
    }

    /// Whether it changes the node from its beginning to its end. What waits, or runs inside the guest, holds no slot; making a
    /// guest and applying its settings wait in between and take their slots themselves.
    pub(crate) fn holds_a_slot(&self) -> bool {
        matches!(
            self,
            Self::Undo
                | Self::Grow
                | Self::Start
                | Self::Resume
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
