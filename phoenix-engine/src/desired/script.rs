//! Scripts with their text and digest.

use std::sync::Arc;

use phoenix_config::model::{Guest, ScriptPlace};
use serde_json::Value;

use super::LowerError;
use crate::record::Digest;

/// A provisioning script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredScript {
    /// Its name in the configuration.
    pub name: String,
    /// Its text.
    pub body: Arc<[u8]>,
    /// The digest over its text and what it can see.
    pub digest: Digest,
    /// Where it runs.
    pub place: ScriptPlace,
}

/// Keys on which Phoenix itself acts and that mean nothing to what a script installs: changing one of them is no reason to
/// run the scripts again. Everything else in the guest's configuration is.
const NOT_FOR_SCRIPTS: [&str; 30] = [
    "application_script",
    "boot_delay",
    "boot_order",
    "clone_from_ctid",
    "clone_from_vmid",
    "cores",
    "dependencies",
    "description",
    "disk_size_gb",
    "enable_lifecycle_snapshots",
    "features",
    "firewall",
    "health_check",
    "health_checks",
    "mac_address",
    "memory_mb",
    "on_failure",
    "protection",
    "rollback_on_failure",
    "snapshots",
    "start_at_boot",
    "state",
    "storage_pool",
    "storage_size_gb",
    "swap_mb",
    "tags",
    "template",
    "template_image",
    "template_snapshot_name",
    "wait_for",
];

/// Where defaults of such keys stand.
const DEFAULTS: [&str; 3] =
    ["/phoenix/hypervisor/behavior", "/phoenix/hypervisor/proxmox_defaults/lxc", "/phoenix/file/vm_defaults"];

pub(super) fn lower(guest: &Guest, context: &Value) -> Result<Vec<DesiredScript>, LowerError> {
    let mut inputs = context.clone();
    for place in std::iter::once("").chain(DEFAULTS) {
        if let Some(Value::Object(members)) = inputs.pointer_mut(place) {
            members.retain(|key, _| !NOT_FOR_SCRIPTS.contains(&key.as_str()));
        }
    }
    let inputs = serde_json::to_vec(&inputs).unwrap_or_default();
    guest
        .scripts()
        .map(|script| {
            let body: Arc<[u8]> = std::fs::read(&script.path)
                .map_err(|source| LowerError::Script { guest: guest.id, path: script.path.clone(), source })?
                .into();
            Ok(DesiredScript {
                name: script.name.clone(),
                digest: Digest::of([&body, inputs.as_slice()]),
                body,
                place: script.place,
            })
        })
        .collect()
}
