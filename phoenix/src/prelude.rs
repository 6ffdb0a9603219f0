//! What a program that embeds Phoenix usually needs.

pub use crate::{Error, Fleet, Node, Plan};
pub use phoenix_engine::{Event, EventKind, GuestOutcome, Summary};
#[cfg(feature = "sim")]
pub use phoenix_sim::World;
pub use phoenix_types::GuestId;
