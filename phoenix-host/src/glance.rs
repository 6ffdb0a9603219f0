//! What is asked of the files of a node, and what is known of them.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

/// What kind of thing a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Anything else: device, socket, pipe.
    Other,
}

/// What is known of a path, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// What it is.
    pub kind: FileKind,
    /// Bytes of a regular file.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Something that [`Host::read_many`](crate::Host::read_many) looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// What a path is.
    Stat(Utf8PathBuf),
    /// What is in a file.
    File(Utf8PathBuf),
    /// The names in a folder, and what is in those files of it whose names end in `suffix`.
    Files {
        /// The folder.
        folder: Utf8PathBuf,
        /// The end of the names, such as `.conf`.
        suffix: &'static str,
    },
}

/// What [`Host::read_many`](crate::Host::read_many) saw. What could not be read is not in it: asking for it alone says why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    /// What paths are; `None` where there is nothing.
    pub stats: BTreeMap<Utf8PathBuf, Option<FileStat>>,
    /// What is in files; `None` where there is none.
    pub files: BTreeMap<Utf8PathBuf, Option<Vec<u8>>>,
    /// The names in folders, sorted; none where there is no folder.
    pub folders: BTreeMap<Utf8PathBuf, Vec<String>>,
}
