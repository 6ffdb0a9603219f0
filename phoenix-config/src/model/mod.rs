//! The resolved configuration: defaults applied, texts parsed, scripts found. This is what the rest of Phoenix reads.

mod container;
mod context;
mod dependency;
mod firewall;
mod fleet;
mod guest;
mod handed;
mod hypervisor;
mod network;
mod script;
mod vm;

pub use container::{
    Container, ContainerSource, IdMap, IdMapKind, MountOptions, MountPoint, Owner, PctFeature, RawLine, Volume,
};
pub use context::Context;
pub use dependency::{Dependency, Need, Role, Until};
pub use firewall::Firewall;
pub use fleet::Fleet;
pub use guest::{CloneSource, Guest, Kind, Lifecycle, Limits, OnFailure, State};
pub(crate) use handed::{SECRETS, without_secrets};
pub use hypervisor::{Hypervisor, NfsExport, NodeNetwork};
pub use network::Network;
pub use script::{Script, ScriptPlace};
pub use vm::{AgentUse, CloudImage, CloudUser, KeyFile, NfsVolume, Vm, VmSource};
