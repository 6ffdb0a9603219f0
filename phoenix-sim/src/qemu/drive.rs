//! Drives of a VM: their names, how a drive's text is read and written, what a drive stands for.
//!
//! Rules from `PVE::QemuServer::Drive`: `parse_drive`, `print_drive`, `valid_drive_names`, `NEW_DISK_RE`,
//! `drive_is_cdrom`, `drive_is_cloudinit`, `resolve_first_disk`.

use phoenix_types::ConfSection;

use crate::grammar::{PropertyString, format_size, parse_property_string, parse_size};

/// The buses with their number of drives, in the order in which the real tools walk through them.
const BUSES: [(&str, u32); 6] =
    [("ide", 4), ("scsi", 31), ("virtio", 16), ("sata", 6), ("efidisk", 1), ("tpmstate", 1)];

/// Takes `scsi10` apart into its bus and number; `None` when there is no such drive.
fn split_name(key: &str) -> Option<(&str, u32)> {
    let digits = key.find(|ch: char| ch.is_ascii_digit())?;
    let (bus, number) = key.split_at(digits);
    let (_, drives) = BUSES.iter().find(|(name, _)| *name == bus)?;
    let canonical = number == "0" || !number.starts_with('0');
    number.parse().ok().filter(|number| canonical && number < drives).map(|number| (bus, number))
}

/// Whether `key` names a drive, such as `scsi0` or `efidisk0`; `unusedN` is none.
pub(crate) fn is_drive(key: &str) -> bool {
    split_name(key).is_some()
}

/// Whether `key` is `unusedN`.
pub(crate) fn is_unused(key: &str) -> bool {
    key.strip_prefix("unused").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The drives of a section in the order of the real tools (ide, scsi, virtio, sata, efidisk, tpmstate), parsed; texts that cannot be parsed are left out.
pub(crate) fn drives(section: &ConfSection) -> Vec<(String, Drive)> {
    let mut found: Vec<(usize, u32, String, Drive)> = section
        .keys
        .iter()
        .filter_map(|(key, text)| {
            let (bus, number) = split_name(key)?;
            let rank = BUSES.iter().position(|(name, _)| *name == bus)?;
            Some((rank, number, key.clone(), Drive::parse(key, text)?))
        })
        .collect();
    found.sort_by_key(|(rank, number, ..)| (*rank, *number));
    found.into_iter().map(|(_, _, key, drive)| (key, drive)).collect()
}

/// What the text of a drive that is to be made asks for: `[STORAGE:]SIZE`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewDisk {
    /// The storage; `None` means the command's default storage.
    pub(crate) storage: Option<String>,
    /// The size in GiB, as it was written.
    pub(crate) size: String,
}

impl NewDisk {
    /// Reads a drive's `file`; `None` when it names an existing volume.
    pub(crate) fn parse(file: &str) -> Option<Self> {
        let (storage, size) = match file.split_once(':') {
            Some((storage, size)) => (Some(storage), size),
            None => (None, file),
        };
        let (whole, fraction) = size.split_once('.').map_or((size, None), |(whole, part)| (whole, Some(part)));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_storage = |text: &str| !text.is_empty() && !text.contains(|ch: char| ch == '/' || ch.is_whitespace());
        let fits = is_digits(whole) && fraction.is_none_or(is_digits) && storage.is_none_or(is_storage);
        fits.then(|| Self { storage: storage.map(str::to_owned), size: size.to_owned() })
    }

    /// The size in KiB, rounded up as `convert_size` of `PVE::Tools` does.
    pub(crate) fn kib(&self) -> u64 {
        const KIB_PER_GIB: f64 = 1_048_576.0;
        let gib: f64 = self.size.parse().unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the text is a plain decimal number"
        )]
        let kib = (gib * KIB_PER_GIB).ceil() as u64;
        kib
    }
}

/// A drive of a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drive {
    values: PropertyString,
}

impl Drive {
    /// Reads the text of the drive `key`. `None` when the real tools could not parse it either.
    pub(crate) fn parse(key: &str, text: &str) -> Option<Self> {
        let bus = if is_unused(key) { "unused" } else { split_name(key)?.0 };
        let values = parse_property_string(&format!("qm-{bus}"), text).ok()?;
        let mut drive = Self { values };
        drive.convert_byte_limits();
        let has = |key: &str| drive.get(key).is_some_and(|value| value != "0" && !value.is_empty());
        let contradicts = |all: &str| has(all) && (has(&format!("{all}_rd")) || has(&format!("{all}_wr")));
        let contradicts_max =
            |all: &str| has(&format!("{all}_max")) && (has(&format!("{all}_rd_max")) || has(&format!("{all}_wr_max")));
        if ["mbps", "iops"].into_iter().any(|all| contradicts(all) || contradicts_max(all)) {
            return None;
        }
        let impossible =
            ["snapshot", "trans", "format", "heads", "secs", "cyls"].into_iter().any(has) || bus == "virtio";
        if drive.is_medium() && impossible {
            return None;
        }
        Some(drive)
    }

