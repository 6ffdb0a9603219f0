//! Guests of one kind in memory.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Command, Inside, InsideError, Output};
use phoenix_types::{
    Change, ConfSection, DiskSize, FirewallFile, GuestConf, GuestId, GuestKind, Power, PropertyString, SnapshotName,
    conf_digest,
};

use crate::{CloneGuest, ConfEdit, ErrorClass, GuestError, Guests, ObservedGuest, Purge};

type Answer = dyn Fn(GuestId, &Command) -> Output + Send + Sync;

/// Guests of one kind in memory, for unit tests of programs that embed this crate. Every change takes effect at once, and a
/// function of the test answers commands inside. Cheap to clone; a clone has the same guests.
///
/// ```
/// use phoenix_pve::{ErrorClass, FakeGuests, Guests};
/// use phoenix_types::{GuestConf, GuestId, GuestKind};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let guests = FakeGuests::new(GuestKind::Container);
/// let ca = GuestId::new(103)?;
/// guests.put(ca, GuestConf::default());
/// guests.fail_next("start", ErrorClass::Busy);
/// assert!(guests.start(ca, None).await.is_err());
/// guests.start(ca, None).await?;
/// assert_eq!(guests.calls(), ["start 103", "start 103"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Changes fail with the class of the real tools' errors: `NotFound` for a missing guest, `AlreadyExists`, `Modified` for
/// another digest, `NotRunning`, and what [`fail_next`](Self::fail_next) asked for.
#[derive(Clone)]
pub struct FakeGuests {
    kind: GuestKind,
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
    is_running: bool,
    firewall: Option<String>,
    files: BTreeMap<Utf8PathBuf, Vec<u8>>,
}

impl fmt::Debug for FakeGuests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.state, f)
    }
}

impl FakeGuests {
    /// A node without guests.
    #[must_use]
    pub fn new(kind: GuestKind) -> Self {
        Self { kind, state: Arc::default(), answer: None }
    }

    /// The same with commands inside answered by `answer`. Without it every command succeeds and says nothing.
    #[must_use]
    pub fn answering(mut self, answer: impl Fn(GuestId, &Command) -> Output + Send + Sync + 'static) -> Self {
        self.answer = Some(Arc::new(answer));
        self
    }

    /// Puts a guest there with this configuration, switched off.
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

    /// Makes a guest with these settings and notes.
    ///
    /// # Errors
    /// When the guest exists already.
    pub fn create_with(
        &self,
        id: GuestId,
        keys: BTreeMap<String, String>,
        description: Option<&str>,
    ) -> Result<(), GuestError> {
        let live = ConfSection { keys, description: description.map(str::to_owned), ..ConfSection::default() };
        let conf = GuestConf { live, ..GuestConf::default() };
        self.call("create", id)?.add(id, Guest { conf, ..Guest::default() })
    }

    /// Does nothing to a guest but record the call, and fails unless it runs.
    ///
    /// # Errors
    /// When the guest does not exist or does not run.
    pub fn need_running(&self, method: &str, id: GuestId) -> Result<(), GuestError> {
        self.change(method, id, |guest| match guest.is_running {
            true => Ok(()),
            false => Err(against(id, "it does not run".to_owned(), ErrorClass::NotRunning)),
        })
    }

    /// Does nothing to a guest but record the call.
    ///
    /// # Errors
    /// When the guest does not exist.
    pub fn touch(&self, method: &str, id: GuestId) -> Result<(), GuestError> {
        self.change(method, id, |_| Ok(()))
    }

    fn halt(&self, method: &str, id: GuestId) -> Result<(), GuestError> {
        self.change(method, id, |guest| {
            guest.is_running = false;
            Ok(())
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, method: &str, id: GuestId) -> Result<MutexGuard<'_, State>, GuestError> {
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
        change: impl FnOnce(&mut Guest) -> Result<(), GuestError>,
    ) -> Result<(), GuestError> {
        change(self.call(method, id)?.guest(id, self.kind)?)
    }
}

#[async_trait]
impl Guests for FakeGuests {
    fn kind(&self) -> GuestKind {
        self.kind
    }

    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedGuest>, GuestError> {
        Ok(self.state().guests.iter().map(|(id, guest)| (*id, guest.observed(*id, self.kind))).collect())
    }

    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedGuest>, GuestError> {
        Ok(self.state().guests.get(&id).map(|guest| guest.observed(id, self.kind)))
    }

