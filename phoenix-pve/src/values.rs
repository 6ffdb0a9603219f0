//! Values of keys, checked and read.

use std::collections::BTreeSet;
use std::str::FromStr;

use phoenix_types::{Tag, is_ssh_key, parse_flag};

use crate::InvalidSettings;

/// The most characters that a guest's notes can have (pve-container, qemu-server: `description`).
pub const NOTES_LIMIT: usize = 8192;

/// Checks a guest's or snapshot's notes. Any text passes that the tools carry intact: lines, commas, leading dashes and
/// every script of the world do.
///
/// # Errors
/// When they are longer than [`NOTES_LIMIT`] characters or hold a NUL or a carriage return, which the tools lose.
pub fn check_notes(key: &str, text: &str) -> Result<(), InvalidSettings> {
    let length = text.chars().count();
    if length > NOTES_LIMIT {
        let rule = format!("it has {length} characters and Proxmox keeps at most {NOTES_LIMIT}; shorten it");
        return Err(InvalidSettings::value(key, text, rule));
    }
    if text.contains(['\0', '\r']) {
        return Err(InvalidSettings::value(key, text, "it holds a NUL or a carriage return; remove it"));
    }
    Ok(())
}

/// Checks the value of any other key: one line, without control characters, not empty.
///
/// # Errors
/// When it is empty or holds a control character.
pub fn check_value(key: &str, value: &str) -> Result<(), InvalidSettings> {
    if value.is_empty() {
        return Err(InvalidSettings::value(key, value, "it is empty; remove the key instead"));
    }
    if value.chars().any(char::is_control) {
        return Err(InvalidSettings::value(key, value, "it holds a line break or another control character"));
    }
    if value.trim() != value {
        return Err(InvalidSettings::value(key, value, "it begins or ends with a blank"));
    }
    Ok(())
}

/// Reads the value of a key as a type.
///
/// # Errors
/// When it is no such thing.
pub fn typed<T: FromStr>(key: &str, value: &str) -> Result<T, InvalidSettings>
where
    T::Err: ToString,
{
    value.parse().map_err(|error: T::Err| InvalidSettings::value(key, value, error.to_string()))
}

/// Reads the value of a key as yes or no, in any of Proxmox's words.
///
/// # Errors
/// When it is neither.
pub fn yes_or_no(key: &str, value: &str) -> Result<bool, InvalidSettings> {
    parse_flag(value).ok_or_else(|| InvalidSettings::value(key, value, "it is neither yes nor no"))
}

/// Reads the value of a key as a list, whatever separates it.
///
/// # Errors
/// When one of the items is no such thing.
pub fn list<T: FromStr, C: FromIterator<T>>(key: &str, value: &str) -> Result<C, InvalidSettings>
where
    T::Err: ToString,
{
    value.split([' ', ',', ';', '\t']).filter(|item| !item.is_empty()).map(|item| typed(key, item)).collect()
}

