//! The real containers, driven by `pct`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::pve::{
    ConfFile, Deadlines, ErrorClass, Failure, GuestFiles, Push, Tool, Unverified, check_notes, check_ssh_keys,
    check_value, push,
};
use phoenix_host::{Command, Effect, Host, Inside, Output};
use phoenix_types::{Change, DiskSize, FirewallFile, GuestId, GuestKind, Power, PropertyString, SnapshotName, rule_of};

use crate::inside::ContainerInside;
use crate::{
    CloneContainer, CloneMode, ConfEdit, Containers, CreateContainer, InvalidSettings, KEYS, LxcError,
    ObservedContainer, Purge,
};

/// The containers of a node, driven by its `pct`. Cheap to make: make one for each scope that commands should be labelled
/// with.
#[derive(Clone)]
pub struct Pct {
    tool: Tool,
    files: GuestFiles,
}

impl fmt::Debug for Pct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.tool, f)
    }
}

impl Pct {
    /// The containers of the node that `host` reaches.
    #[must_use]
    pub fn new(host: Arc<dyn Host>) -> Self {
        Self { tool: Tool::new("pct", host.clone()), files: GuestFiles::new(host, GuestKind::Container) }
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

    async fn change(&self, id: GuestId, command: Command) -> Result<Output, LxcError> {
        self.tool.run(Some(id), command).await
    }

    /// Runs a command whose refusal of one class means that there is nothing to do.
    async fn settle(&self, id: GuestId, command: Command, done: ErrorClass) -> Result<(), LxcError> {
        match self.change(id, command).await {
            Err(LxcError::Failed(failure)) if failure.class == done => Ok(()),
            result => result.map(|_| ()),
        }
    }

    async fn conf(&self, id: GuestId) -> Result<ConfFile, LxcError> {
        let missing = || LxcError::Precondition {
            guest: id,
            reason: format!("there is no such container on {}", self.tool.host().name()),
            class: ErrorClass::NotFound,
        };
        self.files.conf(id).await?.ok_or_else(missing)
    }

    /// Which containers run, from the one process that an observation costs.
    async fn powers(&self) -> Result<BTreeMap<GuestId, Power>, LxcError> {
        let command = self.quick(Effect::Read).arg("list");
        let shown = command.display();
        let output = self.tool.run(None, command).await?;
        let mut powers = BTreeMap::new();
        // The first line holds the titles; a node without containers prints nothing at all.
        for line in output.stdout_text().lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let (id, power) = (words.next().and_then(|id| id.parse().ok()), words.next().and_then(power));
            let (Some(id), Some(power)) = (id, power) else {
                return Err(LxcError::Unreadable {
                    node: self.tool.host().name(),
                    command: shown,
                    line: line.to_owned(),
                });
            };
            powers.insert(id, power);
        }
        Ok(powers)
    }

    fn unverified(&self, id: GuestId, command: &Command, output: &Output, missing: String) -> LxcError {
        let tail = Failure::of(self.tool.host().name(), command, output).tail;
        LxcError::Unverified(Box::new(Unverified { guest: id, command: command.display(), missing, tail }))
    }
}

fn power(word: &str) -> Option<Power> {
    match word {
        "running" => Some(Power::Running),
        "stopped" => Some(Power::Stopped),
        _ => None,
    }
}

fn invalid(guest: GuestId) -> impl Fn(InvalidSettings) -> LxcError {
    move |source| LxcError::Invalid { guest, source }
}

/// Adds `--key value` for each pair.
fn options<'a>(command: Command, options: impl IntoIterator<Item = (&'a String, &'a String)>) -> Command {
    options.into_iter().fold(command, |command, (key, value)| command.arg(format_args!("--{key}")).arg(value))
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
        let rule = rule_of(KEYS, key);
        let unused = || key.strip_prefix("unused").is_some_and(|digits| digits.parse::<u8>().is_ok());
        let why = match rule.map(|rule| rule.effect) {
            Some(phoenix_types::EffectRule::Always(phoenix_types::KeyEffect::Impossible { why })) => why,
            None if key.starts_with("lxc.") => "`pct` has no option for raw lines; edit the file",
            None if !(unused() && change.delete.contains(key)) => "a container has no such key",
            _ if change.set.contains_key(key) && change.delete.contains(key) => "it is to be set and removed at once",
            _ => continue,
        };
        return Err(InvalidSettings::Key { key: key.clone(), why: why.to_owned() });
    }
    Ok(())
}

