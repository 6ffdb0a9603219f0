//! All guests of a configuration.

use std::collections::BTreeMap;

use phoenix_types::GuestId;

use crate::graph::Graph;
use crate::model::{Guest, Hypervisor};

/// All guests of a configuration with their dependency graph.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fleet {
    /// The guests, containers and VMs together, by id.
    pub guests: BTreeMap<GuestId, Guest>,
    /// What the hypervisor file says about the node.
    pub hypervisor: Hypervisor,
    /// Who waits for whom, who is cloned from whom.
    pub graph: Graph,
}

impl Fleet {
    /// The guest with this id.
    #[must_use]
    pub fn guest(&self, id: GuestId) -> Option<&Guest> {
        self.guests.get(&id)
    }

    /// The guest that a person means by `text`: its id, or its name in any case.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<&Guest> {
        match text.parse::<GuestId>() {
            Ok(id) => self.guests.get(&id),
            Err(_) => self.guests.values().find(|guest| guest.name.as_str().eq_ignore_ascii_case(text)),
        }
    }

    /// What the scripts of this guest are handed as `$PHOENIX_CONTEXT`: the guest's own JSON as it is written, and below
    /// `phoenix` its id, its kind, the settings at the top of its file, and the hypervisor file without its secrets.
    #[must_use]
    pub fn context(&self, id: GuestId) -> Option<serde_json::Value> {
        let guest = self.guests.get(&id)?;
        let mut value = guest.context.to_value();
        if let serde_json::Value::Object(members) = &mut value {
            members.insert(
                "phoenix".into(),
                serde_json::json!({
                    "id": guest.id,
                    "kind": guest.kind(),
                    "name": guest.name,
                    "file": guest.context.file_settings(),
                    "hypervisor": self.hypervisor.context,
                }),
            );
        }
        Some(value)
    }
}
