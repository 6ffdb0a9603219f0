//! The tops of the two guest files, and the hypervisor file, as they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use phoenix_types::{BridgeName, FleetName, Hostname, Ipv4Setting, StorageId, Verdict, text_type};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::firewall::RuleEntry;
use super::list::Members;
use super::network::{Address, Addresses};
use super::number::{Cores, Whole};
use super::object::{Key, Opaque, USER_PREFIX, closed};
use super::proxmox::{Pct, ProxmoxKeys, Qm};
use super::secret::SecretEntry;
use super::service::TestEntry;
use super::text::{AbsolutePath, Line, NodePath, Remark, UserName, WebAddress};

object! {
    /// The top of `phoenix_lxc_configs.json`, all but the containers.
    LxcFrame {
        /// Where this schema is, for editors.
        "$schema" => schema: Option<String>,
        /// The version of the NVIDIA driver. Handed to scripts.
        "nvidia_driver_version" => nvidia_driver_version: Option<Line>,
        /// Where NVIDIA's packages are. Handed to scripts.
        "nvidia_repo_url" => nvidia_repo_url: Option<WebAddress>,
        /// Where NVIDIA's driver is. Handed to scripts.
        "nvidia_runfile_url" => nvidia_runfile_url: Option<WebAddress>,
    }
}

object! {
    /// The top of `phoenix_vm_configs.json`, all but the VMs.
    VmFrame {
        /// Where this schema is, for editors.
        "$schema" => schema: Option<String>,
        /// Defaults of VMs.
        "vm_defaults" => vm_defaults: Option<VmDefaultsEntry>,
    }
}

object! {
    /// Defaults of VMs.
    VmDefaultsEntry {
        /// The release that the predecessor's notes name. Handed to scripts.
        "template" => template: Option<Line>,
        /// CPU cores.
        "cores" => cores: Option<Whole<1, 8192>>,
        /// Memory in MiB.
        "memory_mb" => memory_mb: Option<Whole<16, 67_108_864>>,
        /// The size of the root disk in GiB. Templates keep their image's size unless they say otherwise, so that clones may have any.
        "disk_size_gb" => disk_size_gb: Option<Whole<1, 131_072>>,
        /// The storage of the root disk.
        "storage_pool" => storage_pool: Option<StorageId>,
        /// The bridge on the node.
        "network_bridge" => network_bridge: Option<BridgeName>,
        /// Proxmox's own keys for every VM, as `qm set` takes them.
        "qm" => qm: Option<ProxmoxKeys<Qm>>,
    }
}

object! {
    /// `phoenix_hypervisor_config.json`: the node.
    HypervisorEntry {
        /// Where this schema is, for editors.
        "$schema" => schema: Option<String>,
        /// The version of this file. Handed to scripts.
        "version" => version: Option<Line>,
        /// The name of the fleet: all guests of this configuration. It is in the record of each guest, and a guest whose record names
        /// another fleet is left alone. Default: `default`.
        "fleet" => fleet: Option<FleetName>,
        /// Its author. Handed to scripts.
        "author" => author: Option<Line>,
        /// The DNS domain of the guests: the search domain of VMs.
        "domain_name" => domain_name: Option<Hostname>,
        /// The time zone. Handed to scripts.
        "timezone" => timezone: Option<Line>,
        /// The node itself.
        "node" => node: Option<NodeEntry>,
        /// The administrator of the node. Handed to scripts.
        "users" => users: Option<UsersEntry>,
        /// Paths of the predecessor. Handed to scripts; Phoenix reads the files next to this one.
        "core_paths" => core_paths: Option<CorePathsEntry>,
        /// The node's network.
        "network" => network: Option<NodeNetworkEntry>,
        /// Images of the Docker setup. Handed to scripts.
        "docker" => docker: Option<DockerEntry>,
        /// What the node exports over NFS.
        "nfs" => nfs: Option<NfsEntry>,
        /// What the node shares over SMB. Handed to scripts.
        "samba" => samba: Option<SambaEntry>,
        /// The node's ZFS pools. Handed to scripts.
        "zfs" => zfs: Option<ZfsEntry>,
        /// Storages by the predecessor's names for them. Handed to scripts.
        "proxmox_storage_ids" => proxmox_storage_ids: Option<Members<StorageId>>,
        /// Where storages are mounted. Handed to scripts.
        "mount_point_base" => mount_point_base: Option<AbsolutePath>,
        /// Defaults of containers.
        "proxmox_defaults" => proxmox_defaults: Option<ProxmoxDefaultsEntry>,
        /// Test scripts of the node by suite. Handed to scripts.
        "tests" => tests: Option<Members<Vec<TestEntry>>>,
        /// The NVIDIA driver of the node. Handed to scripts.
        "nvidia_driver" => nvidia_driver: Option<NvidiaEntry>,
        /// How Phoenix behaves.
        "behavior" => behavior: Option<BehaviorEntry>,
        /// Directories of the node that several containers mount.
        "shared_volumes" => shared_volumes: Option<SharedVolumesEntry>,
        /// Portainer's interface. Handed to scripts, without the password.
        "portainer_api" => portainer_api: Option<PortainerEntry>,
        /// Where cloud images come from.
        "vm_defaults" => vm_defaults: Option<ImageDefaultsEntry>,
        /// The DNS server of the node. Handed to scripts.
        "dns_server" => dns_server: Option<DnsEntry>,
        /// The certificate authority. Handed to scripts.
        "step_ca" => step_ca: Option<StepCaEntry>,
    }
}

