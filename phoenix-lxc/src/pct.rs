//! The real containers, driven by `pct`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Command, Host, Inside};
use phoenix_pve::{Deadlines, ErrorClass, Guests, Push, check_notes, check_ssh_keys, index, push};
use phoenix_types::{Change, DiskSize, FirewallFile, GuestId, GuestKind, Power, SnapshotName};

use crate::inside::ContainerInside;
use crate::{
    CloneContainer, ConfEdit, Containers, CreateContainer, InvalidSettings, KEYS, LxcError, ObservedContainer, Purge,
};

/// The containers of a node, driven by its `pct`. Cheap to make: make one for each scope that commands should be labelled
/// with.
#[derive(Clone)]
pub struct Pct {
    guests: Guests,
}

impl fmt::Debug for Pct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.guests, f)
    }
}

impl Pct {
    /// The containers of the node that `host` reaches.
    #[must_use]
    pub fn new(host: Arc<dyn Host>) -> Self {
        Self { guests: Guests::new(GuestKind::Container, host) }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_deadlines(self, deadlines: Deadlines) -> Self {
        Self { guests: self.guests.with_deadlines(deadlines) }
    }

    fn at(&self, id: GuestId) -> ContainerInside {
        ContainerInside { host: self.guests.host().clone(), id }
    }
}

/// The state that `pct` prints.
fn power(word: &str) -> Option<Power> {
    match word {
        "running" => Some(Power::Running),
        "stopped" => Some(Power::Stopped),
        _ => None,
    }
}

/// A line of `pct list`: the id and the state come first, and what follows may be empty.
fn row(line: &str) -> Option<(GuestId, Power)> {
    let mut words = line.split_ascii_whitespace();
    Some((words.next()?.parse().ok()?, power(words.next()?)?))
}

fn invalid(guest: GuestId) -> impl Fn(InvalidSettings) -> LxcError {
    move |source| LxcError::Invalid { guest, source }
}

/// Adds `--key value` for each pair.
fn options<'a>(command: Command, options: impl IntoIterator<Item = (&'a String, &'a String)>) -> Command {
    options.into_iter().fold(command, |command, (key, value)| command.arg(format_args!("--{key}")).arg(value))
}

#[async_trait]
impl Containers for Pct {
    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedContainer>, LxcError> {
        self.guests.observe(row).await
    }

    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedContainer>, LxcError> {
        self.guests.inspect(id, power).await
    }

    async fn create(&self, id: GuestId, spec: &CreateContainer) -> Result<(), LxcError> {
        let mut keys = spec.keys().map_err(invalid(id))?;
        if let Some(description) = &spec.description {
            check_notes("description", description).map_err(invalid(id))?;
            keys.insert("description".to_owned(), description.clone());
        }
        let key_file = Utf8PathBuf::from(format!("/run/phoenix-{id}.pub"));
        if let Some(ssh_keys) = &spec.ssh_public_keys {
            let ssh_keys = check_ssh_keys("ssh-public-keys", ssh_keys).map_err(invalid(id))?;
            self.guests.host().write(&key_file, ssh_keys.as_bytes(), 0o600).await?;
            keys.insert("ssh-public-keys".to_owned(), key_file.to_string());
        }
        let command = self.guests.disk().arg("create").arg(id).arg(&spec.template);
        let result = self.guests.change(id, options(command, &keys)).await;
        if spec.ssh_public_keys.is_some() {
            self.guests.host().remove(&key_file).await?;
        }
        result
    }

    async fn clone_from(&self, id: GuestId, spec: &CloneContainer) -> Result<(), LxcError> {
        self.guests.change(id, self.guests.clone_command(spec.source, id, spec.options())?).await
    }

    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), LxcError> {
        match self.guests.set_command(id, change, digest, KEYS)? {
            Some(command) => self.guests.change(id, options(command, &change.set)).await,
            None => Ok(()),
        }
    }

    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), LxcError> {
        self.guests.files().edit(id, edit).await
    }

    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), LxcError> {
        self.guests.files().write_firewall(id, file).await
    }

    async fn resize(&self, id: GuestId, disk: &str, size: DiskSize) -> Result<(), LxcError> {
        if disk != "rootfs" && index(disk, "mp").is_none() {
            let reason = format!("it has no disk `{disk}`; its disks are `rootfs` and `mp0` to `mp255`");
            return Err(LxcError::Precondition { guest: id, reason, class: ErrorClass::NotFound });
        }
        self.guests.resize(id, &["resize"], disk, size).await
    }

    async fn start(&self, id: GuestId) -> Result<(), LxcError> {
        self.guests.start(id).await
    }

    async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), LxcError> {
        self.guests.shutdown(id, timeout).await
    }

    async fn stop(&self, id: GuestId) -> Result<(), LxcError> {
        self.guests.stop(id).await
    }

    async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), LxcError> {
        self.guests.reboot(id, timeout).await
    }

    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), LxcError> {
        self.guests.snapshot(id, name, description, &[]).await
    }

    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError> {
        self.guests.delete_snapshot(id, name).await
    }

    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError> {
        self.guests.rollback(id, name).await
    }

    async fn convert_to_template(&self, id: GuestId) -> Result<(), LxcError> {
        self.guests.convert_to_template(id).await
    }

    async fn unlock(&self, id: GuestId) -> Result<(), LxcError> {
        self.guests.unlock(id).await
    }

    async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), LxcError> {
        self.guests.destroy(id, purge).await
    }

    fn inside(&self, id: GuestId) -> Arc<dyn Inside> {
        Arc::new(self.at(id))
    }

    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), LxcError> {
        push(&self.at(id), id, Push { path, contents, mode }, usize::MAX).await
    }
}
