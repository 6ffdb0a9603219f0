//! Features (`features`) and devices (`devN`).

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use phoenix_pve::{InvalidSettings, PropertyReader, PropertyWriter};
use phoenix_types::{Absent, ItemRule, ItemValue, PropertyRules};

/// What a container may do beyond the usual.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Features {
    /// Containers inside, and systemd 242 or newer.
    pub nesting: bool,
    /// Keyrings, which Docker wants in an unprivileged container.
    pub keyctl: bool,
    /// FUSE file systems.
    pub fuse: bool,
    /// Making device nodes.
    pub mknod: bool,
    /// A writable `/sys` in an unprivileged container.
    pub force_rw_sys: bool,
    /// File systems that may be mounted inside: `nfs`, `cifs`.
    pub mount: BTreeSet<String>,
}

/// pve-container `LXC/Config.pm`, `$features_desc`.
pub(crate) const FEATURE_RULES: PropertyRules = PropertyRules {
    default_key: None,
    alias: None,
    items: &[
        ItemRule { key: "nesting", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "keyctl", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "fuse", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "mknod", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "force_rw_sys", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "mount", value: ItemValue::Set, absent: Absent::Unset },
    ],
};

impl Features {
    pub(crate) fn print(&self, key: &str) -> Result<String, InvalidSettings> {
        let word = |name: &&String| name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if let Some(name) = self.mount.iter().find(word) {
            return Err(InvalidSettings::value(
                key,
                name,
                "a file system is named by letters and digits, such as `nfs`",
            ));
        }
        let mut text = PropertyWriter::new(key);
        text.put_flag("force_rw_sys", self.force_rw_sys.then_some(true))?
            .put_flag("fuse", self.fuse.then_some(true))?
            .put_flag("keyctl", self.keyctl.then_some(true))?
            .put_flag("mknod", self.mknod.then_some(true))?
            .put_list("mount", &self.mount)?
            .put_flag("nesting", self.nesting.then_some(true))?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &FEATURE_RULES)?;
        let features = Self {
            nesting: items.flag("nesting")?.unwrap_or_default(),
            keyctl: items.flag("keyctl")?.unwrap_or_default(),
            fuse: items.flag("fuse")?.unwrap_or_default(),
            mknod: items.flag("mknod")?.unwrap_or_default(),
            force_rw_sys: items.flag("force_rw_sys")?.unwrap_or_default(),
            mount: items.list("mount")?,
        };
        items.finish()?;
        Ok(features)
    }
}

/// A device of the node that the container gets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Its path on the node and inside; it has to exist when the container is configured and started.
    pub path: Utf8PathBuf,
    /// The permission bits inside. Default: 0660.
    pub mode: Option<u16>,
    /// The owner inside. Default: root.
    pub uid: Option<u32>,
    /// The group inside. Default: root.
    pub gid: Option<u32>,
    /// Whether writing is denied.
    pub deny_write: bool,
}

/// pve-container `LXC/Config.pm`, `$dev_desc`.
pub(crate) const DEVICE_RULES: PropertyRules = PropertyRules {
    default_key: Some("path"),
    alias: None,
    items: &[
        ItemRule { key: "deny-write", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "mode", value: ItemValue::Text, absent: Absent::Is("0660") },
        ItemRule { key: "uid", value: ItemValue::Number, absent: Absent::Is("0") },
        ItemRule { key: "gid", value: ItemValue::Number, absent: Absent::Is("0") },
    ],
};

impl Device {
    /// A device with everything else as Proxmox has it.
    #[must_use]
    pub fn new(path: impl Into<Utf8PathBuf>) -> Self {
        Self { path: path.into(), mode: None, uid: None, gid: None, deny_write: false }
    }

    pub(crate) fn print(&self, key: &str) -> Result<String, InvalidSettings> {
        if !self.path.as_str().starts_with("/dev/") || self.path.as_str().contains("/../") {
            return Err(InvalidSettings::value(key, self.path.as_str(), "a device is a path below `/dev`"));
        }
        if let Some(mode) = self.mode.filter(|mode| *mode > 0o777) {
            return Err(InvalidSettings::value(key, format!("{mode:o}"), "a device has a mode from 0000 to 0777"));
        }
        let mut text = PropertyWriter::with_bare(key, &self.path)?;
        text.put_flag("deny-write", self.deny_write.then_some(true))?
            .put_some("gid", self.gid)?
            .put_some("mode", self.mode.map(|mode| format!("0{mode:03o}")))?
            .put_some("uid", self.uid)?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &DEVICE_RULES)?;
        let mode = items.text("mode");
        let mode = mode.map(|mode| {
            u16::from_str_radix(&mode, 8).map_err(|_| InvalidSettings::value(key, value, "`mode` is an octal number"))
        });
        let device = Self {
            path: items.need("path")?,
            mode: mode.transpose()?,
            uid: items.take("uid")?,
            gid: items.take("gid")?,
            deny_write: items.flag("deny-write")?.unwrap_or_default(),
        };
        items.finish()?;
        Ok(device)
    }
}
