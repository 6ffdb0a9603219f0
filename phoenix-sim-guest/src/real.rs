//! Files of the machine that the simulated node runs on: when its tools are programs, what they are given are real paths.

#![cfg_attr(not(test), expect(clippy::disallowed_methods, reason = "files of the machine that the program runs on"))]

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, symlink};

use phoenix_sim_shell::files::{Bytes, Content, Entry, FileError};

/// How large one file may become, in bytes.
pub(crate) const FILE_LIMIT: usize = 32 << 20;

/// Whether there is something at a path; a link that is the last component is not followed.
pub(super) fn exists(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// What is at a path. A file that is too large to be read has no bytes.
pub(super) fn entry(path: &str) -> Option<Entry> {
    let meta = fs::symlink_metadata(path).ok()?;
    let content = if meta.is_dir() {
        Content::Folder
    } else if meta.is_symlink() {
        Content::Link(fs::read_link(path).ok()?.to_string_lossy().into_owned())
    } else {
        Content::File(read(path).unwrap_or_default())
    };
    let born = meta.created().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let born = born.and_then(|time| i64::try_from(time.as_secs()).ok()).unwrap_or(0);
    Some(Entry { content, mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid(), mtime: meta.mtime(), born })
}

/// The first bytes of a file, and its size.
pub(super) fn head(path: &str, limit: usize) -> Result<(Vec<u8>, u64), FileError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| {
        let size = file.metadata()?.len();
        file.take(limit as u64).read_to_end(&mut bytes).map(|_| size)
    });
    read.map(|size| (bytes, size)).map_err(|error| reason(&error))
}

/// The bytes of a regular file.
pub(super) fn read(path: &str) -> Result<Bytes, FileError> {
    let meta = fs::metadata(path).map_err(|error| reason(&error))?;
    match meta {
        meta if meta.is_dir() => Err(FileError::IsAFolder),
        meta if !meta.is_file() => Err(FileError::Invalid),
        meta if meta.len() > FILE_LIMIT as u64 => Err(FileError::TooLarge),
        _ => fs::read(path).map(Bytes::from).map_err(|error| reason(&error)),
    }
}

/// Puts bytes in the place of those of a file. A new file has the given mode.
pub(super) fn write(path: &str, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(|error| reason(&error))
}

/// The names in a folder, sorted.
pub(super) fn list(path: &str) -> Result<Vec<String>, FileError> {
    let entries = fs::read_dir(path).map_err(|error| reason(&error))?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<String>>>().map_err(|error| reason(&error))?;
    names.sort();
    Ok(names)
}

/// Puts an entry at a path at which nothing is.
pub(super) fn insert(path: &str, entry: &Entry) -> Result<(), FileError> {
    match &entry.content {
        Content::Folder => fs::create_dir(path).map_err(|error| reason(&error))?,
        Content::File(bytes) => write(path, bytes, entry.mode)?,
        Content::Link(target) => return symlink(target, path).map_err(|error| reason(&error)),
    }
    set_mode(path, entry.mode)
}

/// Changes mode and owner from what they were.
pub(super) fn change(path: &str, before: &Entry, after: &Entry) -> Result<(), FileError> {
    if (before.uid, before.gid) != (after.uid, after.gid) {
        chown(path, Some(after.uid), Some(after.gid)).map_err(|error| reason(&error))?;
    }
    if before.mode == after.mode { Ok(()) } else { set_mode(path, after.mode) }
}

fn set_mode(path: &str, mode: u32) -> Result<(), FileError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| reason(&error))
}

/// Removes a file, a link or an empty folder.
pub(super) fn remove(path: &str) -> Result<(), FileError> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    if is_folder { fs::remove_dir(path) } else { fs::remove_file(path) }.map_err(|error| reason(&error))
}

/// Moves a file or folder, in place of a file that was there.
pub(super) fn rename(from: &str, to: &str) -> Result<(), FileError> {
    fs::rename(from, to).map_err(|error| reason(&error))
}

fn reason(error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::NotFound,
        io::ErrorKind::NotADirectory => FileError::NotAFolder,
        io::ErrorKind::IsADirectory => FileError::IsAFolder,
        io::ErrorKind::AlreadyExists => FileError::Exists,
        io::ErrorKind::DirectoryNotEmpty => FileError::NotEmpty,
        io::ErrorKind::ReadOnlyFilesystem => FileError::ReadOnly,
        io::ErrorKind::StorageFull => FileError::NoSpace,
        io::ErrorKind::PermissionDenied => FileError::Denied,
        _ => FileError::Invalid,
    }
}
