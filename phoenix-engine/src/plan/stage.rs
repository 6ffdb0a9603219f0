//! The phases that a guest goes through.

use serde::Serialize;

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
    /// Gates that block its own provisioning.
    WaitFor,
    /// Features and application script.
    Provision,
    /// Gates that block its dependants.
    Health,
    /// What clones must not share is removed from a template to be, or recreated in a clone.
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

impl Stage {
    /// The stage's name, as it is in the command log.
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
