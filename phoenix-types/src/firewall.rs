//! A guest's firewall file (`/etc/pve/firewall/ID.fw`), in the grammar of pve-firewall's `Firewall.pm`.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// Which way a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Packets to the guest.
    In,
    /// Packets from the guest.
    Out,
}

/// What a rule, or a policy, does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Lets it pass.
    Accept,
    /// Throws it away without a word.
    Drop,
    /// Refuses it with an answer.
    Reject,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "ACCEPT",
            Self::Drop => "DROP",
            Self::Reject => "REJECT",
        })
    }
}

/// One rule. The texts are in the file's grammar and must not hold blanks; whoever builds a rule from a configuration has
/// parsed them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FirewallRule {
    /// Which way it looks.
    pub direction: Direction,
    /// What it does.
    pub verdict: Verdict,
    /// The macro that stands for protocol and ports, such as `SSH`.
    pub macro_name: Option<String>,
    /// The guest's interface, `net0` and so on; all when absent.
    pub interface: Option<String>,
    /// Where the packet comes from: an address, a network, a list.
    pub source: Option<String>,
    /// Where it goes to.
    pub dest: Option<String>,
    /// The protocol.
    pub proto: Option<String>,
    /// Destination ports: `80`, `80,443`, `8000:8010`.
    pub dport: Option<String>,
    /// Source ports.
    pub sport: Option<String>,
    /// The log level.
    pub log: Option<String>,
    /// Whether it acts; a rule can be kept but off.
    pub state: RuleState,
    /// A remark, one line.
    pub comment: Option<String>,
}

/// Whether a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RuleState {
    /// It acts.
    #[default]
    On,
    /// It is kept, and passed over.
    Off,
}

impl fmt::Display for FirewallRule {
    /// The rule as a line of the file; options in the order of the real writer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.state == RuleState::Off {
            f.write_char('|')?;
        }
        f.write_str(match self.direction {
            Direction::In => "IN ",
            Direction::Out => "OUT ",
        })?;
        match &self.macro_name {
            Some(name) => write!(f, "{name}({})", self.verdict)?,
            None => write!(f, "{}", self.verdict)?,
        }
        let options = [
            ("-i", &self.interface),
            ("-source", &self.source),
            ("-dest", &self.dest),
            ("-p", &self.proto),
            ("-dport", &self.dport),
            ("-sport", &self.sport),
            ("-log", &self.log),
        ];
        for (option, value) in options {
            if let Some(value) = value {
                write!(f, " {option} {value}")?;
            }
        }
        if let Some(comment) = &self.comment {
            write!(f, " # {}", comment.replace(char::is_control, " ").trim())?;
        }
        Ok(())
    }
}

/// A guest's whole firewall file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirewallFile {
    /// Lines of the `[OPTIONS]` section, key and value, in order.
    pub options: Vec<(String, String)>,
    /// The rules, first match wins.
    pub rules: Vec<FirewallRule>,
}

impl fmt::Display for FirewallFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.options.is_empty() {
            f.write_str("[OPTIONS]\n\n")?;
            for (key, value) in &self.options {
                writeln!(f, "{key}: {value}")?;
            }
        }
        if !self.rules.is_empty() {
            f.write_str(if self.options.is_empty() { "[RULES]\n\n" } else { "\n[RULES]\n\n" })?;
            for rule in &self.rules {
                writeln!(f, "{rule}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_written_as_the_real_writer_does() {
        let rule = FirewallRule {
            direction: Direction::In,
            verdict: Verdict::Accept,
            macro_name: None,
            interface: Some("net0".into()),
            source: Some("10.0.0.0/24".into()),
            dest: None,
            proto: Some("tcp".into()),
            dport: Some("22".into()),
            sport: None,
            log: None,
            state: RuleState::On,
            comment: Some("ssh from\nthe LAN".into()),
        };
        let file = FirewallFile { options: vec![("enable".into(), "1".into())], rules: vec![rule] };
        assert_eq!(
            file.to_string(),
            "[OPTIONS]\n\nenable: 1\n\n[RULES]\n\nIN ACCEPT -i net0 -source 10.0.0.0/24 -p tcp -dport 22 # ssh from the LAN\n"
        );
    }
}
