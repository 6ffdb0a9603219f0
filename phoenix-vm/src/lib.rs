//! The virtual machines of a Proxmox VE node: the trait [`VirtualMachines`], and [`Qm`], which drives them with `qm`.
//!
//! A VM's settings are a [`VmSettings`]; what differs on the node comes out of [`VmSettings::difference`] key by key,
//! compared by meaning, with what the change means for a running VM. What `qm` would refuse is refused here before it is
//! sent. The inside of a VM is reached through its guest agent.
//!
//! What this crate does not do: it decides nothing (what to create, when to restart) and retries nothing. Every error has an
//! [`ErrorClass`](phoenix_pve::ErrorClass) by which the caller does.
//!
//! [`FakeGuests`](phoenix_pve::FakeGuests) replaces a node in unit tests:
//!
//! ```
//! use phoenix_pve::{FakeGuests, Guests};
//! use phoenix_types::{Change, GuestId, GuestKind, Power};
//! use phoenix_vm::{CreateVm, Image, VirtualMachines, VmSettings};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let vms = FakeGuests::new(GuestKind::Vm);
//! let docker = GuestId::new(1001)?;
//! let settings = VmSettings { name: Some("docker".parse()?), cores: Some(2), ..VmSettings::default() };
//! let image = Image::File("/var/lib/vz/import/noble.img".into());
//! let spec = CreateVm::from_cloud_image("local-zfs".parse()?, image, settings.clone());
//! vms.create(docker, &spec).await?;
//! vms.start(docker, None).await?;
//!
//! let seen = vms.observe().await?;
//! assert_eq!(seen[&docker].power, Power::Running);
//! assert!(spec.settings.difference(&seen[&docker].conf.live)?.is_empty());
//!
//! let more = VmSettings { cores: Some(4), ..settings };
//! let change: Change = more.difference(&seen[&docker].conf.live)?.iter().collect();
//! vms.configure(docker, &change, Some(&seen[&docker].digest)).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod choices;
mod create;
mod custom;
mod devices;
mod drive;
mod inside;
mod keys;
mod machines;
mod net;
mod qm;
mod settings;

pub use choices::{Bios, InvalidChoice, NetModel, OsType, ScsiController};
pub use create::CreateVm;
pub use custom::CustomData;
pub use devices::{Agent, Cpu, HostPci, PciSource};
pub use drive::{Drive, DriveBus, DriveSlot, DriveSource, Image, InvalidDriveSlot};
pub use keys::KEYS;
pub use machines::VirtualMachines;
pub use net::{IpConfig, VmNet};
pub use qm::{Qm, QmDialect};
pub use settings::VmSettings;
