//! Processor (`cpu`), guest agent (`agent`) and devices passed through (`hostpciN`).

use std::collections::BTreeSet;

use phoenix_pve::{InvalidSettings, PropertyReader, PropertyWriter};
use phoenix_types::{Absent, ItemRule, ItemValue, PropertyRules};

/// The processor that the guest sees.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu {
    /// Its type: `host`, `x86-64-v2-AES`, `kvm64`, …
    pub kind: String,
    /// Flags that are added or removed: `+aes`, `-pcid`.
    pub flags: BTreeSet<String>,
    /// Whether the guest is not told that it is one.
    pub hidden: bool,
}

/// qemu-server `QemuServer/CPUConfig.pm`, `$cpu_fmt`.
pub(crate) const CPU_RULES: PropertyRules = PropertyRules {
    default_key: Some("cputype"),
    alias: None,
    items: &[
        ItemRule { key: "flags", value: ItemValue::Set, absent: Absent::Unset },
        ItemRule { key: "hidden", value: ItemValue::Flag, absent: Absent::Is("0") },
    ],
};

impl Cpu {
    /// A processor of some type.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), flags: BTreeSet::new(), hidden: false }
    }

    pub(crate) fn print(&self, key: &str) -> Result<String, InvalidSettings> {
        let word =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !word(&self.kind) {
            return Err(InvalidSettings::value(key, &self.kind, "a processor type is a name such as `host`"));
        }
        if let Some(flag) = self.flags.iter().find(|flag| !flag.strip_prefix(['+', '-']).is_some_and(word)) {
            return Err(InvalidSettings::value(key, flag, "a processor flag is written like `+aes` or `-pcid`"));
        }
        let mut text = PropertyWriter::with_bare(key, &self.kind)?;
        text.put_list("flags", &self.flags)?.put_flag("hidden", self.hidden.then_some(true))?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &CPU_RULES)?;
        let cpu = Self {
            kind: items.text("cputype").unwrap_or_else(|| "kvm64".to_owned()),
            flags: items.list("flags")?,
            hidden: items.flag("hidden")?.unwrap_or_default(),
        };
        items.finish()?;
        Ok(cpu)
    }
}

/// The guest agent, by which the inside of a VM is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agent {
    /// Whether the VM has one.
    pub enabled: bool,
    /// Whether the guest is trimmed after its disks were moved or cloned. Default: not.
    pub fstrim_cloned_disks: bool,
    /// Whether its file systems are frozen for backups and snapshots. Default: they are.
    pub freeze_fs: bool,
}

impl Default for Agent {
    fn default() -> Self {
        Self { enabled: true, fstrim_cloned_disks: false, freeze_fs: true }
    }
}

/// qemu-server `QemuServer/Agent.pm`, `$agent_fmt`.
pub(crate) const AGENT_RULES: PropertyRules = PropertyRules {
    default_key: Some("enabled"),
    alias: None,
    items: &[
        ItemRule { key: "enabled", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "fstrim_cloned_disks", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "freeze-fs", value: ItemValue::Flag, absent: Absent::Is("1") },
        ItemRule { key: "type", value: ItemValue::Text, absent: Absent::Is("virtio") },
    ],
};

impl Agent {
    pub(crate) fn print(self, key: &str) -> Result<String, InvalidSettings> {
        let mut text = PropertyWriter::new(key);
        text.put_flag("enabled", Some(self.enabled))?
            .put_flag("freeze-fs", (!self.freeze_fs).then_some(false))?
            .put_flag("fstrim_cloned_disks", self.fstrim_cloned_disks.then_some(true))?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &AGENT_RULES)?;
        items.text("type");
        let older = items.flag("freeze-fs-on-backup")?;
        let agent = Self {
            enabled: items.flag("enabled")?.unwrap_or_default(),
            fstrim_cloned_disks: items.flag("fstrim_cloned_disks")?.unwrap_or_default(),
            freeze_fs: items.flag("freeze-fs")?.or(older).unwrap_or(true),
        };
        items.finish()?;
        Ok(agent)
    }
}