/// Prints a list, separated by blanks; `None` when it is empty.
#[must_use]
pub fn blanks<T: ToString>(items: &[T]) -> Option<String> {
    (!items.is_empty()).then(|| items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}

/// Prints tags; `None` when there are none.
///
/// # Errors
/// When the only tag is `0`, which the tools take for no tag at all (pve-common `Tools.pm`, `split_list`).
pub fn tags(tags: &BTreeSet<Tag>) -> Result<Option<String>, InvalidSettings> {
    let text = tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(";");
    if text == "0" {
        return Err(InvalidSettings::value("tags", text, "Proxmox takes a single tag `0` for none; choose another"));
    }
    Ok((!text.is_empty()).then_some(text))
}

/// Prints a number that has to be within a range.
///
/// # Errors
/// When it is not.
pub fn within(
    key: &str,
    value: Option<u32>,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Option<String>, InvalidSettings> {
    match value {
        Some(value) if !range.contains(&value) => {
            let rule = match *range.end() {
                u32::MAX => format!("it is a number of at least {}", range.start()),
                end => format!("it is a number from {} to {end}", range.start()),
            };
            Err(InvalidSettings::value(key, value.to_string(), rule))
        }
        value => Ok(value.map(|value| value.to_string())),
    }
}

/// Checks a number that an item of a property string has, against a range.
///
/// # Errors
/// When it is not within.
pub fn check_item(
    key: &str,
    item: &str,
    value: Option<u32>,
    range: std::ops::RangeInclusive<u32>,
) -> Result<(), InvalidSettings> {
    match value {
        Some(value) if !range.contains(&value) => {
            let rule = format!("`{item}` is from {} to {}", range.start(), range.end());
            Err(InvalidSettings::value(key, value.to_string(), rule))
        }
        _ => Ok(()),
    }
}

/// Checks what a network interface of a container and of a VM both have: its VLAN and its rate.
///
/// # Errors
/// When the VLAN is not from 1 to 4094, or the rate is no number.
pub fn check_net(key: &str, tag: Option<u16>, rate: Option<f64>) -> Result<(), InvalidSettings> {
    check_item(key, "tag", tag.map(u32::from), 1..=4094)?;
    match rate.filter(|rate| !rate.is_finite() || *rate < 0.0) {
        Some(rate) => Err(InvalidSettings::value(key, rate.to_string(), "`rate` is a number of megabytes a second")),
        None => Ok(()),
    }
}

/// The number behind a key's name: 0 for `net0`.
#[must_use]
pub fn index(key: &str, name: &str) -> Option<u8> {
    let digits = key.strip_prefix(name)?;
    let plain = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
    plain.then(|| digits.parse().ok()).flatten()
}

/// Checks public ssh keys in the form of `authorized_keys` and gives back one a line, blanks and empty lines removed. The
/// tools have `ssh-keygen` look at them and refuse the whole command for one that it cannot read.
///
/// # Errors
/// When a line holds no public key.
pub fn check_ssh_keys(key: &str, text: &str) -> Result<String, InvalidSettings> {
    let mut keys = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if !is_ssh_key(line) {
            let rule = "it is not a public ssh key; one is written like `ssh-ed25519 AAAA… name`, as in a `.pub` file";
            return Err(InvalidSettings::value(key, line, rule));
        }
        keys.push_str(line);
        keys.push('\n');
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me@x";

    #[test]
    fn keys_are_cleaned() {
        let text = format!("\n# mine\n  {KEY} \r\nfrom=\"10.0.0.1\" {KEY}\n");
        assert_eq!(check_ssh_keys("sshkeys", &text).unwrap(), format!("{KEY}\nfrom=\"10.0.0.1\" {KEY}\n"));
        assert_eq!(check_ssh_keys("sshkeys", "").unwrap(), "");
    }

    #[test_case("ssh-ed25519"; "no key")]
    #[test_case("ssh-ed25519 AAAA me"; "too short")]
    #[test_case("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; "another kind")]
    #[test_case("-----BEGIN OPENSSH PRIVATE KEY-----"; "a private key")]
    #[test_case("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI*** me"; "no base64")]
    fn what_is_no_key_is_refused(text: &str) {
        assert!(check_ssh_keys("sshkeys", text).is_err());
    }

    #[test_case("a", true)]
    #[test_case("--a, b=c", true)]
    #[test_case("", false)]
    #[test_case("a\nb", false)]
    #[test_case(" a", false)]
    fn values(value: &str, good: bool) {
        assert_eq!(check_value("key", value).is_ok(), good);
    }

    #[test_case("net0", Some(0))]
    #[test_case("net31", Some(31))]
    #[test_case("net01", None)]
    #[test_case("net", None)]
    #[test_case("net+1", None)]
    #[test_case("net300", None)]
    fn indices(key: &str, number: Option<u8>) {
        assert_eq!(index(key, "net"), number);
    }
}
