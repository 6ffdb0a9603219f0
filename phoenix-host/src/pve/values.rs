//! Values of keys, checked and read.

use std::str::FromStr;

use phoenix_types::parse_flag;

use super::InvalidSettings;

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
        return Err(InvalidSettings::value(key, text, "it holds a NUL or a carriage return; take it out"));
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

/// The number behind a key's name: 0 for `net0`.
#[must_use]
pub fn index(key: &str, name: &str) -> Option<u8> {
    let digits = key.strip_prefix(name)?;
    let plain = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
    plain.then(|| digits.parse().ok()).flatten()
}