/// Which device of the node is passed through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PciSource {
    /// PCI addresses of one device's functions, such as `0000:01:00.0` or `01:00`.
    Addresses(Vec<String>),
    /// A resource mapping of the cluster.
    Mapping(String),
}

/// A PCI device of the node that the VM gets. The device has to be there when the VM starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPci {
    /// The device.
    pub source: PciSource,
    /// Whether it is a PCI Express device; needs machine `q35`.
    pub pcie: bool,
    /// Whether the guest sees its ROM. Default: it does.
    pub rombar: bool,
    /// Whether it is the primary graphics card.
    pub x_vga: bool,
    /// The type of a mediated device.
    pub mdev: Option<String>,
}

/// qemu-server `QemuServer/PCI.pm`, `$hostpci_fmt`.
pub(crate) const PCI_RULES: PropertyRules = PropertyRules {
    default_key: Some("host"),
    alias: None,
    items: &[
        ItemRule { key: "host", value: ItemValue::Text, absent: Absent::Unset },
        ItemRule { key: "pcie", value: ItemValue::Flag, absent: Absent::Is("0") },
        ItemRule { key: "rombar", value: ItemValue::Flag, absent: Absent::Is("1") },
        ItemRule { key: "x-vga", value: ItemValue::Flag, absent: Absent::Is("0") },
    ],
};

impl HostPci {
    /// A device with everything else as Proxmox has it.
    #[must_use]
    pub fn new(source: PciSource) -> Self {
        Self { source, pcie: false, rombar: true, x_vga: false, mdev: None }
    }

    pub(crate) fn print(&self, key: &str) -> Result<String, InvalidSettings> {
        let mut text = match &self.source {
            PciSource::Addresses(addresses) => {
                let wrong = |address: &&String| !is_pci_address(address);
                if let Some(address) = addresses.iter().find(wrong) {
                    return Err(InvalidSettings::value(key, address, "a PCI address is written like `0000:01:00.0`"));
                }
                PropertyWriter::with_bare(key, addresses.join(";"))?
            }
            PciSource::Mapping(name) => {
                let mut text = PropertyWriter::new(key);
                text.put("mapping", name)?;
                text
            }
        };
        text.put_some("mdev", self.mdev.as_ref())?
            .put_flag("pcie", self.pcie.then_some(true))?
            .put_flag("rombar", (!self.rombar).then_some(false))?
            .put_flag("x-vga", self.x_vga.then_some(true))?;
        Ok(text.finish())
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let mut items = PropertyReader::new(key, value, &PCI_RULES)?;
        let addresses: Vec<String> = items.list("host")?;
        let source = match items.text("mapping") {
            Some(mapping) => PciSource::Mapping(mapping),
            None => PciSource::Addresses(addresses),
        };
        let device = Self {
            source,
            pcie: items.flag("pcie")?.unwrap_or_default(),
            rombar: items.flag("rombar")?.unwrap_or(true),
            x_vga: items.flag("x-vga")?.unwrap_or_default(),
            mdev: items.text("mdev"),
        };
        items.finish()?;
        Ok(device)
    }
}

/// `[DOMAIN:]BUS:SLOT[.FUNCTION]` in lower-case hexadecimal.
fn is_pci_address(text: &str) -> bool {
    let hex = |part: &str, length: std::ops::RangeInclusive<usize>| {
        length.contains(&part.len()) && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let (place, function) = text.split_once('.').map_or((text, None), |(place, function)| (place, Some(function)));
    let parts: Vec<&str> = place.split(':').collect();
    let place = match parts.as_slice() {
        [domain, bus, slot] => hex(domain, 4..=8) && hex(bus, 2..=2) && hex(slot, 2..=2),
        [bus, slot] => hex(bus, 2..=2) && hex(slot, 2..=2),
        _ => false,
    };
    place && function.is_none_or(|function| hex(function, 1..=1))
}
