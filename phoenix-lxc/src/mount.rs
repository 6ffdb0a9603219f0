//! The root file system (`rootfs`) and mount points (`mpN`).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use phoenix_pve::{InvalidSettings, PropertyReader, PropertyWriter};
use phoenix_types::{Absent, DiskSize, ItemRule, ItemValue, PropertyRules, StorageId, VolumeId};

/// Where the files of a mount come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MountSource {
    /// A new volume on a storage. A container that already has one on that storage keeps it, whatever its size.
    New {
        /// The storage.
        storage: StorageId,
        /// Its size; 0 makes a folder without limit on `dir` and `btrfs` storages.
        size: DiskSize,
    },
    /// A volume that exists.
    Volume(VolumeId),
    /// A folder or device of the node. It keeps the container from being snapshotted and cloned.
    Path(Utf8PathBuf),
}

impl fmt::Display for MountSource {
    /// As `pct` takes it: the size of a new volume is a number of GiB without unit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New { storage, size } => write!(f, "{storage}:{}", size.in_gib()),
            Self::Volume(volume) => volume.fmt(f),
            Self::Path(path) => f.write_str(path.as_str()),
        }
    }
}

/// A text that is no source of files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a volume: write `STORAGE:GIB` for a new one, `STORAGE:NAME` for one that exists, or a path")]
pub struct InvalidRootfs(pub String);

impl FromStr for MountSource {
    type Err = InvalidRootfs;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidRootfs(text.to_owned());
        if text.starts_with('/') {
            return Ok(Self::Path(text.into()));
        }
        let (storage, name) = text.split_once(':').ok_or_else(invalid)?;
        if name.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            let size = format!("{name}G").parse().map_err(|_| invalid())?;
            return Ok(Self::New { storage: storage.parse().map_err(|_| invalid())?, size });
        }
        text.parse().map(Self::Volume).map_err(|_| invalid())
    }
}

/// The options of both kinds of mounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VolumeOptions {
    /// Access control lists; as the storage has it when absent.
    pub acl: Option<bool>,
    /// Options of the mount: `discard`, `lazytime`, `noatime`, `nodev`, `noexec`, `nosuid`.
    pub mount_options: BTreeSet<String>,
    /// User quotas inside; not for unprivileged containers.
    pub quota: bool,
    /// Read only.
    pub read_only: bool,
    /// Not replicated with the container.
    pub no_replication: bool,
    /// The same path is there on every node.
    pub shared: bool,
    /// A mount point keeps its owner and mode when it is made.
    pub keep_attributes: bool,
    /// Its own identity map.
    pub id_map: Option<String>,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rootfs {
    /// Its volume.
    pub source: MountSource,
    /// Its size, as Proxmox noted it down.
    pub size: Option<DiskSize>,
    /// Its options.
    pub options: VolumeOptions,
}

/// A mount point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MountPoint {
    /// Where its files come from.
    pub source: MountSource,
    /// Where they appear inside.
    pub path: Utf8PathBuf,
    /// The size of its volume, as Proxmox noted it down.
    pub size: Option<DiskSize>,
    /// Whether backups take it. Default: not.
    pub backup: bool,
    /// Its options.
    pub options: VolumeOptions,
}

/// pve-container `LXC/Config.pm`, `$rootfs_desc` and `$mp_desc`.
pub(crate) const RULES: PropertyRules = PropertyRules {
    default_key: Some("volume"),
    alias: None,
    items: &[
        ItemRule { key: "volume", value: ItemValue::Volume, absent: Absent::Unset },
        ItemRule { key: "size", value: ItemValue::Size, absent: Absent::Kept },
        ItemRule { key: "acl", value: ItemValue::Flag, absent: Absent::Unset },
        ItemRule { key: "backup", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "keepattrs", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "idmap", value: ItemValue::Text, absent: Absent::Unset },
        ItemRule { key: "mountoptions", value: ItemValue::Set, absent: Absent::Unset },
        ItemRule { key: "quota", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "ro", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "replicate", value: ItemValue::Flag, absent: Absent::Is("1") },
        ItemRule { key: "shared", value: ItemValue::Flag, absent: Absent::Is("0") },
    ],
};

const MOUNT_OPTIONS: [&str; 6] = ["discard", "lazytime", "noatime", "nodev", "noexec", "nosuid"];

impl VolumeOptions {
    fn write(&self, text: &mut PropertyWriter<'_>, key: &str) -> Result<(), InvalidSettings> {
        if let Some(option) = self.mount_options.iter().find(|option| !MOUNT_OPTIONS.contains(&option.as_str())) {
            let rule = format!("the mount options are {}", MOUNT_OPTIONS.join(", "));
            return Err(InvalidSettings::value(key, option, rule));
        }
        text.put_flag("acl", self.acl)?
            .put_some("idmap", self.id_map.as_ref())?
            .put_flag("keepattrs", self.keep_attributes.then_some(true))?
            .put_list("mountoptions", &self.mount_options)?
            .put_flag("quota", self.quota.then_some(true))?
            .put_flag("replicate", self.no_replication.then_some(false))?
            .put_flag("ro", self.read_only.then_some(true))?
            .put_flag("shared", self.shared.then_some(true))?;
        Ok(())
    }

