//! The files that a guest sees: its root disk, and over it the disks, host folders and network shares that are mounted.

use std::collections::BTreeSet;

use phoenix_sim_shell::files::{Bytes, Content, Entry, FileError, FileTree, Follow, Offset};

use crate::ground::HeldNode;
use crate::running::MountSource;

use crate::disks::root_volume;
use crate::facts;
use crate::real::{self, FILE_LIMIT};

/// How much of a file is enough to know what it is, in bytes.
const HEAD: usize = 64;

/// Where a path really is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    store: Store,
    /// The path within the store.
    path: String,
    /// The path as the guest sees it, links followed.
    seen: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Store {
    /// The node's own files.
    Host { read_only: bool },
    /// The root disk of a guest without one that the node knows.
    Scratch,
    /// A disk.
    Volume(String),
    /// A file that the kernel makes up: everything below `/proc`.
    Kernel,
    /// The files of the machine that the simulated node runs on; see [`State::real_files`].
    Machine { read_only: bool },
}

impl Store {
    /// Whether a change goes to the machine's files.
    fn is_machines(&self) -> Result<bool, FileError> {
        match self {
            Self::Machine { read_only: true } => Err(FileError::ReadOnly),
            other => Ok(*other == Self::Machine { read_only: false }),
        }
    }
}

/// What is mounted somewhere.
enum Source<'a> {
    Host { folder: &'a str, read_only: bool },
    Volume(&'a str),
}

/// The files as one machine sees them, while the node's state is held.
#[derive(Debug)]
pub struct View<'a> {
    state: &'a mut (dyn HeldNode + 'a),
    guest: Option<u32>,
}

