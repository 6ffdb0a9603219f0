//! A node that is kept in a folder: `state.json`, and the files below `/etc/pve` as real files that a person can read and edit.
//!
//! Several processes may use one folder. While a process has a command in flight it holds `DIR/.lock`; when it begins one it
//! takes over what others have written meanwhile, and when one ends it writes what has changed.

#![cfg_attr(not(test), expect(clippy::disallowed_methods, reason = "the folder that keeps a node"))]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::DerefMut;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::HostError;
use phoenix_sim_shell::files::{Bytes, FileTree};
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::state::State;

/// The part of the node's tree that is real files.
const VISIBLE: &str = "/etc/pve";

/// What happens to the node's clock between two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Between {
    /// It stands still: the same commands give the same node.
    #[default]
    Stands,
    /// It continues with the real time, so that a guest continues booting.
    RunsOn,
}

/// Why a kept node could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or folder could not be used.
    #[error("cannot {action} `{path}`")]
    File {
        /// The operation: read, write, lock, …
        action: &'static str,
        /// The file or folder.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The state is not one that this version has written.
    #[error("`{path}` is no state of a simulated node that this version can read; remove it to begin anew")]
    State {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Whether a file is one that an editor keeps next to the one that it edits. Of the hidden files that the cluster file system
/// has itself, the list of the cluster's guests is read.
fn is_scratch(name: &str) -> bool {
    name.starts_with('.') && name != ".vmlist"
}

fn file_error<'a>(action: &'static str, path: &'a Utf8Path) -> impl FnOnce(io::Error) -> StoreError + use<'a> {
    move |source| StoreError::File { action, path: path.to_owned(), source }
}

/// `state.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    elapsed_ms: u64,
    state: State,
}

const VERSION: u32 = 1;

/// A file as we last saw it on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    modified: Option<SystemTime>,
    bytes: Bytes,
}

#[derive(Debug, Default)]
struct Inner {
    in_flight: usize,
    lock: Option<File>,
    state_file: Option<(Option<SystemTime>, u64)>,
    seen: BTreeMap<String, Seen>,
}

/// The folder of a kept node.
#[derive(Debug)]
pub(crate) struct Store {
    dir: Utf8PathBuf,
    between: Between,
    inner: Mutex<Inner>,
    /// Why the folder does not have all that happened.
    failure: Mutex<Option<StoreError>>,
}

impl From<StoreError> for HostError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::File { action, path, source } => Self::File { action, path, source },
            StoreError::State { path, source } => Self::File { action: "read", path, source: io::Error::other(source) },
        }
    }
}

/// The node that a folder keeps.
pub(crate) trait KeptNode {
    /// Its clock.
    fn clock(&self) -> &Clock;
    /// Its state, in use.
    fn state(&self) -> impl DerefMut<Target = State>;
}

