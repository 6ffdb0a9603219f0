//! What a path is, and why it could not be used.

use std::ops::Deref;
use std::sync::Arc;

/// The bytes of a file. Copies share them until one is written to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(Arc<Vec<u8>>);

impl Bytes {
    /// Puts more bytes behind these.
    pub fn append(&mut self, more: &[u8]) {
        Arc::make_mut(&mut self.0).extend_from_slice(more);
    }

    /// Whether two are one in memory, and so equal.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl<const N: usize> From<[u8; N]> for Bytes {
    fn from(bytes: [u8; N]) -> Self {
        bytes.to_vec().into()
    }
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A folder.
    Folder,
    /// A regular file and its bytes.
    File(Bytes),
    /// A symbolic link and where it points.
    Link(String),
}

/// One path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// When it was last written, in seconds since 1970.
    pub mtime: i64,
    /// When it was made, in seconds since 1970.
    pub born: i64,
}

/// Whether the last component of a path is followed when it is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// As `open` does.
    Last,
    /// As `lstat` does.
    Parents,
}

impl Entry {
    /// A folder with mode 0755 that belongs to root.
    #[must_use]
    pub fn folder(mtime: i64) -> Self {
        Self { content: Content::Folder, mode: 0o755, uid: 0, gid: 0, mtime, born: mtime }
    }

    /// A file with mode 0644 that belongs to root.
    #[must_use]
    pub fn file(bytes: impl Into<Bytes>, mtime: i64) -> Self {
        Self { content: Content::File(bytes.into()), mode: 0o644, uid: 0, gid: 0, mtime, born: mtime }
    }

    /// The bytes of a regular file.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.content {
            Content::File(bytes) => Some(bytes),
            Content::Folder | Content::Link(_) => None,
        }
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.content == Content::Folder
    }
}

/// Why a path could not be used. The texts are those of the system's error numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// ENOENT.
    #[error("No such file or directory")]
    NotFound,
    /// ENOTDIR.
    #[error("Not a directory")]
    NotAFolder,
    /// EISDIR.
    #[error("Is a directory")]
    IsAFolder,
    /// EEXIST.
    #[error("File exists")]
    Exists,
    /// ENOTEMPTY.
    #[error("Directory not empty")]
    NotEmpty,
    /// ELOOP.
    #[error("Too many levels of symbolic links")]
    Loop,
    /// EROFS.
    #[error("Read-only file system")]
    ReadOnly,
    /// ENOSPC.
    #[error("No space left on device")]
    NoSpace,
    /// EFBIG: more than the simulated node reads.
    #[error("File too large")]
    TooLarge,
    /// EACCES.
    #[error("Permission denied")]
    Denied,
    /// EINVAL.
    #[error("Invalid argument")]
    Invalid,
}

impl FileError {
    /// The standard library's kind of error.
    #[must_use]
    pub fn kind(self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::NotFound => ErrorKind::NotFound,
            Self::NotAFolder => ErrorKind::NotADirectory,
            Self::IsAFolder => ErrorKind::IsADirectory,
            Self::Exists => ErrorKind::AlreadyExists,
            Self::NotEmpty => ErrorKind::DirectoryNotEmpty,
            Self::ReadOnly => ErrorKind::ReadOnlyFilesystem,
            Self::NoSpace => ErrorKind::StorageFull,
            Self::TooLarge => ErrorKind::FileTooLarge,
            Self::Denied => ErrorKind::PermissionDenied,
            Self::Invalid => ErrorKind::InvalidInput,
            Self::Loop => ErrorKind::Other,
        }
    }
}

/// Where bytes are put in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    /// In place of everything.
    Replace,
    /// After what is there.
    End,
    /// Over what is there.
    At(usize),
}
