//! Configuration files that describe guests as they are on a node.
//!
//! What the files say, Phoenix would change nothing about; other settings are left alone and listed.
//! What a guest was made from is not kept by Proxmox, so there is a note in its place.

mod container;
mod entry;
mod files;
mod firewall;
mod linked;
mod network;
mod proxmox;
mod vm;

pub use files::{Export, export, remaining};
