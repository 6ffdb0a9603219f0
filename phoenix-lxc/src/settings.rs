//! The settings of a container.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use phoenix_pve::{InvalidSettings, blanks, check_value, index, list, tags, typed, within, yes_or_no};
use phoenix_types::{
    ConfSection, Hostname, KeyChange, KeyEffect, MemoryMib, Startup, Tag, VolumeId, difference, parse_flag,
};

use crate::{Device, Features, KEYS, MountPoint, Net};

/// The settings of a container that somebody wants. What is `None`, and every index that a map does not hold, is not managed
/// and stays as it is. An empty list removes the key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContainerSettings {
    /// Its name.
    pub hostname: Option<Hostname>,
    /// How many cores it may use, 1 to 8192.
    pub cores: Option<u32>,
    /// How much processor time it may use, in cores; 0 is no limit.
    pub cpu_limit: Option<f64>,
    /// Its weight against other guests, 1 to 10000. (`pct` takes more, and quietly makes 10000 of it.)
    pub cpu_units: Option<u32>,
    /// Its memory, at least 16 MiB.
    pub memory: Option<MemoryMib>,
    /// Its swap.
    pub swap: Option<MemoryMib>,
    /// Network interfaces by number, 0 to 31.
    pub nets: BTreeMap<u8, Net>,
    /// Mount points by number.
    pub mounts: BTreeMap<u8, MountPoint>,
    /// Devices by number.
    pub devices: BTreeMap<u8, Device>,
    /// What it may do.
    pub features: Option<Features>,
    /// Whether it is unprivileged. Decided when it is made.
    pub unprivileged: Option<bool>,
    /// Whether it starts with the node.
    pub onboot: Option<bool>,
    /// Its place in the node's boot order.
    pub startup: Option<Startup>,
    /// Name servers; the node's when empty.
    pub nameservers: Option<Vec<IpAddr>>,
    /// Search domains; the node's when empty.
    pub searchdomains: Option<Vec<Hostname>>,
    /// Whether it is protected from being destroyed.
    pub protection: Option<bool>,
    /// Its tags.
    pub tags: Option<BTreeSet<Tag>>,
    /// Its time zone: `host`, or a name such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// A script of type `snippets` that the node runs around its life.
    pub hookscript: Option<VolumeId>,
    /// Further keys with their values, as `pct` takes them. They win over the fields; `rootfs` without a volume are options of
    /// the one that is there.
    pub further: BTreeMap<String, String>,
    /// Further keys that must not be there, such as `net1` or `mp0`. Removing a mount point keeps its volume as `unusedN`.
    pub absent: BTreeSet<String>,
}

