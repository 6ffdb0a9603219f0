//! The settings of a VM.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use phoenix_pve::{InvalidSettings, blanks, check_ssh_keys, check_value, index, list, tags, typed, within, yes_or_no};
use phoenix_types::{
    ConfSection, Hostname, KeyChange, KeyEffect, MemoryMib, PropertyString, Startup, Tag, VolumeId, difference,
    percent_decode,
};

use crate::{Agent, Bios, Cpu, CustomData, Drive, DriveSlot, HostPci, IpConfig, KEYS, OsType, ScsiController, VmNet};

/// The settings of a VM that somebody wants. What is `None`, and every index that a map does not hold, is not managed and
/// stays as it is. An empty list removes the key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VmSettings {
    /// Its name.
    pub name: Option<Hostname>,
    /// Cores of a socket.
    pub cores: Option<u32>,
    /// Sockets.
    pub sockets: Option<u32>,
    /// Its memory, at least 16 MiB.
    pub memory: Option<MemoryMib>,
    /// The least memory that it can be taken down to; 0 takes the balloon device away.
    pub balloon: Option<MemoryMib>,
    /// The processor that it sees.
    pub cpu: Option<Cpu>,
    /// How much processor time it may use, in cores, up to 128; 0 is no limit.
    pub cpu_limit: Option<f64>,
    /// Its weight against other guests, 1 to 10000. (`qm` takes more, and the node quietly makes 10000 of it.)
    pub cpu_units: Option<u32>,
    /// Whether its memory is divided among nodes.
    pub numa: Option<bool>,
    /// Drives by place.
    pub drives: BTreeMap<DriveSlot, Drive>,
    /// The places that it boots from, in order: `scsi0`, `net0`.
    pub boot: Option<Vec<String>>,
    /// The controller of `scsiN`.
    pub scsi_controller: Option<ScsiController>,
    /// Network cards by number, 0 to 31.
    pub nets: BTreeMap<u8, VmNet>,
    /// What cloud-init sets up on the cards, by number.
    pub ip_configs: BTreeMap<u8, IpConfig>,
    /// Name servers for cloud-init; the node's when empty.
    pub nameservers: Option<Vec<IpAddr>>,
    /// Search domains for cloud-init; the node's when empty.
    pub searchdomains: Option<Vec<Hostname>>,
    /// The user that cloud-init makes.
    pub ci_user: Option<String>,
    /// Public ssh keys for that user, in the form of `authorized_keys`.
    pub ssh_keys: Option<String>,
    /// Files that cloud-init reads besides what Proxmox makes.
    pub ci_custom: Option<CustomData>,
    /// Whether cloud-init upgrades packages at the first boot. Proxmox's default: it does.
    pub ci_upgrade: Option<bool>,
    /// The guest agent.
    pub agent: Option<Agent>,
    /// What runs in it.
    pub os_type: Option<OsType>,
    /// Its firmware.
    pub bios: Option<Bios>,
    /// The machine: `q35`, `pc`, or one with a version.
    pub machine: Option<String>,
    /// Serial ports by number, 0 to 3: `socket`, or a device of the node.
    pub serials: BTreeMap<u8, String>,
    /// The graphics card, such as `std` or `serial0`.
    pub vga: Option<String>,
    /// Devices of the node by number, 0 to 15.
    pub host_pci: BTreeMap<u8, HostPci>,
    /// Whether it starts with the node.
    pub onboot: Option<bool>,
    /// Its place in the node's boot order.
    pub startup: Option<Startup>,
    /// Whether it is protected from being destroyed.
    pub protection: Option<bool>,
    /// Its tags.
    pub tags: Option<BTreeSet<Tag>>,
    /// A script of type `snippets` that the node runs around its life.
    pub hookscript: Option<VolumeId>,
    /// Further keys with their values, as `qm` takes them. They win over the fields; a drive without `file` adds its options to
    /// the drive of the fields, or to the one that is there.
    pub further: BTreeMap<String, String>,
    /// Further keys that must not be there, such as `net1`. Removing a drive keeps its volume as `unusedN`.
    pub absent: BTreeSet<String>,
}

