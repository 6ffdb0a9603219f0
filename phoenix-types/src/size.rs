//! Amounts: memory in MiB, disk sizes in bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Memory in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct MemoryMib(pub u32);

impl fmt::Display for MemoryMib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0)
    }
}

/// The size of a disk in bytes; read and printed in Proxmox's property form (`8G`, `1536M`, bytes without unit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskSize(u64);

/// A text that is no disk size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a disk size: write a number with K, M, G or T, such as `16G`")]
pub struct InvalidDiskSize(pub String);

impl DiskSize {
    /// The size in GiB as a decimal number without unit, as the tools take the size of a new volume. Exact for whole MiB.
    #[must_use]
    pub fn in_gib(self) -> String {
        let (whole, rest) = (self.bytes() >> 30, self.bytes() & ((1 << 30) - 1));
        // 2^-30 has 30 decimals; the digits of the fraction are rest × 5^30 / 10^30, and 10 of them hold a whole MiB exactly.
        let fraction = (u128::from(rest) * 10u128.pow(10)) >> 30;
        format!("{whole}.{fraction:010}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// A size in bytes.
    #[must_use]
    pub fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size in GiB; as large as can be counted when it is larger than that.
    #[must_use]
    pub const fn from_gib(gib: u32) -> Self {
        Self((gib as u64) << 30)
    }

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for DiskSize {
    /// The largest unit that divides the size (pve-common JSONSchema, `format_size`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0;
        let mut unit = "";
        for next in ["K", "M", "G", "T"] {
            if value == 0 || !value.is_multiple_of(1024) {
                break;
            }
            value /= 1024;
            unit = next;
        }
        write!(f, "{value}{unit}")
    }
}

impl FromStr for DiskSize {
    type Err = InvalidDiskSize;

    /// Grammar of pve-common JSONSchema's `disk-size`: number, optional decimals, optional K, M, G, T (also KiB … TiB).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDiskSize(text.to_owned());
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let shift = match unit {
            "" => 0,
            "K" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            "T" | "TiB" => 40,
            _ => return Err(invalid()),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()) => {
                (whole, fraction)
            }
            Some(_) => return Err(invalid()),
            None => (number, ""),
        };
        let whole: u64 = whole.parse().map_err(|_| invalid())?;
        let mut bytes = u128::from(whole) << shift;
        if !fraction.is_empty() {
            let digits = &fraction[..fraction.len().min(18)];
            let part: u128 = digits.parse().map_err(|_| invalid())?;
            bytes += (part << shift) / 10u128.pow(u32::try_from(digits.len()).map_err(|_| invalid())?);
        }
        u64::try_from(bytes).map(Self).map_err(|_| invalid())
    }
}

impl Serialize for DiskSize {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DiskSize {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("8G", 8 << 30, "8G")]
    #[test_case("1536M", 1536 << 20, "1536M")]
    #[test_case("1.5G", 1536 << 20, "1536M")]
    #[test_case("1000", 1000, "1000")]
    #[test_case("2TiB", 2 << 40, "2T")]
    #[test_case("0", 0, "0")]
    fn sizes(text: &str, bytes: u64, printed: &str) {
        let size: DiskSize = text.parse().unwrap();
        assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, printed));
    }

    #[test_case("")]
    #[test_case("G")]
    #[test_case("8g")]
    #[test_case("-1G")]
    #[test_case("1.G")]
    #[test_case("99999999999999T")]
    fn refused_sizes(text: &str) {
        assert!(text.parse::<DiskSize>().is_err());
    }
}
