//! Secrets that are known, so that they can be masked wherever they come back.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::find::find_secrets;
use super::{MASK, Secret};

/// Shorter texts are no secrets that could be distinguished from other words.
const SHORTEST: usize = 4;

/// The secrets that a program has come to know. Copies share one list.
///
/// ```
/// use phoenix_types::{KnownSecrets, Secret};
///
/// let known = KnownSecrets::default();
/// known.learn(&Secret::new("Bearer abc.def.123"));
/// assert_eq!(known.mask("401: abc.def.123 has expired"), "401: •••••• has expired");
/// ```
#[derive(Clone, Default)]
pub struct KnownSecrets(Arc<Mutex<BTreeSet<String>>>);

impl KnownSecrets {
    /// Adds a secret, with its lines and long words: a server may repeat a header without the word `Bearer`, and a key comes
    /// back line by line.
    pub fn learn(&self, secret: &Secret) {
        let text = secret.expose().trim();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len() >= SHORTEST {
            known.insert(text.to_owned());
        }
        let parts = text.lines().chain(text.split_whitespace());
        known.extend(parts.map(str::trim).filter(|part| part.len() >= 2 * SHORTEST).map(str::to_owned));
    }

    /// Adds the secrets that are in a text, by their kind.
    pub fn learn_from(&self, text: &str) {
        for found in find_secrets(text) {
            self.learn(&Secret::new(text.get(found.range).unwrap_or_default()));
        }
    }

    /// The text with every known secret masked.
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut masked = Cow::Borrowed(text);
        let mut there: Vec<&String> = known.iter().filter(|secret| text.contains(secret.as_str())).collect();
        // A secret may be part of a longer one.
        there.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in there {
            masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
        }
        masked
    }

    /// Masks a text in place.
    pub fn mask_in(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.mask(text) {
            *text = masked;
        }
    }
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnownSecrets").field(&MASK).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_masked_and_nothing_else() {
        let known = KnownSecrets::default();
        known.learn(&Secret::new("abc"));
        known.learn(&Secret::new("hunter2\n"));
        known.learn(&Secret::new("hunter2-and-more"));
        known.learn(&Secret::new("-----BEGIN KEY-----\nMIIBVgIBADANBg\n"));
        known.learn_from("curl -u admin:swordfish http://localhost/");
        for text in ["hunter2", "hunter2-and-more", "MIIBVgIBADANBg", "swordfish"] {
            assert_eq!(known.mask(&format!("<{text}>")), format!("<{MASK}>"));
        }
        assert_eq!(known.mask("abc hunter admin"), "abc hunter admin");
        assert!(!format!("{known:?}").contains("hunter2"));
    }
}
