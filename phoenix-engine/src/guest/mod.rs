//! What planning and converging both know of a guest: its record, its notes, and how its settings, disks, locks and snapshots are read.

mod appliance;
mod disk;
mod lines;
mod lock;
mod notes;
mod proof;
mod record;
mod settings;
mod snapshot;
mod vendor_data;
mod version;
mod volumes;
mod waits;

pub(crate) use appliance::Appliance;
pub(crate) use disk::{root_disk, sized_disks};
pub(crate) use lines::{check_value, is_mark, line_digest, mark};
pub(crate) use lock::{HIBERNATED, is_a_tasks};
pub use notes::ManagedText;
pub(crate) use notes::with_managed_text;
pub(crate) use proof::Proof;
pub(crate) use record::NOTES_LIMIT;
pub use record::{PendingWork, RanScript, Record, Undo};
pub(crate) use settings::{changes, managed_keys, recorded_keys, wanted_keys};
pub(crate) use snapshot::{UNDO, successor, undo_snapshot};
pub(crate) use vendor_data::{NAME as VENDOR_DATA_NAME, VENDOR_DATA, ours as our_vendor_data};
pub(crate) use volumes::{fstab_field, mounted_by, mounts};
pub(crate) use waits::{
    AGENT_GATE, AgentSource, Reboot, agent_gate, agent_use, awaits_cloud_init, cloud_init_gate, shutdown_limit,
};
