//! What `pct` and `qm` do in the same way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phoenix_host::{Command, Effect, Host, Output};
use phoenix_types::{
    Change, DiskSize, EffectRule, GuestConf, GuestId, GuestKind, KeyEffect, KeyRule, Power, PropertyString,
    SnapshotName, StorageId, rule_of,
};

use crate::{
    ConfFile, Deadlines, ErrorClass, Failure, GuestError, GuestFiles, InvalidSettings, Tool, Unverified, check_notes,
    check_value,
};

/// A guest as it is on the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedGuest {
    /// Its id.
    pub id: GuestId,
    /// Its configuration, snapshots and pending changes included.
    pub conf: GuestConf,
    /// SHA-1 of the configuration's text, by which a change can be refused when it is not the one that was looked at.
    pub digest: String,
    /// Whether it runs. Observing all VMs takes a paused one for a running one, since their list does not tell them apart;
    /// inspecting it does.
    pub power: Power,
    /// How long it has been running. Known when it was inspected, not when it was listed.
    pub uptime: Option<Duration>,
    /// The text of its firewall file.
    pub firewall: Option<String>,
}

/// Whether a destroyed guest is also taken out of backup jobs, replication and high availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Purge {
    /// It is. Default.
    #[default]
    Yes,
    /// What refers to it stays. A guest under high availability is then refused.
    No,
}

/// Whether a clone stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloneMode {
    /// It does: everything is copied.
    Full {
        /// The storage that it is copied to; that of the source when absent.
        storage: Option<StorageId>,
    },
    /// It needs its source, a template, for good.
    Linked,
}

/// The guests of one kind on a node, and the commands that are the same for both kinds.
#[derive(Clone)]
pub struct Guests {
    tool: Tool,
    files: GuestFiles,
    kind: GuestKind,
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.tool, f)
    }
}

