//! The inside of guests: what runs and exists within a container or VM, in virtual time.
//!
//! A node reaches the inside of a guest through the trait [`Inside`]. [`Simulated`] is the one that is made of files and processes
//! of this crate; a test can put a real system behind the same node. What the simulated inside needs of the node around it is the
//! trait [`ground::Node`] with its [`ground::Ground`].
//!
//! What is on a guest's disks are the file trees of its volumes, so it travels with snapshots, rollbacks and clones by itself.
//!
//! | module | holds |
//! | --- | --- |
//! | [`inside`], `simulated` | the trait of an inside, and the simulated one |
//! | [`ground`], [`running`] | the base of the guests, and what is known of one that runs |
//! | [`view`], `base`, `kernel`, `real` | the files of a guest: disks, mounts, a fresh system, `/proc` |
//! | `facts`, [`disks`], [`identity`] | what a configuration means inside; ids and keys |
//! | `programs`, `machine` | the programs that scripts and probes use, and the machine that a shell runs on |
//! | [`services`], `journal`, `shares`, `network`, `cloud_config` | what happens by itself: booting, services, ports, mounts, files that appear |
//! | [`world`] | the part of `world.json` about guests |

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod agent;
mod base;
pub mod calendar;
mod cloud_config;
mod cloud_status;
pub mod console;
pub mod disks;
mod facts;
pub mod ground;
pub mod identity;
pub mod inside;
pub mod journal;
mod kernel;
pub mod locks;
mod machine;
mod network;
mod programs;
mod real;
pub mod running;
pub mod services;
mod shares;
mod simulated;
pub mod view;
pub mod world;

pub use self::base::CLOUD_IMAGE;
pub use self::console::Console;
pub use self::inside::{Dialled, Ended, Exec, Given, Inside};
pub use self::kernel::names as kernel_names;
pub use self::simulated::{Simulated, dial, exec_on_node};
pub use self::view::node_files;
