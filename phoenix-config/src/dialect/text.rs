//! Texts with a rule.

use phoenix_types::text_type;

fn printable(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_ascii_control())
}

text_type! {
    /// A line of text.
    Line, InvalidLine, printable, "a line of text: not empty, without control characters", r"^[^\x00-\x1f\x7f]+$"
}
text_type! {
    /// A remark, which may be empty and may have several lines.
    Remark, InvalidRemark, |text: &str| !text.chars().any(|c| c.is_ascii_control() && !matches!(c, '\n' | '\t' | '\r')),
    "a text without control characters but line breaks and tabs", r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
}
text_type! {
    /// A guest's notes, which may be empty and may have several lines: what the tools carry intact.
    Notes, InvalidNotes, |text: &str| !text.chars().any(|c| c.is_ascii_control() && !matches!(c, '\n' | '\t')),
    "a text without control characters but line breaks (`\\n`) and tabs", r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
}

/// Whether a text is an absolute path that no step of which leads elsewhere (pve-container `LXC/Config.pm`,
/// `verify_lxc_mp_string`), and that Proxmox can write into a property string and read again: no blank at its end, and of all
/// blanks and control characters only the plain blank.
fn absolute(text: &str) -> bool {
    text.starts_with('/')
        && !text.ends_with(' ')
        && text.split('/').all(|part| part != ".." && part != ".")
        && !text.chars().any(|c| c == ',' || c.is_control() || (c.is_whitespace() && c != ' '))
}

text_type! {
    /// An absolute path that Proxmox can write into a property string: without commas, colons left to the caller.
    AbsolutePath, InvalidAbsolutePath, absolute, "an absolute path, without commas, `.` and `..`, and without a blank at its end",
    r"^(?!(.*/)?\.\.?(/|$))(?!.* $)/[^,\x00-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$"
}
text_type! {
    /// A directory of the node that is mounted: the first item of a property string, where `=` ends a name.
    NodePath, InvalidNodePath, |text: &str| absolute(text) && !text.contains('='),
    "an absolute path, without commas, `=`, `.` and `..`, and without a blank at its end",
    r"^(?!(.*/)?\.\.?(/|$))(?!.* $)/[^,=\x00-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$"
}
text_type! {
    /// The name of a feature: the middle of its script's file name.
    FeatureName, InvalidFeatureName, |text: &str| {
        !text.is_empty() && text.len() <= 100 && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    }, "a feature's name: letters, digits, `_`, `-` and `.`", r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
}
text_type! {
    /// A tag as Proxmox takes it (pve-common `JSONSchema.pm`, `pve-tag`).
    Tag, InvalidTag, |text: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        !text.is_empty() && inner(text.as_bytes()[0]) && text.bytes().all(|b| inner(b) || b"-+.".contains(&b))
    }, "a tag: small letters, digits, `_`, and after the first character `-`, `+` and `.`", r"^[a-z0-9_][a-z0-9_+.-]*$"
}
text_type! {
    /// The name of an interface inside a container.
    InterfaceName, InvalidInterfaceName, |text: &str| {
        (2..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    }, "an interface's name: 2 to 15 letters, digits, `_`, `.` and `-`", r"^[A-Za-z0-9_.-]{2,15}$"
}
text_type! {
    /// A file name without folder.
    FileName, InvalidFileName, |text: &str| {
        !text.is_empty() && text.as_bytes()[0].is_ascii_alphanumeric() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.+~-".contains(&b))
    }, "a file name", r"^[A-Za-z0-9][A-Za-z0-9_.+~-]*$"
}
text_type! {
    /// A web address.
    WebAddress, InvalidWebAddress, |text: &str| {
        text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))
            .is_some_and(|rest| rest.bytes().next().is_some_and(|b| b != b'/') && !text.bytes().any(|b| b <= b' ' || b == 0x7f))
    }, "a web address that begins with `http://` or `https://`", r"^https?://[^/\x00-\x20\x7f][^\x00-\x20\x7f]*$"
}
text_type! {
    /// A user's name on Linux.
    UserName, InvalidUserName, |text: &str| {
        let bytes = text.as_bytes();
        (1..=32).contains(&bytes.len()) && (bytes[0].is_ascii_lowercase() || bytes[0] == b'_')
            && bytes.iter().all(|&b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
    }, "a user's name: small letters, digits, `_` and `-`, at most 32", r"^[a-z_][a-z0-9_-]{0,31}$"
}
text_type! {
    /// A published port of a container: `HOST:GUEST`.
    PortMapping, InvalidPortMapping, |text: &str| {
        let port = |text: &str| !text.is_empty() && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok();
        let text = text.strip_suffix("/tcp").or_else(|| text.strip_suffix("/udp")).unwrap_or(text);
        text.split_once(':').is_some_and(|(host, guest)| port(host) && port(guest))
    }, "a port mapping: two ports from 1 to 65535 joined by a colon, such as `8001:8000`, and `/udp` or `/tcp` if need be",
    r"^(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}):(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})(/tcp|/udp)?$"
}