impl Guests {
    /// The guests of one kind on the node that `host` reaches.
    #[must_use]
    pub fn new(kind: GuestKind, host: Arc<dyn Host>) -> Self {
        Self { tool: Tool::new(kind.tool(), host.clone()), files: GuestFiles::new(host, kind), kind }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.tool = self.tool.with_deadlines(deadlines);
        self
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Arc<dyn Host> {
        self.tool.host()
    }

    /// Their files.
    #[must_use]
    pub fn files(&self) -> &GuestFiles {
        &self.files
    }

    /// A command that looks, or changes settings.
    #[must_use]
    pub fn quick(&self, effect: Effect) -> Command {
        self.tool.command(effect, self.tool.deadlines().quick)
    }

    /// A command that starts or stops a guest and may wait for `extra`.
    #[must_use]
    pub fn power(&self, extra: Duration) -> Command {
        self.tool.command(Effect::Change, self.tool.deadlines().power + extra)
    }

    /// A command that makes or copies disks.
    #[must_use]
    pub fn disk(&self) -> Command {
        self.tool.command(Effect::Change, self.tool.deadlines().disk)
    }

    /// Runs a command for a guest.
    ///
    /// # Errors
    /// When the host fails or the tool does.
    pub async fn run(&self, id: GuestId, command: Command) -> Result<Output, GuestError> {
        self.tool.run(Some(id), command).await
    }

    /// Runs a command for a guest; what it prints is of no interest.
    ///
    /// # Errors
    /// When the host fails or the tool does.
    pub async fn change(&self, id: GuestId, command: Command) -> Result<(), GuestError> {
        self.run(id, command).await.map(|_| ())
    }

    /// Runs a command whose refusal of one class means that there is nothing to do.
    async fn settle(&self, id: GuestId, command: Command, done: ErrorClass) -> Result<(), GuestError> {
        match self.change(id, command).await {
            Err(GuestError::Failed(failure)) if failure.class == done => Ok(()),
            result => result,
        }
    }

    /// Runs a command that ends with status 0 even when its task fails, and looks whether it did its work.
    async fn verify(
        &self,
        id: GuestId,
        command: Command,
        missing: &str,
        done: impl Fn(&GuestConf) -> bool,
    ) -> Result<(), GuestError> {
        let output = self.run(id, command.clone()).await?;
        if done(&self.conf(id).await?.conf) {
            return Ok(());
        }
        let tail = Failure::of(self.host().name(), &command, &output).tail;
        let missing = missing.to_owned();
        Err(GuestError::Unverified(Box::new(Unverified { guest: id, command: command.display(), missing, tail })))
    }

    async fn conf(&self, id: GuestId) -> Result<ConfFile, GuestError> {
        let missing = || GuestError::Precondition {
            guest: id,
            reason: format!("there is no such {} on {}", self.kind, self.host().name()),
            class: ErrorClass::NotFound,
        };
        self.files.conf(id).await?.ok_or_else(missing)
    }

    fn unreadable(&self, command: String, line: &str) -> GuestError {
        GuestError::Unreadable { node: self.host().name(), command, line: line.to_owned() }
    }

    /// All guests of the kind, at the cost of one process. `row` reads a line of the tool's list.
    ///
    /// # Errors
    /// When the tool or the host fails, or the list is not what any known version prints.
    pub async fn observe(
        &self,
        row: impl Fn(&str) -> Option<(GuestId, Power)> + Send + Sync,
    ) -> Result<BTreeMap<GuestId, ObservedGuest>, GuestError> {
        let command = self.quick(Effect::Read).arg("list");
        let shown = command.display();
        let output = self.tool.run(None, command).await?;
        let mut powers = BTreeMap::new();
        // The first line holds the titles; a node without guests prints nothing at all.
        for line in output.stdout_text().lines().skip(1) {
            let (id, power) = row(line).ok_or_else(|| self.unreadable(shown.clone(), line))?;
            powers.insert(id, power);
        }
        let firewalls = self.files.firewalls().await?;
        let mut seen = BTreeMap::new();
        for id in self.files.ids().await? {
            // One that is gone since the list was read is not there.
            let Some(file) = self.files.conf(id).await? else { continue };
            let firewall = if firewalls.contains(&id) { self.files.firewall(id).await? } else { None };
            // One that came since the process ran is being made, so it is off.
            let power = powers.get(&id).copied().unwrap_or(Power::Stopped);
            seen.insert(id, ObservedGuest { id, conf: file.conf, digest: file.digest, power, uptime: None, firewall });
        }
        Ok(seen)
    }

    /// One guest as it is now; `None` when there is none. `power` reads the word for its state.
    ///
    /// # Errors
    /// When the tool or the host fails.
    pub async fn inspect(
        &self,
        id: GuestId,
        power: fn(&str) -> Option<Power>,
    ) -> Result<Option<ObservedGuest>, GuestError> {
        let Some(file) = self.files.conf(id).await? else { return Ok(None) };
        let command = self.quick(Effect::Read).arg("status").arg(id).arg("--verbose");
        let shown = command.display();
        let output = match self.run(id, command).await {
            Err(error) if error.class() == ErrorClass::NotFound => return Ok(None),
            result => result?,
        };
        let text = output.stdout_text();
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        // A VM that is paused has the status `running`; QEMU's own word tells more (qemu-server `CLI/qm.pm`, `status`).
        let word = value("qmpstatus").or_else(|| value("status")).and_then(power);
        let power = word.ok_or_else(|| self.unreadable(shown, text.trim()))?;
        let uptime = value("uptime").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let firewall = self.files.firewall(id).await?;
        Ok(Some(ObservedGuest { id, conf: file.conf, digest: file.digest, power, uptime, firewall }))
    }

    /// The command that clones `source`; `name` is the option for the clone's name.
    ///
    /// # Errors
    /// When the notes are refused.
    pub fn clone_command(&self, source: GuestId, id: GuestId, clone: CloneOptions<'_>) -> Result<Command, GuestError> {
        let (full, storage) = match clone.mode {
            CloneMode::Full { storage } => (1, storage.as_ref()),
            CloneMode::Linked => (0, None),
        };
        let mut command = self.disk().arg("clone").arg(source).arg(id).arg("--full").arg(full);
        if let Some(snapshot) = clone.snapshot {
            command = command.arg("--snapname").arg(snapshot);
        }
        if let (option, Some(name)) = clone.name {
            command = command.arg(option).arg(name);
        }
        if let Some(description) = clone.description {
            check_notes("description", description).map_err(|source| GuestError::Invalid { guest: id, source })?;
            command = command.arg("--description").arg(description);
        }
        if let Some(storage) = storage {
            command = command.arg("--storage").arg(storage);
        }
        Ok(command)
    }

    /// The `set` command for a change, but for the keys that it sets; `None` for an empty change. `rules` are the keys that
    /// there are.
    ///
    /// # Errors
    /// When a key or value is refused.
    pub fn set_command(
        &self,
        id: GuestId,
        change: &Change,
        digest: Option<&str>,
        rules: &[KeyRule],
    ) -> Result<Option<Command>, GuestError> {
        if change.is_empty() {
            return Ok(None);
        }
        check_change(change, rules).map_err(|source| GuestError::Invalid { guest: id, source })?;
        let mut command = self.quick(Effect::Change).arg("set").arg(id);
        if !change.delete.is_empty() {
            let keys: Vec<_> = change.delete.iter().map(String::as_str).collect();
            command = command.arg("--delete").arg(keys.join(","));
        }
        if let Some(digest) = digest {
            command = command.arg("--digest").arg(digest);
        }
        Ok(Some(command))
    }

    /// Grows a disk, `verb` being the tool's words for it.
    ///
    /// # Errors
    /// When the disk does not exist, is larger, or does not have the size afterwards.
    pub async fn resize(&self, id: GuestId, verb: &[&str], disk: &str, size: DiskSize) -> Result<(), GuestError> {
        let against = |reason: String, class| GuestError::Precondition { guest: id, reason, class };
        let conf = self.conf(id).await?.conf;
        let Some(present) = conf.live.get(disk) else {
            return Err(against(format!("it has no disk `{disk}`"), ErrorClass::NotFound));
        };
        match disk_size(present) {
            Some(present) if present == size => return Ok(()),
            Some(present) if present > size => {
                let reason = format!("`{disk}` has {present} and would be shrunk to {size}; disks only grow");
                return Err(against(reason, ErrorClass::Refused));
            }
            _ => {}
        }
        let command = self.disk().args(verb).arg(id).arg(disk).arg(size);
        // Storages round up to their own unit.
        let grown = |conf: &GuestConf| conf.live.get(disk).and_then(disk_size).is_some_and(|now| now >= size);
        self.verify(id, command, &format!("`{disk}` does not have {size}"), grown).await
    }

    /// Starts a guest; one that runs is left alone.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(&self, id: GuestId) -> Result<(), GuestError> {
        self.settle(id, self.power(Duration::ZERO).arg("start").arg(id), ErrorClass::AlreadyRunning).await
    }

