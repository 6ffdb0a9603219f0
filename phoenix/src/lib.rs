//! Phoenix to embed: brings a Proxmox VE node to the state that configuration files describe, where a guest counts as done only
//! when its own health check passes.
//!
//! ```
//! # #[cfg(feature = "sim")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), phoenix::Error> {
//! use phoenix::prelude::*;
//!
//! let fleet = Fleet::load("../examples/step-ca")?;
//! let node = Node::simulated(World::load("../examples/step-ca/world.json")?)?;
//! let plan = node.plan(&fleet).await?;
//! println!("{plan}");
//! let summary = node.converge(plan, |event| println!("{event}")).await?;
//! assert!(summary.is_good());
//! assert!(node.plan(&fleet).await?.is_empty());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sim"))]
//! # fn main() {}
//! ```
//!
//! | for | look at |
//! | --- | --- |
//! | a run from a program | [`Fleet`], [`Node`], [`Plan`], [`Event`](engine::Event); the example `embed` |
//! | another way to drive guests | [`Node::with_backends`]; the example `own_backend` |
//! | a question of your own in a gate | [`Node::with_probe`], [`Fleet::with_gate`]; the example `own_probe` |
//! | a rule of your own for the files | [`Fleet::load_with`]; the example `own_rule` |
//!
//! Below it are the crates that it is made of, under their short names. Features: `lxc` and `vm` give the adapters their names
//! here, `sim` the simulated node (all three are on by default), `tls` gives gates HTTPS.
//!
//! What this crate does not do: it reads no arguments and prints nothing.

mod error;
mod fleet;
mod node;
mod plan;
pub mod prelude;
mod time;

pub use error::{Error, InvalidConfiguration};
pub use fleet::Fleet;
pub use node::Node;
pub use plan::Plan;

pub use phoenix_config as config;
pub use phoenix_engine as engine;
pub use phoenix_health as health;
pub use phoenix_host as host;
#[cfg(feature = "lxc")]
pub use phoenix_lxc as lxc;
pub use phoenix_pve as pve;
#[cfg(feature = "sim")]
pub use phoenix_sim as sim;
pub use phoenix_types as types;
#[cfg(feature = "vm")]
pub use phoenix_vm as vm;
