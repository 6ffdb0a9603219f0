//! Drives (`scsiN`, `virtioN`, `sataN`, `ideN`).

use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use phoenix_pve::{InvalidSettings, PropertyReader, PropertyWriter};
use phoenix_types::{Absent, DiskSize, ItemRule, ItemValue, PropertyRules, StorageId, VolumeId};

/// The bus that a drive is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriveBus {
    /// SCSI, 31 drives.
    Scsi,
    /// VirtIO, 16 drives.
    Virtio,
    /// SATA, 6 drives.
    Sata,
    /// IDE, 4 drives.
    Ide,
}

/// The place of a drive, such as `scsi0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriveSlot {
    bus: DriveBus,
    index: u8,
}

/// A text that is no place of a drive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no drive: there are scsi0 to scsi30, virtio0 to virtio15, sata0 to sata5 and ide0 to ide3")]
pub struct InvalidDriveSlot(pub String);

impl DriveBus {
    const ALL: [(Self, &'static str, u8); 4] =
        [(Self::Scsi, "scsi", 30), (Self::Virtio, "virtio", 15), (Self::Sata, "sata", 5), (Self::Ide, "ide", 3)];
}

impl DriveSlot {
    /// `scsi0`, where the disk of a new VM is unless something else is said.
    pub const FIRST: Self = Self { bus: DriveBus::Scsi, index: 0 };

    /// The place with this number on a bus.
    ///
    /// # Errors
    /// When the bus has no such place.
    pub fn new(bus: DriveBus, index: u8) -> Result<Self, InvalidDriveSlot> {
        let slot = Self { bus, index };
        let last = DriveBus::ALL.iter().find(|(this, ..)| *this == bus).map_or(0, |(_, _, last)| *last);
        if index <= last { Ok(slot) } else { Err(InvalidDriveSlot(slot.to_string())) }
    }

    /// The bus.
    #[must_use]
    pub fn bus(self) -> DriveBus {
        self.bus
    }
}

impl fmt::Display for DriveSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = DriveBus::ALL.iter().find(|(bus, ..)| *bus == self.bus).map_or("", |(_, name, _)| name);
        write!(f, "{name}{}", self.index)
    }
}

impl FromStr for DriveSlot {
    type Err = InvalidDriveSlot;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDriveSlot(text.to_owned());
        let (bus, index) = DriveBus::ALL
            .iter()
            .find_map(|(bus, name, _)| Some((*bus, phoenix_pve::index(text, name)?)))
            .ok_or_else(invalid)?;
        Self::new(bus, index).map_err(|_| invalid())
    }
}

/// A disk image that a drive is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Image {
    /// A file of the node.
    File(Utf8PathBuf),
    /// A volume, such as `local:import/noble.qcow2` or another VM's disk.
    Volume(VolumeId),
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path.as_str()),
            Self::Volume(volume) => volume.fmt(f),
        }
    }
}

/// Where a drive's data comes from. A VM that already has a drive at the place and on the storage keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriveSource {
    /// A new, empty disk.
    New {
        /// The storage.
        storage: StorageId,
        /// Its size in whole GiB.
        gib: u32,
    },
    /// A new disk with the contents of an image, and its size.
    Import {
        /// The storage.
        storage: StorageId,
        /// The image.
        image: Image,
    },
    /// The drive by which cloud-init gets its data.
    CloudInit {
        /// The storage.
        storage: StorageId,
    },
    /// A volume that exists.
    Volume(VolumeId),
    /// An empty CD drive.
    NoMedium,
}

/// A drive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Drive {
    /// Its data.
    pub source: DriveSource,
    /// Whether it is a CD drive. A cloud-init drive always is.
    pub cdrom: bool,
    /// Whether freed blocks are given back to the storage.
    pub discard: bool,
    /// Whether it says of itself that it does not turn.
    pub ssd: bool,
    /// Whether it has a thread of its own; SCSI (with `virtio-scsi-single`) and VirtIO only.
    pub iothread: bool,
    /// Whether backups take it. Default: they do.
    pub backup: bool,
    /// Whether it is read only.
    pub read_only: bool,
    /// The cache: `none`, `writethrough`, `writeback`, `unsafe`, `directsync`.
    pub cache: Option<String>,
    /// The image format of a new disk: `raw`, `qcow2`, `vmdk`.
    pub format: Option<String>,
    /// Its size, as Proxmox noted it down.
    pub size: Option<DiskSize>,
}

/// qemu-server `QemuServer/Drive.pm`, `$drivedesc_base`.
pub(crate) const RULES: PropertyRules = PropertyRules {
    default_key: Some("file"),
    alias: None,
    items: &[
        ItemRule { key: "file", value: ItemValue::Volume, absent: Absent::Unset },
        ItemRule { key: "size", value: ItemValue::Size, absent: Absent::Kept },
        ItemRule { key: "format", value: ItemValue::Text, absent: Absent::Kept },
        ItemRule { key: "import-from", value: ItemValue::Text, absent: Absent::Ignored },
        ItemRule { key: "media", value: ItemValue::Text, absent: Absent::Is("disk") },
        ItemRule { key: "discard", value: ItemValue::Text, absent: Absent::Is("ignore") },
        ItemRule { key: "ssd", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "iothread", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "backup", value: ItemValue::Flag, absent: Absent::Is("1") },
        ItemRule { key: "replicate", value: ItemValue::Flag, absent: Absent::Kept },
        ItemRule { key: "ro", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "aio", value: ItemValue::Text, absent: Absent::Kept },
        ItemRule { key: "serial", value: ItemValue::Text, absent: Absent::Kept },
    ],
};

