//! Where a secret is found.

use camino::Utf8PathBuf;
use phoenix_types::Secret;

/// Where a secret is found. Its value is read when it is needed, by whoever needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file on the machine that Phoenix runs on; a last line break does not count.
    File(Utf8PathBuf),
    /// In an environment variable of Phoenix.
    Env(String),
    /// In the configuration itself, in plain text.
    Plain(Secret),
}