impl VmSettings {
    /// The settings as keys and values, as the configuration file holds them. `qm` takes them so, but for `sshkeys`, which
    /// [`Qm`](crate::Qm) hands over in a file.
    ///
    /// # Errors
    /// When a value is out of its range or cannot be written.
    pub fn keys(&self) -> Result<BTreeMap<String, String>, InvalidSettings> {
        let mut keys = BTreeMap::new();
        let mut put = |key: &str, value: Option<String>| -> Result<(), InvalidSettings> {
            if let Some(value) = value {
                check_value(key, &value)?;
                keys.insert(key.to_owned(), value);
            }
            Ok(())
        };
        let flag = |value: Option<bool>| value.map(|value| u8::from(value).to_string());
        put("name", self.name.as_ref().map(ToString::to_string))?;
        put("cores", within("cores", self.cores, 1..=u32::MAX)?)?;
        put("sockets", within("sockets", self.sockets, 1..=u32::MAX)?)?;
        put("memory", within("memory", self.memory.map(|memory| memory.0), 16..=u32::MAX)?)?;
        if let (Some(balloon), Some(memory)) = (self.balloon, self.memory)
            && balloon > memory
        {
            let rule = format!("it is at most the memory of {memory}");
            return Err(InvalidSettings::value("balloon", balloon.0.to_string(), rule));
        }
        put("balloon", self.balloon.map(|balloon| balloon.0.to_string()))?;
        put("cpu", self.cpu.as_ref().map(|cpu| cpu.print("cpu")).transpose()?)?;
        if let Some(limit) = self.cpu_limit.filter(|limit| !(0.0..=128.0).contains(limit)) {
            return Err(InvalidSettings::value("cpulimit", limit.to_string(), "it is a number from 0 to 128"));
        }
        put("cpulimit", self.cpu_limit.map(|limit| limit.to_string()))?;
        put("cpuunits", within("cpuunits", self.cpu_units, 1..=10_000)?)?;
        put("numa", flag(self.numa))?;
        for (slot, drive) in &self.drives {
            put(&slot.to_string(), Some(drive.print(*slot)?))?;
        }
        put("boot", self.boot.as_deref().map(boot).transpose()?.flatten())?;
        put("scsihw", self.scsi_controller.map(|controller| controller.to_string()))?;
        indexed(&self.nets, "net", 31, |key, net| put(key, Some(net.print(key)?)))?;
        indexed(&self.ip_configs, "ipconfig", 31, |key, config| put(key, Some(config.print(key)?)))?;
        put("nameserver", self.nameservers.as_deref().and_then(blanks))?;
        put("searchdomain", self.searchdomains.as_deref().and_then(blanks))?;
        put("ciuser", self.ci_user.clone())?;
        put("sshkeys", self.ssh_keys.as_deref().map(ssh_keys).transpose()?.flatten())?;
        put("cicustom", self.ci_custom.as_ref().and_then(CustomData::print))?;
        put("ciupgrade", flag(self.ci_upgrade))?;
        put("agent", self.agent.map(|agent| agent.print("agent")).transpose()?)?;
        put("ostype", self.os_type.map(|kind| kind.to_string()))?;
        put("bios", self.bios.map(|bios| bios.to_string()))?;
        put("machine", self.machine.as_deref().map(|name| word("machine", name)).transpose()?)?;
        indexed(&self.serials, "serial", 3, |key, port| {
            if port != "socket" && !port.starts_with("/dev/") {
                return Err(InvalidSettings::value(key, port, "it is `socket` or a device below `/dev`"));
            }
            put(key, Some(port.clone()))
        })?;
        put("vga", self.vga.as_deref().map(|name| word("vga", name)).transpose()?)?;
        indexed(&self.host_pci, "hostpci", 15, |key, device| put(key, Some(device.print(key)?)))?;
        put("onboot", flag(self.onboot))?;
        put(
            "startup",
            self.startup.filter(|startup| *startup != Startup::default()).map(|startup| startup.to_string()),
        )?;
        put("protection", flag(self.protection))?;
        put("tags", self.tags.as_ref().map(tags).transpose()?.flatten())?;
        put("hookscript", self.hookscript.as_ref().map(ToString::to_string))?;
        for (key, value) in &self.further {
            check_value(key, value)?;
            let value = match (keys.get(key), key.parse::<DriveSlot>()) {
                (Some(drive), Ok(_)) if !names_file(value) => with_options(key, drive, value)?,
                _ => value.clone(),
            };
            keys.insert(key.clone(), value);
        }
        Ok(keys)
    }

    /// The place of the root disk of a new VM: that of the further keys that has options only, else `scsi0`.
    #[must_use]
    pub fn root_slot(&self) -> DriveSlot {
        let only_options = |(key, value): (&String, &String)| key.parse().ok().filter(|_| !names_file(value));
        self.further.iter().find_map(only_options).unwrap_or(DriveSlot::FIRST)
    }

