//! Containers driven by `pct`.

use std::sync::Arc;

use async_trait::async_trait;
use phoenix_host::{Host, Inside};
use phoenix_pve::{Adapter, Dialect, GuestError, check_ssh_keys, index};
use phoenix_types::{GuestId, GuestKind, KeyRule, Power};

use crate::inside::ContainerInside;
use crate::{Containers, CreateContainer, KEYS};

/// The option of `pct create` for ssh keys.
const SSH_KEYS: &str = "ssh-public-keys";

/// The containers of a node, driven by its `pct`.
pub type Pct = Adapter<PctDialect>;

/// What only `pct` has.
#[derive(Debug, Clone, Copy)]
pub struct PctDialect;

impl Dialect for PctDialect {
    const KIND: GuestKind = GuestKind::Container;
    const KEYS: &'static [KeyRule] = KEYS;
    const NAME: &'static str = "--hostname";
    const RESIZE: &'static [&'static str] = &["resize"];
    const DISKS: &'static str = "`rootfs` and `mp0` to `mp255`";
    const SNAPSHOT: &'static [&'static str] = &[];
    const START_LIMIT: Option<&str> = None;
    const CHUNK: usize = usize::MAX;

    fn power(word: &str) -> Option<Power> {
        match word {
            "running" => Some(Power::Running),
            "stopped" => Some(Power::Stopped),
            _ => None,
        }
    }

    /// The id and the state come first; the words after them may be missing.
    fn row(line: &str) -> Option<(GuestId, Power)> {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?.parse().ok()?, Self::power(words.next()?)?))
    }

    fn is_disk(key: &str) -> bool {
        key == "rootfs" || index(key, "mp").is_some()
    }

    fn ssh_keys(key: &str, value: &str) -> Option<String> {
        (key == SSH_KEYS).then(|| value.to_owned())
    }

    fn inside(host: Arc<dyn Host>, id: GuestId) -> Arc<dyn Inside> {
        Arc::new(ContainerInside { host, id })
    }
}

#[async_trait]
impl Containers for Pct {
    async fn create(&self, id: GuestId, spec: &CreateContainer) -> Result<(), GuestError> {
        let invalid = |source| GuestError::Invalid { guest: id, source };
        let mut keys = spec.keys().map_err(invalid)?;
        if let Some(ssh_keys) = &spec.ssh_public_keys {
            keys.insert(SSH_KEYS.to_owned(), check_ssh_keys(SSH_KEYS, ssh_keys).map_err(invalid)?);
        }
        self.create_with(id, Some(&spec.template.to_string()), keys, spec.description.as_deref()).await
    }
}