    fn read(items: &mut PropertyReader<'_>) -> Result<Self, InvalidSettings> {
        Ok(Self {
            acl: items.flag("acl")?,
            mount_options: items.list("mountoptions")?,
            quota: items.flag("quota")?.unwrap_or_default(),
            read_only: items.flag("ro")?.unwrap_or_default(),
            no_replication: !items.flag("replicate")?.unwrap_or(true),
            shared: items.flag("shared")?.unwrap_or_default(),
            keep_attributes: items.flag("keepattrs")?.unwrap_or_default(),
            id_map: items.text("idmap"),
        })
    }
}

fn check_source(key: &str, source: &MountSource) -> Result<(), InvalidSettings> {
    match source {
        MountSource::New { size, .. } if size.bytes() % (1 << 20) != 0 => {
            Err(InvalidSettings::value(key, size.to_string(), "the size of a new volume is a whole number of MiB"))
        }
        MountSource::Path(path) => check_path(key, path),
        _ => Ok(()),
    }
}

/// pve-container `LXC/Config.pm`, `verify_lxc_mp_string`: absolute, and no way up.
fn check_path(key: &str, path: &Utf8Path) -> Result<(), InvalidSettings> {
    let climbs = path.components().any(|part| part == Utf8Component::ParentDir) || path.as_str().contains("/./");
    if !path.is_absolute() || climbs || path.as_str().ends_with("/.") {
        return Err(InvalidSettings::value(key, path.as_str(), "write an absolute path without `.` and `..`"));
    }
    Ok(())
}

impl From<MountSource> for Rootfs {
    fn from(source: MountSource) -> Self {
        Self { source, size: None, options: VolumeOptions::default() }
    }
}

impl FromStr for Rootfs {
    type Err = InvalidSettings;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse("rootfs", text)
    }
}

impl Rootfs {
    pub(crate) fn print(&self, key: &str) -> Result<String, InvalidSettings> {
        check_source(key, &self.source)?;
        let mut text = PropertyWriter::with_bare(key, &self.source)?;
        self.options.write(&mut text, key)?;
        text.put_some("size", self.size)?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &RULES)?;
        let rootfs = Self {
            source: items.need("volume")?,
            size: items.take("size")?,
            options: VolumeOptions::read(&mut items)?,
        };
        items.finish()?;
        Ok(rootfs)
    }
}

impl MountPoint {
    /// A mount with everything else as Proxmox has it.
    #[must_use]
    pub fn new(source: MountSource, path: impl Into<Utf8PathBuf>) -> Self {
        Self { source, path: path.into(), size: None, backup: false, options: VolumeOptions::default() }
    }

    pub(crate) fn print(&self, key: &str) -> Result<String, InvalidSettings> {
        check_source(key, &self.source)?;
        check_path(key, &self.path)?;
        let mut text = PropertyWriter::with_bare(key, &self.source)?;
        text.put("mp", &self.path)?.put_flag("backup", self.backup.then_some(true))?;
        self.options.write(&mut text, key)?;
        text.put_some("size", self.size)?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &RULES)?;
        let mount = Self {
            source: items.need("volume")?,
            path: items.need("mp")?,
            size: items.take("size")?,
            backup: items.flag("backup")?.unwrap_or_default(),
            options: VolumeOptions::read(&mut items)?,
        };
        items.finish()?;
        Ok(mount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("8G", "8")]
    #[test_case("1536M", "1.5")]
    #[test_case("1M", "0.0009765625")]
    #[test_case("0", "0")]
    #[test_case("16T", "16384")]
    fn new_volumes_are_in_gib_without_unit(size: &str, printed: &str) {
        let source = MountSource::New { storage: "local-zfs".parse().unwrap(), size: size.parse().unwrap() };
        assert_eq!(source.to_string(), format!("local-zfs:{printed}"));
        assert_eq!(source.to_string().parse::<MountSource>().unwrap(), source);
    }

    #[test]
    fn a_name_on_a_storage_is_a_volume() {
        let source: MountSource = "local-zfs:subvol-103-disk-0".parse().unwrap();
        assert!(matches!(source, MountSource::Volume(_)));
    }

    #[test_case("/data/../etc")]
    #[test_case("data")]
    #[test_case("/a,b")]
    #[test_case("/a\nb")]
    fn bad_paths_are_refused(path: &str) {
        assert!(MountPoint::new(MountSource::Path("/srv".into()), path).print("mp0").is_err());
    }
}