    /// The keys that must not be set.
    fn absent(&self) -> BTreeSet<String> {
        let mut absent = self.absent.clone();
        let empty = [
            ("boot", self.boot.as_ref().is_some_and(Vec::is_empty)),
            ("nameserver", self.nameservers.as_ref().is_some_and(Vec::is_empty)),
            ("searchdomain", self.searchdomains.as_ref().is_some_and(Vec::is_empty)),
            ("sshkeys", self.ssh_keys.as_ref().is_some_and(|keys| keys.trim().is_empty())),
            ("startup", self.startup.is_some_and(|startup| startup == Startup::default())),
            ("tags", self.tags.as_ref().is_some_and(BTreeSet::is_empty)),
        ];
        absent.extend(empty.iter().filter(|(_, empty)| *empty).map(|(key, _)| (*key).to_owned()));
        absent
    }

    /// The settings that a section of a configuration file holds; all of them are then managed. Notes and what Proxmox keeps
    /// for itself are left out.
    ///
    /// # Errors
    /// When a value is not what Proxmox writes.
    pub fn from_conf(section: &ConfSection) -> Result<Self, InvalidSettings> {
        let mut settings = Self::default();
        for (key, value) in &section.keys {
            settings.take(key, value)?;
        }
        Ok(settings)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), InvalidSettings> {
        match key {
            "name" => self.name = Some(typed(key, value)?),
            "cores" => self.cores = Some(typed(key, value)?),
            "sockets" => self.sockets = Some(typed(key, value)?),
            "memory" => self.memory = Some(MemoryMib(typed(key, value.trim_start_matches("current="))?)),
            "balloon" => self.balloon = Some(MemoryMib(typed(key, value)?)),
            "cpu" => self.cpu = Some(Cpu::parse(key, value)?),
            "cpulimit" => self.cpu_limit = Some(typed(key, value)?),
            "cpuunits" => self.cpu_units = Some(typed(key, value)?),
            "numa" => self.numa = Some(yes_or_no(key, value)?),
            "boot" => {
                let order = value.strip_prefix("order=");
                self.boot =
                    order.map(|order| order.split(';').filter(|place| !place.is_empty()).map(str::to_owned).collect());
            }
            "scsihw" => self.scsi_controller = Some(typed(key, value)?),
            "nameserver" => self.nameservers = Some(list(key, value)?),
            "searchdomain" => self.searchdomains = Some(list(key, value)?),
            "ciuser" => self.ci_user = Some(value.to_owned()),
            "sshkeys" => self.ssh_keys = Some(percent_decode(value)),
            "cicustom" => self.ci_custom = Some(CustomData::parse(key, value)?),
            "ciupgrade" => self.ci_upgrade = Some(yes_or_no(key, value)?),
            "agent" => self.agent = Some(Agent::parse(key, value)?),
            "ostype" => self.os_type = Some(typed(key, value)?),
            "bios" => self.bios = Some(typed(key, value)?),
            "machine" => self.machine = Some(value.to_owned()),
            "vga" => self.vga = Some(value.to_owned()),
            "onboot" => self.onboot = Some(yes_or_no(key, value)?),
            "startup" => self.startup = Some(typed(key, value)?),
            "protection" => self.protection = Some(yes_or_no(key, value)?),
            "tags" => self.tags = Some(list(key, value)?),
            "hookscript" => self.hookscript = Some(typed(key, value)?),
            _ => {
                if let Some(index) = index(key, "net") {
                    self.nets.insert(index, VmNet::parse(key, value)?);
                } else if let Some(index) = index(key, "ipconfig") {
                    self.ip_configs.insert(index, IpConfig::parse(key, value)?);
                } else if let Some(index) = index(key, "serial") {
                    self.serials.insert(index, value.to_owned());
                } else if let Some(index) = index(key, "hostpci") {
                    self.host_pci.insert(index, HostPci::parse(key, value)?);
                } else if let Ok(slot) = key.parse::<DriveSlot>() {
                    self.drives.insert(slot, Drive::parse(slot, value)?);
                }
            }
        }
        Ok(())
    }