#[async_trait]
impl Containers for Pct {
    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedContainer>, LxcError> {
        let powers = self.powers().await?;
        let firewalls = self.files.firewalls().await?;
        let mut seen = BTreeMap::new();
        for id in self.files.ids().await? {
            // One that is gone since the list was read is not there.
            let Some(file) = self.files.conf(id).await? else { continue };
            let firewall = if firewalls.contains(&id) { self.files.firewall(id).await? } else { None };
            // One that came since the process ran is being made, so it is off.
            let power = powers.get(&id).copied().unwrap_or(Power::Stopped);
            seen.insert(id, ObservedContainer { id, conf: file.conf, digest: file.digest, power, firewall });
        }
        Ok(seen)
    }

    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedContainer>, LxcError> {
        let Some(file) = self.files.conf(id).await? else { return Ok(None) };
        let command = self.quick(Effect::Read).arg("status").arg(id);
        let shown = command.display();
        let output = match self.tool.run(Some(id), command).await {
            Err(error) if error.class() == ErrorClass::NotFound => return Ok(None),
            result => result?,
        };
        let text = output.stdout_text();
        let power = text.trim().strip_prefix("status: ").and_then(power).ok_or_else(|| LxcError::Unreadable {
            node: self.tool.host().name(),
            command: shown,
            line: text.trim().to_owned(),
        })?;
        let firewall = self.files.firewall(id).await?;
        Ok(Some(ObservedContainer { id, conf: file.conf, digest: file.digest, power, firewall }))
    }

    async fn create(&self, id: GuestId, spec: &CreateContainer) -> Result<(), LxcError> {
        let mut keys = spec.settings.keys().map_err(invalid(id))?;
        keys.insert("rootfs".to_owned(), spec.rootfs.print("rootfs").map_err(invalid(id))?);
        keys.entry("unprivileged".to_owned()).or_insert_with(|| "1".to_owned());
        if let Some(description) = &spec.description {
            check_notes("description", description).map_err(invalid(id))?;
            keys.insert("description".to_owned(), description.clone());
        }
        let key_file = Utf8PathBuf::from(format!("/run/phoenix-{id}.pub"));
        if let Some(ssh_keys) = &spec.ssh_public_keys {
            let ssh_keys = check_ssh_keys("ssh-public-keys", ssh_keys).map_err(invalid(id))?;
            self.tool.host().write(&key_file, ssh_keys.as_bytes(), 0o600).await?;
            keys.insert("ssh-public-keys".to_owned(), key_file.to_string());
        }
        let command = options(self.disk().arg("create").arg(id).arg(&spec.template), &keys);
        let result = self.change(id, command).await;
        if spec.ssh_public_keys.is_some() {
            self.tool.host().remove(&key_file).await?;
        }
        result.map(|_| ())
    }