    /// The limits of old configurations, in bytes, become those in MiB.
    fn convert_byte_limits(&mut self) {
        for suffix in ["", "_rd", "_wr"] {
            if let Some(bytes) = self.values.remove(&format!("bps{suffix}"))
                && let Ok(bytes) = bytes.parse::<f64>()
            {
                self.values.set(format!("mbps{suffix}"), format!("{:.0}", bytes / 1_048_576.0));
            }
        }
    }

    /// A drive that is only a volume.
    pub(crate) fn of_volume(volume: &str) -> Self {
        Self { values: [("file", volume)].into_iter().collect() }
    }

    /// A property of the drive.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key)
    }

    /// Sets a property.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.set(key, value);
    }

    /// Takes a property out.
    pub(crate) fn remove(&mut self, key: &str) -> Option<String> {
        self.values.remove(key)
    }

    /// The volume, path, `none`, `cdrom`, or what is to be made.
    pub(crate) fn file(&self) -> &str {
        self.get("file").unwrap_or_default()
    }

    /// The storage and the name of the volume, when the file is one.
    pub(crate) fn volume(&self) -> Option<(&str, &str)> {
        split_volume(self.file())
    }

    /// The size in bytes, as the drive's text has it.
    pub(crate) fn size(&self) -> Option<u64> {
        self.get("size").and_then(parse_size)
    }

    /// Whether the drive is a CD-ROM; a cloud-init drive is one too.
    pub(crate) fn is_medium(&self) -> bool {
        self.get("media") == Some("cdrom")
    }

    /// Whether the drive is a CD-ROM of the user's, not a cloud-init drive.
    pub(crate) fn is_user_medium(&self) -> bool {
        self.is_medium() && !self.is_cloud_init()
    }

    /// Whether the drive is the cloud-init drive.
    pub(crate) fn is_cloud_init(&self) -> bool {
        is_cloud_init(self.file())
    }

    /// The drive's text: the file, then the properties in alphabetical order, the size in its largest exact unit.
    pub(crate) fn print(&self) -> String {
        let mut text = self.file().to_owned();
        for (key, value) in self.values.iter().filter(|(key, _)| !matches!(*key, "file" | "index" | "interface")) {
            let size = (key == "size").then(|| parse_size(value)).flatten().map(format_size);
            text.push_str(&format!(",{key}={}", size.as_deref().unwrap_or(value)));
        }
        text
    }
}

/// Whether a volume is a cloud-init drive by its name.
pub(crate) fn is_cloud_init(file: &str) -> bool {
    let Some(at) = file.rfind([':', '/']) else { return false };
    let name = &file[at + 1..];
    let name = name.strip_suffix(".raw").or_else(|| name.strip_suffix(".qcow2")).unwrap_or(name);
    name == "cloudinit"
        || name
            .strip_prefix("vm-")
            .and_then(|name| name.strip_suffix("-cloudinit"))
            .is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()))
}

/// Splits `STORAGE:NAME`; a path is no volume.
pub(crate) fn split_volume(volume: &str) -> Option<(&str, &str)> {
    let (storage, name) = volume.split_once(':')?;
    let is_storage = storage.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    (is_storage && storage.len() > 1 && !name.is_empty()).then_some((storage, name))
}

/// The key of the cloud-init drive of a section, other than `except`.
pub(crate) fn cloud_init_key(section: &ConfSection, except: &str) -> Option<String> {
    drives(section).into_iter().find(|(key, drive)| key != except && drive.is_cloud_init()).map(|(key, _)| key)
}

/// The first drive that a VM can boot from: a disk, or a CD-ROM.
fn first(section: &ConfSection, medium: bool) -> Option<String> {
    drives(section)
        .into_iter()
        .filter(|(key, _)| !key.starts_with("efidisk") && !key.starts_with("tpmstate"))
        .find(|(_, drive)| drive.is_medium() == medium)
        .map(|(key, _)| key)
}

/// The boot devices of a new VM: its first disk, its first CD-ROM, its first network device.
pub(crate) fn default_boot_devices(section: &ConfSection) -> Vec<String> {
    let net = (0..32).map(|number| format!("net{number}")).find(|key| section.keys.contains_key(key));
    first(section, false).into_iter().chain(first(section, true)).chain(net).collect()
}