impl Store {
    /// A store for a folder, which is made when it is not there.
    pub(crate) fn open(dir: &Utf8Path, between: Between) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(file_error("make the folder", dir))?;
        Ok(Self { dir: dir.to_owned(), between, inner: Mutex::default(), failure: Mutex::default() })
    }

    /// A command begins: the folder is locked, and what changed in it is taken over.
    pub(crate) fn enter(&self, node: &impl KeptNode) -> Result<(), StoreError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.in_flight += 1;
        if inner.lock.is_some() {
            return Ok(());
        }
        inner.lock = Some(self.lock_folder()?);
        self.take_over(&mut inner, node)
    }

    /// A command ends: what changed is written. With the last one the folder is free again.
    pub(crate) fn leave(&self, node: &impl KeptNode) -> Result<(), StoreError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.in_flight = inner.in_flight.saturating_sub(1);
        let written = self.write(&mut inner, node);
        if written.is_err() {
            // What is not in the folder has yet to be written.
            node.state().changed = true;
        }
        if inner.in_flight == 0 {
            inner.lock = None;
        }
        written
    }

    /// Notes why the folder does not have all that happened; the first reason counts.
    pub(crate) fn note_failure(&self, error: StoreError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// Takes the reason why the folder does not have all that happened.
    pub(crate) fn take_failure(&self) -> Option<StoreError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    fn state_path(&self) -> Utf8PathBuf {
        self.dir.join("state.json")
    }

    /// The real path of a path of the node.
    fn real(&self, path: &str) -> Utf8PathBuf {
        self.dir.join(path.trim_start_matches('/'))
    }

    fn lock_folder(&self) -> Result<File, StoreError> {
        let path = self.dir.join(".lock");
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(file_error("open", &path))?;
        file.lock().map_err(file_error("lock", &path))?;
        Ok(file)
    }

    /// Reads what other processes and people have changed.
    fn take_over(&self, inner: &mut Inner, node: &impl KeptNode) -> Result<(), StoreError> {
        let path = self.state_path();
        let stamp = fs::metadata(&path).ok().map(|meta| (meta.modified().ok(), meta.len()));
        if stamp.is_some() && stamp != inner.state_file {
            let text = fs::read_to_string(&path).map_err(file_error("read", &path))?;
            let kept: Kept =
                serde_json::from_str(&text).map_err(|source| StoreError::State { path: path.clone(), source })?;
            let mut elapsed = Duration::from_millis(kept.elapsed_ms);
            if let (Between::RunsOn, Some((Some(modified), _))) = (self.between, stamp) {
                elapsed += modified.elapsed().unwrap_or_default();
            }
            node.clock().set(elapsed);
            let mut state = node.state();
            let before = std::mem::replace(&mut *state, kept.state);
            state.sizes = before.sizes;
            state.ground.carry_over(before.ground);
            inner.state_file = stamp;
            inner.seen.clear();
            // Before anything happens inside of guests: without its configuration a guest has no disks.
            self.read_files(inner, &mut state)
        } else if stamp.is_some() {
            self.read_files(inner, &mut node.state())
        } else {
            Ok(())
        }
    }

    /// Reads the files that people can edit.
    fn read_files(&self, inner: &mut Inner, state: &mut State) -> Result<(), StoreError> {
        let mut found = BTreeMap::new();
        self.collect(VISIBLE, inner, &mut found)?;
        let now = state.now;
        for path in inner.seen.keys().filter(|path| !found.contains_key(*path)) {
            state.files.remove_all(path);
        }
        for (path, seen) in &found {
            if inner.seen.get(path) != Some(seen) {
                state.make_folders(FileTree::parent(path));
                // A folder is in the way only when somebody made one there by hand.
                let _ = state.files.write(path, seen.bytes.clone(), now);
            }
        }
        inner.seen = found;
        Ok(())
    }

    fn collect(&self, folder: &str, inner: &Inner, found: &mut BTreeMap<String, Seen>) -> Result<(), StoreError> {
        let real = self.real(folder);
        let entries = match real.read_dir_utf8() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(file_error("list", &real)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(file_error("list", &real))?;
            let path = format!("{folder}/{}", entry.file_name());
            let meta = fs::symlink_metadata(entry.path()).map_err(file_error("look at", entry.path()))?;
            if meta.is_dir() {
                self.collect(&path, inner, found)?;
            } else if meta.is_file() && !is_scratch(entry.file_name()) {
                let modified = meta.modified().ok();
                let known = inner
                    .seen
                    .get(&path)
                    .filter(|seen| seen.modified == modified && seen.bytes.len() as u64 == meta.len());
                let seen = match known {
                    Some(seen) => seen.clone(),
                    None => {
                        let bytes = fs::read(entry.path()).map_err(file_error("read", entry.path()))?;
                        Seen { modified, bytes: bytes.into() }
                    }
                };
                found.insert(path, seen);
            }
        }
        Ok(())
    }

    /// Writes what has changed.
    fn write(&self, inner: &mut Inner, node: &impl KeptNode) -> Result<(), StoreError> {
        let mut kept = {
            let mut state = node.state();
            if !std::mem::take(&mut state.changed) && inner.state_file.is_some() {
                return Ok(());
            }
            let elapsed_ms = u64::try_from(node.clock().now().as_millis()).unwrap_or(u64::MAX);
            Kept { version: VERSION, elapsed_ms, state: state.clone() }
        };
        let visible: BTreeMap<String, Bytes> = kept
            .state
            .files
            .below(VISIBLE)
            .filter_map(|(path, entry)| Some((path.to_owned(), entry.bytes()?.clone())))
            .collect();
        for path in visible.keys() {
            // It exists: it was listed just now.
            let _ = kept.state.files.remove(path);
        }
        let gone: Vec<String> = inner.seen.keys().filter(|path| !visible.contains_key(*path)).cloned().collect();
        for path in gone {
            let real = self.real(&path);
            match fs::remove_file(&real) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(file_error("remove", &real)(error));
                }
                _ => inner.seen.remove(&path),
            };
        }
        for folder in kept.state.files.below(VISIBLE).filter(|(_, entry)| entry.is_folder()).map(|(path, _)| path) {
            let real = self.real(folder);
            fs::create_dir_all(&real).map_err(file_error("make the folder", &real))?;
        }
        for (path, bytes) in visible {
            if inner.seen.get(&path).is_some_and(|seen| seen.bytes == bytes) {
                continue;
            }
            let real = self.real(&path);
            self.replace(&real, &bytes)?;
            let modified = fs::metadata(&real).and_then(|meta| meta.modified()).ok();
            inner.seen.insert(path, Seen { modified, bytes });
        }
        let path = self.state_path();
        let text = serde_json::to_vec(&kept).map_err(|source| StoreError::State { path: path.clone(), source })?;
        self.replace(&path, &text)?;
        let meta = fs::metadata(&path).map_err(file_error("look at", &path))?;
        inner.state_file = Some((meta.modified().ok(), meta.len()));
        Ok(())
    }

    /// Writes a file as a whole. What a process that was killed had started stays outside of what people look at, and the next one
    /// writes over it: only who holds the folder's lock writes.
    fn replace(&self, path: &Utf8Path, bytes: &[u8]) -> Result<(), StoreError> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(file_error("make the folder", parent))?;
        }
        let begun = self.dir.join(".begun");
        let written = File::create(&begun).and_then(|mut file| file.write_all(bytes));
        written.map_err(file_error("write", &begun))?;
        fs::rename(&begun, path).map_err(file_error("write", path))
    }
}
