//! The real VMs, driven by `qm`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Command, Effect, Host, Inside};
use phoenix_pve::{Deadlines, Guests, Push, check_notes, push};
use phoenix_types::{Change, DiskSize, FirewallFile, GuestId, GuestKind, Power, SnapshotName, percent_decode};

use crate::inside::{CHUNK, VmInside};
use crate::{
    CloneVm, ConfEdit, CreateVm, DriveSlot, InvalidSettings, KEYS, ObservedVm, Purge, VirtualMachines, VmError,
};

/// The VMs of a node, driven by its `qm`. Cheap to make: make one for each scope that commands should be labelled with.
#[derive(Clone)]
pub struct Qm {
    guests: Guests,
}

impl fmt::Debug for Qm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.guests, f)
    }
}

impl Qm {
    /// The VMs of the node that `host` reaches.
    #[must_use]
    pub fn new(host: Arc<dyn Host>) -> Self {
        Self { guests: Guests::new(GuestKind::Vm, host) }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_deadlines(self, deadlines: Deadlines) -> Self {
        Self { guests: self.guests.with_deadlines(deadlines) }
    }

    /// Runs a command with these keys as options. `sshkeys` goes in a file, as `qm` wants it.
    async fn run_with_keys(
        &self,
        id: GuestId,
        mut command: Command,
        keys: &BTreeMap<String, String>,
    ) -> Result<(), VmError> {
        let file = Utf8PathBuf::from(format!("/run/phoenix-{id}.pub"));
        for (key, value) in keys {
            command = command.arg(format_args!("--{key}"));
            if key == "sshkeys" {
                self.guests.host().write(&file, percent_decode(value).as_bytes(), 0o600).await?;
                command = command.arg(&file);
            } else {
                command = command.arg(value);
            }
        }
        let result = self.guests.change(id, command).await;
        if keys.contains_key("sshkeys") {
            self.guests.host().remove(&file).await?;
        }
        result
    }
}

/// The state that `qm` prints. QEMU has many words for not executing: prelaunch, suspended, io-error, …
fn power(word: &str) -> Option<Power> {
    match word {
        "running" => Some(Power::Running),
        "stopped" => Some(Power::Stopped),
        word if !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') => Some(Power::Paused),
        _ => None,
    }
}

/// A line of `qm list`. A name may hold blanks and is not cut, so the state is found from the end: state, memory, disk,
/// process.
fn row(line: &str) -> Option<(GuestId, Power)> {
    let id = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some((id, power(line.split_ascii_whitespace().rev().nth(3)?)?))
}

fn invalid(guest: GuestId) -> impl Fn(InvalidSettings) -> VmError {
    move |source| VmError::Invalid { guest, source }
}

#[async_trait]
impl VirtualMachines for Qm {
    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedVm>, VmError> {
        self.guests.observe(row).await
    }

    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedVm>, VmError> {
        self.guests.inspect(id, power).await
    }

    async fn create(&self, id: GuestId, spec: &CreateVm) -> Result<(), VmError> {
        let mut keys = spec.settings.keys().map_err(invalid(id))?;
        if let Some(description) = &spec.description {
            check_notes("description", description).map_err(invalid(id))?;
            keys.insert("description".to_owned(), description.clone());
        }
        self.run_with_keys(id, self.guests.disk().arg("create").arg(id), &keys).await
    }

    async fn clone_from(&self, id: GuestId, spec: &CloneVm) -> Result<(), VmError> {
        self.guests.change(id, self.guests.clone_command(spec.source, id, spec.options())?).await
    }

    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), VmError> {
        match self.guests.set_command(id, change, digest, KEYS)? {
            Some(command) => self.run_with_keys(id, command, &change.set).await,
            None => Ok(()),
        }
    }

    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), VmError> {
        if let Some((key, _)) = edit.add_raw.iter().chain(&edit.remove_raw).next() {
            let why = "a VM has no raw lines".to_owned();
            return Err(invalid(id)(InvalidSettings::Key { key: key.clone(), why }));
        }
        self.guests.files().edit(id, edit).await
    }

    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), VmError> {
        self.guests.files().write_firewall(id, file).await
    }

    async fn resize(&self, id: GuestId, disk: DriveSlot, size: DiskSize) -> Result<(), VmError> {
        self.guests.resize(id, &["disk", "resize"], &disk.to_string(), size).await
    }

    async fn start(&self, id: GuestId) -> Result<(), VmError> {
        self.guests.start(id).await
    }

    async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), VmError> {
        self.guests.shutdown(id, timeout).await
    }

    async fn stop(&self, id: GuestId) -> Result<(), VmError> {
        self.guests.stop(id).await
    }

    async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), VmError> {
        self.guests.reboot(id, timeout).await
    }

    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), VmError> {
        self.guests.snapshot(id, name, description, &["--vmstate", "0"]).await
    }

    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), VmError> {
        self.guests.delete_snapshot(id, name).await
    }

    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), VmError> {
        self.guests.rollback(id, name).await
    }

    async fn convert_to_template(&self, id: GuestId) -> Result<(), VmError> {
        self.guests.convert_to_template(id).await
    }

    async fn unlock(&self, id: GuestId) -> Result<(), VmError> {
        self.guests.unlock(id).await
    }

    async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), VmError> {
        self.guests.destroy(id, purge).await
    }

    async fn cloudinit_update(&self, id: GuestId) -> Result<(), VmError> {
        self.guests.change(id, self.guests.quick(Effect::Change).args(["cloudinit", "update"]).arg(id)).await
    }

    async fn ping(&self, id: GuestId) -> Result<(), VmError> {
        self.guests.change(id, self.guests.quick(Effect::Read).args(["guest", "cmd"]).arg(id).arg("ping")).await
    }

    fn inside(&self, id: GuestId) -> Arc<dyn Inside> {
        Arc::new(VmInside::new(self.guests.host().clone(), id))
    }

    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), VmError> {
        let inside = VmInside::new(self.guests.host().clone(), id);
        push(&inside, id, Push { path, contents, mode }, CHUNK).await
    }
}
