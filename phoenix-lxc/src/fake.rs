//! Containers in memory, for unit tests of programs that embed this crate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_host::{Command, Inside, Output};
use phoenix_pve::{ErrorClass, FakeGuests};
use phoenix_types::{Change, DiskSize, FirewallFile, GuestConf, GuestId, GuestKind, SnapshotName};

use crate::{CloneContainer, ConfEdit, Containers, CreateContainer, LxcError, ObservedContainer, Purge};

/// Containers in memory. Every change acts at once; commands inside are answered by a function of the test's.
///
/// ```
/// use phoenix_host::{Command, Effect, Output};
/// use phoenix_lxc::{Containers, fake::FakeContainers};
///
/// let containers = FakeContainers::default().answering(|_, command| Output {
///     status: Some(if command.program == "nc" { 1 } else { 0 }),
///     ..Output::default()
/// });
/// # let _ = containers;
/// ```
#[derive(Debug, Clone)]
pub struct FakeContainers(FakeGuests);

impl Default for FakeContainers {
    fn default() -> Self {
        Self(FakeGuests::new(GuestKind::Container))
    }
}

impl FakeContainers {
    /// The same with commands inside answered by `answer`. Without it every command succeeds and says nothing.
    #[must_use]
    pub fn answering(self, answer: impl Fn(GuestId, &Command) -> Output + Send + Sync + 'static) -> Self {
        Self(self.0.answering(answer))
    }

    /// Puts a container there with this configuration, switched off.
    pub fn put(&self, id: GuestId, conf: GuestConf) {
        self.0.put(id, conf);
    }

    /// Lets the next call of a method (by its name, such as `start`) fail with this class.
    pub fn fail_next(&self, method: &str, class: ErrorClass) {
        self.0.fail_next(method, class);
    }

    /// The changing calls so far, such as `start 103`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.0.calls()
    }

    /// What was pushed to a path inside.
    #[must_use]
    pub fn file(&self, id: GuestId, path: &Utf8Path) -> Option<Vec<u8>> {
        self.0.file(id, path)
    }
}

#[async_trait]
impl Containers for FakeContainers {
    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedContainer>, LxcError> {
        Ok(self.0.observe())
    }

    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedContainer>, LxcError> {
        Ok(self.0.inspect(id))
    }

    async fn create(&self, id: GuestId, spec: &CreateContainer) -> Result<(), LxcError> {
        let keys = spec.keys().map_err(|source| LxcError::Invalid { guest: id, source })?;
        self.0.create(id, keys, spec.description.as_deref())
    }

    async fn clone_from(&self, id: GuestId, spec: &CloneContainer) -> Result<(), LxcError> {
        self.0.clone_from(id, spec.source, spec.options())
    }

    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), LxcError> {
        self.0.configure(id, change, digest)
    }

    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), LxcError> {
        self.0.edit(id, edit)
    }

    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), LxcError> {
        self.0.write_firewall(id, file)
    }

    async fn resize(&self, id: GuestId, disk: &str, size: DiskSize) -> Result<(), LxcError> {
        self.0.resize(id, disk, size)
    }

    async fn start(&self, id: GuestId) -> Result<(), LxcError> {
        self.0.start(id)
    }

    async fn shutdown(&self, id: GuestId, _timeout: Duration) -> Result<(), LxcError> {
        self.0.halt("shutdown", id)
    }

    async fn stop(&self, id: GuestId) -> Result<(), LxcError> {
        self.0.halt("stop", id)
    }

    async fn reboot(&self, id: GuestId, _timeout: Duration) -> Result<(), LxcError> {
        self.0.need_running("reboot", id)
    }

    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), LxcError> {
        self.0.snapshot(id, name, description)
    }

    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError> {
        self.0.delete_snapshot(id, name)
    }

    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError> {
        self.0.rollback(id, name)
    }

    async fn convert_to_template(&self, id: GuestId) -> Result<(), LxcError> {
        self.0.convert_to_template(id)
    }

    async fn unlock(&self, id: GuestId) -> Result<(), LxcError> {
        self.0.unlock(id)
    }

    async fn destroy(&self, id: GuestId, _purge: Purge) -> Result<(), LxcError> {
        self.0.destroy(id)
    }

    fn inside(&self, id: GuestId) -> Arc<dyn Inside> {
        self.0.inside(id)
    }

    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], _mode: u32) -> Result<(), LxcError> {
        self.0.push(id, path, contents)
    }
}
