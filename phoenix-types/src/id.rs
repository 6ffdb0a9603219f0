//! Identities on a node: guests, nodes, storages, volumes, snapshots, bridges.

use std::fmt;

use crate::text_type;

/// The number of a guest (Proxmox calls it the vmid): containers and VMs share one space, 100 to 999999999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestId(u32);

impl GuestId {
    /// The smallest id that Proxmox accepts.
    pub const MIN: u32 = 100;
    /// The largest id that Proxmox accepts.
    pub const MAX: u32 = 999_999_999;

    /// # Errors
    /// When `id` is outside 100 to 999999999.
    pub fn new(id: u32) -> Result<Self, InvalidGuestId> {
        if (Self::MIN..=Self::MAX).contains(&id) { Ok(Self(id)) } else { Err(InvalidGuestId(id.to_string())) }
    }

    /// The plain number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

/// A text or number that is no guest id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a guest id: use a whole number from 100 to 999999999")]
pub struct InvalidGuestId(pub String);

impl fmt::Display for GuestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for GuestId {
    type Err = InvalidGuestId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidGuestId(text.to_owned());
        if text.is_empty() || text.starts_with('0') || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        Self::new(text.parse().map_err(|_| invalid())?).map_err(|_| invalid())
    }
}

impl TryFrom<u32> for GuestId {
    type Error = InvalidGuestId;

    fn try_from(id: u32) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl serde::Serialize for GuestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

/// Ids are written as numbers or as strings (JSON object keys are always strings).
impl<'de> serde::Deserialize<'de> for GuestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = GuestId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a guest id from 100 to 999999999, as a number or a string")
            }

            fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<GuestId, E> {
                u32::try_from(id)
                    .ok()
                    .and_then(|id| GuestId::new(id).ok())
                    .ok_or_else(|| E::custom(InvalidGuestId(id.to_string())))
            }

            fn visit_i64<E: serde::de::Error>(self, id: i64) -> Result<GuestId, E> {
                Err(E::custom(InvalidGuestId(id.to_string())))
            }

            /// `103.0` is a whole number too, as in JSON Schema.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be whole and in range"
            )]
            fn visit_f64<E: serde::de::Error>(self, id: f64) -> Result<GuestId, E> {
                if id.fract() == 0.0 && (f64::from(GuestId::MIN)..=f64::from(GuestId::MAX)).contains(&id) {
                    self.visit_u64(id as u64)
                } else {
                    Err(E::custom(InvalidGuestId(id.to_string())))
                }
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<GuestId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for GuestId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GuestId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A guest id: 100 to 999999999, as a number or a string.",
            "errorMessage": "a guest id from 100 to 999999999",
            "anyOf": [
                {"type": "integer", "minimum": Self::MIN, "maximum": Self::MAX},
                {"type": "string", "pattern": "^[1-9][0-9]{2,8}$"},
            ],
        })
    }
}

/// What kind of guest an id stands for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum GuestKind {
    /// An LXC container, driven by `pct`.
    Container,
    /// A QEMU virtual machine, driven by `qm`.
    Vm,
}

impl GuestKind {
    /// The program that manages guests of this kind.
    #[must_use]
    pub fn tool(self) -> &'static str {
        match self {
            Self::Container => "pct",
            Self::Vm => "qm",
        }
    }

    /// The folder of this kind's configuration files below `/etc/pve`.
    #[must_use]
    pub fn conf_folder(self) -> &'static str {
        match self {
            Self::Container => "lxc",
            Self::Vm => "qemu-server",
        }
    }

    /// The path of a guest's configuration file on its node.
    #[must_use]
    pub fn conf_path(self, id: GuestId) -> camino::Utf8PathBuf {
        format!("/etc/pve/{}/{id}.conf", self.conf_folder()).into()
    }
}

impl fmt::Display for GuestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Vm => "vm",
        })
    }
}

fn inner_hyphen(text: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && alnum(bytes[0])
        && alnum(bytes[bytes.len() - 1])
        && bytes.iter().all(|&b| alnum(b) || b == b'-')
}

fn dns_name(text: &str) -> bool {
    text.len() <= 255 && text.split('.').all(|label| label.len() <= 63 && inner_hyphen(label))
}

