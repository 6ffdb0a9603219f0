//! A guest's firewall.

use phoenix_types::{FirewallRule, Verdict};

/// A guest's firewall: switched on or off, with policies and rules.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Firewall {
    /// Whether it acts.
    pub enabled: bool,
    /// What happens to incoming packets that no rule matches. Absent: Proxmox's own, DROP.
    pub input_policy: Option<Verdict>,
    /// What happens to outgoing packets that no rule matches. Absent: Proxmox's own, ACCEPT.
    pub output_policy: Option<Verdict>,
    /// The rules, first match wins. A rule that is written twice is kept once.
    pub rules: Vec<FirewallRule>,
}
