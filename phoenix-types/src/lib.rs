//! The words of a Proxmox VE node as types: guests, addresses, sizes, property strings, configuration files.
//!
//! Nothing here does I/O. Each type parses its text once and prints it back; a value that exists is valid.
//!
//! ```
//! use phoenix_types::{GuestId, GuestKind, Mac};
//!
//! let ca: GuestId = "103".parse()?;
//! assert_eq!(GuestKind::Container.conf_path(ca), "/etc/pve/lxc/103.conf");
//! assert_eq!("52:54:00:aa:bb:ca".parse::<Mac>()?.to_string(), "52:54:00:AA:BB:CA");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod conf;
mod firewall;
pub mod gate;
mod id;
mod net;
mod power;
mod property;
mod secret;
mod setting;
mod size;
mod span;
mod ssh_key;
mod startup;
mod text;

pub use conf::{ConfSection, GuestConf, conf_digest, percent_decode, percent_encode};
pub use firewall::{Direction, FirewallFile, FirewallRule, FirewallText, RuleState, Verdict};
pub use id::{
    BridgeName, FleetName, GuestId, GuestKind, Hostname, InterfaceName, InvalidBridgeName, InvalidFleetName,
    InvalidGuestId, InvalidHostname, InvalidInterfaceName, InvalidNodeName, InvalidSnapshotName, InvalidStorageId,
    InvalidTag, InvalidVolumeId, NodeName, SnapshotName, StorageId, Tag, VolumeId,
};
pub use net::{
    Cidr, InvalidCidr, InvalidIpv4Setting, InvalidIpv6Setting, InvalidMac, InvalidVlanRange, Ipv4Setting, Ipv6Setting,
    Mac, VlanRange, ipv4_pattern, ipv6_pattern, parse_ipv4, parse_ipv6,
};
pub use power::Power;
pub use property::{InvalidProperty, PropertyString};
pub use secret::{
    FoundSecret, KnownSecrets, MASK, Secret, SecretSource, find_secrets, is_secret_name, mask_secrets, mask_setting,
    redact,
};
pub use setting::{
    Absent, Change, EffectRule, ItemRule, ItemValue, KeyChange, KeyEffect, KeyForm, KeyRule, PropertyAlias,
    PropertyRules, ValueRule, difference, is_volume_size, parse_flag, rule_of,
};
pub use size::{DiskSize, InvalidDiskSize, MemoryMib};
pub use span::{InvalidSpan, Span};
pub use ssh_key::is_ssh_key;
pub use startup::{InvalidStartup, Startup};
#[doc(hidden)]
pub use text::from_text;
