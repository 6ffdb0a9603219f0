//! The real VMs, driven by `qm`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::pve::{
    ConfFile, Deadlines, ErrorClass, Failure, GuestFiles, Push, Tool, Unverified, check_notes, check_value, push,
};
use phoenix_host::{Command, Effect, Host, Inside, Output};
use phoenix_types::{
    Change, DiskSize, FirewallFile, GuestId, GuestKind, Power, PropertyString, SnapshotName, percent_decode, rule_of,
};

use crate::inside::{CHUNK, VmInside};
use crate::{
    CloneMode, CloneVm, ConfEdit, CreateVm, DriveSlot, InvalidSettings, KEYS, ObservedVm, Purge, VirtualMachines,
    VmError,
};

/// How long the agent gets to answer a ping: `qm` itself waits 3 s.
const PING: Duration = Duration::from_secs(20);

/// The VMs of a node, driven by its `qm`. Cheap to make: make one for each scope that commands should be labelled with.
#[derive(Clone)]
pub struct Qm {
    tool: Tool,
    files: GuestFiles,
}

impl fmt::Debug for Qm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.tool, f)
    }
}

impl Qm {
    /// The VMs of the node that `host` reaches.
    #[must_use]
    pub fn new(host: Arc<dyn Host>) -> Self {
        Self { tool: Tool::new("qm", host.clone()), files: GuestFiles::new(host, GuestKind::Vm) }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.tool = self.tool.with_deadlines(deadlines);
        self
    }

    fn quick(&self, effect: Effect) -> Command {
        self.tool.command(effect, self.tool.deadlines().quick)
    }

    fn power(&self, extra: Duration) -> Command {
        self.tool.command(Effect::Change, self.tool.deadlines().power + extra)
    }

    fn disk(&self) -> Command {
        self.tool.command(Effect::Change, self.tool.deadlines().disk)
    }

    async fn change(&self, id: GuestId, command: Command) -> Result<Output, VmError> {
        self.tool.run(Some(id), command).await
    }

    /// Runs a command whose refusal of one class means that there is nothing to do.
    async fn settle(&self, id: GuestId, command: Command, done: ErrorClass) -> Result<(), VmError> {
        match self.change(id, command).await {
            Err(VmError::Failed(failure)) if failure.class == done => Ok(()),
            result => result.map(|_| ()),
        }
    }

    async fn conf(&self, id: GuestId) -> Result<ConfFile, VmError> {
        let missing = || VmError::Precondition {
            guest: id,
            reason: format!("there is no such VM on {}", self.tool.host().name()),
            class: ErrorClass::NotFound,
        };
        self.files.conf(id).await?.ok_or_else(missing)
    }

    /// Which VMs run, from the one process that an observation costs.
    async fn powers(&self) -> Result<BTreeMap<GuestId, Power>, VmError> {
        let command = self.quick(Effect::Read).arg("list");
        let shown = command.display();
        let output = self.tool.run(None, command).await?;
        let mut powers = BTreeMap::new();
        // The first line holds the titles; a node without VMs prints nothing at all. A name may hold blanks and is not cut,
        // so the state is found from the end: state, memory, disk, process.
        for line in output.stdout_text().lines().skip(1) {
            let id = line.split_ascii_whitespace().next().and_then(|id| id.parse().ok());
            let power = line.split_ascii_whitespace().rev().nth(3).and_then(power);
            let (Some(id), Some(power)) = (id, power) else {
                return Err(VmError::Unreadable {
                    node: self.tool.host().name(),
                    command: shown,
                    line: line.to_owned(),
                });
            };
            powers.insert(id, power);
        }
        Ok(powers)
    }

    fn unverified(&self, id: GuestId, command: &Command, output: &Output, missing: String) -> VmError {
        let tail = Failure::of(self.tool.host().name(), command, output).tail;
        VmError::Unverified(Box::new(Unverified { guest: id, command: command.display(), missing, tail }))
    }

    /// Runs a command with these keys as options. `sshkeys` goes in a file, as `qm` wants it.
    async fn run_with_keys(
        &self,
        id: GuestId,
        command: Command,
        keys: &BTreeMap<String, String>,
    ) -> Result<(), VmError> {
        let mut command = command;
        let file = Utf8PathBuf::from(format!("/run/phoenix-{id}.pub"));
        for (key, value) in keys {
            command = command.arg(format_args!("--{key}"));
            if key == "sshkeys" {
                self.tool.host().write(&file, percent_decode(value).as_bytes(), 0o600).await?;
                command = command.arg(&file);
            } else {
                command = command.arg(value);
            }
        }
        let result = self.change(id, command).await;
        if keys.contains_key("sshkeys") {
            self.tool.host().remove(&file).await?;
        }
        result.map(|_| ())
    }
}

/// The state that `qm` prints. QEMU has many words for not executing: prelaunch, suspended, io-error, …
fn power(word: &str) -> Option<Power> {
    match word {
        "running" => Some(Power::Running),
        "stopped" => Some(Power::Stopped),
        word if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') => Some(Power::Paused),
        _ => None,
    }
}

