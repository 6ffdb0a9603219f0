//! Containers of the configuration as what `phoenix-lxc` takes.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use phoenix_config::model::{Container, ContainerSource, Guest, IdMapKind, MountOptions, Network, PctFeature};
use phoenix_lxc::{
    ContainerSettings, CreateContainer, Features, MountPoint, MountSource, Net, Template, VolumeOptions,
};
use phoenix_pve::InvalidSettings;
use phoenix_types::{ConfSection, DiskSize, GuestId, SnapshotName, Startup, StorageId, Tag};

/// Where root of an unprivileged container stands among the node's users (pve-container `LXC.pm`).
const ID_SHIFT: u32 = 100_000;

/// The size of a root disk that the configuration does not tell: Proxmox's own (pve-container `API2/LXC.pm`).
const DEFAULT_DISK: DiskSize = DiskSize::from_gib(4);

/// The storage of a root disk that the configuration does not tell: Proxmox's own.
pub(super) fn default_storage() -> Result<StorageId, InvalidSettings> {
    "local".parse().map_err(|_| InvalidSettings::value("storage", "local", "a storage id"))
}

/// What only a container has.
#[derive(Debug, Clone)]
pub struct DesiredContainer {
    /// What it is made from.
    pub origin: ContainerOrigin,
    /// The storage of its root disk, when it is made from a template.
    pub storage: StorageId,
    /// The storage that a clone is copied to; that of its source when absent.
    pub clone_storage: Option<StorageId>,
    /// Its settings, mount points aside.
    pub settings: ContainerSettings,
    /// What is mounted inside; which `mpN` it becomes depends on what is there already.
    pub mounts: Vec<MountPoint>,
    /// Raw `lxc.*` lines.
    pub raw_lines: Vec<(String, String)>,
    /// Directories of the node that it mounts.
    pub host_paths: Vec<HostPath>,
    /// Whether the configuration says something about its network interfaces.
    pub says_network: bool,
}

/// What a container is made from.
#[derive(Debug, Clone)]
pub enum ContainerOrigin {
    /// A template.
    Template(Template),
    /// Another container.
    Clone {
        /// The source.
        source: GuestId,
        /// The snapshot of it; absent: as it is now.
        snapshot: Option<SnapshotName>,
    },
}

/// A directory of the node that a container mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPath {
    /// The directory.
    pub path: Utf8PathBuf,
    /// User and group that own it, in the node's numbers; absent: the owner is not changed.
    pub owner: Option<(u32, u32)>,
}

impl DesiredContainer {
    /// Whether Proxmox can take snapshots of it: a mounted directory or device of the node makes them impossible (pve-container,
    /// `LXC/Config.pm`, `has_feature`).
    #[must_use]
    pub fn can_snapshot(&self) -> bool {
        !self.mounts.iter().any(|mount| matches!(mount.source, MountSource::Path(_)))
    }

    /// Its settings with every mount under a number: the one that it has in `live` already, else the lowest free one.
    #[must_use]
    pub fn settings_on(&self, live: &ConfSection) -> ContainerSettings {
        let mut taken: BTreeMap<u8, Utf8PathBuf> = BTreeMap::new();
        for (key, value) in &live.keys {
            let index = key.strip_prefix("mp").and_then(|index| index.parse().ok());
            let path = value
                .parse::<phoenix_types::PropertyString>()
                .ok()
                .and_then(|text| text.get("mp").map(Utf8PathBuf::from));
            if let (Some(index), Some(path)) = (index, path) {
                taken.insert(index, path);
            }
        }
        let mut settings = self.settings.clone();
        for mount in &self.mounts {
            let known = taken.iter().find(|(index, path)| **path == mount.path && !settings.mounts.contains_key(index));
            let index = known.map(|(index, _)| *index).or_else(|| {
                (0..=u8::MAX).find(|index| !taken.contains_key(index) && !settings.mounts.contains_key(index))
            });
            if let Some(index) = index {
                settings.mounts.insert(index, mount.clone());
            }
        }
        settings
    }

