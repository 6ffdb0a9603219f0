//! Provisioning scripts.

use camino::Utf8PathBuf;

/// A script that provisions a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Script {
    /// The name as it is written in `features` or `application_script`.
    pub name: String,
    /// The file that was found for it, on the machine that Phoenix runs on.
    pub path: Utf8PathBuf,
    /// Where it runs.
    pub place: ScriptPlace,
}

/// Where a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScriptPlace {
    /// Inside the guest.
    Guest,
    /// On the node, with the guest's id as its argument (the predecessor's features of containers).
    Host,
}
