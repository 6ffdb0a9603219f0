//! Scripts with their text and digest.

#![cfg_attr(not(test), expect(clippy::disallowed_methods, reason = "scripts are read here"))]

use std::sync::Arc;

use camino::Utf8PathBuf;
use phoenix_config::model::{Guest, ScriptPlace};
use serde_json::Value;

use super::error::LowerError;
use crate::digest::Digest;

/// A provisioning script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredScript {
    /// Its name in the configuration.
    pub name: String,
    /// Its file, on the machine that Phoenix runs on.
    pub path: Utf8PathBuf,
    /// Its text.
    pub body: Arc<[u8]>,
    /// The digest over its text and what it can see.
    pub digest: Digest,
    /// Where it runs.
    pub place: ScriptPlace,
}

/// What runs a script whose first line names nothing.
const SHELL: &str = "/bin/sh";

impl DesiredScript {
    /// The program that its first line names, with the one argument that may be behind it, as the kernel reads it (execve(2)).
    /// A script is given to that program and not run itself: it is put below `/run`, from where a Debian system runs nothing
    /// (initramfs-tools mounts it `noexec`).
    pub(crate) fn interpreter(&self) -> Vec<String> {
        let line = self.body.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let blank = [' ', '\t'];
        let named = line.strip_prefix("#!").map(|named| named.trim_matches(blank)).filter(|named| !named.is_empty());
        let Some(named) = named else { return vec![SHELL.to_owned()] };
        match named.split_once(blank) {
            Some((program, argument)) => vec![program.to_owned(), argument.trim_start_matches(blank).to_owned()],
            None => vec![named.to_owned()],
        }
    }
}

/// Keys on which Phoenix itself acts and that mean nothing to what a script installs: changing one of them is no reason to
/// run the scripts again; nor is a key of the user's own (`x-…`). Everything else in the guest's configuration is.
const NOT_FOR_SCRIPTS: [&str; 34] = [
    "application_script",
    "boot_delay",
    "boot_order",
    "clone_from_ctid",
    "clone_from_vmid",
    "cloud_init",
    "cores",
    "dependencies",
    "description",
    "disk_size_gb",
    "enable_lifecycle_snapshots",
    "features",
    "firewall",
    "guest_agent",
    "health_check",
    "health_checks",
    "kind",
    "limits",
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
            members.retain(|key, _| !NOT_FOR_SCRIPTS.contains(&key.as_str()) && !key.starts_with("x-"));
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
                path: script.path.canonicalize_utf8().unwrap_or_else(|_| script.path.clone()),
                digest: Digest::of([&body, inputs.as_slice()]),
                body,
                place: script.place,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("#!/bin/sh\necho\n", &["/bin/sh"])]
    #[test_case("#! /bin/bash  -eu \necho\n", &["/bin/bash", "-eu"])]
    #[test_case("#!/usr/bin/env\tbash", &["/usr/bin/env", "bash"])]
    #[test_case("#!/usr/bin/env -S bash -eu\n", &["/usr/bin/env", "-S bash -eu"]; "one argument at most")]
    #[test_case("#!\n", &["/bin/sh"])]
    #[test_case("echo '#!/bin/bash'\n", &["/bin/sh"]; "no first line")]
    #[test_case("", &["/bin/sh"]; "empty")]
    fn interpreters(body: &str, expected: &[&str]) {
        let script = DesiredScript {
            name: "work".to_owned(),
            path: "/work.sh".into(),
            body: body.as_bytes().into(),
            digest: Digest::of([]),
            place: ScriptPlace::Guest,
        };
        assert_eq!(script.interpreter(), expected);
    }
}