    /// The interface that it is made with when the configuration says nothing about one. What it has of it later is its own.
    pub(crate) fn first_net(&self) -> Option<Net> {
        if self.says_network || !matches!(self.origin, ContainerOrigin::Template(_)) {
            return None;
        }
        net(&Network::usual()).ok()
    }

    pub(crate) fn create(&self, template: &Template, disk: Option<DiskSize>, notes: String) -> CreateContainer {
        let source = MountSource::New { storage: self.storage.clone(), size: disk.unwrap_or(DEFAULT_DISK) };
        let mut settings = self.settings_on(&ConfSection::default());
        if let Some(net) = self.first_net() {
            settings.nets.insert(0, net);
        }
        let mut create = CreateContainer::new(template.clone(), source.into(), settings);
        create.description = Some(notes);
        create
    }
}

pub(super) fn lower(guest: &Guest, container: &Container) -> Result<DesiredContainer, InvalidSettings> {
    let origin = match (&container.source, &guest.clone_from) {
        (ContainerSource::Volume(volume), _) => ContainerOrigin::Template(Template::Volume(volume.clone())),
        (ContainerSource::Path(path), _) => ContainerOrigin::Template(Template::File(path.clone())),
        (ContainerSource::Clone, Some(source)) => {
            ContainerOrigin::Clone { source: source.id, snapshot: source.snapshot.clone() }
        }
        (ContainerSource::Clone, None) => {
            return Err(InvalidSettings::Key { key: "clone_from_ctid".to_owned(), why: "it is missing".to_owned() });
        }
    };
    let desired = DesiredContainer {
        origin,
        storage: guest.storage.clone().map_or_else(default_storage, Ok)?,
        clone_storage: guest.storage.clone(),
        settings: settings(guest, container)?,
        mounts: mounts(container),
        raw_lines: container.raw_lines.iter().map(|line| (line.key.clone(), line.value.clone())).collect(),
        host_paths: host_paths(container),
        says_network: guest.networks.is_some(),
    };
    // Whatever could not be written is found here, before the node is touched.
    desired.settings_on(&ConfSection::default()).keys()?;
    Ok(desired)
}

fn settings(guest: &Guest, container: &Container) -> Result<ContainerSettings, InvalidSettings> {
    let mut settings = ContainerSettings {
        hostname: Some(guest.name.clone()),
        cores: guest.cores,
        memory: Some(guest.memory),
        swap: container.swap,
        onboot: Some(guest.start_at_boot),
        startup: startup(guest),
        unprivileged: Some(container.unprivileged),
        protection: Some(guest.protection),
        ..ContainerSettings::default()
    };
    if !guest.tags.is_empty() {
        settings.tags = Some(tags(guest)?);
    }
    if !container.features.is_empty() {
        settings.features = Some(features(container));
    }
    for (index, network) in (0..).zip(guest.networks.iter().flatten()) {
        settings.nets.insert(index, net(network)?);
    }
    settings.nameservers = guest.nameservers().map(<[_]>::to_vec);
    settings.searchdomains = guest.search_domain().map(|domain| vec![domain.clone()]);
    settings.further.clone_from(&guest.proxmox);
    if guest.cores.is_none() {
        settings.absent.insert("cores".to_owned());
    }
    Ok(settings)
}

fn net(network: &Network) -> Result<Net, InvalidSettings> {
    let name = network.interface.parse().map_err(|_| {
        InvalidSettings::value(
            "name",
            network.interface.as_str(),
            "an interface name has 2 to 15 letters, digits, `_`, `-`, `.`",
        )
    })?;
    let mut net = Net::new(name, network.bridge.clone());
    net.mac = network.mac;
    net.ip = Some(network.ipv4);
    net.gw = network.gateway;
    net.ip6 = network.ipv6;
    net.gw6 = network.gateway6;
    net.firewall = network.firewall;
    net.tag = network.vlan;
    net.trunks = network.trunks.iter().copied().collect();
    net.rate = network.rate;
    net.mtu = network.mtu.map(u32::from);
    net.link_down = network.link_down;
    net.host_managed = network.host_managed;
    Ok(net)
}

