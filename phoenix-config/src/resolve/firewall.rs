//! Firewalls.

use phoenix_types::{FirewallRule, RuleState};

use super::either;
use crate::diagnostic::{Finding, Target};
use crate::dialect::{FirewallEntry, RuleEntry};
use crate::model::Firewall;

pub(super) fn firewall(entry: FirewallEntry, target: Target, findings: &mut Vec<Finding>) -> Firewall {
    Firewall {
        enabled: entry.enabled.unwrap_or(true),
        input_policy: entry.default_input_policy,
        output_policy: entry.default_output_policy,
        rules: entry
            .rules
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(index, entry)| rule(entry, index, target, findings))
            .collect(),
    }
}

fn rule(entry: RuleEntry, index: usize, target: Target, findings: &mut Vec<Finding>) -> FirewallRule {
    let path = ["firewall".into(), "rules".into(), index.into()];
    let ports = either(("port", entry.port), ("dport", entry.dport), target, &path, findings);
    FirewallRule {
        direction: entry.direction,
        verdict: entry.action,
        macro_name: entry.macro_name.map(String::from),
        interface: entry.iface.map(String::from),
        source: entry.source.map(String::from),
        dest: entry.dest.map(String::from),
        proto: entry.proto.map(String::from),
        dport: ports.map(|ports| ports.0),
        sport: entry.sport.map(|ports| ports.0),
        log: entry.log.map(String::from),
        state: if entry.enabled == Some(false) { RuleState::Off } else { RuleState::On },
        comment: entry.comment.map(String::from),
    }
}
