//! The adapter that drives real guests with `pct` or `qm`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Command, Effect, Host, Inside, Output};
use phoenix_types::{
    Change, DiskSize, EffectRule, FirewallFile, GuestConf, GuestId, GuestKind, KeyEffect, KeyRule, Power,
    PropertyString, SnapshotName, rule_of,
};

use crate::{
    CloneGuest, CloneMode, ConfEdit, ConfFile, Deadlines, ErrorClass, Failure, GuestError, GuestFiles, Guests,
    InvalidSettings, ObservedGuest, Purge, Push, Tool, Unverified, check_notes, check_value, push,
};

/// How much later the HA manager acts, whose services look every ten seconds, and how often its work is looked at.
const HA_ROUNDS: Duration = Duration::from_secs(60);
const HA_LOOK: Duration = Duration::from_secs(2);

/// Where `pct` and `qm` differ. `phoenix-lxc` and `phoenix-vm` have one each.
pub trait Dialect: fmt::Debug + Clone + Send + Sync + 'static {
    /// The kind of guests.
    const KIND: GuestKind;
    /// The keys of a configuration.
    const KEYS: &'static [KeyRule];
    /// The option of `clone` for the clone's name.
    const NAME: &'static str;
    /// The subcommand that grows a disk.
    const RESIZE: &'static [&'static str];
    /// Which disks there are, for a message.
    const DISKS: &'static str;
    /// Options of `snapshot`.
    const SNAPSHOT: &'static [&'static str];
    /// The option of `start` for how long it may take.
    const START_LIMIT: Option<&'static str>;
    /// The most bytes that one command can carry inside.
    const CHUNK: usize;

    /// Parses the tool's word for a power state.
    fn power(word: &str) -> Option<Power>;

    /// Parses a row of the tool's list.
    fn row(line: &str) -> Option<(GuestId, Power)>;

    /// Whether a key names a disk.
    fn is_disk(key: &str) -> bool;

    /// The ssh keys that an option holds. The tools take them from a file, not from the argument.
    fn ssh_keys(key: &str, value: &str) -> Option<String>;

    /// The inside of a guest.
    fn inside(host: Arc<dyn Host>, id: GuestId) -> Arc<dyn Inside>;
}

/// The guests of a node, driven by one of its tools. Cheap to make: make one for each label that commands should carry.
#[derive(Clone)]
pub struct Adapter<D> {
    tool: Tool,
    files: GuestFiles,
    dialect: PhantomData<D>,
}

impl<D> fmt::Debug for Adapter<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.tool, f)
    }
}

impl<D: Dialect> Adapter<D> {
    /// The guests of the node that `host` reaches.
    #[must_use]
    pub fn new(host: Arc<dyn Host>) -> Self {
        let tool = Tool::new(D::KIND.tool(), host.clone());
        Self { tool, files: GuestFiles::new(host, D::KIND), dialect: PhantomData }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.tool = self.tool.with_deadlines(deadlines);
        self
    }

    fn host(&self) -> &Arc<dyn Host> {
        self.tool.host()
    }

    /// A command that reads, or changes settings.
    #[must_use]
    pub fn quick(&self, effect: Effect) -> Command {
        self.tool.command(effect, self.tool.deadlines().quick)
    }

    /// A command that starts or stops a guest and may take `extra` longer.
    fn power(&self, extra: Duration) -> Command {
        self.tool.command(Effect::Change, self.tool.deadlines().power + extra)
    }

    /// A command that makes or copies disks.
    fn disk(&self) -> Command {
        self.tool.command(Effect::Change, self.tool.deadlines().disk)
    }

    async fn run(&self, id: GuestId, command: Command) -> Result<Output, GuestError> {
        self.tool.run(Some(id), command).await
    }

    /// Runs a command for a guest and ignores its output.
    ///
    /// # Errors
    /// When the host or the tool fails.
    pub async fn change(&self, id: GuestId, command: Command) -> Result<(), GuestError> {
        self.run(id, command).await.map(|_| ())
    }