    /// Asks a guest to shut down; one that is off is left alone.
    ///
    /// # Errors
    /// When it still runs after `timeout`.
    pub async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), GuestError> {
        let command = self.power(timeout).arg("shutdown").arg(id).arg("--timeout").arg(seconds(timeout));
        self.settle(id, command.args(["--forceStop", "0"]), ErrorClass::NotRunning).await
    }

    /// Stops a guest by force; one that is off is left alone.
    ///
    /// # Errors
    /// When it is locked or the tool fails.
    pub async fn stop(&self, id: GuestId) -> Result<(), GuestError> {
        self.settle(id, self.power(Duration::ZERO).arg("stop").arg(id), ErrorClass::NotRunning).await
    }

    /// Reboots a guest.
    ///
    /// # Errors
    /// When it does not run or the tool fails.
    pub async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), GuestError> {
        self.change(id, self.power(timeout).arg("reboot").arg(id).arg("--timeout").arg(seconds(timeout))).await
    }

    /// Takes a snapshot; `options` are the tool's own.
    ///
    /// # Errors
    /// When the notes are refused or the tool fails.
    pub async fn snapshot(
        &self,
        id: GuestId,
        name: &SnapshotName,
        description: &str,
        options: &[&str],
    ) -> Result<(), GuestError> {
        check_notes("description", description).map_err(|source| GuestError::Invalid { guest: id, source })?;
        let mut command = self.disk().arg("snapshot").arg(id).arg(name);
        if !description.is_empty() {
            command = command.arg("--description").arg(description);
        }
        self.change(id, command.args(options)).await
    }

    /// Deletes a snapshot; one that is not there is no error.
    ///
    /// # Errors
    /// When the tool fails.
    pub async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError> {
        let conf = self.conf(id).await?.conf;
        let Some(section) = conf.snapshots.get(name.as_str()) else { return Ok(()) };
        let mut command = self.disk().arg("delsnapshot").arg(id).arg(name);
        if section.get("snapstate").is_some() {
            // It was cut off while it was made or deleted, so some of its disks may have no such snapshot.
            command = command.args(["--force", "1"]);
        }
        self.change(id, command).await
    }

    /// Takes a guest back to a snapshot.
    ///
    /// # Errors
    /// When the tool fails.
    pub async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError> {
        self.change(id, self.disk().arg("rollback").arg(id).arg(name)).await
    }

    /// Makes a guest a template; one that is one is left alone.
    ///
    /// # Errors
    /// When it is none afterwards.
    pub async fn convert_to_template(&self, id: GuestId) -> Result<(), GuestError> {
        if self.conf(id).await?.conf.is_template() {
            return Ok(());
        }
        let command = self.disk().arg("template").arg(id);
        self.verify(id, command, "it is no template", GuestConf::is_template).await
    }

    /// Removes a lock; a guest without one is left alone.
    ///
    /// # Errors
    /// When the tool fails.
    pub async fn unlock(&self, id: GuestId) -> Result<(), GuestError> {
        if self.conf(id).await?.conf.lock().is_none() {
            return Ok(());
        }
        self.change(id, self.quick(Effect::Change).arg("unlock").arg(id)).await
    }

    /// Destroys a guest with its disks.
    ///
    /// # Errors
    /// When the tool refuses or fails.
    pub async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), GuestError> {
        let command = self.disk().arg("destroy").arg(id).arg("--purge").arg(u8::from(purge == Purge::Yes));
        self.change(id, command.args(["--destroy-unreferenced-disks", "1"])).await
    }
}