fn invalid(guest: GuestId) -> impl Fn(InvalidSettings) -> VmError {
    move |source| VmError::Invalid { guest, source }
}

fn check_change(change: &Change) -> Result<(), InvalidSettings> {
    for (key, value) in &change.set {
        if key == "description" {
            check_notes(key, value)?;
        } else {
            check_value(key, value)?;
        }
    }
    for key in change.set.keys().chain(&change.delete) {
        let unused = || key.strip_prefix("unused").is_some_and(|digits| digits.parse::<u8>().is_ok());
        let why = match rule_of(KEYS, key) {
            None if !(unused() && change.delete.contains(key)) => "a VM has no such key",
            _ if change.set.contains_key(key) && change.delete.contains(key) => "it is to be set and removed at once",
            _ => continue,
        };
        return Err(InvalidSettings::Key { key: key.clone(), why: why.to_owned() });
    }
    Ok(())
}

#[async_trait]
impl VirtualMachines for Qm {
    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedVm>, VmError> {
        let powers = self.powers().await?;
        let firewalls = self.files.firewalls().await?;
        let mut seen = BTreeMap::new();
        for id in self.files.ids().await? {
            // One that is gone since the list was read is not there.
            let Some(file) = self.files.conf(id).await? else { continue };
            let firewall = if firewalls.contains(&id) { self.files.firewall(id).await? } else { None };
            // One that came since the process ran is being made, so it is off.
            let power = powers.get(&id).copied().unwrap_or(Power::Stopped);
            seen.insert(id, ObservedVm { id, conf: file.conf, digest: file.digest, power, firewall });
        }
        Ok(seen)
    }

    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedVm>, VmError> {
        let Some(file) = self.files.conf(id).await? else { return Ok(None) };
        let command = self.quick(Effect::Read).arg("status").arg(id);
        let shown = command.display();
        let output = match self.tool.run(Some(id), command).await {
            Err(error) if error.class() == ErrorClass::NotFound => return Ok(None),
            result => result?,
        };
        let text = output.stdout_text();
        let power = text.trim().strip_prefix("status: ").and_then(power).ok_or_else(|| VmError::Unreadable {
            node: self.tool.host().name(),
            command: shown,
            line: text.trim().to_owned(),
        })?;
        let firewall = self.files.firewall(id).await?;
        Ok(Some(ObservedVm { id, conf: file.conf, digest: file.digest, power, firewall }))
    }

    async fn create(&self, id: GuestId, spec: &CreateVm) -> Result<(), VmError> {
        let mut keys = spec.settings.keys().map_err(invalid(id))?;
        if let Some(description) = &spec.description {
            check_notes("description", description).map_err(invalid(id))?;
            keys.insert("description".to_owned(), description.clone());
        }
        self.run_with_keys(id, self.disk().arg("create").arg(id), &keys).await
    }

