//! The configuration files of Phoenix: typed model, JSON Schemas, diagnostics and the fleet graph.
//!
//! [`load`] reads the three files of a folder, and answers with a [`Fleet`] or with everything that is wrong, each fault
//! with its place, its code and the way to fix it. No node is touched; the only I/O is reading the files and looking
//! whether the scripts are there.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = camino::Utf8Path::from_path(folder.path()).ok_or("not UTF-8")?;
//! std::fs::write(dir.join("phoenix_lxc_configs.json"), r#"{"lxc_configs": {
//!     "900": {"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "template_snapshot_name": "base"},
//!     "103": {"name": "step-ca", "clone_from_ctid": "900", "start_at_boot": true,
//!             "health_check": {"command": "nc -z localhost 9000", "retries": 30, "interval": 10}},
//!     "102": {"name": "traefik", "clone_from_ctid": "900", "dependencies": ["103"]}
//! }}"#)?;
//!
//! let loaded = phoenix_config::load(dir);
//! let fleet = loaded.fleet.ok_or("the configuration is wrong")?;
//! let order: Vec<String> = fleet.graph.order().iter().map(ToString::to_string).collect();
//! assert_eq!(order, ["900", "103", "102"]);
//! # Ok(())
//! # }
//! ```
//!
//! Modules: [`model`] is the resolved configuration, [`diagnostic`] what can be wrong, [`source`] where it stands,
//! [`graph`] who waits for whom, [`rules`] the checks over the whole fleet. Rendering of diagnostics, and everything that
//! touches a node, is somebody else's.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod diagnostic;
mod dialect;
mod expand;
pub mod graph;
mod load;
pub mod model;
pub mod proxmox;
mod resolve;
pub mod rules;
pub mod schema;
mod select;
mod settings;
pub mod source;

pub use diagnostic::{Code, Diagnostic, Severity, nearest};
pub use graph::{Edge, EdgeKind, Graph};
pub use load::{Loaded, Loader, ValueOrigin, Warnings, has_configuration, load};
pub use model::{Fleet, Guest, Hypervisor, Kind, Script, ScriptPlace, State};
pub use select::SelectError;
pub use settings::{Origin, Setting};
