//! A tree of files in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::{Bytes, Content, Entry, FileError, Follow};

/// A tree of files. Paths are absolute; the root is always there.
///
/// ```
/// use phoenix_sim_shell::files::{Entry, FileTree};
///
/// let mut tree = FileTree::default();
/// tree.make_folders("/etc/step-ca/ssl", 0)?;
/// let before = tree.clone();
/// tree.write("/etc/step-ca/ssl/ca.ready", b"yes".to_vec(), 0)?;
/// assert_eq!(&*tree.read("/etc/step-ca/ssl/ca.ready")?, b"yes");
/// assert!(before.read("/etc/step-ca/ssl/ca.ready").is_err());
/// # Ok::<(), phoenix_sim_shell::files::FileError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileTree {
    pub(super) entries: Arc<BTreeMap<Box<str>, Entry>>,
}

/// How many links one path may lead through.
const LINKS: usize = 40;

impl FileTree {
    /// An absolute path without empty, `.` and `..` components; a relative one is taken from the root.
    #[must_use]
    pub fn normalise(path: &str) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let mut text = String::with_capacity(path.len() + 1);
        for part in &parts {
            text.push('/');
            text.push_str(part);
        }
        if text.is_empty() { "/".to_owned() } else { text }
    }

    /// The folder that holds a normalised path.
    #[must_use]
    pub fn parent(path: &str) -> &str {
        match path.rfind('/') {
            None | Some(0) => "/",
            Some(at) => &path[..at],
        }
    }

    /// The path with every link of it followed, the last component included; what does not exist stays as it is.
    ///
    /// # Errors
    /// When links lead in a circle.
    pub fn resolve(&self, path: &str) -> Result<String, FileError> {
        self.follow(path, Follow::Last)
    }

    /// As [`Self::resolve`], but a link that is the last component is not followed.
    ///
    /// # Errors
    /// When links lead in a circle.
    pub fn resolve_parent(&self, path: &str) -> Result<String, FileError> {
        self.follow(path, Follow::Parents)
    }

    fn follow(&self, path: &str, follow: Follow) -> Result<String, FileError> {
        let mut path = Self::normalise(path);
        for _ in 0..LINKS {
            let Some((at, target)) = self.first_link(&path, follow) else { return Ok(path) };
            let rest = &path[at..];
            path = if target.starts_with('/') {
                Self::normalise(&format!("{target}{rest}"))
            } else {
                Self::normalise(&format!("{}/{target}{rest}", Self::parent(&path[..at])))
            };
        }
        Err(FileError::Loop)
    }

    /// Where the first component that is a link ends, and its target.
    fn first_link(&self, path: &str, follow: Follow) -> Option<(usize, &str)> {
        let ends = path.char_indices().skip(1).filter(|(_, ch)| *ch == '/').map(|(at, _)| at);
        let ends = ends.chain((follow == Follow::Last).then_some(path.len()));
        for end in ends {
            if let Some(Entry { content: Content::Link(target), .. }) = self.entries.get(&path[..end]) {
                return Some((end, target));
            }
        }
        None
    }

    /// The entry of a path, links followed.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Entry> {
        let path = self.resolve(path).ok()?;
        if path == "/" { Some(Entry::folder(0)) } else { self.entries.get(path.as_str()).cloned() }
    }

    /// The entry of a path; a link that is the last component is given as such.
    #[must_use]
    pub fn get_link(&self, path: &str) -> Option<Entry> {
        let path = self.resolve_parent(path).ok()?;
        if path == "/" { Some(Entry::folder(0)) } else { self.entries.get(path.as_str()).cloned() }
    }

    /// Whether there is something at a path.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        path == "/" || self.entries.contains_key(path) || self.get(path).is_some()
    }

    /// Whether a path is a folder.
    #[must_use]
    pub fn is_folder(&self, path: &str) -> bool {
        self.get(path).is_some_and(|entry| entry.is_folder())
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When there is no such file, or it is a folder.
    pub fn read(&self, path: &str) -> Result<Bytes, FileError> {
        match self.entries.get(path) {
            Some(Entry { content: Content::File(bytes), .. }) => return Ok(bytes.clone()),
            Some(Entry { content: Content::Folder, .. }) => return Err(FileError::IsAFolder),
            Some(_) | None => {}
        }
        match self.get(path).ok_or(FileError::NotFound)?.content {
            Content::File(bytes) => Ok(bytes),
            Content::Folder => Err(FileError::IsAFolder),
            Content::Link(_) => Err(FileError::Loop),
        }
    }

    /// The text of a file; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        self.read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes a file. One that exists keeps its owner and mode, a new one belongs to root with mode 0644.
    ///
    /// # Errors
    /// When its folder does not exist, or the path is a folder.
    pub fn write(&mut self, path: &str, bytes: impl Into<Bytes>, mtime: i64) -> Result<(), FileError> {
        let path = self.resolve(path)?;
        match self.get(Self::parent(&path)) {
            None => return Err(FileError::NotFound),
            Some(entry) if !entry.is_folder() => return Err(FileError::NotAFolder),
            Some(_) => {}
        }
        let bytes = bytes.into();
        let entries = Arc::make_mut(&mut self.entries);
        match entries.get_mut(path.as_str()) {
            Some(Entry { content: Content::Folder, .. }) => return Err(FileError::IsAFolder),
            Some(entry) => {
                entry.content = Content::File(bytes);
                entry.mtime = mtime;
            }
            None if path == "/" => return Err(FileError::IsAFolder),
            None => {
                entries.insert(path.into(), Entry::file(bytes, mtime));
            }
        }
        Ok(())
    }

    /// Puts bytes behind those of a file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn append(&mut self, path: &str, bytes: &[u8], mtime: i64) -> Result<(), FileError> {
        let path = self.resolve(path)?;
        match Arc::make_mut(&mut self.entries).get_mut(path.as_str()) {
            Some(entry) => match &mut entry.content {
                Content::File(content) => {
                    content.append(bytes);
                    entry.mtime = mtime;
                    Ok(())
                }
                Content::Folder => Err(FileError::IsAFolder),
                Content::Link(_) => Err(FileError::Loop),
            },
            None => Err(FileError::NotFound),
        }
    }

    /// Puts an entry at a path in place of what was there. Its folder must exist; a folder that is replaced keeps its content.
    ///
    /// # Errors
    /// When its folder does not exist.
    pub fn insert(&mut self, path: &str, entry: Entry) -> Result<(), FileError> {
        let path = self.resolve_parent(path)?;
        if !self.is_folder(Self::parent(&path)) {
            return Err(FileError::NotFound);
        }
        if path != "/" {
            Arc::make_mut(&mut self.entries).insert(path.into(), entry);
        }
        Ok(())
    }

    /// Makes a folder and those above it; one that exists is no error.
    ///
    /// # Errors
    /// When something on the way is no folder.
    pub fn make_folders(&mut self, path: &str, mtime: i64) -> Result<(), FileError> {
        let path = self.resolve(path)?;
        if path == "/" {
            return Ok(());
        }
        match self.entries.get(path.as_str()) {
            Some(entry) if entry.is_folder() => return Ok(()),
            Some(_) => return Err(FileError::NotAFolder),
            None => {}
        }
        self.make_folders(Self::parent(&path), mtime)?;
        Arc::make_mut(&mut self.entries).insert(path.into(), Entry::folder(mtime));
        Ok(())
    }

    /// Changes mode, owner or times of what is at a path.
    ///
    /// # Errors
    /// When there is nothing.
    pub fn change(&mut self, path: &str, change: impl FnOnce(&mut Entry)) -> Result<(), FileError> {
        let path = self.resolve(path)?;
        let entry = Arc::make_mut(&mut self.entries).get_mut(path.as_str()).ok_or(FileError::NotFound)?;
        change(entry);
        Ok(())
    }

    /// Removes a file, a link or an empty folder.
    ///
    /// # Errors
    /// When there is nothing, or a folder is not empty.
    pub fn remove(&mut self, path: &str) -> Result<(), FileError> {
        let path = self.resolve_parent(path)?;
        if !self.entries.contains_key(path.as_str()) {
            return Err(FileError::NotFound);
        }
        if self.below(&path).next().is_some() {
            return Err(FileError::NotEmpty);
        }
        Arc::make_mut(&mut self.entries).remove(path.as_str());
        Ok(())
    }

    /// Removes what is at a path with everything below it; nothing there is no error.
    pub fn remove_all(&mut self, path: &str) {
        let Ok(path) = self.resolve_parent(path) else { return };
        let doomed: Vec<Box<str>> = self.below(&path).map(|(path, _)| path.into()).collect();
        let entries = Arc::make_mut(&mut self.entries);
        for path in doomed {
            entries.remove(&path);
        }
        entries.remove(path.as_str());
    }

    /// Moves a file or folder, in place of a file that was there.
    ///
    /// # Errors
    /// When there is nothing to move, or the new folder does not exist.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), FileError> {
        let (from, to) = (self.resolve_parent(from)?, self.resolve_parent(to)?);
        if !self.is_folder(Self::parent(&to)) || !self.entries.contains_key(from.as_str()) {
            return Err(FileError::NotFound);
        }
        let inner: Vec<Box<str>> = self.below(&from).map(|(path, _)| path.into()).collect();
        let entries = Arc::make_mut(&mut self.entries);
        for path in std::iter::once(Box::from(from.as_str())).chain(inner) {
            if let Some(entry) = entries.remove(&path) {
                entries.insert(format!("{to}{}", &path[from.len()..]).into(), entry);
            }
        }
        Ok(())
    }

    /// The names in a folder, sorted; `None` when there is no such folder.
    #[must_use]
    pub fn list(&self, path: &str) -> Option<Vec<String>> {
        let path = self.resolve(path).ok()?;
        if !self.is_folder(&path) {
            return None;
        }
        let skip = if path == "/" { 1 } else { path.len() + 1 };
        let names = self.below(&path).map(|(path, _)| &path[skip..]).filter(|name| !name.contains('/'));
        Some(names.map(str::to_owned).collect())
    }

    /// Everything below a path, sorted, the path itself left out.
    pub fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> + use<'a> {
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let start: Bound<Box<str>> = Bound::Excluded(prefix.as_str().into());
        self.entries
            .range((start, Bound::Unbounded))
            .take_while(move |(path, _)| path.starts_with(prefix.as_str()))
            .map(|(path, entry)| (&**path, entry))
    }

    /// How many bytes the files hold.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.values().filter_map(Entry::bytes).map(|bytes| bytes.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("/a//b/./c/../d", "/a/b/d")]
    #[test_case("x", "/x")]
    #[test_case("/..", "/")]
    fn paths(path: &str, normal: &str) {
        assert_eq!(FileTree::normalise(path), normal);
    }

    #[test]
    fn links_are_followed_and_circles_found() {
        let mut tree = FileTree::default();
        tree.make_folders("/usr/bin", 0).unwrap();
        let link = |target: &str| Entry { content: Content::Link(target.into()), ..Entry::folder(0) };
        tree.insert("/bin", link("usr/bin")).unwrap();
        tree.insert("/round", link("/round")).unwrap();
        tree.write("/bin/sh", b"x".to_vec(), 0).unwrap();
        assert_eq!(tree.list("/usr/bin").unwrap(), ["sh"]);
        assert_eq!(tree.read("/round"), Err(FileError::NotFound));
        assert_eq!(tree.resolve("/round"), Err(FileError::Loop));
    }

    #[test]
    fn what_is_appended_shows_in_no_copy() {
        let mut tree = FileTree::default();
        tree.write("/log", b"a".to_vec(), 1).unwrap();
        let before = tree.clone();
        tree.append("/log", b"b", 2).unwrap();
        assert_eq!((&*tree.read("/log").unwrap(), &*before.read("/log").unwrap()), (&b"ab"[..], &b"a"[..]));
        assert_eq!(tree.append("/none", b"b", 2), Err(FileError::NotFound));
    }

    #[test]
    fn folders_are_listed_moved_and_removed_with_their_content() {
        let mut tree = FileTree::default();
        tree.make_folders("/a/b", 1).unwrap();
        tree.write("/a/b/c", b"1".to_vec(), 1).unwrap();
        tree.write("/ab", b"2".to_vec(), 1).unwrap();
        assert_eq!(tree.list("/").unwrap(), ["a", "ab"]);
        assert_eq!(tree.remove("/a"), Err(FileError::NotEmpty));
        tree.rename("/a", "/z").unwrap();
        assert_eq!(tree.text("/z/b/c").as_deref(), Some("1"));
        tree.remove_all("/z");
        assert_eq!(tree.list("/").unwrap(), ["ab"]);
    }
}