pub(super) fn startup(guest: &Guest) -> Option<Startup> {
    let delay = guest.boot_delay.and_then(|span| u32::try_from(span.get().as_secs()).ok());
    let down = guest.limits.shutdown.and_then(|span| u32::try_from(span.get().as_secs()).ok());
    let startup = Startup { order: guest.boot_order, up: delay, down };
    (startup != Startup::default()).then_some(startup)
}

fn features(container: &Container) -> Features {
    let mut features = Features::default();
    for (feature, value) in &container.features {
        let on = !matches!(value.as_str(), "0" | "no" | "off" | "false");
        match feature {
            PctFeature::ForceRwSys => features.force_rw_sys = on,
            PctFeature::Fuse => features.fuse = on,
            PctFeature::Keyctl => features.keyctl = on,
            PctFeature::Mknod => features.mknod = on,
            PctFeature::Nesting => features.nesting = on,
            PctFeature::Mount => features.mount = value.split(';').map(str::to_owned).collect::<BTreeSet<_>>(),
        }
    }
    features
}

fn mounts(container: &Container) -> Vec<MountPoint> {
    let folders = container.mount_points.iter().map(|mount| {
        let mut point = MountPoint::new(MountSource::Path(mount.host_path.clone()), mount.container_path.clone());
        point.options = options(&mount.options, mount.read_only);
        point
    });
    let volumes = container.volumes.iter().map(|volume| {
        let source = MountSource::New { storage: volume.storage.clone(), size: volume.size };
        let mut point = MountPoint::new(source, volume.mount_point.clone());
        point.backup = volume.backup;
        point.options = options(&volume.options, volume.read_only);
        point
    });
    folders.chain(volumes).collect()
}

fn options(wanted: &MountOptions, read_only: bool) -> VolumeOptions {
    VolumeOptions {
        acl: wanted.acl,
        mount_options: wanted.mount_options.iter().map(|option| (*option).to_owned()).collect(),
        quota: wanted.quota,
        read_only,
        no_replication: wanted.no_replication,
        shared: wanted.shared,
        keep_attributes: wanted.keep_attributes,
        id_map: wanted.id_map.clone(),
    }
}

fn host_paths(container: &Container) -> Vec<HostPath> {
    container
        .mount_points
        .iter()
        .filter(|mount| !mount.is_device())
        .map(|mount| HostPath {
            path: mount.host_path.clone(),
            owner: mount.owner.map(|owner| {
                (on_node(container, IdMapKind::Uid, owner.uid), on_node(container, IdMapKind::Gid, owner.gid))
            }),
        })
        .collect()
}

/// A number of the container in the node's numbers: through a map of its own, else shifted.
fn on_node(container: &Container, kind: IdMapKind, id: u32) -> u32 {
    if !container.unprivileged {
        return id;
    }
    let mapped = container.id_maps.iter().find(|map| {
        (map.kind == kind || map.kind == IdMapKind::Both)
            && (map.container_id..map.container_id.saturating_add(map.size)).contains(&id)
    });
    match mapped {
        Some(map) => map.host_id.saturating_add(id - map.container_id),
        None => id.saturating_add(ID_SHIFT),
    }
}

pub(super) fn tags(guest: &Guest) -> Result<BTreeSet<Tag>, InvalidSettings> {
    let rule = "a tag has letters, digits, `_`, `-`, `+` and `.`";
    guest.tags.iter().map(|tag| tag.parse().map_err(|_| InvalidSettings::value("tags", tag.as_str(), rule))).collect()
}
