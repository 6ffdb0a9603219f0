//! What should be: the configuration, lowered into what the adapters and gates take.

mod container;
mod error;
mod guest;
mod lower;
mod script;
mod vm;

pub use container::{ContainerOrigin, DesiredContainer, HostPath};
pub use error::LowerError;
pub use guest::{Desired, DesiredGuest, Spec};
pub use script::DesiredScript;
pub use vm::{DesiredVm, ImageSource, NfsMount, NfsServer, VmOrigin};