    /// Makes a guest: `create ID SOURCE… --key value…`.
    ///
    /// # Errors
    /// When the notes are refused or the tool fails.
    pub async fn create_with(
        &self,
        id: GuestId,
        source: Option<&str>,
        mut keys: BTreeMap<String, String>,
        description: Option<&str>,
    ) -> Result<(), GuestError> {
        if let Some(description) = description {
            check_notes("description", description).map_err(invalid(id))?;
            keys.insert("description".to_owned(), description.to_owned());
        }
        let command = self.disk().arg("create").arg(id).args(source);
        self.with_options(id, command, &keys).await
    }

    /// Runs a command with each key as an option. Ssh keys go into a file for as long as the command runs.
    async fn with_options(
        &self,
        id: GuestId,
        mut command: Command,
        keys: &BTreeMap<String, String>,
    ) -> Result<(), GuestError> {
        let mut file = None;
        for (key, value) in keys {
            command = command.arg(format_args!("--{key}"));
            if let Some(ssh_keys) = D::ssh_keys(key, value) {
                let path = Utf8PathBuf::from(format!("/run/phoenix-{id}.pub"));
                self.host().write(&path, ssh_keys.as_bytes(), 0o600).await?;
                command = command.arg(&path);
                file = Some(path);
            } else {
                command = command.arg(value);
            }
        }
        let result = self.change(id, command).await;
        if let Some(path) = file {
            self.host().remove(&path).await?;
        }
        result
    }

    /// Runs a command that starts or stops a guest. An error of the class `done` means that there was nothing to do. For a guest
    /// under high availability the tool only passes the request on ("Requesting HA stop for CT 307", pve-container
    /// `API2/LXC/Status.pm`, qemu-server `API2/Qemu.pm`), so what comes of it is awaited.
    async fn switch(&self, id: GuestId, command: Command, done: ErrorClass, wanted: Power) -> Result<(), GuestError> {
        let limit = command.deadline + HA_ROUNDS;
        match self.run(id, command).await {
            Err(GuestError::Failed(failure)) if failure.class == done => Ok(()),
            Ok(output) if output.stdout_text().lines().any(|line| line.starts_with("Requesting HA ")) => {
                self.until(id, wanted, limit).await
            }
            result => result.map(|_| ()),
        }
    }

    /// Waits until the HA manager has started or stopped a guest.
    async fn until(&self, id: GuestId, wanted: Power, limit: Duration) -> Result<(), GuestError> {
        let seen = async {
            loop {
                match self.inspect(id).await? {
                    Some(guest) if (guest.power == Power::Stopped) == (wanted == Power::Stopped) => return Ok(()),
                    Some(_) => tokio::time::sleep(HA_LOOK).await,
                    None => {
                        let reason = "the HA manager has taken it to another node".to_owned();
                        return Err(GuestError::Precondition { guest: id, reason, class: ErrorClass::NotFound });
                    }
                }
            }
        };
        tokio::time::timeout(limit, seen).await.unwrap_or_else(|_| {
            let reason = format!("the HA manager was asked for it, and it is not {wanted} after {} s", limit.as_secs());
            Err(GuestError::Precondition { guest: id, reason, class: ErrorClass::TimedOut })
        })
    }

    /// Runs a command that ends with status 0 even when its task fails, and checks that it did its work.
    async fn verify(
        &self,
        id: GuestId,
        command: Command,
        missing: &str,
        done: impl Fn(&GuestConf) -> bool + Send,
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
            reason: format!("there is no such {} on {}", D::KIND, self.host().name()),
            class: ErrorClass::NotFound,
        };
        self.files.conf(id).await?.ok_or_else(missing)
    }

    fn unreadable(&self, command: String, line: &str) -> GuestError {
        GuestError::Unreadable { node: self.host().name(), command, line: line.to_owned() }
    }
}

