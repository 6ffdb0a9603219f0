//! The expanded configuration, and where its values were written.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_types::GuestId;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Loaded;
use crate::diagnostic::FileKind;
use crate::source::{Location, Source, leaves, mask_value};

/// Where a value of the expanded configuration was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct ValueOrigin {
    /// The value, as a JSON pointer into its document.
    pub pointer: String,
    /// The place in the file that a person wrote.
    #[serde(flatten)]
    pub location: Location,
    /// The profile that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The variables that were filled in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
}

impl Loaded {
    /// The whole configuration in one document, which is a configuration itself; plain secrets are stars.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut whole = Map::new();
        for (kind, source) in &self.documents {
            let mut document: Value = serde_json::from_str(source.text()).unwrap_or_default();
            mask_value(&mut document);
            if let Value::Object(members) = &mut document {
                members.remove("$schema");
            }
            match (kind, document) {
                (FileKind::Hypervisor, document) => {
                    whole.insert("hypervisor".to_owned(), document);
                }
                (FileKind::Lxc | FileKind::Vm, Value::Object(members)) => {
                    whole.extend(members);
                }
                _ => {}
            }
        }
        Value::Object(whole)
    }

    /// The profiles of each guest, those that it extends and those that they extend.
    #[must_use]
    pub fn profiles(&self) -> BTreeMap<GuestId, BTreeSet<String>> {
        let guests = self.fleet.iter().flat_map(|fleet| fleet.guests.values());
        guests.map(|guest| (guest.id, guest.context.profiles())).collect()
    }

    /// Where every text, number, boolean and null of the documents was written.
    #[must_use]
    pub fn origins(&self) -> Vec<ValueOrigin> {
        self.documents.iter().flat_map(|(kind, source)| origins_in(*kind, source)).collect()
    }
}

fn origins_in(kind: FileKind, source: &Source) -> Vec<ValueOrigin> {
    let prefix = if kind == FileKind::Hypervisor { "/hypervisor" } else { "" };
    let origin = |(pointer, range): (String, std::ops::Range<usize>)| {
        let written = source.origins().and_then(|origins| origins.written(&range));
        ValueOrigin {
            pointer: format!("{prefix}{pointer}"),
            profile: written.and_then(|written| written.profile.as_deref()).map(str::to_owned),
            variables: written
                .and_then(|written| written.variables.as_deref())
                .into_iter()
                .flatten()
                .map(|filled| filled.name.clone())
                .collect(),
            location: source.location(range),
        }
    };
    leaves(source.text()).into_iter().map(origin).collect()
}