/// How a clone is made.
#[derive(Debug, Clone, Copy)]
pub struct CloneOptions<'a> {
    /// The snapshot that is cloned.
    pub snapshot: Option<&'a SnapshotName>,
    /// Whether it stands for itself.
    pub mode: &'a CloneMode,
    /// The option for its name, and its name.
    pub name: (&'a str, Option<&'a str>),
    /// Its notes.
    pub description: Option<&'a str>,
}

/// Refuses what the tools would refuse, or take for something else.
fn check_change(change: &Change, rules: &[KeyRule]) -> Result<(), InvalidSettings> {
    for (key, value) in &change.set {
        if key == "description" {
            check_notes(key, value)?;
        } else {
            check_value(key, value)?;
        }
    }
    for key in change.set.keys().chain(&change.delete) {
        let unused = || change.delete.contains(key) && crate::index(key, "unused").is_some();
        let why = match rule_of(rules, key).map(|rule| rule.effect) {
            Some(EffectRule::Always(KeyEffect::Impossible { why })) => why,
            None if key.starts_with("lxc.") => "there is no option for raw lines; edit the file",
            None if !unused() => "there is no such key",
            _ if change.set.contains_key(key) && change.delete.contains(key) => "it is to be set and removed at once",
            _ => continue,
        };
        return Err(InvalidSettings::Key { key: key.clone(), why: why.to_owned() });
    }
    Ok(())
}

/// Whole seconds, at least one: 0 would mean no time at all.
fn seconds(timeout: Duration) -> u64 {
    timeout.as_secs().max(1)
}

/// The size of a disk as the configuration notes it.
fn disk_size(value: &str) -> Option<DiskSize> {
    value.parse::<PropertyString>().ok()?.get("size")?.parse().ok()
}