#[async_trait]
impl<D: Dialect> Guests for Adapter<D> {
    fn kind(&self) -> GuestKind {
        D::KIND
    }

    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedGuest>, GuestError> {
        let command = self.quick(Effect::Read).arg("list");
        let shown = command.display();
        let output = self.tool.run(None, command).await?;
        let mut powers = BTreeMap::new();
        // The first line holds the titles; a node without guests prints nothing at all.
        for line in output.stdout_text().lines().skip(1) {
            let (id, power) = D::row(line).ok_or_else(|| self.unreadable(shown.clone(), line))?;
            powers.insert(id, power);
        }
        let firewalls = self.files.firewalls().await?;
        let mut seen = BTreeMap::new();
        for id in self.files.ids().await? {
            // A guest may have gone since its folder was listed.
            let Some(file) = self.files.conf(id).await? else { continue };
            let firewall = if firewalls.contains(&id) { self.files.firewall(id).await? } else { None };
            // A guest that the tool did not list was created after the list, so it is stopped.
            let power = powers.get(&id).copied().unwrap_or(Power::Stopped);
            seen.insert(id, ObservedGuest { id, conf: file.conf, digest: file.digest, power, uptime: None, firewall });
        }
        Ok(seen)
    }

    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedGuest>, GuestError> {
        let Some(file) = self.files.conf(id).await? else { return Ok(None) };
        let command = self.quick(Effect::Read).arg("status").arg(id).arg("--verbose");
        let shown = command.display();
        let output = match self.run(id, command).await {
            Err(error) if error.class() == ErrorClass::NotFound => return Ok(None),
            result => result?,
        };
        let text = output.stdout_text();
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        // A paused VM has the status `running`; QEMU's own word says more (qemu-server `CLI/qm.pm`, `status`).
        let word = value("qmpstatus").or_else(|| value("status")).and_then(D::power);
        let power = word.ok_or_else(|| self.unreadable(shown, text.trim()))?;
        let uptime = value("uptime").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let firewall = self.files.firewall(id).await?;
        Ok(Some(ObservedGuest { id, conf: file.conf, digest: file.digest, power, uptime, firewall }))
    }

    async fn clone_from(&self, id: GuestId, spec: &CloneGuest) -> Result<(), GuestError> {
        let (full, storage) = match &spec.mode {
            CloneMode::Full { storage } => (1, storage.as_ref()),
            CloneMode::Linked => (0, None),
        };
        let mut command = self.disk().arg("clone").arg(spec.source).arg(id).arg("--full").arg(full);
        if let Some(snapshot) = &spec.snapshot {
            command = command.arg("--snapname").arg(snapshot);
        }
        if let Some(name) = &spec.name {
            command = command.arg(D::NAME).arg(name);
        }
        if let Some(description) = &spec.description {
            check_notes("description", description).map_err(invalid(id))?;
            command = command.arg("--description").arg(description);
        }
        if let Some(storage) = storage {
            command = command.arg("--storage").arg(storage);
        }
        self.change(id, command).await
    }

    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), GuestError> {
        if change.is_empty() {
            return Ok(());
        }
        check_change(change, D::KEYS).map_err(invalid(id))?;
        let mut command = self.quick(Effect::Change).arg("set").arg(id);
        if !change.delete.is_empty() {
            let keys: Vec<_> = change.delete.iter().map(String::as_str).collect();
            command = command.arg("--delete").arg(keys.join(","));
        }
        if let Some(digest) = digest {
            command = command.arg("--digest").arg(digest);
        }
        self.with_options(id, command, &change.set).await
    }

    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), GuestError> {
        self.files.edit(id, edit).await
    }

    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), GuestError> {
        self.files.write_firewall(id, file).await
    }

    async fn resize(&self, id: GuestId, disk: &str, size: DiskSize) -> Result<(), GuestError> {
        let against = |reason: String, class| GuestError::Precondition { guest: id, reason, class };
        let conf = self.conf(id).await?.conf;
        let Some(present) = conf.live.get(disk).filter(|_| D::is_disk(disk)) else {
            let reason = format!("it has no disk `{disk}`; its disks are {}", D::DISKS);
            return Err(against(reason, ErrorClass::NotFound));
        };
        match disk_size(present) {
            Some(present) if present == size => return Ok(()),
            Some(present) if present > size => {
                let reason = format!("`{disk}` has {present} and would be shrunk to {size}; disks only grow");
                return Err(against(reason, ErrorClass::Refused));
            }
            _ => {}
        }
        let command = self.disk().args(D::RESIZE).arg(id).arg(disk).arg(size);
        // Storages round up to their own unit.
        let grown = |conf: &GuestConf| conf.live.get(disk).and_then(disk_size).is_some_and(|now| now >= size);
        self.verify(id, command, &format!("`{disk}` does not have {size}"), grown).await
    }

    async fn start(&self, id: GuestId, limit: Option<Duration>) -> Result<(), GuestError> {
        let mut command = self.tool.command(Effect::Change, limit.unwrap_or(self.tool.deadlines().power));
        command = command.arg("start").arg(id);
        if let (Some(option), Some(limit)) = (D::START_LIMIT, limit) {
            command = command.arg(option).arg(seconds(limit));
        }
        self.switch(id, command, ErrorClass::AlreadyRunning, Power::Running).await
    }

    async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), GuestError> {
        let command = self.power(timeout).arg("shutdown").arg(id).arg("--timeout").arg(seconds(timeout));
        self.switch(id, command.args(["--forceStop", "0"]), ErrorClass::NotRunning, Power::Stopped).await
    }

    async fn stop(&self, id: GuestId) -> Result<(), GuestError> {
        self.switch(id, self.power(Duration::ZERO).arg("stop").arg(id), ErrorClass::NotRunning, Power::Stopped).await
    }

    async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), GuestError> {
        self.change(id, self.power(timeout).arg("reboot").arg(id).arg("--timeout").arg(seconds(timeout))).await
    }

    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), GuestError> {
        check_notes("description", description).map_err(invalid(id))?;
        let mut command = self.disk().arg("snapshot").arg(id).arg(name);
        if !description.is_empty() {
            command = command.arg("--description").arg(description);
        }
        self.change(id, command.args(D::SNAPSHOT)).await
    }

    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError> {
        let conf = self.conf(id).await?.conf;
        let Some(section) = conf.snapshots.get(name.as_str()) else { return Ok(()) };
        let mut command = self.disk().arg("delsnapshot").arg(id).arg(name);
        if section.get("snapstate").is_some() {
            // A task that made or deleted it was interrupted, so some disks may not have this snapshot.
            command = command.args(["--force", "1"]);
        }
        self.change(id, command).await
    }

    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError> {
        self.change(id, self.disk().arg("rollback").arg(id).arg(name)).await
    }

    async fn convert_to_template(&self, id: GuestId) -> Result<(), GuestError> {
        if self.conf(id).await?.conf.is_template() {
            return Ok(());
        }
        let command = self.disk().arg("template").arg(id);
        self.verify(id, command, "it is no template", GuestConf::is_template).await
    }

    async fn unlock(&self, id: GuestId) -> Result<(), GuestError> {
        if self.conf(id).await?.conf.lock().is_none() {
            return Ok(());
        }
        self.change(id, self.quick(Effect::Change).arg("unlock").arg(id)).await
    }

    async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), GuestError> {
        let command = self.disk().arg("destroy").arg(id).arg("--purge").arg(u8::from(purge == Purge::Yes));
        self.change(id, command.args(["--destroy-unreferenced-disks", "1"])).await
    }

    fn inside(&self, id: GuestId) -> Arc<dyn Inside> {
        D::inside(self.host().clone(), id)
    }

    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), GuestError> {
        push(&*self.inside(id), id, Push { path, contents, mode }, D::CHUNK).await
    }
}

