//! JSON Schemas of the dialect, and the thorough look at what the types refuse.

use phoenix_types::GuestId;

use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::source::Source;

/// What a text is that cannot be read at all. `base` is where it stands in its file.
pub(crate) fn unreadable(error: &serde_json::Error, text: &str, base: usize, kind: FileKind) -> Finding {
    let at = base + Source::offset(text, error.line(), error.column());
    if error.is_data() {
        return Finding::error(Code::WrongType, Target::At(kind, at), "the file is not an object")
            .expected("an object");
    }
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or(&words);
    Finding::error(Code::NotJson, Target::At(kind, at), format!("the file is not JSON: {words}"))
}

pub(crate) fn examine_frame(kind: FileKind, _text: &str, error: &serde_json::Error) -> Vec<Finding> {
    vec![Finding::error(Code::InvalidValue, Target::File(kind), error.to_string())]
}

pub(crate) fn examine_guest(kind: FileKind, _text: &str, error: &serde_json::Error) -> Vec<Finding> {
    vec![Finding::error(Code::InvalidValue, Target::At(kind, 0), error.to_string())]
}

/// The id of a VM that could not be read as a whole.
pub(crate) fn vmid(text: &str) -> Option<GuestId> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    serde_json::from_value(value.get("vmid")?.clone()).ok()
}
