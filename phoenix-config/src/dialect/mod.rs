//! The files as they are written: one type for every object of the dialect. `Deserialize` and `JsonSchema` of each accept the
//! same documents (a property test holds them together). No defaults here: those are in [`crate::resolve`].

#[macro_use]
mod object;
mod container;
mod dependency;
mod firewall;
mod gate;
mod hypervisor;
mod limits;
mod list;
mod mount;
mod network;
mod number;
mod proxmox;
mod secret;
mod service;
mod text;
mod vm;

pub(crate) use container::{ContainerEntry, IdMapEntry, LxcOption, TemplateRef};
pub(crate) use dependency::DependencyEntry;
pub(crate) use firewall::{FirewallEntry, RuleEntry};
pub(crate) use gate::{
    CommandEntry, FileEntry, GateEntries, GateEntry, HttpEntry, ProbeEntry, SchemeEntry, StatusEntry, StatusItem,
    TcpEntry, Vantage,
};
pub(crate) use hypervisor::{HypervisorEntry, LxcFrame, VmDefaultsEntry, VmFrame};
pub(crate) use limits::{LimitsEntry, Seconds, VmLimitsEntry};
pub(crate) use list::OneOrMany;
pub(crate) use mount::{MountOption, MountOptionsEntry, MountPointEntry, VolumeEntry};
pub(crate) use network::{NetworkEntry, VmNetworkEntry};
pub(crate) use number::{Cores, Real, Whole};
pub(crate) use object::{Key, USER_PREFIX};
pub(crate) use proxmox::{ProxmoxKeys, Setting, Tool};
pub(crate) use secret::{HeaderValue, SecretEntry, SecretPlace, SecretReference};
pub(crate) use text::{FeatureName, FileName, Notes, Tag};
pub(crate) use vm::{ImageRef, NfsVolumeEntry, SnapshotsEntry, UserEntry, VmEntry};