    async fn clone_from(&self, id: GuestId, spec: &CloneGuest) -> Result<(), GuestError> {
        let mut state = self.call("clone_from", id)?;
        let original = state.guest(spec.source, self.kind)?;
        let mut live = match &spec.snapshot {
            Some(name) => original.section(spec.source, name)?,
            None => original.conf.live.clone(),
        };
        for key in ["template", "parent", "snaptime", "lock"] {
            live.keys.remove(key);
        }
        if let Some(name) = &spec.name {
            let key = match self.kind {
                GuestKind::Container => "hostname",
                GuestKind::Vm => "name",
            };
            live.keys.insert(key.to_owned(), name.to_string());
        }
        if let Some(description) = &spec.description {
            live.description = Some(description.clone());
        }
        let conf = GuestConf { live, ..GuestConf::default() };
        let guest = Guest { conf, is_running: false, ..original.clone() };
        state.add(id, guest)
    }

    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), GuestError> {
        if change.is_empty() {
            return Ok(());
        }
        self.change("configure", id, |guest| {
            if digest.is_some_and(|digest| digest != guest.observed(id, self.kind).digest) {
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

    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), GuestError> {
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

    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), GuestError> {
        self.change("write_firewall", id, |guest| {
            guest.firewall = Some(file.to_string());
            Ok(())
        })
    }

    async fn resize(&self, id: GuestId, disk: &str, size: DiskSize) -> Result<(), GuestError> {
        self.change("resize", id, |guest| {
            let missing = || against(id, format!("it has no disk `{disk}`"), ErrorClass::NotFound);
            let value = guest.conf.live.keys.get_mut(disk).ok_or_else(missing)?;
            let mut text: PropertyString = value.parse().map_err(|_| missing())?;
            text.set("size", size).map_err(|_| missing())?;
            *value = text.to_string();
            Ok(())
        })
    }

    async fn start(&self, id: GuestId, _limit: Option<Duration>) -> Result<(), GuestError> {
        self.change("start", id, |guest| {
            guest.conf.live = guest.conf.after_restart();
            guest.conf.pending = None;
            guest.is_running = true;
            Ok(())
        })
    }

    async fn shutdown(&self, id: GuestId, _timeout: Duration) -> Result<(), GuestError> {
        self.halt("shutdown", id)
    }

    async fn stop(&self, id: GuestId) -> Result<(), GuestError> {
        self.halt("stop", id)
    }

    async fn reboot(&self, id: GuestId, _timeout: Duration) -> Result<(), GuestError> {
        self.need_running("reboot", id)
    }

    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), GuestError> {
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

    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError> {
        self.change("delete_snapshot", id, |guest| {
            guest.conf.snapshots.remove(name.as_str());
            Ok(())
        })
    }

    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError> {
        self.change("rollback", id, |guest| {
            let section = guest.section(id, name)?;
            // Notes stay as they are, as with the real tools.
            let description = guest.conf.live.description.take();
            guest.conf.live = ConfSection { description, ..section };
            guest.is_running = false;
            Ok(())
        })
    }

    async fn convert_to_template(&self, id: GuestId) -> Result<(), GuestError> {
        self.change("convert_to_template", id, |guest| {
            guest.conf.live.keys.insert("template".to_owned(), "1".to_owned());
            Ok(())
        })
    }

    async fn unlock(&self, id: GuestId) -> Result<(), GuestError> {
        self.change("unlock", id, |guest| {
            guest.conf.live.keys.remove("lock");
            Ok(())
        })
    }

    async fn destroy(&self, id: GuestId, _purge: Purge) -> Result<(), GuestError> {
        let mut state = self.call("destroy", id)?;
        let guest = state.guest(id, self.kind)?;
        if guest.is_running {
            return Err(against(id, "it runs; stop it first".to_owned(), ErrorClass::Refused));
        }
        if guest.conf.live.get("protection") == Some("1") {
            return Err(against(id, "it is protected".to_owned(), ErrorClass::Refused));
        }
        state.guests.remove(&id);
        Ok(())
    }

    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], _mode: u32) -> Result<(), GuestError> {
        self.change("push", id, |guest| {
            guest.files.insert(path.to_owned(), contents.to_owned());
            Ok(())
        })
    }

    fn inside(&self, id: GuestId) -> Arc<dyn Inside> {
        Arc::new(FakeInside { guests: self.clone(), id })
    }
}

impl State {
    fn guest(&mut self, id: GuestId, kind: GuestKind) -> Result<&mut Guest, GuestError> {
        let missing = || against(id, format!("there is no such {kind}"), ErrorClass::NotFound);
        self.guests.get_mut(&id).ok_or_else(missing)
    }

    fn add(&mut self, id: GuestId, guest: Guest) -> Result<(), GuestError> {
        if self.guests.contains_key(&id) {
            return Err(against(id, "it exists already".to_owned(), ErrorClass::AlreadyExists));
        }
        self.guests.insert(id, guest);
        Ok(())
    }
}

impl Guest {
    fn observed(&self, id: GuestId, kind: GuestKind) -> ObservedGuest {
        ObservedGuest {
            id,
            conf: self.conf.clone(),
            digest: conf_digest(&self.conf.print(kind)),
            power: if self.is_running { Power::Running } else { Power::Stopped },
            uptime: None,
            firewall: self.firewall.clone(),
        }
    }

    fn section(&self, id: GuestId, name: &SnapshotName) -> Result<ConfSection, GuestError> {
        let section = self.conf.snapshots.get(name.as_str()).cloned();
        section.ok_or_else(|| against(id, format!("it has no snapshot `{name}`"), ErrorClass::NotFound))
    }
}

fn against(guest: GuestId, reason: String, class: ErrorClass) -> GuestError {
    GuestError::Precondition { guest, reason, class }
}

#[derive(Debug)]
struct FakeInside {
    guests: FakeGuests,
    id: GuestId,
}

#[async_trait]
impl Inside for FakeInside {
    async fn exec(&self, command: Command) -> Result<Output, InsideError> {
        let is_running = self.guests.state().guests.get(&self.id).is_some_and(|guest| guest.is_running);
        if !is_running {
            return Err(InsideError::NotRunning(self.id));
        }
        Ok(match &self.guests.answer {
            Some(answer) => answer(self.id, &command),
            None => Output { status: Some(0), ..Output::default() },
        })
    }
}
