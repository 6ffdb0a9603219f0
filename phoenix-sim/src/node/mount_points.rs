//! The mount points of a container: what their values mean.

use std::borrow::Cow;

use phoenix_types::{ConfSection, GuestConf};

use super::failure::Failure;
use crate::grammar::{PropertyString, format_size, parse_property_string, print_property_string};

/// The value of `rootfs` or `mpN`.
#[derive(Debug, Clone)]
pub(crate) struct MountPoint {
    values: PropertyString,
    format: &'static str,
}

/// What is behind a mount point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MountSourceKind {
    /// A volume of a storage.
    Volume,
    /// A folder of the node.
    Bind,
    /// A device of the node.
    Device,
}

impl MountSourceKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Bind => "bind",
            Self::Device => "device",
        }
    }
}

/// Whether a key is `mpN`.
pub(crate) fn is_mp(key: &str) -> bool {
    indexed(key, "mp")
}

/// Whether a key is a prefix and a number.
pub(crate) fn indexed(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

impl MountPoint {
    /// Reads the value of a key.
    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, Failure> {
        let format = if key == "rootfs" { "lxc-rootfs" } else { "lxc-mp" };
        let values = parse_property_string(format, value).map_err(|error| Failure::die(error.to_string()))?;
        Ok(Self { values, format })
    }

    /// The volume id or path.
    pub(crate) fn volume(&self) -> &str {
        self.values.get("volume").unwrap_or_default()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key)
    }

    pub(crate) fn source_kind(&self) -> MountSourceKind {
        let volume = self.volume();
        if volume.starts_with("/dev/") {
            MountSourceKind::Device
        } else if volume.starts_with('/') {
            MountSourceKind::Bind
        } else {
            MountSourceKind::Volume
        }
    }

    /// Storage and size in GiB when a new volume is asked for: `STORAGE:8`.
    pub(crate) fn wanted(&self) -> Option<(&str, f64)> {
        let (storage, size) = self.volume().split_once(':')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_size = match size.split_once('.') {
            Some((whole, part)) => digits(whole) && digits(part),
            None => digits(size),
        };
        is_size.then(|| size.parse().ok().map(|size| (storage, size))).flatten()
    }

    /// The same with a volume of a given size in bytes.
    pub(crate) fn with_volume(mut self, volid: &str, size: u64) -> Self {
        self.values.set("volume", volid);
        self.values.set("size", if size == 0 { "0T".to_owned() } else { format_size(size) });
        self
    }

    /// The same without a size.
    pub(crate) fn without_size(mut self) -> Self {
        self.values.remove("size");
        self
    }

    /// The value as the real tools write it.
    pub(crate) fn print(&self) -> String {
        // What was parsed can be printed.
        print_property_string(self.format, &self.values).unwrap_or_default()
    }
}

/// Keys and values of all mount points of a section, `rootfs` first, then by number.
pub(crate) fn mount_points(section: &ConfSection) -> Vec<(String, MountPoint)> {
    let mut keys: Vec<&String> = section.keys.keys().filter(|key| *key == "rootfs" || is_mp(key)).collect();
    keys.sort_by_key(|key| key.strip_prefix("mp").map_or(-1, |number| number.parse().unwrap_or(i32::MAX)));
    let parsed = keys.into_iter().filter_map(|key| {
        let mount = MountPoint::parse(key, section.get(key)?).ok()?;
        Some((key.clone(), mount))
    });
    parsed.collect()
}

/// The volumes that a section uses, unused ones included.
pub(crate) fn volumes(section: &ConfSection) -> Vec<String> {
    let mounts = mount_points(section).into_iter().filter(|(_, mount)| mount.source_kind() == MountSourceKind::Volume);
    let unused = section.keys.iter().filter(|(key, _)| indexed(key, "unused")).map(|(_, volid)| volid.clone());
    mounts.map(|(_, mount)| mount.volume().to_owned()).chain(unused).collect()
}

/// A container's configuration as it is written: without the `unusedN` whose volume a mount point uses (`write_pct_config`).
pub(crate) fn as_written(conf: &GuestConf) -> Cow<'_, GuestConf> {
    let used: Vec<String> = mount_points(&conf.live).iter().map(|(_, mount)| mount.volume().to_owned()).collect();
    let is_stale = |key: &str, volid: &String| indexed(key, "unused") && used.contains(volid);
    if !conf.live.keys.iter().any(|(key, volid)| is_stale(key, volid)) {
        return Cow::Borrowed(conf);
    }
    let mut conf = conf.clone();
    conf.live.keys.retain(|key, volid| !is_stale(key, volid));
    Cow::Owned(conf)
}
