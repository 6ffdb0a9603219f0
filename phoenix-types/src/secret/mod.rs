//! Texts that must not be shown.

mod find;
mod known;

use std::fmt;

use camino::Utf8PathBuf;

pub use find::{FoundSecret, find_secrets, is_secret_name, mask_secrets, mask_setting, redact};
pub use known::KnownSecrets;

/// The mask that stands where a secret would.
pub const MASK: &str = "••••••";

/// A secret text: masked in `Debug` and `Display`, never serialised.
///
/// ```
/// use phoenix_types::Secret;
///
/// let secret = Secret::new("hunter2");
/// assert!(!format!("{secret} {secret:?}").contains("hunter2"));
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that hands it on (a program's standard input, a file with mode 0600).
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Where a secret is kept. Its value is read when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file on the machine that Phoenix runs on. A line break at its end does not count.
    File(Utf8PathBuf),
    /// In an environment variable of Phoenix.
    Env(String),
    /// What a program of the machine that Phoenix runs on prints: a password manager, or `sops`.
    Command(Vec<String>),
    /// A credential that systemd hands to the unit that Phoenix runs in.
    Credential(String),
    /// In the configuration itself, as plain text.
    Plain(Secret),
}
