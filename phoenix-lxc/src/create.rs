//! How containers come about.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use phoenix_pve::InvalidSettings;
use phoenix_types::VolumeId;

use crate::{ContainerSettings, Rootfs};

/// A template that a container is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Template {
    /// A volume of type `vztmpl`, such as `local:vztmpl/debian-12.tar.zst`.
    Volume(VolumeId),
    /// A file of the node.
    File(Utf8PathBuf),
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(volume) => volume.fmt(f),
            Self::File(path) => f.write_str(path.as_str()),
        }
    }
}

impl FromStr for Template {
    type Err = InvalidSettings;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "a template is a volume such as `local:vztmpl/debian-12.tar.zst`, or an absolute path";
        if text.starts_with('/') && !text.chars().any(char::is_control) {
            return Ok(Self::File(text.into()));
        }
        text.parse().map(Self::Volume).map_err(|_| InvalidSettings::value("ostemplate", text, rule))
    }
}

/// A container to be made from a template.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CreateContainer {
    /// The template.
    pub template: Template,
    /// Its root file system.
    pub rootfs: Rootfs,
    /// Its settings. Unprivileged unless they say otherwise, on Proxmox VE 8 too, where `pct` has it the other way.
    pub settings: ContainerSettings,
    /// Its notes.
    pub description: Option<String>,
    /// Public ssh keys for its root, in the form of `authorized_keys`.
    pub ssh_public_keys: Option<String>,
}

impl CreateContainer {
    /// A container without notes and keys.
    #[must_use]
    pub fn new(template: Template, rootfs: Rootfs, settings: ContainerSettings) -> Self {
        Self { template, rootfs, settings, description: None, ssh_public_keys: None }
    }

    /// Its settings with its root file system, as keys and values.
    pub(crate) fn keys(&self) -> Result<BTreeMap<String, String>, InvalidSettings> {
        let mut keys = self.settings.keys()?;
        let rootfs = self.rootfs.print("rootfs")?;
        let rootfs = match keys.get("rootfs") {
            Some(options) => format!("{rootfs},{options}"),
            None => rootfs,
        };
        keys.insert("rootfs".to_owned(), rootfs);
        keys.entry("unprivileged".to_owned()).or_insert_with(|| "1".to_owned());
        Ok(keys)
    }
}
