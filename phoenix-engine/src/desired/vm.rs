//! VMs of the configuration as what `phoenix-vm` takes.

use std::fmt;

use camino::Utf8PathBuf;
use phoenix_config::model::{AgentUse, CloudImage, Fleet, Guest, Network, Vm, VmSource};
use phoenix_pve::InvalidSettings;
use phoenix_types::{GuestId, Ipv4Setting, Ipv6Setting, SnapshotName, StorageId, VolumeId};
use phoenix_vm::{Agent, CreateVm, CustomData, Image, IpConfig, VmNet, VmSettings};

use super::error::LowerError;

/// What only a VM has.
#[derive(Debug, Clone)]
pub struct DesiredVm {
    /// What it is made from.
    pub origin: VmOrigin,
    /// The storage of its disk, when it is made from an image.
    pub storage: StorageId,
    /// The storage that a clone is copied to; that of its source when absent.
    pub clone_storage: Option<StorageId>,
    /// Its settings.
    pub settings: VmSettings,
    /// NFS volumes that it mounts.
    pub volumes: Vec<NfsMount>,
    /// What its guest agent does. Absent: what the VM has.
    pub agent: Option<AgentUse>,
    /// Whether it has cloud-init. Absent: it is waited for where it is installed.
    pub cloud_init: Option<bool>,
}

/// What a VM is made from.
#[derive(Debug, Clone)]
pub enum VmOrigin {
    /// A cloud image.
    Image(ImageSource),
    /// Another VM.
    Clone {
        /// The source.
        source: GuestId,
        /// The snapshot of it; absent: as it is now.
        snapshot: Option<SnapshotName>,
    },
}

/// A cloud image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// A volume that the node knows.
    Volume(VolumeId),
    /// A file of the node.
    File(Utf8PathBuf),
    /// A file of the node that is fetched when it is not there.
    Fetched {
        /// The file.
        path: Utf8PathBuf,
        /// Where it comes from.
        url: String,
    },
}

impl ImageSource {
    fn image(&self) -> Image {
        match self {
            Self::Volume(volume) => Image::Volume(volume.clone()),
            Self::File(path) | Self::Fetched { path, .. } => Image::File(path.clone()),
        }
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(volume) => volume.fmt(f),
            Self::File(path) | Self::Fetched { path, .. } => f.write_str(path.file_name().unwrap_or(path.as_str())),
        }
    }
}

/// Where an NFS server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NfsServer {
    /// The node itself, so that its directories can be made.
    ThisNode,
    /// Somewhere else.
    Elsewhere,
}

/// A directory that a VM mounts over NFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfsMount {
    /// The server.
    pub server: String,
    /// Where that is.
    pub on: NfsServer,
    /// The exported directory.
    pub path: Utf8PathBuf,
    /// Where the VM sees it.
    pub mount_point: Utf8PathBuf,
    /// Mount options.
    pub options: String,
}

/// Where a fetched image is put: the import folder of the storage `local` (pve-storage, content type `import`).
const IMAGES: &str = "/var/lib/vz/import";

impl DesiredVm {
    pub(crate) fn create(&self, image: &ImageSource, notes: String, vendor_data: Option<&VolumeId>) -> CreateVm {
        let mut create = CreateVm::from_cloud_image(self.storage.clone(), image.image(), self.settings.clone());
        create.description = Some(notes);
        // Files of the user's own win.
        create.settings.ci_custom = vendor_data.cloned().map(CustomData::vendor);
        create
    }
}

pub(super) fn lower(fleet: &Fleet, guest: &Guest, vm: &Vm) -> Result<DesiredVm, LowerError> {
    let invalid = |source| LowerError::Settings { guest: guest.id, source };
    let origin = match (&vm.source, &guest.clone_from) {
        (VmSource::Image(CloudImage::Volume(volume)), _) => VmOrigin::Image(ImageSource::Volume(volume.clone())),
        (VmSource::Image(CloudImage::Path(path)), _) => VmOrigin::Image(ImageSource::File(path.clone())),
        (VmSource::Image(CloudImage::Download { name, url }), _) => {
            VmOrigin::Image(ImageSource::Fetched { path: Utf8PathBuf::from(IMAGES).join(name), url: url.clone() })
        }
        (VmSource::Clone, Some(source)) => VmOrigin::Clone { source: source.id, snapshot: source.snapshot.clone() },
        (VmSource::Clone, None) => {
            return Err(invalid(InvalidSettings::Key {
                key: "clone_from_vmid".to_owned(),
                why: "it is missing".to_owned(),
            }));
        }
    };
    let settings = settings(guest, vm)?;
    // Whatever could not be written is found here, before the node is touched.
    settings.keys().map_err(invalid)?;
    let storage = guest.storage.clone().map_or_else(super::container::default_storage, Ok).map_err(invalid)?;
    Ok(DesiredVm {
        origin,
        storage,
        clone_storage: guest.storage.clone(),
        settings,
        volumes: volumes(fleet, vm),
        agent: vm.agent,
        cloud_init: vm.cloud_init,
    })
}