fn invalid(guest: GuestId) -> impl Fn(InvalidSettings) -> GuestError {
    move |source| GuestError::Invalid { guest, source }
}

/// Refuses what the tools would refuse or misread.
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
            None if !unused() && !may_be_newer(key, rules) => "there is no such key",
            _ if change.set.contains_key(key) && change.delete.contains(key) => "it is both set and removed",
            _ => continue,
        };
        return Err(InvalidSettings::Key { key: key.clone(), why: why.to_owned() });
    }
    Ok(())
}

/// Whether a key that has no rule may be one of a newer Proxmox: a plain name that is neither an option of the tools themselves
/// nor a known key with a number that is too large. The tool has the last word.
fn may_be_newer(key: &str, rules: &[KeyRule]) -> bool {
    const OPTIONS: [&str; 9] =
        ["delete", "digest", "force", "lock", "revert", "skiplock", "template", "vmgenid", "vmid"];
    let base = key.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_plain = base.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    is_plain && !OPTIONS.contains(&key) && rules.iter().all(|rule| rule.key != base)
}

/// Whole seconds, at least one: 0 would mean no time at all.
fn seconds(timeout: Duration) -> u64 {
    timeout.as_secs().max(1)
}

/// The size of a disk as the configuration notes it.
fn disk_size(value: &str) -> Option<DiskSize> {
    value.parse::<PropertyString>().ok()?.get("size")?.parse().ok()
}
