//! Texts that go to the tools as they are.

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
