//! Real systems as the insides of simulated guests.

mod agent;
mod insides;
mod system;

pub use self::insides::{Insides, Kinds};
pub use self::system::{CACHE, Kind, System, build_all, missing};
