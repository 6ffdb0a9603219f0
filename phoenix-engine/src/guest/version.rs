//! The versions of the record, as a chain: each is converted into the next.

use phoenix_types::FleetName;
use serde_json::{Map, Value, json};

use super::record::{Record, VERSION, split};

/// What a guest's notes hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// A record, of this version or converted into it.
    Record(Box<Record>),
    /// A record of a newer version. Only a newer Phoenix knows what it says.
    Newer(u64),
    /// What was a record once, and that somebody edited.
    Damaged,
    /// No record.
    Nothing,
}

impl Written {
    /// What these notes hold.
    pub(crate) fn find(notes: &str) -> Self {
        let Some((_, text, _)) = split(notes) else { return Self::Nothing };
        let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(text) else { return Self::Damaged };
        loop {
            match fields.get("v").and_then(Value::as_u64) {
                Some(1) => from_1_to_2(&mut fields),
                Some(version) if version == u64::from(VERSION) => break,
                Some(version) if version > u64::from(VERSION) => return Self::Newer(version),
                Some(_) | None => return Self::Damaged,
            }
        }
        match serde_json::from_value(Value::Object(fields)) {
            Ok(record) => Self::Record(Box::new(record)),
            Err(_) => Self::Damaged,
        }
    }
}

impl Record {
    /// The record in a guest's notes, when there is one that this program understands.
    #[must_use]
    pub fn find(notes: &str) -> Option<Self> {
        match Written::find(notes) {
            Written::Record(record) => Some(*record),
            Written::Newer(_) | Written::Damaged | Written::Nothing => None,
        }
    }
}

/// Version 2 names the fleet. Before that there was one, and it had no name.
fn from_1_to_2(fields: &mut Map<String, Value>) {
    fields.insert("fleet".to_owned(), json!(FleetName::default()));
    fields.insert("v".to_owned(), json!(2));
}
