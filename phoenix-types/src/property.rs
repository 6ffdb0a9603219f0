//! Property strings: `key=value,key=value`, where one value may come first without its key.

use std::fmt;
use std::str::FromStr;

/// A parsed property string. The order of the items is kept.
///
/// ```
/// use phoenix_types::PropertyString;
///
/// let net: PropertyString = "virtio=BC:24:11:00:00:01,bridge=vmbr0".parse()?;
/// assert_eq!(net.get("bridge"), Some("vmbr0"));
/// let disk: PropertyString = "local-zfs:vm-100-disk-0,size=32G".parse()?;
/// assert_eq!(disk.bare(), Some("local-zfs:vm-100-disk-0"));
/// # Ok::<(), phoenix_types::InvalidProperty>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PropertyString {
    bare: Option<String>,
    items: Vec<(String, String)>,
}

/// Why a text is no property string, or a value cannot be put into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidProperty {
    /// Two items with one key.
    #[error("the key `{0}` comes twice")]
    Duplicate(String),
    /// Two values without key.
    #[error("`{0}` has no key, and only one value may come without")]
    SecondBare(String),
    /// Nothing between two commas, or nothing at all.
    #[error("there is an empty item")]
    Empty,
    /// A comma or control character in a value: Proxmox knows no escape for them (pve-common JSONSchema).
    #[error(
        "the value `{value}` of `{key}` holds a comma or a control character, which cannot be written in a property string"
    )]
    Unwritable {
        /// The key whose value it is; empty for the value without key.
        key: String,
        /// The value.
        value: String,
    },
}

fn writable(key: &str, value: &str) -> Result<(), InvalidProperty> {
    if value.contains(',') || value.chars().any(char::is_control) {
        return Err(InvalidProperty::Unwritable { key: key.to_owned(), value: value.to_owned() });
    }
    Ok(())
}

impl PropertyString {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that begins with a value without key.
    ///
    /// # Errors
    /// When the value holds a comma or a control character.
    pub fn with_bare(value: impl Into<String>) -> Result<Self, InvalidProperty> {
        let value = value.into();
        writable("", &value)?;
        Ok(Self { bare: Some(value), items: Vec::new() })
    }

    /// The value without key.
    #[must_use]
    pub fn bare(&self) -> Option<&str> {
        self.bare.as_deref()
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.items.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of `key`, or else the value without key, where `key` is the format's default key.
    #[must_use]
    pub fn get_default(&self, key: &str) -> Option<&str> {
        self.get(key).or_else(|| self.bare())
    }

    /// Sets `key`, in its old place when it has one, else at the end.
    ///
    /// # Errors
    /// When the value holds a comma or a control character.
    pub fn set(&mut self, key: &str, value: impl fmt::Display) -> Result<&mut Self, InvalidProperty> {
        let value = value.to_string();
        writable(key, &value)?;
        match self.items.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.items.push((key.to_owned(), value)),
        }
        Ok(self)
    }

    /// Sets the value without key.
    ///
    /// # Errors
    /// When the value holds a comma or a control character.
    pub fn set_bare(&mut self, value: &str) -> Result<&mut Self, InvalidProperty> {
        writable("", value)?;
        self.bare = Some(value.to_owned());
        Ok(self)
    }

    /// Takes `key` out and gives back its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let at = self.items.iter().position(|(name, _)| name == key)?;
        Some(self.items.remove(at).1)
    }

    /// The items with keys, in order.
    pub fn items(&self) -> impl Iterator<Item = (&str, &str)> {
        self.items.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The same with the items sorted by key: two property strings that mean the same print the same.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.items.sort();
        self
    }
}

impl FromStr for PropertyString {
    type Err = InvalidProperty;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parsed = Self::default();
        for item in text.split(',') {
            match item.split_once('=') {
                _ if item.is_empty() => return Err(InvalidProperty::Empty),
                Some((key, value))
                    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') =>
                {
                    if parsed.get(key).is_some() {
                        return Err(InvalidProperty::Duplicate(key.to_owned()));
                    }
                    parsed.set(key, value)?;
                }
                _ if parsed.bare.is_some() => return Err(InvalidProperty::SecondBare(item.to_owned())),
                _ => {
                    writable("", item)?;
                    parsed.bare = Some(item.to_owned());
                }
            }
        }
        Ok(parsed)
    }
}

impl fmt::Display for PropertyString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        if let Some(bare) = &self.bare {
            f.write_str(bare)?;
            comma = ",";
        }
        for (key, value) in &self.items {
            write!(f, "{comma}{key}={value}")?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_comma_never_makes_a_second_item() {
        let mut text = PropertyString::new();
        assert!(text.set("mp", "/data,ro=1").is_err());
        assert!(text.set("mp", "/data\nro=1").is_err());
        assert!(PropertyString::with_bare("a,b").is_err());
    }

    #[test]
    fn an_equals_sign_stays_in_the_value() {
        let parsed: PropertyString = "order=scsi0;net0,x=a=b".parse().unwrap();
        assert_eq!(parsed.get("x"), Some("a=b"));
        assert_eq!(parsed.get("order"), Some("scsi0;net0"));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_round_trip(bare in proptest::option::of("[a-z0-9:/]{1,12}"), items in proptest::collection::btree_map("[a-z][a-z0-9-]{0,6}", "[^,\\p{Cc}]{0,12}", 0..5)) {
            prop_assume!(bare.is_some() || !items.is_empty());
            let mut built = match bare { Some(bare) => PropertyString::with_bare(bare).unwrap(), None => PropertyString::new() };
            for (key, value) in &items {
                built.set(key, value).unwrap();
            }
            prop_assert_eq!(built.to_string().parse::<PropertyString>().unwrap(), built);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = text.parse::<PropertyString>();
        }
    }
}