object! {
    /// The node itself.
    NodeEntry {
        /// Its memory in MiB. The running guests must fit into it. Default: unknown and not checked.
        "memory_mb" => memory_mb: Option<Whole<16, 4_294_967_295>>,
    }
}

object! {
    /// The administrator of the node.
    UsersEntry {
        /// The user's name.
        "username" => username: Option<UserName>,
        /// The user's password as a hash. Handed to scripts as `{"secret": …}`, with the source of the secret. Plain text is not passed on.
        "password_hash" => password_hash: Option<SecretEntry>,
        /// Whether the user may use sudo.
        "sudo_access" => sudo_access: Option<bool>,
        /// The user's public ssh key.
        "ssh_public_key" => ssh_public_key: Option<Remark>,
    }
}

object! {
    /// Paths of the predecessor.
    CorePathsEntry {
        /// The file of the containers.
        "lxc_config_file" => lxc_config_file: Option<AbsolutePath>,
        /// The schema of that file.
        "lxc_config_schema_file" => lxc_config_schema_file: Option<AbsolutePath>,
        /// The file of the VMs.
        "vm_config_file" => vm_config_file: Option<AbsolutePath>,
        /// The schema of that file.
        "vm_config_schema_file" => vm_config_schema_file: Option<AbsolutePath>,
        /// Hugging Face's token.
        "hf_token_file" => hf_token_file: Option<AbsolutePath>,
        /// Docker's token.
        "docker_token_file" => docker_token_file: Option<AbsolutePath>,
        /// Docker images.
        "docker_images_path" => docker_images_path: Option<AbsolutePath>,
        /// The folder of the marker.
        "hypervisor_marker_dir" => hypervisor_marker_dir: Option<AbsolutePath>,
        /// The marker of a node that is set up.
        "hypervisor_marker" => hypervisor_marker: Option<AbsolutePath>,
    }
}

object! {
    /// The node's network.
    NodeNetworkEntry {
        /// Where Docker images come from. Handed to scripts.
        "external_registry_url" => external_registry_url: Option<Line>,
        /// Where Portainer is. Handed to scripts.
        "portainer_server_ip" => portainer_server_ip: Option<Address>,
        /// Portainer's port. Handed to scripts.
        "portainer_server_port" => portainer_server_port: Option<Whole<1, 65535>>,
        /// The port of Portainer's agents. Handed to scripts.
        "portainer_agent_port" => portainer_agent_port: Option<Whole<1, 65535>>,
        /// The node's own interface: guests on its bridge are checked against its network.
        "interfaces" => interfaces: Option<NodeInterfaceEntry>,
        /// The network of the guests; used where `interfaces` gives no address.
        "default_subnet" => default_subnet: Option<InterfaceAddress>,
        /// The NFS server of volumes that name none.
        "nfs_server" => nfs_server: Option<Line>,
        /// A name server. Handed to scripts.
        "fallback_dns" => fallback_dns: Option<Address>,
    }
}

object! {
    /// The node's own interface.
    NodeInterfaceEntry {
        /// The bridge. Default: `vmbr0`.
        "name" => name: Option<BridgeName>,
        /// The node's address with prefix length.
        "address" => address: Option<InterfaceAddress>,
        /// The gateway. Handed to scripts.
        "gateway" => gateway: Option<Address>,
        /// Name servers. Handed to scripts.
        "dns_nameservers" => dns_nameservers: Option<Addresses>,
    }
}

object! {
    /// Images of the Docker setup.
    DockerEntry {
        /// Portainer.
        "portainer_server_image" => portainer_server_image: Option<Line>,
        /// Portainer's agent.
        "portainer_agent_image" => portainer_agent_image: Option<Line>,
    }
}

object! {
    /// What the node exports over NFS.
    NfsEntry {
        /// The exported directories: volumes of VMs are checked against them.
        "exports" => exports: Option<Vec<NfsExportEntry>>,
        /// The predecessor's shares. Handed to scripts.
        "shares" => shares: Option<Vec<Opaque>>,
    }
}