impl Drive {
    /// A drive with everything else as Proxmox has it.
    #[must_use]
    pub fn new(source: DriveSource) -> Self {
        Self {
            cdrom: matches!(source, DriveSource::CloudInit { .. } | DriveSource::NoMedium),
            source,
            discard: false,
            ssd: false,
            iothread: false,
            backup: true,
            read_only: false,
            cache: None,
            format: None,
            size: None,
        }
    }

    pub(crate) fn print(&self, slot: DriveSlot) -> Result<String, InvalidSettings> {
        let key = &slot.to_string();
        let file = match &self.source {
            DriveSource::New { gib: 0, .. } => {
                return Err(InvalidSettings::value(key, "0", "a new disk has at least 1 GiB"));
            }
            DriveSource::New { storage, gib } => format!("{storage}:{gib}"),
            DriveSource::Import { storage, .. } => format!("{storage}:0"),
            DriveSource::CloudInit { storage } => format!("{storage}:cloudinit"),
            DriveSource::Volume(volume) => volume.to_string(),
            DriveSource::NoMedium => "none".to_owned(),
        };
        if self.iothread && !matches!(slot.bus(), DriveBus::Scsi | DriveBus::Virtio) {
            return Err(InvalidSettings::value(
                key,
                "iothread",
                "only scsi and virtio drives can have a thread of their own",
            ));
        }
        if self.ssd && slot.bus() == DriveBus::Virtio {
            return Err(InvalidSettings::value(key, "ssd", "a virtio drive does not say whether it turns"));
        }
        let one_of = |name: &str, value: Option<&String>, known: &[&str]| match value {
            Some(value) if !known.contains(&value.as_str()) => {
                Err(InvalidSettings::value(key, value, format!("`{name}` is one of {}", known.join(", "))))
            }
            _ => Ok(()),
        };
        one_of("cache", self.cache.as_ref(), &["none", "writethrough", "writeback", "unsafe", "directsync"])?;
        one_of("format", self.format.as_ref(), &["raw", "qcow2", "vmdk"])?;
        let mut text = PropertyWriter::with_bare(key, file)?;
        if let DriveSource::Import { image, .. } = &self.source {
            if let Image::File(path) = image
                && !path.is_absolute()
            {
                return Err(InvalidSettings::value(key, path.as_str(), "the path of an image is absolute"));
            }
            text.put("import-from", image)?;
        }
        text.put_flag("backup", (!self.backup).then_some(false))?
            .put_some("cache", self.cache.as_ref())?
            .put_some("discard", self.discard.then_some("on"))?
            .put_some("format", self.format.as_ref())?
            .put_flag("iothread", self.iothread.then_some(true))?
            .put_some("media", self.cdrom.then_some("cdrom"))?
            .put_flag("ro", self.read_only.then_some(true))?
            .put_some("size", self.size)?
            .put_flag("ssd", self.ssd.then_some(true))?;
        Ok(text.finish())
    }

    pub(crate) fn parse(slot: DriveSlot, value: &str) -> Result<Self, InvalidSettings> {
        let key = slot.to_string();
        let mut items = PropertyReader::new(&key, value, &RULES)?;
        let file: String = items.need("file")?;
        let volume = || file.parse().map_err(|_| InvalidSettings::value(&key, &file, "it is no volume"));
        let import: Option<String> = items.text("import-from");
        let source = match (file.as_str(), file.split_once(':'), import) {
            ("none", ..) => DriveSource::NoMedium,
            (_, Some((storage, "0")), Some(image)) => {
                let image = match image.parse() {
                    Ok(volume) => Image::Volume(volume),
                    Err(_) => Image::File(image.into()),
                };
                DriveSource::Import { storage: phoenix_pve::typed(&key, storage)?, image }
            }
            (_, Some((storage, "cloudinit")), _) => {
                DriveSource::CloudInit { storage: phoenix_pve::typed(&key, storage)? }
            }
            (_, Some((storage, gib)), _) if gib.bytes().all(|b| b.is_ascii_digit()) => {
                DriveSource::New { storage: phoenix_pve::typed(&key, storage)?, gib: phoenix_pve::typed(&key, gib)? }
            }
            _ => DriveSource::Volume(volume()?),
        };
        let drive = Self {
            source,
            cdrom: items.text("media").is_some_and(|media| media == "cdrom"),
            discard: items.text("discard").is_some_and(|discard| discard == "on"),
            ssd: items.flag("ssd")?.unwrap_or_default(),
            iothread: items.flag("iothread")?.unwrap_or_default(),
            backup: items.flag("backup")?.unwrap_or(true),
            read_only: items.flag("ro")?.unwrap_or_default(),
            cache: items.text("cache"),
            format: items.text("format"),
            size: items.take("size")?,
        };
        for kept in ["replicate", "aio", "serial"] {
            items.text(kept);
        }
        items.finish()?;
        Ok(drive)
    }

    /// The drive as it is wanted where `current` is there already: what it was made from no longer counts, and a cloud-init
    /// drive on the storage is the one that is wanted.
    pub(crate) fn resolved_against(&self, current: &str) -> Self {
        let mut drive = self.clone();
        let volume = current.split(',').next().unwrap_or_default();
        let there = volume.split_once(':');
        match (&self.source, there) {
            (DriveSource::Import { storage, .. } | DriveSource::New { storage, .. }, Some((on, _)))
                if on == storage.as_str() =>
            {
                if let Ok(volume) = volume.parse() {
                    drive.source = DriveSource::Volume(volume);
                }
                drive.format = None;
            }
            (DriveSource::CloudInit { storage }, Some((on, name)))
                if on == storage.as_str() && name.contains("cloudinit") =>
            {
                if let Ok(volume) = volume.parse() {
                    drive.source = DriveSource::Volume(volume);
                }
            }
            _ => {}
        }
        drive
    }
}
