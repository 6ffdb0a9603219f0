//! Public keys of ssh, as both tools take them.

use super::failure::Failure;

/// Refuses a text with a line that is no public key.
pub(crate) fn check_public_keys(text: &str) -> Result<(), Failure> {
    let is_key = |line: &str| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| !word.starts_with("ssh-") && !word.starts_with("ecdsa-") && !word.starts_with("sk-"));
        words.next().is_some() && words.next().is_some_and(|key| key.len() >= 16)
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    if lines.all(is_key) { Ok(()) } else { Err(Failure::die("SSH public key validation error")) }
}