    /// What has to change so that a VM with the settings `current` has these, sorted by key. Values are compared by meaning:
    /// the order of items, separators, defaults, and what Proxmox makes up (MAC addresses, sizes, the names of new disks) are
    /// no difference, and the latter is kept when a key is rewritten.
    ///
    /// For a running VM with pending changes compare with
    /// [`GuestConf::after_restart`](phoenix_types::GuestConf::after_restart).
    ///
    /// # Errors
    /// When a value is out of its range or cannot be written.
    pub fn difference(&self, current: &ConfSection) -> Result<Vec<KeyChange>, InvalidSettings> {
        let mut wanted = self.keys()?;
        for (slot, drive) in &self.drives {
            if let Some(value) = current.get(&slot.to_string()) {
                wanted.insert(slot.to_string(), drive.resolved_against(value).print(*slot)?);
            }
        }
        let mut changes = difference(KEYS, &wanted, &self.absent(), current);
        for change in &mut changes {
            if change.key == "agent" && only_trims(change) {
                change.effect = KeyEffect::Hot;
            }
            // The balloon can be moved at once; the device itself comes and goes with a start.
            let device = |value: &Option<String>| value.as_deref() != Some("0");
            if change.key == "balloon" && device(&change.from) != device(&change.to) {
                change.effect = KeyEffect::Restart;
            }
            let file = |value: &Option<String>| {
                let value = value.as_deref()?.split(',').next()?;
                Some(value.trim_start_matches("file=").to_owned()).filter(|file| file.contains(':'))
            };
            let drive = change.key.parse::<DriveSlot>().is_ok();
            if drive && change.from.is_none() && change.to.as_deref().is_some_and(|to| !names_file(to)) {
                let why = "there is no disk at this place, whose options it could change; add `file` for a new one";
                change.effect = KeyEffect::Impossible { why };
            }
            if drive && change.from.is_some() && change.to.is_some() && file(&change.from) != file(&change.to) {
                let why = "the drive has another volume, whose data would stay behind; move it with `qm disk move`";
                change.effect = KeyEffect::Impossible { why };
            }
        }
        Ok(changes)
    }
}

/// Whether a drive says what it holds, and not only options.
fn names_file(value: &str) -> bool {
    value.parse::<PropertyString>().is_ok_and(|drive| drive.get_default("file").is_some())
}

/// A drive with the options of another value.
fn with_options(key: &str, drive: &str, options: &str) -> Result<String, InvalidSettings> {
    let invalid = |error: phoenix_types::InvalidProperty| InvalidSettings::value(key, options, error.to_string());
    let mut drive: PropertyString = drive.parse().map_err(invalid)?;
    let options: PropertyString = options.parse().map_err(invalid)?;
    for (name, value) in options.items() {
        drive.set(name, value).map_err(invalid)?;
    }
    Ok(drive.to_string())
}

/// Whether nothing but the trimming of cloned disks changes, which needs no restart (qemu-server, `vmconfig_hotplug_pending`).
fn only_trims(change: &KeyChange) -> bool {
    let agent = |value: &Option<String>| Agent::parse("agent", value.as_deref()?).ok();
    let (Some(from), Some(to)) = (agent(&change.from), agent(&change.to)) else { return false };
    Agent { fstrim_cloned_disks: to.fstrim_cloned_disks, ..from } == to
}

fn indexed<T>(
    map: &BTreeMap<u8, T>,
    name: &str,
    last: u8,
    mut put: impl FnMut(&str, &T) -> Result<(), InvalidSettings>,
) -> Result<(), InvalidSettings> {
    for (index, value) in map {
        let key = format!("{name}{index}");
        if *index > last {
            return Err(InvalidSettings::Key { key, why: format!("`{name}` has numbers from 0 to {last}") });
        }
        put(&key, value)?;
    }
    Ok(())
}

fn boot(order: &[String]) -> Result<Option<String>, InvalidSettings> {
    let place = |name: &&String| {
        name.parse::<DriveSlot>().is_err() && ["net", "usb", "hostpci"].iter().all(|kind| index(name, kind).is_none())
    };
    if let Some(name) = order.iter().find(place) {
        return Err(InvalidSettings::value("boot", name, "a VM boots from drives, `netN`, `usbN` and `hostpciN`"));
    }
    Ok((!order.is_empty()).then(|| format!("order={}", order.join(";"))))
}

fn word(key: &str, text: &str) -> Result<String, InvalidSettings> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+=,".contains(&b)) {
        Ok(text.to_owned())
    } else {
        Err(InvalidSettings::value(key, text, "it is a name such as `q35` or `serial0`"))
    }
}

/// Keys in the encoding of the configuration file (qemu-server, `URI::Escape::uri_escape` over the file's text).
fn ssh_keys(text: &str) -> Result<Option<String>, InvalidSettings> {
    let keys = check_ssh_keys("sshkeys", text)?;
    Ok((!keys.is_empty()).then(|| uri_escape(&keys)))
}

fn uri_escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~!*'()".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}