impl ContainerSettings {
    /// The settings as keys and values, as `pct` takes them.
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
        put("hostname", self.hostname.as_ref().map(ToString::to_string))?;
        put("cores", within("cores", self.cores, 1..=8192)?)?;
        if let Some(limit) = self.cpu_limit.filter(|limit| !(0.0..=8192.0).contains(limit)) {
            return Err(InvalidSettings::value("cpulimit", limit.to_string(), "it is a number from 0 to 8192"));
        }
        put("cpulimit", self.cpu_limit.map(|limit| limit.to_string()))?;
        put("cpuunits", within("cpuunits", self.cpu_units, 1..=10_000)?)?;
        put("memory", within("memory", self.memory.map(|memory| memory.0), 16..=u32::MAX)?)?;
        put("swap", self.swap.map(|swap| swap.0.to_string()))?;
        for (index, net) in &self.nets {
            let key = format!("net{index}");
            if *index > 31 {
                return Err(InvalidSettings::Key { key, why: "interfaces have numbers from 0 to 31".to_owned() });
            }
            put(&key, Some(net.print(&key)?))?;
        }
        for (index, mount) in &self.mounts {
            let key = format!("mp{index}");
            put(&key, Some(mount.print(&key)?))?;
        }
        for (index, device) in &self.devices {
            let key = format!("dev{index}");
            put(&key, Some(device.print(&key)?))?;
        }
        let features = self.features.as_ref().filter(|features| **features != Features::default());
        put("features", features.map(|features| features.print("features")).transpose()?)?;
        put("unprivileged", flag(self.unprivileged))?;
        put("onboot", flag(self.onboot))?;
        put(
            "startup",
            self.startup.filter(|startup| *startup != Startup::default()).map(|startup| startup.to_string()),
        )?;
        put("nameserver", self.nameservers.as_deref().and_then(blanks))?;
        put("searchdomain", self.searchdomains.as_deref().and_then(blanks))?;
        put("protection", flag(self.protection))?;
        put("tags", self.tags.as_ref().map(tags).transpose()?.flatten())?;
        put("timezone", self.timezone.as_deref().map(timezone).transpose()?)?;
        put("hookscript", self.hookscript.as_ref().map(ToString::to_string))?;
        for (key, value) in &self.further {
            put(key, Some(value.clone()))?;
        }
        for key in &self.absent {
            if ["rootfs", "memory", "ostype", "arch", "unprivileged"].contains(&key.as_str()) {
                return Err(InvalidSettings::Key { key: key.clone(), why: "a container always has it".to_owned() });
            }
        }
        Ok(keys)
    }

    /// The keys that must not be set.
    fn absent(&self) -> BTreeSet<String> {
        let mut absent = self.absent.clone();
        let empty = [
            ("features", self.features.as_ref().is_some_and(|features| *features == Features::default())),
            ("startup", self.startup.is_some_and(|startup| startup == Startup::default())),
            ("nameserver", self.nameservers.as_ref().is_some_and(Vec::is_empty)),
            ("searchdomain", self.searchdomains.as_ref().is_some_and(Vec::is_empty)),
            ("tags", self.tags.as_ref().is_some_and(BTreeSet::is_empty)),
        ];
        absent.extend(empty.iter().filter(|(_, empty)| *empty).map(|(key, _)| (*key).to_owned()));
        absent
    }

    /// The settings that a section of a configuration file holds; all of them are then managed. Notes, raw lines and what
    /// Proxmox keeps for itself are left out.
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
            "hostname" => self.hostname = Some(typed(key, value)?),
            "cores" => self.cores = Some(typed(key, value)?),
            "cpulimit" => self.cpu_limit = Some(typed(key, value)?),
            "cpuunits" => self.cpu_units = Some(typed(key, value)?),
            "memory" => self.memory = Some(MemoryMib(typed(key, value)?)),
            "swap" => self.swap = Some(MemoryMib(typed(key, value)?)),
            "features" => self.features = Some(Features::parse(key, value)?),
            "unprivileged" => self.unprivileged = Some(yes_or_no(key, value)?),
            "onboot" => self.onboot = Some(yes_or_no(key, value)?),
            "startup" => self.startup = Some(typed(key, value)?),
            "nameserver" => self.nameservers = Some(list(key, value)?),
            "searchdomain" => self.searchdomains = Some(list(key, value)?),
            "protection" => self.protection = Some(yes_or_no(key, value)?),
            "tags" => self.tags = Some(list(key, value)?),
            "timezone" => self.timezone = Some(value.to_owned()),
            "hookscript" => self.hookscript = Some(typed(key, value)?),
            _ => {
                if let Some(index) = index(key, "net") {
                    self.nets.insert(index, Net::parse(key, value)?);
                } else if let Some(index) = index(key, "mp") {
                    self.mounts.insert(index, MountPoint::parse(key, value)?);
                } else if let Some(index) = index(key, "dev") {
                    self.devices.insert(index, Device::parse(key, value)?);
                }
            }
        }
        Ok(())
    }

    /// What has to change so that a container with the settings `current` has these, sorted by key. Values are compared by
    /// meaning: the order of items, separators, defaults, and what Proxmox makes up (MAC addresses, sizes, the name of a new
    /// volume) are no difference, and the latter is kept when a key is rewritten.
    ///
    /// For a running container with pending changes compare with
    /// [`GuestConf::after_restart`](phoenix_types::GuestConf::after_restart).
    ///
    /// # Errors
    /// When a value is out of its range or cannot be written.
    pub fn difference(&self, current: &ConfSection) -> Result<Vec<KeyChange>, InvalidSettings> {
        let mut changes = difference(KEYS, &self.keys()?, &self.absent(), current);
        let protected = current.get("protection").and_then(parse_flag) == Some(true);
        for change in changes.iter_mut().filter(|change| change.key.starts_with("mp")) {
            if protected {
                let why = "protection also applies to the mount points of a container; remove `protection` first";
                change.effect = KeyEffect::Impossible { why };
                continue;
            }
            if let (Some(from), Some(to)) = (&change.from, &change.to)
                && let (Some(old), Some(new)) = (volume(from), volume(to))
                && old != new
            {
                change.effect = KeyEffect::Impossible {
                    why: "the mount point has another volume, whose data would stay behind; move it with `pct move-volume`",
                };
            }
        }
        Ok(changes)
    }
}

/// The volume of a mount point; `None` for a path of the node.
fn volume(value: &str) -> Option<&str> {
    let first = value.split(',').find_map(|item| match item.split_once('=') {
        None => Some(item),
        Some(("volume", volume)) => Some(volume),
        Some(_) => None,
    })?;
    (!first.starts_with('/')).then_some(first)
}

fn timezone(name: &str) -> Result<String, InvalidSettings> {
    let fine = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
    if fine && !name.starts_with('/') {
        Ok(name.to_owned())
    } else {
        Err(InvalidSettings::value("timezone", name, "it is `host` or a name such as `Europe/Berlin`"))
    }
}
