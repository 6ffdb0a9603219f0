//! One value of a key, or of an item of a property string.

use std::fmt;

use serde_json::Number;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
}

impl Scalar {
    /// The value as a number, when it is one.
    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Flag(_) | Self::Text(_) => None,
        }
    }
}

/// As Proxmox writes it.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(if *flag { "1" } else { "0" }),
            // `4.0` is the whole number 4.
            Self::Number(number) => match number.as_f64() {
                Some(value) => write!(f, "{value}"),
                None => write!(f, "{number}"),
            },
            Self::Text(text) => f.write_str(text),
        }
    }
}
