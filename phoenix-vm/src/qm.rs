//! VMs driven by `qm`.

use std::sync::Arc;

use async_trait::async_trait;
use phoenix_host::{Effect, Host, Inside};
use phoenix_pve::{Adapter, Dialect, GuestError};
use phoenix_types::{GuestId, GuestKind, KeyRule, Power, percent_decode};

use crate::inside::{CHUNK, VmInside};
use crate::{CreateVm, DriveSlot, KEYS, VirtualMachines};

/// The VMs of a node, driven by its `qm`.
pub type Qm = Adapter<QmDialect>;

/// What only `qm` has.
#[derive(Debug, Clone, Copy)]
pub struct QmDialect;

impl Dialect for QmDialect {
    const KIND: GuestKind = GuestKind::Vm;
    const KEYS: &'static [KeyRule] = KEYS;
    const NAME: &'static str = "--name";
    const RESIZE: &'static [&'static str] = &["disk", "resize"];
    const DISKS: &'static str = "drives such as `scsi0`";
    const SNAPSHOT: &'static [&'static str] = &["--vmstate", "0"];
    const START_LIMIT: Option<&str> = Some("--timeout");
    const CHUNK: usize = CHUNK;

    /// QEMU has many words for a VM that does not execute: prelaunch, suspended, io-error, …
    fn power(word: &str) -> Option<Power> {
        match word {
            "running" => Some(Power::Running),
            "stopped" => Some(Power::Stopped),
            word if !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') => {
                Some(Power::Paused)
            }
            _ => None,
        }
    }

    /// A name may hold blanks and is not cut, so the state is found from the end: state, memory, disk, process.
    fn row(line: &str) -> Option<(GuestId, Power)> {
        let id = line.split_ascii_whitespace().next()?.parse().ok()?;
        Some((id, Self::power(line.split_ascii_whitespace().rev().nth(3)?)?))
    }

    fn is_disk(key: &str) -> bool {
        key.parse::<DriveSlot>().is_ok()
    }

    fn ssh_keys(key: &str, value: &str) -> Option<String> {
        (key == "sshkeys").then(|| percent_decode(value))
    }

    fn inside(host: Arc<dyn Host>, id: GuestId) -> Arc<dyn Inside> {
        Arc::new(VmInside::new(host, id))
    }
}

#[async_trait]
impl VirtualMachines for Qm {
    async fn create(&self, id: GuestId, spec: &CreateVm) -> Result<(), GuestError> {
        let keys = spec.settings.keys().map_err(|source| GuestError::Invalid { guest: id, source })?;
        self.create_with(id, None, keys, spec.description.as_deref()).await
    }

    async fn cloudinit_update(&self, id: GuestId) -> Result<(), GuestError> {
        self.change(id, self.quick(Effect::Change).args(["cloudinit", "update"]).arg(id)).await
    }

    async fn ping(&self, id: GuestId) -> Result<(), GuestError> {
        self.change(id, self.quick(Effect::Read).args(["guest", "cmd"]).arg(id).arg("ping")).await
    }
}
