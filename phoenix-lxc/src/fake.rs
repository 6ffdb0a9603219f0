//! Containers in memory, for unit tests of programs that embed this crate.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::pve::ErrorClass;
use phoenix_host::{Command, Inside, InsideError, Output};
use phoenix_types::{
    Change, DiskSize, FirewallFile, GuestConf, GuestId, GuestKind, Power, PropertyString, SnapshotName, conf_digest,
};

use crate::{CloneContainer, ConfEdit, Containers, CreateContainer, LxcError, ObservedContainer, Purge};

type Answer = dyn Fn(GuestId, &Command) -> Output + Send + Sync;

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
#[derive(Clone, Default)]
pub struct FakeContainers {
    state: Arc<Mutex<State>>,
    answer: Option<Arc<Answer>>,
}

#[derive(Debug, Default)]
struct State {
    guests: BTreeMap<GuestId, Guest>,
    calls: Vec<String>,
    failures: VecDeque<(String, ErrorClass)>,
}

#[derive(Debug, Clone, Default)]
struct Guest {
    conf: GuestConf,
    running: bool,
    firewall: Option<String>,
    files: BTreeMap<Utf8PathBuf, Vec<u8>>,
}

impl fmt::Debug for FakeContainers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.state, f)
    }
}

impl FakeContainers {
    /// The same with commands inside answered by `answer`. Without it every command succeeds and says nothing.
    #[must_use]
    pub fn answering(mut self, answer: impl Fn(GuestId, &Command) -> Output + Send + Sync + 'static) -> Self {
        self.answer = Some(Arc::new(answer));
        self
    }

    /// Puts a container there with this configuration, switched off.
    pub fn put(&self, id: GuestId, conf: GuestConf) {
        self.state().guests.insert(id, Guest { conf, ..Guest::default() });
    }

    /// Lets the next call of a method (by its name, such as `start`) fail with this class.
    pub fn fail_next(&self, method: &str, class: ErrorClass) {
        self.state().failures.push_back((method.to_owned(), class));
    }

    /// The changing calls so far, such as `start 103`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// What was pushed to a path inside.
    #[must_use]
    pub fn file(&self, id: GuestId, path: &Utf8Path) -> Option<Vec<u8>> {
        self.state().guests.get(&id)?.files.get(path).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, method: &str, id: GuestId) -> Result<MutexGuard<'_, State>, LxcError> {
        let mut state = self.state();
        state.calls.push(format!("{method} {id}"));
        if let Some(at) = state.failures.iter().position(|(name, _)| name == method)
            && let Some((_, class)) = state.failures.remove(at)
        {
            return Err(against(id, format!("`{method}` was told to fail"), class));
        }
        Ok(state)
    }

    fn change(
        &self,
        method: &str,
        id: GuestId,
        change: impl FnOnce(&mut Guest) -> Result<(), LxcError>,
    ) -> Result<(), LxcError> {
        change(self.call(method, id)?.guest(id)?)
    }
}

impl State {
    fn guest(&mut self, id: GuestId) -> Result<&mut Guest, LxcError> {
        self.guests
            .get_mut(&id)
            .ok_or_else(|| against(id, "there is no such container".to_owned(), ErrorClass::NotFound))
    }

    fn add(&mut self, id: GuestId, guest: Guest) -> Result<(), LxcError> {
        if self.guests.contains_key(&id) {
            return Err(against(id, "it exists already".to_owned(), ErrorClass::AlreadyExists));
        }
        self.guests.insert(id, guest);
        Ok(())
    }
}

impl Guest {
    fn observed(&self, id: GuestId) -> ObservedContainer {
        ObservedContainer {
            id,
            conf: self.conf.clone(),
            digest: conf_digest(&self.conf.print(GuestKind::Container)),
            power: if self.running { Power::Running } else { Power::Stopped },
            uptime: None,
            firewall: self.firewall.clone(),
        }
    }

