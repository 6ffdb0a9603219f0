//! The guests' configuration files (`/etc/pve/lxc/ID.conf`, `/etc/pve/qemu-server/ID.conf`), read and written as the real
//! tools write them (pve-container `LXC/Config.pm`, qemu-server `QemuServer.pm`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::{GuestKind, SnapshotName};

/// One section of a configuration file: the live settings, the pending ones, or those of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfSection {
    /// The notes, decoded, lines joined by newlines and without a newline at the end.
    pub description: Option<String>,
    /// `key: value` lines.
    pub keys: BTreeMap<String, String>,
    /// Raw `lxc.*` lines in their order; a key may come more than once.
    pub raw: Vec<(String, String)>,
}

/// A guest's configuration file.
///
/// ```
/// use phoenix_types::{GuestConf, GuestKind};
///
/// let conf = GuestConf::parse("#ours\narch: amd64\nlxc.apparmor.profile: unconfined\n\n[base]\narch: amd64\n", GuestKind::Container);
/// assert_eq!(conf.live.description.as_deref(), Some("ours"));
/// assert_eq!(conf.live.raw[0].1, "unconfined");
/// assert!(conf.snapshots.contains_key("base"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuestConf {
    /// What the guest runs with.
    pub live: ConfSection,
    /// What it takes over at its next cold start; `delete` names the keys that go.
    pub pending: Option<ConfSection>,
    /// `[special:…]` sections of VMs, kept as they are.
    pub special: BTreeMap<String, ConfSection>,
    /// The snapshots by name.
    pub snapshots: BTreeMap<String, ConfSection>,
}

impl GuestConf {
    /// Reads a file. Lines that are no setting are left out, as the real tools do (they warn and drop them at the next write).
    #[must_use]
    pub fn parse(text: &str, kind: GuestKind) -> Self {
        let mut conf = Self::default();
        let mut section = &mut conf.live;
        for whole in text.split('\n') {
            // Blanks at the end belong to a line of notes, and to nothing else.
            let line = if whole.starts_with('#') { whole } else { whole.trim_end() };
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = if name.eq_ignore_ascii_case("pending") || name.eq_ignore_ascii_case("pve:pending") {
                    conf.pending.get_or_insert_default()
                } else if name.starts_with("special:") {
                    conf.special.entry(name.to_owned()).or_default()
                } else {
                    conf.snapshots.entry(name.to_owned()).or_default()
                };
                continue;
            }
            section.take_line(whole, kind);
        }
        conf
    }

    /// The file's text: description, keys in alphabetical order, raw lines; then pending, special sections and snapshots,
    /// each behind a blank line.
    #[must_use]
    pub fn print(&self, kind: GuestKind) -> String {
        let mut text = String::new();
        self.live.print(&mut text);
        if let Some(pending) = &self.pending {
            let name = match kind {
                GuestKind::Container => "pve:pending",
                GuestKind::Vm => "PENDING",
            };
            let _ = write!(text, "\n[{name}]\n");
            pending.print(&mut text);
        }
        for (name, section) in self.special.iter().chain(&self.snapshots) {
            let _ = write!(text, "\n[{name}]\n");
            section.print(&mut text);
        }
        text
    }

    /// The live settings with the pending ones taken over: what the guest has after its next cold start.
    #[must_use]
    pub fn after_restart(&self) -> ConfSection {
        let mut settings = self.live.clone();
        let Some(pending) = &self.pending else { return settings };
        let gone = pending.get("delete").unwrap_or_default();
        for key in gone.split([',', ';', ' ']).map(|key| key.trim_start_matches('!')) {
            settings.keys.remove(key);
        }
        settings
            .keys
            .extend(pending.keys.iter().filter(|(key, _)| *key != "delete").map(|(k, v)| (k.clone(), v.clone())));
        settings
    }

    /// The lock that a command set on the guest, such as `create`, `disk`, `snapshot`.
    #[must_use]
    pub fn lock(&self) -> Option<&str> {
        self.live.get("lock")
    }

    /// Whether the guest is a template.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.live.get("template") == Some("1")
    }

    /// Whether the guest has this snapshot, complete: neither incomplete nor half deleted.
    #[must_use]
    pub fn has_snapshot(&self, name: &SnapshotName) -> bool {
        self.snapshots.get(name.as_str()).is_some_and(|section| section.get("snapstate").is_none())
    }
}

impl ConfSection {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    fn take_line(&mut self, whole: &str, kind: GuestKind) {
        let line = whole.trim_end();
        if let Some(comment) = whole.strip_prefix('#') {
            self.add_description(&percent_decode(comment));
        } else if let Some((key, value)) = (kind == GuestKind::Container).then(|| raw_line(line)).flatten() {
            self.raw.push((key.to_owned(), value.to_owned()));
        } else if let Some((key, value)) = line.split_once(':') {
            // The tools' pattern wants at least one character: of nothing but blanks it takes one.
            let blank = if whole.len() > line.len() { " " } else { "" };
            let value = Some(value.trim()).filter(|value| !value.is_empty()).unwrap_or(blank);
            let is_key = key.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
                && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
            if key == "description" {
                self.add_description(&percent_decode(value));
            } else if is_key && !value.is_empty() {
                self.keys.insert(key.to_owned(), value.to_owned());
            }
        }
    }

