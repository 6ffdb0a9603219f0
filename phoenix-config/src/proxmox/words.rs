//! Keys of Proxmox that have a key of Phoenix.

use phoenix_types::GuestKind;

/// Why a key of Proxmox is not written as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Phoenix has a key for it.
    Key(&'static str),
    /// Proxmox sets it, or a program that Phoenix starts.
    Own,
}

/// Keys that both kinds of guest have.
const BOTH: &[(&str, Word)] = &[
    ("cores", Word::Key("cores")),
    ("memory", Word::Key("memory_mb")),
    ("net[n]", Word::Key("network_config")),
    ("nameserver", Word::Key("network_config.nameservers")),
    ("searchdomain", Word::Key("network_config.searchdomain")),
    ("onboot", Word::Key("start_at_boot")),
    ("startup", Word::Key("boot_order")),
    ("protection", Word::Key("protection")),
    ("tags", Word::Key("tags")),
    ("description", Word::Key("description")),
    ("template", Word::Key("is_template")),
    ("unused[n]", Word::Own),
    ("digest", Word::Own),
    ("lock", Word::Own),
    ("parent", Word::Own),
    ("snaptime", Word::Own),
    ("snapstate", Word::Own),
    ("delete", Word::Own),
    ("force", Word::Own),
    ("revert", Word::Own),
    ("skiplock", Word::Own),
    ("vmid", Word::Own),
];

const CONTAINERS: &[(&str, Word)] = &[
    ("hostname", Word::Key("name")),
    ("swap", Word::Key("swap_mb")),
    ("unprivileged", Word::Key("unprivileged")),
    ("features", Word::Key("pct_options")),
    ("mp[n]", Word::Key("mount_points")),
    ("env", Word::Own),
];

const MACHINES: &[(&str, Word)] = &[
    ("name", Word::Key("name")),
    ("ipconfig[n]", Word::Key("network_config")),
    ("ciuser", Word::Key("user_config.username")),
    ("sshkeys", Word::Key("user_config.ssh_public_key")),
    ("cipassword", Word::Key("user_config.password")),
    ("agent", Word::Key("guest_agent")),
    ("vmgenid", Word::Own),
    ("meta", Word::Own),
    ("vmstate", Word::Own),
    ("runningcpu", Word::Own),
    ("runningmachine", Word::Own),
    ("running-nets-host-mtu", Word::Own),
    ("cdrom", Word::Own),
    ("freeze", Word::Own),
];

/// Why a key of Proxmox is not written as such; `None` for one that is.
pub(crate) fn word(kind: GuestKind, key: &str) -> Option<Word> {
    let own = match kind {
        GuestKind::Container => CONTAINERS,
        GuestKind::Vm => MACHINES,
    };
    let numbered = format!("{}[n]", key.trim_end_matches(|c: char| c.is_ascii_digit()));
    let has = |name: &str| BOTH.iter().chain(own).find(|(known, _)| *known == name).map(|(_, word)| *word);
    has(key).or_else(|| has(&numbered))
}

/// Whether a key of Proxmox is written by a key of Phoenix, or by nobody.
#[must_use]
pub fn has_word(kind: GuestKind, key: &str) -> bool {
    word(kind, key).is_some()
}