    fn section(&self, id: GuestId, name: &SnapshotName) -> Result<phoenix_types::ConfSection, LxcError> {
        let section = self.conf.snapshots.get(name.as_str()).cloned();
        section.ok_or_else(|| against(id, format!("it has no snapshot `{name}`"), ErrorClass::NotFound))
    }
}

fn against(guest: GuestId, reason: String, class: ErrorClass) -> LxcError {
    LxcError::Precondition { guest, reason, class }
}

#[async_trait]
impl Containers for FakeContainers {
    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedContainer>, LxcError> {
        Ok(self.state().guests.iter().map(|(id, guest)| (*id, guest.observed(*id))).collect())
    }

    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedContainer>, LxcError> {
        Ok(self.state().guests.get(&id).map(|guest| guest.observed(id)))
    }

    async fn create(&self, id: GuestId, spec: &CreateContainer) -> Result<(), LxcError> {
        let invalid = |source| LxcError::Invalid { guest: id, source };
        let mut guest = Guest::default();
        guest.conf.live.keys = spec.settings.keys().map_err(invalid)?;
        guest.conf.live.keys.insert("rootfs".to_owned(), spec.rootfs.print("rootfs").map_err(invalid)?);
        guest.conf.live.keys.entry("unprivileged".to_owned()).or_insert_with(|| "1".to_owned());
        guest.conf.live.description.clone_from(&spec.description);
        self.call("create", id)?.add(id, guest)
    }