/// The text of a boot order; empty when there is no device.
pub(crate) fn print_boot_order(devices: &[String]) -> String {
    if devices.is_empty() { String::new() } else { format!("order={}", devices.join(";")) }
}

/// The devices of the boot order; `None` when the VM has none or one of the old form.
pub(crate) fn boot_order(section: &ConfSection) -> Option<Vec<String>> {
    let order = parse_property_string("pve-qm-boot", section.get("boot")?).ok()?;
    let devices = crate::grammar::split_list(order.get("order")?);
    (!devices.is_empty()).then(|| devices.into_iter().map(str::to_owned).collect())
}

/// The size of the disk that the VM boots from, in bytes: what lists show as its disk.
pub(crate) fn boot_disk_size(section: &ConfSection) -> Option<u64> {
    let boot = section.get("boot").and_then(|text| parse_property_string("pve-qm-boot", text).ok());
    let candidates: Vec<String> = match boot {
        Some(boot) if boot.get("legacy").is_none() => boot
            .get("order")
            .map(crate::grammar::split_list)
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        _ => section.get("bootdisk").map(str::to_owned).or_else(|| first(section, false)).into_iter().collect(),
    };
    candidates
        .iter()
        .filter(|key| is_drive(key))
        .filter_map(|key| Drive::parse(key, section.get(key)?))
        .find(|drive| !drive.is_medium() && !drive.file().is_empty())
        .and_then(|drive| drive.size())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("scsi30", true; "last scsi")]
    #[test_case("scsi31", false; "beyond scsi")]
    #[test_case("ide03", false; "leading zero")]
    #[test_case("efidisk0", true; "efi disk")]
    #[test_case("unused0", false; "unused")]
    #[test_case("net0", false; "network")]
    fn drive_names(key: &str, expected: bool) {
        assert_eq!(is_drive(key), expected);
    }

    #[test_case(
        "scsi0",
        "tank:9/vm-9-disk-0.raw,ssd=on,size=2048M,discard=on",
        Some("tank:9/vm-9-disk-0.raw,discard=on,size=2G,ssd=1")
    )]
    #[test_case("ide2", "none,media=cdrom", Some("none,media=cdrom"))]
    #[test_case("virtio0", "none,media=cdrom", None; "no cdrom on virtio")]
    #[test_case("scsi0", "tank:1,mbps=5,mbps_rd=3", None; "limits that contradict each other")]
    fn texts(key: &str, text: &str, expected: Option<&str>) {
        assert_eq!(Drive::parse(key, text).map(|drive| drive.print()).as_deref(), expected);
    }

    #[test_case("tank:8", Some((Some("tank"), 8 << 20)))]
    #[test_case("0.5", Some((None, 1 << 19)))]
    #[test_case("tank:8G", None; "unit")]
    #[test_case("tank:vm-1-disk-0", None; "volume")]
    fn new_disks(file: &str, expected: Option<(Option<&str>, u64)>) {
        let disk = NewDisk::parse(file);
        assert_eq!(disk.as_ref().map(|disk| (disk.storage.as_deref(), disk.kib())), expected);
    }

    #[test_case("tank:cloudinit", true)]
    #[test_case("tank:100/vm-100-cloudinit.qcow2", true)]
    #[test_case("tank:vm-100-cloudinit", true)]
    #[test_case("tank:vm-100-disk-0", false)]
    fn cloud_init_drives(file: &str, expected: bool) {
        assert_eq!(is_cloud_init(file), expected);
    }

    fn section(keys: &[(&str, &str)]) -> ConfSection {
        ConfSection {
            keys: keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..ConfSection::default()
        }
    }

    #[test]
    fn a_new_vm_boots_from_disk_medium_and_network() {
        let conf = section(&[
            ("scsi0", "tank:vm-1-disk-0,size=1G"),
            ("ide2", "tank:vm-1-cloudinit,media=cdrom"),
            ("net3", "virtio"),
            ("efidisk0", "tank:vm-1-disk-1"),
        ]);
        assert_eq!(print_boot_order(&default_boot_devices(&conf)), "order=scsi0;ide2;net3");
        assert_eq!(print_boot_order(&default_boot_devices(&section(&[]))), "");
    }

    #[test]
    fn the_boot_disk_is_the_first_disk_of_the_order() {
        let drives = [("ide2", "none,media=cdrom"), ("scsi0", "t1:v,size=1G"), ("scsi1", "t1:w,size=3G")];
        let with = |boot: &'static str| section(&[drives.as_slice(), &[("boot", boot)]].concat());
        assert_eq!(boot_disk_size(&with("order=ide2;scsi1")), Some(3 << 30));
        assert_eq!(boot_disk_size(&with("cdn")), Some(1 << 30));
        assert_eq!(boot_disk_size(&with(" ")), None);
    }
}
