//! The containers of a Proxmox VE node: the trait [`Containers`], and [`Pct`], which drives them with `pct`.
//!
//! A container's settings are a [`ContainerSettings`]; what differs on the node comes out of
//! [`ContainerSettings::difference`] key by key, compared by meaning, with what the change means for a running container.
//! What `pct` would refuse is refused here before it is sent.
//!
//! What this crate does not do: it decides nothing (what to create, when to restart) and retries nothing. Every error has an
//! [`ErrorClass`](phoenix_pve::ErrorClass) by which the caller does.
//!
//! [`FakeGuests`](phoenix_pve::FakeGuests) replaces a node in unit tests:
//!
//! ```
//! use phoenix_lxc::{Containers, ContainerSettings, CreateContainer};
//! use phoenix_pve::{FakeGuests, Guests};
//! use phoenix_types::{Change, GuestId, GuestKind, Power};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let containers = FakeGuests::new(GuestKind::Container);
//! let ca = GuestId::new(103)?;
//! let settings = ContainerSettings { hostname: Some("step-ca".parse()?), cores: Some(2), ..ContainerSettings::default() };
//! let spec = CreateContainer::new("local:vztmpl/debian-12.tar.zst".parse()?, "local-zfs:8".parse()?, settings.clone());
//! containers.create(ca, &spec).await?;
//! containers.start(ca, None).await?;
//!
//! let seen = containers.observe().await?;
//! assert_eq!(seen[&ca].power, Power::Running);
//! assert!(settings.difference(&seen[&ca].conf.live)?.is_empty());
//!
//! let more = ContainerSettings { cores: Some(4), ..settings };
//! let change: Change = more.difference(&seen[&ca].conf.live)?.iter().collect();
//! containers.configure(ca, &change, Some(&seen[&ca].digest)).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod containers;
mod create;
mod inside;
mod keys;
mod mount;
mod net;
mod options;
mod pct;
mod settings;

pub use containers::Containers;
pub use create::{CreateContainer, Template};
pub use keys::KEYS;
pub use mount::{InvalidRootfs, MountPoint, MountSource, Rootfs, VolumeOptions};
pub use net::Net;
pub use options::{Device, Features};
pub use pct::{Pct, PctDialect};
pub use settings::ContainerSettings;