    async fn clone_from(&self, id: GuestId, spec: &CloneContainer) -> Result<(), LxcError> {
        let mut state = self.call("clone_from", id)?;
        let source = state.guest(spec.source)?;
        let live = match &spec.snapshot {
            Some(name) => source.section(spec.source, name)?,
            None => source.conf.live.clone(),
        };
        let mut guest = Guest { conf: GuestConf { live, ..GuestConf::default() }, ..source.clone() };
        guest.running = false;
        for key in ["template", "parent", "snaptime", "lock"] {
            guest.conf.live.keys.remove(key);
        }
        if let Some(hostname) = &spec.hostname {
            guest.conf.live.keys.insert("hostname".to_owned(), hostname.to_string());
        }
        if let Some(description) = &spec.description {
            guest.conf.live.description = Some(description.clone());
        }
        state.add(id, guest)
    }

    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), LxcError> {
        if change.is_empty() {
            return Ok(());
        }
        self.change("configure", id, |guest| {
            if digest.is_some_and(|digest| digest != guest.observed(id).digest) {
                return Err(against(id, "its configuration changed; look again".to_owned(), ErrorClass::Modified));
            }
            let mut set = change.set.clone();
            if let Some(description) = set.remove("description") {
                guest.conf.live.description = Some(description);
            }
            guest.conf.live.keys.extend(set);
            guest.conf.live.keys.retain(|key, _| !change.delete.contains(key));
            Ok(())
        })
    }

    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), LxcError> {
        self.change("edit", id, |guest| {
            if let Some(description) = &edit.description {
                guest.conf.live.description = Some(description.clone()).filter(|text| !text.is_empty());
            }
            guest.conf.live.raw.retain(|line| !edit.remove_raw.contains(line));
            for line in &edit.add_raw {
                if !guest.conf.live.raw.contains(line) {
                    guest.conf.live.raw.push(line.clone());
                }
            }
            Ok(())
        })
    }

    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), LxcError> {
        self.change("write_firewall", id, |guest| {
            guest.firewall = Some(file.to_string());
            Ok(())
        })
    }

    async fn resize(&self, id: GuestId, disk: &str, size: DiskSize) -> Result<(), LxcError> {
        self.change("resize", id, |guest| {
            let missing = || against(id, format!("it has no disk `{disk}`"), ErrorClass::NotFound);
            let value = guest.conf.live.keys.get_mut(disk).ok_or_else(missing)?;
            let mut text: PropertyString = value.parse().map_err(|_| missing())?;
            text.set("size", size).map_err(|_| missing())?;
            *value = text.to_string();
            Ok(())
        })
    }

    async fn start(&self, id: GuestId) -> Result<(), LxcError> {
        self.change("start", id, |guest| {
            guest.conf.live = guest.conf.after_restart();
            guest.conf.pending = None;
            guest.running = true;
            Ok(())
        })
    }

    async fn shutdown(&self, id: GuestId, _timeout: Duration) -> Result<(), LxcError> {
        self.change("shutdown", id, |guest| {
            guest.running = false;
            Ok(())
        })
    }

    async fn stop(&self, id: GuestId) -> Result<(), LxcError> {
        self.change("stop", id, |guest| {
            guest.running = false;
            Ok(())
        })
    }

    async fn reboot(&self, id: GuestId, _timeout: Duration) -> Result<(), LxcError> {
        self.change("reboot", id, |guest| match guest.running {
            true => Ok(()),
            false => Err(against(id, "it does not run".to_owned(), ErrorClass::NotRunning)),
        })
    }

    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), LxcError> {
        self.change("snapshot", id, |guest| {
            if guest.conf.snapshots.contains_key(name.as_str()) {
                return Err(against(id, format!("it has a snapshot `{name}`"), ErrorClass::AlreadyExists));
            }
            let mut section = guest.conf.live.clone();
            section.description = Some(description.to_owned()).filter(|text| !text.is_empty());
            guest.conf.snapshots.insert(name.to_string(), section);
            guest.conf.live.keys.insert("parent".to_owned(), name.to_string());
            Ok(())
        })
    }

    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError> {
        self.change("delete_snapshot", id, |guest| {
            guest.conf.snapshots.remove(name.as_str());
            Ok(())
        })
    }

    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), LxcError> {
        self.change("rollback", id, |guest| {
            let section = guest.section(id, name)?;
            // Notes stay as they are, as with the real tool.
            let description = guest.conf.live.description.take();
            guest.conf.live = phoenix_types::ConfSection { description, ..section };
            guest.running = false;
            Ok(())
        })
    }

    async fn convert_to_template(&self, id: GuestId) -> Result<(), LxcError> {
        self.change("convert_to_template", id, |guest| {
            guest.conf.live.keys.insert("template".to_owned(), "1".to_owned());
            Ok(())
        })
    }

    async fn unlock(&self, id: GuestId) -> Result<(), LxcError> {
        self.change("unlock", id, |guest| {
            guest.conf.live.keys.remove("lock");
            Ok(())
        })
    }

    async fn destroy(&self, id: GuestId, _purge: Purge) -> Result<(), LxcError> {
        let mut state = self.call("destroy", id)?;
        let guest = state.guest(id)?;
        if guest.running {
            return Err(against(id, "it runs; stop it first".to_owned(), ErrorClass::Refused));
        }
        if guest.conf.live.get("protection") == Some("1") {
            return Err(against(id, "it is protected".to_owned(), ErrorClass::Refused));
        }
        state.guests.remove(&id);
        Ok(())
    }

    fn inside(&self, id: GuestId) -> Arc<dyn Inside> {
        Arc::new(FakeInside { containers: self.clone(), id })
    }

    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], _mode: u32) -> Result<(), LxcError> {
        self.change("push", id, |guest| {
            guest.files.insert(path.to_owned(), contents.to_owned());
            Ok(())
        })
    }
}

#[derive(Debug)]
struct FakeInside {
    containers: FakeContainers,
    id: GuestId,
}

#[async_trait]
impl Inside for FakeInside {
    async fn exec(&self, command: Command) -> Result<Output, InsideError> {
        let running = self.containers.state().guests.get(&self.id).is_some_and(|guest| guest.running);
        if !running {
            return Err(InsideError::NotRunning(self.id));
        }
        Ok(match &self.containers.answer {
            Some(answer) => answer(self.id, &command),
            None => Output { status: Some(0), ..Output::default() },
        })
    }
}