object! {
    /// A directory that the node exports.
    NfsExportEntry {
        /// The directory.
        "path" => path: AbsolutePath,
        /// Who may mount it: addresses, networks, names, `*`.
        "clients" => clients: Option<Vec<Line>>,
        /// Export options: `phoenix doctor` writes them into its advice. Handed to scripts.
        "options" => options: Option<Vec<Line>>,
    }
}

object! {
    /// What the node shares over SMB.
    SambaEntry {
        /// The user of the shares.
        "user" => user: Option<UserName>,
        /// The shares.
        "shares" => shares: Option<Vec<SambaShareEntry>>,
    }
}

object! {
    /// A share.
    SambaShareEntry {
        /// Its name.
        "name" => name: Line,
        /// Its folder.
        "path" => path: Line,
        /// Its options.
        "options" => options: Option<Line>,
        /// Who may use it.
        "valid_users" => valid_users: Option<Vec<UserName>>,
        /// Whether it is listed.
        "browsable" => browsable: Option<bool>,
        /// Whether it cannot be written.
        "read_only" => read_only: Option<bool>,
        /// Whether guests may use it.
        "guest_ok" => guest_ok: Option<bool>,
    }
}

object! {
    /// The node's ZFS pools.
    ZfsEntry {
        /// The largest cache in GiB.
        "arc_max_gb" => arc_max_gb: Option<Whole<1, 65536>>,
        /// The pools.
        "pools" => pools: Option<Vec<ZfsPoolEntry>>,
        /// The datasets.
        "datasets" => datasets: Option<Vec<ZfsDatasetEntry>>,
        /// Settings of the setup script.
        "settings" => settings: Option<Opaque>,
    }
}

object! {
    /// A pool.
    ZfsPoolEntry {
        /// Its name.
        "name" => name: Line,
        /// How its disks are combined.
        "raid_level" => raid_level: Option<Line>,
        /// Its disks.
        "disks" => disks: Option<Vec<AbsolutePath>>,
    }
}

object! {
    /// A dataset.
    ZfsDatasetEntry {
        /// Its name.
        "name" => name: Line,
        /// Its pool.
        "pool" => pool: Line,
        /// Its properties.
        "properties" => properties: Option<Line>,
        /// The kind of storage that Proxmox makes of it.
        "proxmox_storage_type" => proxmox_storage_type: Option<Line>,
        /// What Proxmox keeps there.
        "proxmox_content_type" => proxmox_content_type: Option<Line>,
        /// How it is used.
        "storage_class" => storage_class: Option<Line>,
    }
}

object! {
    /// Defaults of containers.
    ProxmoxDefaultsEntry {
        /// The dataset of containers. Handed to scripts.
        "zfs_lxc_pool" => zfs_lxc_pool: Option<Line>,
        /// Defaults of containers.
        "lxc" => lxc: Option<LxcDefaultsEntry>,
    }
}

object! {
    /// Defaults of containers.
    LxcDefaultsEntry {
        /// CPU cores: a number, or `"all"` cores of the node.
        "cores" => cores: Option<Cores>,
        /// Memory in MiB.
        "memory_mb" => memory_mb: Option<Whole<16, 67_108_864>>,
        /// Proxmox's own keys for every container, as `pct set` takes them.
        "pct" => pct: Option<ProxmoxKeys<Pct>>,
        /// The predecessor's network. Handed to scripts: an address is never a default.
        "network_config" => network_config: Option<Line>,
        /// The predecessor's features. Handed to scripts.
        "features" => features: Option<Line>,
        /// The predecessor's security. Handed to scripts.
        "security" => security: Option<Line>,
        /// The predecessor's nesting. Handed to scripts.
        "nesting" => nesting: Option<Whole<0, 1>>,
    }
}

object! {
    /// The NVIDIA driver of the node.
    NvidiaEntry {
        /// Whether it is installed.
        "install" => install: Option<bool>,
        /// Its version.
        "version" => version: Option<Line>,
        /// Where it comes from.
        "runfile_url" => runfile_url: Option<WebAddress>,
        /// The version of CUDA.
        "cuda_version" => cuda_version: Option<Line>,
        /// Whether vLLM's libraries are installed.
        "install_vllm_libs" => install_vllm_libs: Option<bool>,
    }
}

object! {
    /// How Phoenix behaves.
    BehaviorEntry {
        /// Whether a guest is rolled back when a change fails. Default: false.
        "rollback_on_failure" => rollback_on_failure: Option<bool>,
        /// The predecessor's verbosity. Handed to scripts.
        "debug_mode" => debug_mode: Option<bool>,
    }
}

