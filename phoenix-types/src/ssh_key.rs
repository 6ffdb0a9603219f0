//! Public ssh keys.

/// Whether a line is a public ssh key in the form of `authorized_keys`: options if need be, its kind, its base64, a name if
/// need be. Proxmox has `ssh-keygen` look at them and refuses the whole command for one that it cannot read.
#[must_use]
pub fn is_ssh_key(line: &str) -> bool {
    let words: Vec<&str> = line.split([' ', '\t']).collect();
    // Options may be before the kind of the key.
    let known = words.windows(2).any(|pair| is_key(pair[0], pair[1]));
    known && !line.chars().any(|c| c.is_control() && c != '\t')
}

/// Whether `blob` is the key of this kind: base64 that begins with the length and the name of its kind (RFC 4253, 6.6).
fn is_key(kind: &str, blob: &str) -> bool {
    let known = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| kind.starts_with(start));
    let Some(bytes) = known.then(|| base64(blob)).flatten() else { return false };
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return false };
    usize::try_from(u32::from_be_bytes(*length)).is_ok_and(|length| length == kind.len())
        && rest.len() > kind.len()
        && rest.starts_with(kind.as_bytes())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == digit)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn keys() {
        assert!(is_ssh_key(KEY));
        assert!(is_ssh_key(&format!("from=\"10.0.0.1\" {KEY} me@x")));
    }

    #[test_case("ssh-ed25519"; "no key")]
    #[test_case("ssh-ed25519 AAAA me"; "too short")]
    #[test_case("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; "another kind")]
    #[test_case("-----BEGIN OPENSSH PRIVATE KEY-----"; "a private key")]
    #[test_case("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI*** me"; "no base64")]
    fn what_is_no_key(line: &str) {
        assert!(!is_ssh_key(line));
    }
}
