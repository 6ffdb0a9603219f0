//! Why a fleet cannot be lowered.

use camino::Utf8PathBuf;
use phoenix_pve::InvalidSettings;
use phoenix_types::GuestId;

/// A fleet that cannot be lowered, although its files are in order: a script has gone since they were read, or a program that embeds Phoenix has put something into the fleet that Proxmox does not take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// A script that was there when the configuration was read is gone or cannot be read.
    #[error("guest {guest}: cannot read the script `{path}`")]
    Script {
        /// The guest.
        guest: GuestId,
        /// The script.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A value that Proxmox would not take, which no file can hold.
    #[error("guest {guest}: its settings cannot be written")]
    Settings {
        /// The guest.
        guest: GuestId,
        /// Which one, and why.
        #[source]
        source: InvalidSettings,
    },
}
