//! How long the work on a guest may take, as it is written.

use super::number::Whole;

/// Seconds, at least one, at most a week.
pub(crate) type Seconds = Whole<1, 604_800>;

object! {
    /// How long the work on a container may take, in seconds.
    LimitsEntry {
        /// How long its start may take, until its init runs. Default: 300.
        "start" => start: Option<Seconds>,
        /// How long it may take to shut down before it is switched off, by Phoenix and by the node. Default: what its settings on the node say, else 120.
        "shutdown" => shutdown: Option<Seconds>,
        /// How long one provisioning script may run. Default: 14400.
        "script" => script: Option<Seconds>,
    }
}

object! {
    /// How long the work on a VM may take, in seconds.
    VmLimitsEntry {
        /// How long its start may take, until its QEMU process runs. Default: 300.
        "start" => start: Option<Seconds>,
        /// How long it may take to shut down before it is switched off, by Phoenix and by the node. Default: what its settings on the node say, else 120.
        "shutdown" => shutdown: Option<Seconds>,
        /// How long one provisioning script may run. Default: 14400.
        "script" => script: Option<Seconds>,
        /// How long its guest agent may take to answer after a start. Default: 600, and 1800 where cloud-init installs it.
        "agent" => agent: Option<Seconds>,
        /// How long cloud-init may take after a start. Default: 1800.
        "cloud_init" => cloud_init: Option<Seconds>,
    }
}