    async fn clone_from(&self, id: GuestId, spec: &CloneVm) -> Result<(), VmError> {
        let mut command = self.disk().arg("clone").arg(spec.source).arg(id);
        let (full, storage) = match &spec.mode {
            CloneMode::Full { storage } => (1, storage.as_ref()),
            CloneMode::Linked => (0, None),
        };
        command = command.arg("--full").arg(full);
        if let Some(snapshot) = &spec.snapshot {
            command = command.arg("--snapname").arg(snapshot);
        }
        if let Some(name) = &spec.name {
            command = command.arg("--name").arg(name);
        }
        if let Some(description) = &spec.description {
            check_notes("description", description).map_err(invalid(id))?;
            command = command.arg("--description").arg(description);
        }
        if let Some(storage) = storage {
            command = command.arg("--storage").arg(storage);
        }
        self.change(id, command).await.map(|_| ())
    }

    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), VmError> {
        if change.is_empty() {
            return Ok(());
        }
        check_change(change).map_err(invalid(id))?;
        let mut command = self.quick(Effect::Change).arg("set").arg(id);
        if !change.delete.is_empty() {
            let keys: Vec<_> = change.delete.iter().map(String::as_str).collect();
            command = command.arg("--delete").arg(keys.join(","));
        }
        if let Some(digest) = digest {
            command = command.arg("--digest").arg(digest);
        }
        self.run_with_keys(id, command, &change.set).await
    }

    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), VmError> {
        if let Some((key, _)) = edit.add_raw.iter().chain(&edit.remove_raw).next() {
            let why = "a VM has no raw lines".to_owned();
            return Err(invalid(id)(InvalidSettings::Key { key: key.clone(), why }));
        }
        self.files.edit(id, edit).await
    }

    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), VmError> {
        self.files.write_firewall(id, file).await
    }

    async fn resize(&self, id: GuestId, disk: DriveSlot, size: DiskSize) -> Result<(), VmError> {
        let against = |reason: String, class| VmError::Precondition { guest: id, reason, class };
        let key = disk.to_string();
        let conf = self.conf(id).await?.conf;
        let Some(present) = conf.live.get(&key) else {
            return Err(against(format!("it has no disk `{key}`"), ErrorClass::NotFound));
        };
        match disk_size(present) {
            Some(present) if present == size => return Ok(()),
            Some(present) if present > size => {
                let reason = format!("`{key}` has {present} and would be shrunk to {size}; disks only grow");
                return Err(against(reason, ErrorClass::Refused));
            }
            _ => {}
        }
        let command = self.disk().args(["disk", "resize"]).arg(id).arg(&key).arg(size);
        let output = self.change(id, command.clone()).await?;
        let now = self.conf(id).await?.conf.live.get(&key).and_then(disk_size);
        // Storages round up to their own unit.
        if now.is_none_or(|now| now < size) {
            return Err(self.unverified(id, &command, &output, format!("`{key}` does not have {size}")));
        }
        Ok(())
    }

    async fn start(&self, id: GuestId) -> Result<(), VmError> {
        self.settle(id, self.power(Duration::ZERO).arg("start").arg(id), ErrorClass::AlreadyRunning).await
    }

    async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), VmError> {
        let command = self
            .power(timeout)
            .arg("shutdown")
            .arg(id)
            .arg("--timeout")
            .arg(seconds(timeout))
            .args(["--forceStop", "0"]);
        self.settle(id, command, ErrorClass::NotRunning).await
    }

    async fn stop(&self, id: GuestId) -> Result<(), VmError> {
        self.settle(id, self.power(Duration::ZERO).arg("stop").arg(id), ErrorClass::NotRunning).await
    }

    async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), VmError> {
        let command = self.power(timeout).arg("reboot").arg(id).arg("--timeout").arg(seconds(timeout));
        self.change(id, command).await.map(|_| ())
    }

    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), VmError> {
        check_notes("description", description).map_err(invalid(id))?;
        let mut command = self.disk().arg("snapshot").arg(id).arg(name);
        if !description.is_empty() {
            command = command.arg("--description").arg(description);
        }
        self.change(id, command.args(["--vmstate", "0"])).await.map(|_| ())
    }

    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), VmError> {
        let conf = self.conf(id).await?.conf;
        let Some(section) = conf.snapshots.get(name.as_str()) else { return Ok(()) };
        let mut command = self.disk().arg("delsnapshot").arg(id).arg(name);
        if section.get("snapstate").is_some() {
            // It was cut off while it was made or deleted, so some of its disks may have no such snapshot.
            command = command.args(["--force", "1"]);
        }
        self.change(id, command).await.map(|_| ())
    }

    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), VmError> {
        self.change(id, self.disk().arg("rollback").arg(id).arg(name)).await.map(|_| ())
    }

    async fn convert_to_template(&self, id: GuestId) -> Result<(), VmError> {
        if self.conf(id).await?.conf.is_template() {
            return Ok(());
        }
        let command = self.disk().arg("template").arg(id);
        let output = self.change(id, command.clone()).await?;
        if !self.conf(id).await?.conf.is_template() {
            return Err(self.unverified(id, &command, &output, "it is no template".to_owned()));
        }
        Ok(())
    }

    async fn unlock(&self, id: GuestId) -> Result<(), VmError> {
        if self.conf(id).await?.conf.lock().is_none() {
            return Ok(());
        }
        self.change(id, self.quick(Effect::Change).arg("unlock").arg(id)).await.map(|_| ())
    }

    async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), VmError> {
        let purge = u8::from(purge == Purge::Yes);
        let command = self.disk().arg("destroy").arg(id).arg("--purge").arg(purge);
        self.change(id, command.args(["--destroy-unreferenced-disks", "1"])).await.map(|_| ())
    }

    async fn cloudinit_update(&self, id: GuestId) -> Result<(), VmError> {
        self.change(id, self.quick(Effect::Change).args(["cloudinit", "update"]).arg(id)).await.map(|_| ())
    }

    async fn ping(&self, id: GuestId) -> Result<(), VmError> {
        let command = self.tool.command(Effect::Read, PING).args(["guest", "cmd"]).arg(id).arg("ping");
        self.change(id, command).await.map(|_| ())
    }

    fn inside(&self, id: GuestId) -> Arc<dyn Inside> {
        Arc::new(VmInside::new(self.tool.host().clone(), id))
    }

    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), VmError> {
        let inside = VmInside::new(self.tool.host().clone(), id);
        push(&inside, id, Push { path, contents, mode }, CHUNK).await
    }
}

/// Whole seconds, at least one: 0 would mean no time at all.
fn seconds(timeout: Duration) -> u64 {
    timeout.as_secs().max(1)
}

/// The size of a disk as the configuration notes it.
fn disk_size(value: &str) -> Option<DiskSize> {
    value.parse::<PropertyString>().ok()?.get("size")?.parse().ok()
}