object! {
    /// Portainer's interface.
    PortainerEntry {
        /// The administrator's name.
        "admin_user" => admin_user: Option<Line>,
        /// The administrator's password. Handed to scripts as `{"secret": …}`, with the source of the secret. Plain text is not passed on.
        "admin_password" => admin_password: Option<SecretEntry>,
        /// Where Portainer answers.
        "portainer_hostname" => portainer_hostname: Option<Hostname>,
    }
}

object! {
    /// Where cloud images come from.
    ImageDefaultsEntry {
        /// The Ubuntu release whose cloud images are fetched where their name does not begin with one. Default: `noble`.
        "ubuntu_release" => ubuntu_release: Option<ReleaseName>,
    }
}

object! {
    /// The DNS server of the node.
    DnsEntry {
        /// Whether it runs.
        "enabled" => enabled: Option<bool>,
        /// Where it asks.
        "upstream_servers" => upstream_servers: Option<Addresses>,
        /// Its own zones.
        "authoritative_zones" => authoritative_zones: Option<Vec<Opaque>>,
    }
}

object! {
    /// The certificate authority.
    StepCaEntry {
        /// The name of the root certificate.
        "root_ca_name" => root_ca_name: Option<Line>,
        /// The name of the intermediate certificate.
        "intermediate_ca_name" => intermediate_ca_name: Option<Line>,
        /// Its DNS name.
        "dns_name" => dns_name: Option<Hostname>,
        /// Who may ask for certificates.
        "provisioner_name" => provisioner_name: Option<Line>,
    }
}

object! {
    /// A directory of the node that several containers see.
    SharedVolumeEntry {
        /// The directory on the node.
        "host_path" => host_path: NodePath,
        /// Where each container sees it, by id.
        "mounts" => mounts: Members<AbsolutePath>,
    }
}

object! {
    /// The node's own firewall. Handed to scripts: Phoenix changes guests, not the node.
    NodeFirewallEntry {
        /// Whether it acts.
        "enabled" => enabled: Option<bool>,
        /// What happens to incoming packets that no rule matches.
        "default_input_policy" => default_input_policy: Option<Verdict>,
        /// What happens to outgoing packets that no rule matches.
        "default_output_policy" => default_output_policy: Option<Verdict>,
        /// The rules.
        "global_firewall_rules" => global_firewall_rules: Option<Vec<RuleEntry>>,
    }
}

text_type! {
    /// The name of an Ubuntu release.
    ReleaseName, InvalidReleaseName, |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.'),
    "an Ubuntu release, such as `noble`", "^[a-z0-9.]+$"
}
text_type! {
    /// The node's address on its bridge.
    InterfaceAddress, InvalidInterfaceAddress, interface_address, "an IPv4 address with prefix length (8 to 32), such as `10.0.0.13/24`",
    r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])/([89]|[12][0-9]|3[0-2])$"
}

fn interface_address(text: &str) -> bool {
    matches!(text.parse(), Ok(Ipv4Setting::Static(_)))
}

/// Directories of the node that several containers see, by name; `firewall` is the node's own firewall, which the
/// predecessor keeps here.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedVolumesEntry {
    pub(crate) volumes: BTreeMap<String, SharedVolumeEntry>,
    pub(crate) firewall: Option<NodeFirewallEntry>,
}

impl<'de> Deserialize<'de> for SharedVolumesEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SharedVisitor;
        impl<'de> Visitor<'de> for SharedVisitor {
            type Value = SharedVolumesEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of shared directories by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SharedVolumesEntry, A::Error> {
                let mut entry = SharedVolumesEntry::default();
                let mut user_keys = std::collections::BTreeSet::new();
                while let Some(Key(key)) = map.next_key()? {
                    let again = if key == "firewall" {
                        entry.firewall.replace(map.next_value()?).is_some()
                    } else if key.starts_with(USER_PREFIX) {
                        map.next_value::<Opaque>()?;
                        !user_keys.insert(key.to_string())
                    } else {
                        entry.volumes.insert(key.to_string(), map.next_value()?).is_some()
                    };
                    if again {
                        return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
                    }
                }
                Ok(entry)
            }
        }
        deserializer.deserialize_map(SharedVisitor)
    }
}

impl schemars::JsonSchema for SharedVolumesEntry {
    fn schema_name() -> Cow<'static, str> {
        "SharedVolumes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut firewall = generator.subschema_for::<NodeFirewallEntry>();
        let words = "The node's own firewall. Handed to scripts: Phoenix changes guests, not the node.";
        firewall.insert("description".into(), words.into());
        let volume = generator.subschema_for::<SharedVolumeEntry>();
        let mut schema = schemars::json_schema!({"type": "object", "properties": {"firewall": firewall}});
        closed(&mut schema);
        schema.insert("additionalProperties".into(), volume.into());
        schema
    }
}