    fn add_description(&mut self, line: &str) {
        match &mut self.description {
            Some(text) => {
                text.push('\n');
                text.push_str(line);
            }
            None => self.description = Some(line.to_owned()),
        }
    }

    fn print(&self, text: &mut String) {
        if let Some(description) = &self.description {
            for line in description.split('\n') {
                let _ = writeln!(text, "#{}", percent_encode(line));
            }
        }
        for (key, value) in &self.keys {
            let _ = writeln!(text, "{key}: {value}");
        }
        for (key, value) in &self.raw {
            let _ = writeln!(text, "{key}: {value}");
        }
    }
}

/// Splits a raw line; both `lxc.key: value` and `lxc.key = value` are taken.
fn raw_line(line: &str) -> Option<(&str, &str)> {
    if !line.starts_with("lxc.") {
        return None;
    }
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '-'))?;
    let value = line[end..].trim_start().strip_prefix([':', '='])?;
    Some((&line[..end], value.trim()))
}

/// Encodes a line of notes: control characters, `:`, `%` and everything that is not ASCII (pve-common Tools, `encode_text`).
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte < 0x20 || byte == 0x7f || byte >= 0x80 || byte == b':' || byte == b'%' {
            let _ = write!(encoded, "%{byte:02X}");
        } else {
            encoded.push(char::from(byte));
        }
    }
    encoded
}

/// The reverse of [`percent_encode`]; what is no escape stays as it is.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |i: usize| bytes.get(i).and_then(|&b| char::from(b).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The digest that Proxmox computes over a configuration file: SHA-1 of its text, in hexadecimal.
#[must_use]
pub fn conf_digest(text: &str) -> String {
    use sha1::Digest as _;
    sha1::Sha1::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONTAINER: &str = "#user text\n#\n#<!-- phoenix%3A{\"r\"%3A1} -->\narch: amd64\nhostname: rec\nmemory: 512\nparent: snapone\n\
        rootfs: tank:120/vm-120-disk-0.raw,size=1G\nlxc.environment: PHOENIX_RECORD=aaaa1111\nlxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind,optional,create=file\n\n\
        [pve:pending]\ndelete: mp0\n\n[snapone]\n#taken\narch: amd64\nsnaptime: 1795292719\nlxc.environment: PHOENIX_RECORD=aaaa1111\n";

    #[test]
    fn a_container_file_round_trips() {
        let conf = GuestConf::parse(CONTAINER, GuestKind::Container);
        assert_eq!(conf.live.description.as_deref(), Some("user text\n\n<!-- phoenix:{\"r\":1} -->"));
        assert_eq!(conf.live.raw.len(), 2);
        assert_eq!(conf.pending.as_ref().unwrap().get("delete"), Some("mp0"));
        assert_eq!(conf.snapshots["snapone"].raw.len(), 1);
        assert_eq!(conf.print(GuestKind::Container), CONTAINER);
    }

    #[test]
    fn pending_settings_count_after_a_restart() {
        let conf =
            GuestConf::parse("cores: 2\nmp0: a\n\n[pve:pending]\ncores: 4\ndelete: mp0,!net1\n", GuestKind::Container);
        let settings = conf.after_restart();
        assert_eq!((settings.get("cores"), settings.get("mp0"), settings.get("delete")), (Some("4"), None, None));
    }

    #[test]
    fn a_key_with_nothing_but_a_blank_keeps_it_and_one_with_nothing_at_all_goes() {
        let conf = GuestConf::parse("boot: \nname:\nmemory: 512 \n", GuestKind::Vm);
        assert_eq!(
            (conf.live.get("boot"), conf.live.get("name"), conf.live.get("memory")),
            (Some(" "), None, Some("512"))
        );
        assert_eq!(conf.print(GuestKind::Vm), "boot:  \nmemory: 512\n");
    }

    #[test]
    fn both_raw_forms_are_read() {
        let conf =
            GuestConf::parse("lxc.idmap = u 0 100000 65536\nlxc.idmap: g 0 100000 65536\n", GuestKind::Container);
        assert_eq!(
            conf.live.raw,
            [("lxc.idmap".into(), "u 0 100000 65536".into()), ("lxc.idmap".into(), "g 0 100000 65536".into())]
        );
    }

    #[test]
    fn a_half_made_snapshot_does_not_count() {
        let conf = GuestConf::parse(
            "arch: amd64\n\n[base]\nsnapstate: prepare\n\n[full]\narch: amd64\n",
            GuestKind::Container,
        );
        assert!(!conf.has_snapshot(&"base".parse().unwrap()));
        assert!(conf.has_snapshot(&"full".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn notes_of_any_text_round_trip(text in "[^\\r]{1,80}") {
            prop_assert_eq!(percent_decode(&percent_encode(&text)), text.clone());
            let conf = GuestConf { live: ConfSection { description: Some(text), ..ConfSection::default() }, ..GuestConf::default() };
            prop_assert_eq!(GuestConf::parse(&conf.print(GuestKind::Vm), GuestKind::Vm), conf);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*(\\n\\PC*){0,4}") {
            let conf = GuestConf::parse(&text, GuestKind::Container);
            let again = GuestConf::parse(&conf.print(GuestKind::Container), GuestKind::Container);
            prop_assert_eq!(again.print(GuestKind::Container), conf.print(GuestKind::Container));
        }
    }
}