    async fn clone_from(&self, id: GuestId, spec: &CloneContainer) -> Result<(), LxcError> {
        let mut command = self.disk().arg("clone").arg(spec.source).arg(id);
        let (full, storage) = match &spec.mode {
            CloneMode::Full { storage } => (1, storage.as_ref()),
            CloneMode::Linked => (0, None),
        };
        command = command.arg("--full").arg(full);
        if let Some(snapshot) = &spec.snapshot {
            command = command.arg("--snapname").arg(snapshot);
        }
        if let Some(hostname) = &spec.hostname {
            command = command.arg("--hostname").arg(hostname);
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

    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), LxcError> {
        if change.is_empty() {
            return Ok(());
        }
        check_change(change).map_err(invalid(id))?;
        let mut command = options(self.quick(Effect::Change).arg("set").arg(id), &change.set);
        if !change.delete.is_empty() {
            let keys: Vec<_> = change.delete.iter().map(String::as_str).collect();
            command = command.arg("--delete").arg(keys.join(","));
        }
        if let Some(digest) = digest {
            command = command.arg("--digest").arg(digest);
        }
        self.change(id, command).await.map(|_| ())
    }

    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), LxcError> {
        self.files.edit(id, edit).await
    }

    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), LxcError> {
        self.files.write_firewall(id, file).await
    }

    async fn resize(&self, id: GuestId, disk: &str, size: DiskSize) -> Result<(), LxcError> {
        let against = |reason: String, class| LxcError::Precondition { guest: id, reason, class };
        let mount_point = disk.strip_prefix("mp").is_some_and(|index| index.parse::<u8>().is_ok());
        let conf = self.conf(id).await?.conf;
        let Some(present) = conf.live.get(disk).filter(|_| disk == "rootfs" || mount_point) else {
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
        let command = self.disk().arg("resize").arg(id).arg(disk).arg(size);
        let output = self.change(id, command.clone()).await?;
        let now = self.conf(id).await?.conf.live.get(disk).and_then(disk_size);
        // Storages round up to their own unit.
        if now.is_none_or(|now| now < size) {
            let missing = format!("`{disk}` does not have {size}");
            return Err(self.unverified(id, &command, &output, missing));
        }
        Ok(())
    }

    async fn start(&self, id: GuestId) -> Result<(), LxcError> {
        self.settle(id, self.power(Duration::ZERO).arg("start").arg(id), ErrorClass::AlreadyRunning).await
    }

    async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), LxcError> {
        let command = self
            .power(timeout)
            .arg("shutdown")
            .arg(id)
            .arg("--timeout")
            .arg(seconds(timeout))
            .args(["--forceStop", "0"]);
        self.settle(id, command, ErrorClass::NotRunning).await
    }

    async fn stop(&self, id: GuestId) -> Result<(), LxcError> {
        self.settle(id, self.power(Duration::ZERO).arg("stop").arg(id), ErrorClass::NotRunning).await
    }

    async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), LxcError> {
        let command = self.power(timeout).arg("reboot").arg(id).arg("--timeout").arg(seconds(timeout));
        self.change(id, command).await.map(|_| ())
    }

    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), LxcError> {
        check_notes("description", description).map_err(invalid(id))?;
        let mut command = self.disk().arg("snapshot").arg(id).arg(name);
        if !description.is_empty() {
            command = command.arg("--description").arg(description);
        }
        self.change(id, command).await.map(|_| ())
    }

    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError> {
        let conf = self.conf(id).await?.conf;
        let Some(section) = conf.snapshots.get(name.as_str()) else { return Ok(()) };
        let mut command = self.disk().arg("delsnapshot").arg(id).arg(name);
        if section.get("snapstate").is_some() {
            // It was cut off while it was made or deleted, so some of its disks may have no such snapshot.
            command = command.args(["--force", "1"]);
        }
        self.change(id, command).await.map(|_| ())
    }

    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError> {
        self.change(id, self.disk().arg("rollback").arg(id).arg(name)).await.map(|_| ())
    }

    async fn convert_to_template(&self, id: GuestId) -> Result<(), LxcError> {
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

    async fn unlock(&self, id: GuestId) -> Result<(), LxcError> {
        if self.conf(id).await?.conf.lock().is_none() {
            return Ok(());
        }
        self.change(id, self.quick(Effect::Change).arg("unlock").arg(id)).await.map(|_| ())
    }

    async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), LxcError> {
        let purge = u8::from(purge == Purge::Yes);
        let command = self.disk().arg("destroy").arg(id).arg("--purge").arg(purge);
        self.change(id, command.args(["--destroy-unreferenced-disks", "1"])).await.map(|_| ())
    }

    fn inside(&self, id: GuestId) -> Arc<dyn Inside> {
        Arc::new(ContainerInside { host: self.tool.host().clone(), id })
    }

    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), LxcError> {
        let inside = ContainerInside { host: self.tool.host().clone(), id };
        push(&inside, id, Push { path, contents, mode }, usize::MAX).await
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
