//! Keys that are handed to scripts, typed as far as mistakes in them can be seen.

use phoenix_types::Hostname;

use super::number::Whole;
use super::object::Opaque;
use super::text::Line;

object! {
    /// How the gateway publishes a service of the guest. Handed to scripts.
    TraefikEntry {
        /// The service's name, the first label of its host name.
        "name" => name: Hostname,
        /// The port that it listens on.
        "port" => port: Whole<1, 65535>,
    }
}

object! {
    /// Test scripts of a guest by suite. Handed to scripts.
    TestEntry {
        /// What it is called.
        "name" => name: Line,
        /// How it is run.
        "type" => kind: Line,
        /// Where the script is.
        "path" => path: Line,
        /// Its arguments.
        "args" => args: Option<Opaque>,
    }
}