fn settings(guest: &Guest, vm: &Vm) -> Result<VmSettings, LowerError> {
    let invalid = |source| LowerError::Settings { guest: guest.id, source };
    let mut settings = VmSettings {
        name: Some(guest.name.clone()),
        cores: guest.cores,
        memory: Some(guest.memory),
        agent: Some(Agent { enabled: vm.agent != Some(AgentUse::Absent), ..Agent::default() }),
        onboot: Some(guest.start_at_boot),
        startup: super::container::startup(guest),
        protection: Some(guest.protection),
        ..VmSettings::default()
    };
    if !guest.tags.is_empty() {
        let tags = super::container::tags(guest).map_err(invalid)?;
        settings.tags = Some(tags);
    }
    for (index, network) in (0..).zip(guest.networks.iter().flatten()) {
        settings.nets.insert(index, card(network).map_err(invalid)?);
        if let Some(config) = ip_config(network) {
            settings.ip_configs.insert(index, config);
        }
    }
    settings.nameservers = guest.nameservers().map(<[_]>::to_vec);
    settings.searchdomains = guest.search_domain().map(|domain| vec![domain.clone()]);
    settings.further.clone_from(&guest.proxmox);
    if let Some(user) = &vm.user {
        settings.ci_user.clone_from(&user.name);
        let keys: Vec<&str> = user
            .ssh_keys
            .iter()
            .chain(user.ssh_key_file.iter().flat_map(|file| &file.keys))
            .map(String::as_str)
            .collect();
        settings.ssh_keys = (!keys.is_empty()).then(|| keys.join("\n"));
    }
    Ok(settings)
}

fn card(network: &Network) -> Result<VmNet, InvalidSettings> {
    let mut net = VmNet::new(network.bridge.clone());
    if let Some(model) = &network.model {
        net.model = phoenix_pve::typed("model", model)?;
    }
    net.mac = network.mac;
    net.firewall = network.firewall;
    net.tag = network.vlan;
    net.trunks = network.trunks.iter().copied().collect();
    net.rate = network.rate;
    net.mtu = network.mtu.map(u32::from);
    net.queues = network.queues;
    net.link_down = network.link_down;
    Ok(net)
}

/// What cloud-init sets up on a card; `None` where the guest configures itself.
fn ip_config(network: &Network) -> Option<IpConfig> {
    let mut config = IpConfig {
        ip: Some(network.ipv4).filter(|ip| *ip != Ipv4Setting::Manual),
        ip6: network.ipv6.filter(|ip| *ip != Ipv6Setting::Manual),
        ..IpConfig::default()
    };
    // Without a fixed address a gateway has no effect, and Proxmox takes none.
    config.gw = network.gateway.filter(|_| network.address().is_some());
    config.gw6 = network.gateway6.filter(|_| network.address6().is_some());
    (config.ip.is_some() || config.ip6.is_some()).then_some(config)
}

fn volumes(fleet: &Fleet, vm: &Vm) -> Vec<NfsMount> {
    let network = fleet.hypervisor.network.as_ref();
    let node = network.and_then(|network| network.address).map(|cidr| cidr.address().to_string());
    vm.volumes
        .iter()
        .map(|volume| NfsMount {
            on: if node.as_deref() == Some(volume.server.as_str()) {
                NfsServer::ThisNode
            } else {
                NfsServer::Elsewhere
            },
            server: volume.server.clone(),
            path: volume.path.clone(),
            mount_point: volume.mount_point.clone(),
            options: volume.options.clone(),
        })
        .collect()
}
