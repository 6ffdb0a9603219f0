//! What has to be done, as data: shown by `phoenix plan` and run by `phoenix up`.

mod fleet;
mod guest;
mod obstacle;
mod removed;
mod stage;
mod step;
mod work;

pub use fleet::Plan;
pub use guest::{Disposition, GuestPlan, Outage, OutagePart, Unmanaged};
pub use obstacle::Obstacle;
pub use removed::RemovedGuest;
pub use stage::Stage;
pub use step::{Difference, Effect, PlannedCommand, PlannedGate, Step};
pub(crate) use work::{Restart, SnapshotPurpose, Work};
