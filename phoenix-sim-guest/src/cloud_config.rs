//! The files that cloud-init reads on its drive, besides those that Proxmox makes: `packages` and `runcmd` of cloud-config.

use phoenix_types::{GuestKind, PropertyString};

use crate::ground::HeldNode;
use crate::view::node_files;

/// What cloud-init is told to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CloudConfig {
    /// Packages that it installs.
    pub(crate) packages: Vec<String>,
    /// Commands that it runs at the end of the first boot, each in words joined by blanks.
    pub(crate) commands: Vec<String>,
}

impl CloudConfig {
    /// Reads the two lists out of a document that has them as a list a line, which is how people write them. Other documents,
    /// such as scripts, tell nothing.
    pub(crate) fn parse(text: &str) -> Self {
        let mut config = Self::default();
        if text.lines().next().map(str::trim_end) != Some("#cloud-config") {
            return config;
        }
        let mut key = "";
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            if let Some(item) = line.trim_start().strip_prefix("- ") {
                match key {
                    "packages" => config.packages.extend(words(item)),
                    "runcmd" => config.commands.push(words(item).join(" ")),
                    _ => {}
                }
            } else if let Some((name, _)) = line.split_once(':').filter(|_| !line.starts_with(' ')) {
                key = name;
            }
        }
        config
    }

    /// What is in the files of the VM's `cicustom`. Lists of `user` are in front of those of `vendor`: cloud-init takes the
    /// user's list where both have one.
    pub(crate) fn of(state: &mut dyn HeldNode, vmid: u32) -> Self {
        let mut all = Self::default();
        let Some(conf) = state.conf(GuestKind::Vm, vmid) else { return all };
        let Some(custom) = conf.live.get("cicustom").and_then(|text| text.parse::<PropertyString>().ok()) else {
            return all;
        };
        for part in ["user", "vendor"] {
            let Some(path) = custom.get(part).and_then(|volume| state.path_of(volume)) else { continue };
            let text = node_files(state).read(&path).unwrap_or_default();
            let config = Self::parse(&String::from_utf8_lossy(&text));
            for (list, more) in [(&mut all.packages, config.packages), (&mut all.commands, config.commands)] {
                if list.is_empty() {
                    *list = more;
                }
            }
        }
        all
    }
}

/// The words of an item: a scalar, or a list in brackets.
fn words(item: &str) -> Vec<String> {
    let item = item.trim();
    let unquoted = |word: &str| word.trim().trim_matches(['"', '\'']).to_owned();
    match item.strip_prefix('[').and_then(|list| list.strip_suffix(']')) {
        Some(list) => list.split(',').map(unquoted).collect(),
        None => vec![unquoted(item)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_both_forms() {
        let text = "#cloud-config\n# a comment\npackage_update: true\npackages:\n  - qemu-guest-agent\n- \"jq\"\nruncmd:\n  - [systemctl, start, 'x.service']\n  - echo done\nusers:\n  - default\n";
        let config = CloudConfig::parse(text);
        assert_eq!(config.packages, ["qemu-guest-agent", "jq"]);
        assert_eq!(config.commands, ["systemctl start x.service", "echo done"]);
        assert_eq!(CloudConfig::parse("#!/bin/sh\npackages:\n- x\n"), CloudConfig::default());
    }
}