impl<'a> View<'a> {
    pub(crate) fn new(state: &'a mut (dyn HeldNode + 'a), guest: Option<u32>) -> Self {
        if let Some(vmid) = guest {
            facts::refresh(state, vmid);
        }
        Self { state, guest }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.state.time_of(self.guest)
    }

    fn locate(&self, seen: &str) -> (Store, String) {
        let Some(vmid) = self.guest else { return (self.host_store(seen, false), seen.to_owned()) };
        if seen == "/proc" || seen.starts_with("/proc/") {
            return (Store::Kernel, seen.to_owned());
        }
        let Some(running) = self.state.inside.get(&vmid) else {
            let root = root_volume(self.state, vmid);
            return (root.map_or(Store::Scratch, Store::Volume), seen.to_owned());
        };
        let covers =
            |at: &str| seen.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || at == "/");
        let configured = running.facts.mounts.iter().map(|mount| {
            let source = match &mount.source {
                MountSource::Host(folder) => Source::Host { folder, read_only: mount.read_only },
                MountSource::Volume(volume) => Source::Volume(volume),
            };
            (mount.at.as_str(), source)
        });
        let made = running
            .shares
            .iter()
            .map(|share| (share.at.as_str(), Source::Host { folder: &share.folder, read_only: share.read_only }));
        let mount = configured.chain(made).filter(|(at, _)| covers(at)).max_by_key(|(at, _)| at.len());
        let Some((at, source)) = mount else {
            return (running.facts.root.clone().map_or(Store::Scratch, Store::Volume), seen.to_owned());
        };
        let rest = &seen[at.len()..];
        match source {
            Source::Host { folder, read_only } => {
                let path = FileTree::normalise(&format!("{folder}{rest}"));
                (self.host_store(&path, read_only), path)
            }
            Source::Volume(volume) if rest.is_empty() => (Store::Volume(volume.to_owned()), "/".to_owned()),
            Source::Volume(volume) => (Store::Volume(volume.to_owned()), rest.to_owned()),
        }
    }

    /// Who holds a path of the node. What the simulated node was born with is its own; everything else is the machine's, where
    /// the node has one.
    fn host_store(&self, path: &str, read_only: bool) -> Store {
        let is_machines = self.state.real_files
            && !(path == "/etc/pve" || path.starts_with("/etc/pve/"))
            && !self.state.files.exists(path)
            && (real::exists(path) || real::exists(FileTree::parent(path)));
        if is_machines { Store::Machine { read_only } } else { Store::Host { read_only } }
    }

    fn tree(&self, store: &Store) -> Option<&FileTree> {
        match store {
            Store::Host { .. } => Some(&self.state.files),
            Store::Scratch => Some(&self.state.inside.get(&self.guest?)?.scratch),
            Store::Volume(volume) => Some(self.state.disk(volume)?),
            Store::Kernel | Store::Machine { .. } => None,
        }
    }

    fn tree_mut(&mut self, store: &Store) -> Result<&mut FileTree, FileError> {
        self.state.changed = true;
        match store {
            Store::Host { read_only: true } | Store::Machine { read_only: true } => Err(FileError::ReadOnly),
            Store::Host { read_only: false } => Ok(&mut self.state.files),
            Store::Scratch => {
                let guest = self.guest.and_then(|vmid| self.state.inside.get_mut(&vmid));
                guest.map(|running| &mut running.scratch).ok_or(FileError::NotFound)
            }
            Store::Volume(volume) => self.state.disk_mut(volume).ok_or(FileError::NotFound),
            Store::Kernel | Store::Machine { read_only: false } => Err(FileError::Denied),
        }
    }

    fn entry_of(&self, store: &Store, path: &str) -> Option<Entry> {
        match store {
            Store::Kernel => crate::kernel::entry(self.state, self.guest?, path),
            Store::Machine { .. } => real::entry(path),
            store => self.tree(store)?.get_link(path),
        }
    }

    /// A relative path of the node is taken from where the program that is the tool was started.
    fn absolute(&self, path: &str) -> String {
        match std::env::current_dir() {
            Ok(folder) if self.guest.is_none() && self.state.real_files && !path.starts_with('/') => {
                FileTree::normalise(&format!("{}/{path}", folder.display()))
            }
            _ => FileTree::normalise(path),
        }
    }

    /// Follows the links of a path. What does not exist stays as it is.
    fn place(&self, path: &str, follow: Follow) -> Result<Place, FileError> {
        let mut seen = self.absolute(path);
        'again: for _ in 0..40 {
            let ends: Vec<usize> = seen.char_indices().skip(1).filter(|(_, ch)| *ch == '/').map(|(at, _)| at).collect();
            let last = (follow == Follow::Last).then_some(seen.len());
            for end in ends.into_iter().chain(last) {
                let (store, inner) = self.locate(&seen[..end]);
                match self.entry_of(&store, &inner).map(|entry| entry.content) {
                    Some(Content::Link(target)) => {
                        let rest = &seen[end..];
                        let parent = FileTree::parent(&seen[..end]);
                        seen = FileTree::normalise(&if target.starts_with('/') {
                            format!("{target}{rest}")
                        } else {
                            format!("{parent}/{target}{rest}")
                        });
                        continue 'again;
                    }
                    Some(Content::File(_)) if end < seen.len() => return Err(FileError::NotAFolder),
                    Some(_) => {}
                    // Nothing below what is not there.
                    None => break,
                }
            }
            let (store, path) = self.locate(&seen);
            return Ok(Place { store, path, seen });
        }
        Err(FileError::Loop)
    }

    /// The path with all links followed.
    pub(crate) fn real_path(&self, path: &str) -> Result<String, FileError> {
        Ok(self.place(path, Follow::Last)?.seen)
    }

    /// What is at a path.
    ///
    /// # Errors
    /// When there is nothing.
    pub fn entry(&self, path: &str, follow: Follow) -> Result<Entry, FileError> {
        let place = self.place(path, follow)?;
        let entry = self.entry_of(&place.store, &place.path).ok_or(FileError::NotFound)?;
        if path.len() > 1 && path.ends_with('/') && !entry.is_folder() {
            return Err(FileError::NotAFolder);
        }
        Ok(entry)
    }

    /// Whether there is something at a path, links followed.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        self.entry(path, Follow::Last).is_ok()
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn read(&self, path: &str) -> Result<Bytes, FileError> {
        let place = self.place(path, Follow::Last)?;
        if let Store::Machine { .. } = place.store {
            return real::read(&place.path);
        }
        match self.entry(path, Follow::Last)?.content {
            Content::File(bytes) => Ok(bytes),
            Content::Folder => Err(FileError::IsAFolder),
            Content::Link(_) => Err(FileError::Loop),
        }
    }

    /// How a file begins, and its size in bytes: for those that are too large to be read.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn head(&self, path: &str) -> Result<(Vec<u8>, u64), FileError> {
        let place = self.place(path, Follow::Last)?;
        if let Store::Machine { .. } = place.store {
            return real::head(&place.path, HEAD);
        }
        let bytes = self.read(path)?;
        Ok((bytes[..bytes.len().min(HEAD)].to_vec(), bytes.len() as u64))
    }

    /// Puts bytes into a file, after those that are there or in their place. A new file has the given mode.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, path: &str, bytes: &[u8], at: Offset, mode: u32) -> Result<(), FileError> {
        let place = self.place(path, Follow::Last)?;
        if place.store == Store::Kernel {
            return crate::kernel::write(&place.path);
        }
        let now = self.now();
        let old = self.entry_of(&place.store, &place.path);
        if old.as_ref().is_some_and(Entry::is_folder) {
            return Err(FileError::IsAFolder);
        }
        let known = old.as_ref().and_then(Entry::bytes);
        let length = known.map_or(0, |bytes| bytes.len());
        let start = match at {
            Offset::Replace => 0,
            Offset::End => length,
            Offset::At(offset) => offset,
        };
        let end = start.saturating_add(bytes.len());
        if end > FILE_LIMIT {
            return Err(FileError::NoSpace);
        }
        let is_machines = place.store.is_machines()?;
        if known.is_some() && at != Offset::Replace && start == length && !is_machines {
            // The entry shares its bytes with the tree's, which would have to be copied to be written to.
            drop(old);
            return self.tree_mut(&place.store)?.append(&place.path, bytes, now);
        }
        let content: Bytes = match (known, at) {
            (Some(known), Offset::End | Offset::At(_)) => {
                let mut content = known.to_vec();
                content.resize(length.max(end), 0);
                content[start..end].copy_from_slice(bytes);
                content.into()
            }
            _ => bytes.into(),
        };
        let is_new = old.is_none();
        if is_machines {
            return real::write(&place.path, &content, mode);
        }
        let tree = self.tree_mut(&place.store)?;
        tree.write(&place.path, content, now)?;
        if is_new {
            tree.change(&place.path, |entry| entry.mode = mode)?;
        }
        Ok(())
    }

    /// The names in a folder, sorted.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        if !self.entry(path, Follow::Last)?.is_folder() {
            return Err(FileError::NotAFolder);
        }
        let place = self.place(path, Follow::Last)?;
        match &place.store {
            Store::Kernel => Ok(crate::kernel::list(self.state, self.guest, &place.path)),
            Store::Machine { .. } => real::list(&place.path),
            Store::Host { .. } if self.state.real_files => {
                let own = self.state.files.list(&place.path).unwrap_or_default();
                let names: BTreeSet<String> =
                    own.into_iter().chain(real::list(&place.path).unwrap_or_default()).collect();
                Ok(names.into_iter().collect())
            }
            store => self.tree(store).and_then(|tree| tree.list(&place.path)).ok_or(FileError::NotFound),
        }
    }

    /// Puts an entry where nothing is; its folder must exist.
    pub(crate) fn insert(&mut self, path: &str, entry: Entry) -> Result<(), FileError> {
        let place = self.place(path, Follow::Parents)?;
        if self.entry_of(&place.store, &place.path).is_some() {
            return Err(FileError::Exists);
        }
        let parent = self.entry(FileTree::parent(&self.absolute(path)), Follow::Last)?;
        if !parent.is_folder() {
            return Err(FileError::NotAFolder);
        }
        self.put(&place, entry)
    }

    /// Puts an entry at a place, in place of a file that was there.
    fn put(&mut self, place: &Place, entry: Entry) -> Result<(), FileError> {
        if place.store.is_machines()? {
            if real::exists(&place.path) {
                real::remove(&place.path)?;
            }
            return real::insert(&place.path, &entry);
        }
        self.tree_mut(&place.store)?.insert(&place.path, entry)
    }

    /// Makes a folder and those above it; one that exists is no error.
    pub(crate) fn make_folders(&mut self, path: &str, mode: u32) -> Result<(), FileError> {
        match self.entry(path, Follow::Last) {
            Ok(entry) if entry.is_folder() => return Ok(()),
            Ok(_) => return Err(FileError::Exists),
            Err(FileError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let path = self.absolute(path);
        self.make_folders(FileTree::parent(&path), 0o755)?;
        let entry = Entry { mode, ..Entry::folder(self.now()) };
        self.insert(&path, entry)
    }

    /// Changes mode, owner or times.
    ///
    /// # Errors
    /// When there is nothing at the path, or it cannot be changed.
    pub fn change(&mut self, path: &str, change: impl FnOnce(&mut Entry)) -> Result<(), FileError> {
        let place = self.place(path, Follow::Last)?;
        let before = self.entry_of(&place.store, &place.path).ok_or(FileError::NotFound)?;
        if place.path == "/" {
            return Ok(());
        }
        if place.store.is_machines()? {
            let mut after = before.clone();
            change(&mut after);
            return real::change(&place.path, &before, &after);
        }
        self.tree_mut(&place.store)?.change(&place.path, change)
    }

    /// Removes a file, a link, or an empty folder.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), FileError> {
        let place = self.place(path, Follow::Parents)?;
        if place.store.is_machines()? {
            return real::remove(&place.path);
        }
        self.tree_mut(&place.store)?.remove(&place.path)
    }

    /// Removes what is at a path with everything below it.
    pub(crate) fn remove_all(&mut self, path: &str) -> Result<(), FileError> {
        let place = self.place(path, Follow::Parents)?;
        if place.store.is_machines()? {
            if self.entry(path, Follow::Parents)?.is_folder() {
                for name in self.list(path)? {
                    self.remove_all(&format!("{path}/{name}"))?;
                }
            }
            return real::remove(&place.path);
        }
        let tree = self.tree_mut(&place.store)?;
        if tree.get_link(&place.path).is_none() {
            return Err(FileError::NotFound);
        }
        tree.remove_all(&place.path);
        Ok(())
    }

    /// Moves a file or folder to a path that is no folder.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), FileError> {
        let (source, target) = (self.place(from, Follow::Parents)?, self.place(to, Follow::Parents)?);
        if self.entry_of(&source.store, &source.path).is_none() {
            return Err(FileError::NotFound);
        }
        if source.store == target.store {
            if source.store.is_machines()? {
                return real::rename(&source.path, &target.path);
            }
            return self.tree_mut(&source.store)?.rename(&source.path, &target.path);
        }
        self.copy(from, to)?;
        self.remove_all(from)
    }

    /// Copies what is at a path, with everything below it, to a path that is no folder.
    pub(crate) fn copy(&mut self, from: &str, to: &str) -> Result<(), FileError> {
        let source = self.place(from, Follow::Parents)?;
        let entry = self.entry_of(&source.store, &source.path).ok_or(FileError::NotFound)?;
        let is_folder = entry.is_folder();
        let target = self.place(to, Follow::Parents)?;
        if self.entry_of(&target.store, &target.path).is_none_or(|old| !old.is_folder()) {
            let parent = self.entry(FileTree::parent(&self.absolute(to)), Follow::Last)?;
            if !parent.is_folder() {
                return Err(FileError::NotAFolder);
            }
            self.put(&target, entry)?;
        }
        if is_folder {
            if target.seen.starts_with(&format!("{}/", source.seen)) {
                return Err(FileError::Invalid);
            }
            for name in self.list(from)? {
                self.copy(&format!("{from}/{name}"), &format!("{to}/{name}"))?;
            }
        }
        Ok(())
    }

    /// Where a path is mounted from: the mount point, as `findmnt -T` tells it.
    pub(crate) fn mount_point(&self, path: &str) -> String {
        let seen = FileTree::normalise(path);
        let Some(running) = self.guest.and_then(|vmid| self.state.inside.get(&vmid)) else { return "/".to_owned() };
        let points =
            running.facts.mounts.iter().map(|mount| &mount.at).chain(running.shares.iter().map(|share| &share.at));
        let covering = points
            .filter(|at| seen.strip_prefix(at.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        covering.max_by_key(|at| at.len()).cloned().unwrap_or_else(|| "/".to_owned())
    }
}

/// The files of the node as a person sees them who is logged in there.
pub fn node_files(state: &mut dyn HeldNode) -> View<'_> {
    View::new(state, None)
}
