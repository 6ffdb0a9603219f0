//! The one source of randomness: SplitMix64, seeded by the world.

use serde::{Deserialize, Serialize};

/// A seeded random generator. The same seed gives the same node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Random(u64);

impl Random {
    /// One that begins with a seed.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A MAC address in the range that Proxmox uses for its guests.
    pub(crate) fn mac(&mut self) -> String {
        let [_, _, _, _, _, a, b, c] = self.next_u64().to_be_bytes();
        format!("BC:24:11:{a:02X}:{b:02X}:{c:02X}")
    }

    /// A random UUID (version 4).
    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let hex = u128::from_be_bytes(bytes);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            hex >> 96,
            (hex >> 80) & 0xffff,
            (hex >> 64) & 0xffff,
            (hex >> 48) & 0xffff,
            hex & 0xffff_ffff_ffff
        )
    }

    /// 32 random bytes as a key fingerprint: base64 without padding.
    pub(crate) fn fingerprint(&mut self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..43).map(|_| char::from(ALPHABET[(self.next_u64() % 64) as usize])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_sequence_and_uuids_are_of_version_4() {
        let (mut one, mut two) = (Random::new(7), Random::new(7));
        assert_eq!(one.mac(), two.mac());
        let uuid = one.uuid();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
        assert!(one.mac().starts_with("BC:24:11:"));
    }
}