fn config_id(text: &str) -> bool {
    text.len() >= 2
        && text.as_bytes()[0].is_ascii_alphabetic()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

text_type! {
    /// The name of a node: letters, digits and inner hyphens.
    NodeName, InvalidNodeName, inner_hyphen, "a node name: letters, digits and inner hyphens", "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"
}
text_type! {
    /// The name of a guest: a DNS name, labels of at most 63 characters, 255 in all.
    Hostname, InvalidHostname, dns_name, "a DNS name: labels of letters, digits and inner hyphens, joined by dots, at most 63 characters a label",
    r"^(?=.{1,255}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"
}
text_type! {
    /// The name of a storage as `pvesm` knows it.
    StorageId, InvalidStorageId, |text: &str| {
        let bytes = text.as_bytes();
        bytes.len() >= 2
            && bytes[0].is_ascii_alphabetic()
            && bytes[bytes.len() - 1].is_ascii_alphanumeric()
            && bytes.iter().all(|&b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    }, "a storage id: a letter first, then letters, digits, `-`, `_` and `.`, ending in a letter or digit",
    r"^[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]$"
}
text_type! {
    /// The name of a snapshot: a letter, then letters, digits, `_` and `-`, 2 to 40 characters; `current`, `vzdump` and `pending` are reserved.
    SnapshotName, InvalidSnapshotName, |text: &str| {
        config_id(text) && text.len() <= 40 && !["current", "vzdump", "pending"].contains(&text.to_ascii_lowercase().as_str())
    }, "a snapshot name: a letter, then letters, digits, `_` and `-`, 2 to 40 characters, and none of `current`, `vzdump`, `pending`",
    r"^(?!([cC][uU][rR][rR][eE][nN][tT]|[vV][zZ][dD][uU][mM][pP]|[pP][eE][nN][dD][iI][nN][gG])$)[A-Za-z][A-Za-z0-9_-]{1,39}$"
}
text_type! {
    /// The name of a fleet: a letter or digit, then letters, digits, `-`, `_` and `.`, at most 40 characters.
    FleetName, InvalidFleetName, |text: &str| {
        text.len() <= 40
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    }, "the name of a fleet: a letter or digit, then letters, digits, `-`, `_` and `.`, at most 40 characters",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"
}
text_type! {
    /// The name of a network bridge, such as `vmbr0`.
    BridgeName, InvalidBridgeName, |text: &str| {
        !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    }, "a bridge name: letters, digits, `-`, `_` and `.`, at most 15 characters", r"^[A-Za-z0-9_.-]{1,15}$"
}
text_type! {
    /// The name of a network interface, such as `eth0`.
    InterfaceName, InvalidInterfaceName, |text: &str| {
        !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    }, "an interface name: letters, digits, `-`, `_` and `.`, at most 15 characters", r"^[A-Za-z0-9_.-]{1,15}$"
}
text_type! {
    /// A volume id `STORAGE:volume`, such as `local:vztmpl/debian-12.tar.zst`.
    VolumeId, InvalidVolumeId, |text: &str| {
        text.split_once(':').is_some_and(|(storage, volume)| {
            storage.parse::<StorageId>().is_ok()
                && !volume.is_empty()
                && !volume.chars().any(|c| c == ',' || c.is_control() || c.is_whitespace())
        })
    }, "a volume id: a storage id, `:` and the volume's name, without commas or blanks", r"^[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]:[^,\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$"
}

text_type! {
    /// A tag of a guest, in lower case as Proxmox keeps it: a letter, digit or underscore first, then also `-`, `+` and `.`.
    Tag, InvalidTag, |text: &str| {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        text.as_bytes().first().is_some_and(|&b| word(b)) && text.bytes().all(|b| word(b) || b"-+.".contains(&b))
    }, "a tag: lower-case letters, digits, `_`, then also `-`, `+` and `.`", r"^[a-z0-9_][a-z0-9_+.-]*$"
}

impl Default for FleetName {
    /// The fleet of a configuration that gives it no name, and of guests whose record is from before fleets had names.
    fn default() -> Self {
        Self("default".into())
    }
}

impl VolumeId {
    /// The storage that holds the volume.
    #[must_use]
    pub fn storage(&self) -> &str {
        self.as_str().split_once(':').map_or("", |(storage, _)| storage)
    }

    /// The name within its storage.
    #[must_use]
    pub fn volume(&self) -> &str {
        self.as_str().split_once(':').map_or("", |(_, volume)| volume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("99")]
    #[test_case("1000000000")]
    #[test_case("0100")]
    #[test_case("+100")]
    #[test_case("")]
    #[test_case("12a")]
    fn refused_ids(text: &str) {
        assert!(text.parse::<GuestId>().is_err());
    }

    #[test]
    fn ids_come_as_numbers_or_strings() {
        let ids: Vec<GuestId> = serde_json::from_str(r#"[103, "900", 999999999]"#).unwrap();
        assert_eq!(ids.iter().map(|id| id.get()).collect::<Vec<_>>(), [103, 900, 999_999_999]);
        assert!(serde_json::from_str::<GuestId>("99").is_err());
        assert!(serde_json::from_str::<GuestId>("-103").is_err());
    }

    #[test_case("step-ca", true)]
    #[test_case("ca.internal.example", true)]
    #[test_case("under_score", false)]
    #[test_case("-lead", false)]
    #[test_case("trail-", false)]
    #[test_case("", false)]
    #[test_case("a..b", false)]
    fn host_names(text: &str, good: bool) {
        assert_eq!(text.parse::<Hostname>().is_ok(), good);
    }

    #[test_case("final-form", true)]
    #[test_case("Current", false)]
    #[test_case("a", false)]
    #[test_case("1st", false)]
    fn snapshot_names(text: &str, good: bool) {
        assert_eq!(text.parse::<SnapshotName>().is_ok(), good);
    }
}
