//! A guest's firewall file (`/etc/pve/firewall/ID.fw`), in the grammar of pve-firewall's `Firewall.pm`.

use std::collections::BTreeMap;
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
    /// Lines of other sections (aliases, IP sets) with their headings, which others wrote and which stay.
    pub kept: Vec<String>,
}

impl FirewallFile {
    /// The same file with what else is in the one that it replaces: options that it says nothing about, other sections.
    #[must_use]
    pub fn keeping(mut self, there: &FirewallText) -> Self {
        self.options.extend(there.other_options().map(|(key, value)| (key.clone(), value.clone())));
        self.kept.clone_from(&there.others);
        self
    }
}

impl fmt::Display for FirewallFile {
    /// The sections in the order of the real writer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<String> = self.options.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let rules: Vec<String> = self.rules.iter().map(ToString::to_string).collect();
        let mut is_first = true;
        let mut section = |heading: &str, lines: &[String]| {
            if lines.is_empty() {
                return Ok(());
            }
            let gap = if std::mem::take(&mut is_first) { "" } else { "\n" };
            writeln!(f, "{gap}{heading}{}", lines.join("\n"))
        };
        section("[OPTIONS]\n\n", &options)?;
        section("", &self.kept)?;
        section("[RULES]\n\n", &rules)
    }
}

/// What a firewall file says, however it is laid out. Empty lines and lines that begin with `#` say nothing: Proxmox drops them
/// itself when it next writes the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirewallText {
    /// The `[OPTIONS]` section.
    pub options: BTreeMap<String, String>,
    /// The lines of the `[RULES]` section, with one blank between words.
    pub rules: Vec<String>,
    /// The lines of all other sections, with their headings.
    pub others: Vec<String>,
}

impl FirewallText {
    /// The options that a [`FirewallFile`] made from a configuration sets, or removes.
    pub const CONFIGURED: [&'static str; 3] = ["enable", "policy_in", "policy_out"];

    /// Reads a file.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        let mut section = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let heading = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name);
            if let Some(name) = heading {
                section = name.trim().to_lowercase();
            }
            match (section.as_str(), line.split_once(':')) {
                ("options" | "rules", _) if heading.is_some() => {}
                ("options", option) => {
                    // What is no option is dropped, as Proxmox does.
                    let option = option.map(|(key, value)| (key.trim(), value.trim()));
                    if let Some((key, value)) = option.filter(|(key, value)| is_word(key) && is_word(value)) {
                        parsed.options.insert(key.to_owned(), value.to_owned());
                    }
                }
                ("rules", _) => parsed.rules.push(line.split_whitespace().collect::<Vec<_>>().join(" ")),
                _ => parsed.others.push(line.to_owned()),
            }
        }
        parsed
    }

    /// The options that no configuration has words for.
    pub fn other_options(&self) -> impl Iterator<Item = (&String, &String)> {
        self.options.iter().filter(|(key, _)| !Self::CONFIGURED.contains(&key.as_str()))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '|'))
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
        let file = FirewallFile { options: vec![("enable".into(), "1".into())], rules: vec![rule], kept: Vec::new() };
        assert_eq!(
            file.to_string(),
            "[OPTIONS]\n\nenable: 1\n\n[RULES]\n\nIN ACCEPT -i net0 -source 10.0.0.0/24 -p tcp -dport 22 # ssh from the LAN\n"
        );
    }

    #[test]
    fn what_others_wrote_stays_when_the_file_is_written_anew() {
        let text = "[OPTIONS]\nlog_level_in: info\nenable: 0\npolicy_in: DROP\n\n[IPSET trusted] # by hand\n\n# mine\n10.0.0.9 # me\n\n\
                    [rules]\nIN  ACCEPT   -p tcp\n";
        let there = FirewallText::parse(text);
        assert_eq!(there.rules, ["IN ACCEPT -p tcp"]);
        let file = FirewallFile { options: vec![("enable".into(), "1".into())], ..FirewallFile::default() };
        assert_eq!(
            file.keeping(&there).to_string(),
            "[OPTIONS]\n\nenable: 1\nlog_level_in: info\n\n[IPSET trusted] # by hand\n10.0.0.9 # me\n"
        );
    }
}
