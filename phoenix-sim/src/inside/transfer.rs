//! Files that the node copies into and out of containers.

use std::sync::Arc;

use crate::files::{FileError, FileTree};
use crate::node::{MountSource, State};

/// The tree that holds a path of a guest, and the path within it.
fn place<'a>(state: &'a mut State, vmid: u32, path: &str) -> Option<(&'a mut FileTree, String)> {
    let path = FileTree::normalise(path);
    let mounts = state.mounts(vmid);
    let covering = mounts
        .into_iter()
        .filter(|mount| {
            path.strip_prefix(mount.at.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|mount| mount.at.len());
    match covering {
        Some(mount) => {
            let rest = path[mount.at.len()..].to_owned();
            match mount.source {
                MountSource::Host(folder) => Some((&mut state.files, format!("{folder}{rest}"))),
                MountSource::Volume(volid) => Some((&mut state.volumes.get_mut(&volid)?.space.files, rest)),
            }
        }
        None => {
            let root = state.root_volume(vmid)?;
            Some((&mut state.volumes.get_mut(&root)?.space.files, path))
        }
    }
}

/// The bytes of a file in a guest.
pub(crate) fn read_file(state: &mut State, vmid: u32, path: &str) -> Result<Arc<[u8]>, FileError> {
    let (tree, path) = place(state, vmid, path).ok_or(FileError::NotFound)?;
    tree.read(&path)
}

/// Writes a file in a guest. What is not given stays as it is.
pub(crate) fn write_file(
    state: &mut State,
    vmid: u32,
    path: &str,
    bytes: &[u8],
    mode: Option<u32>,
    owner: (Option<u32>, Option<u32>),
) -> Result<(), FileError> {
    let now = state.now;
    let (tree, path) = place(state, vmid, path).ok_or(FileError::NotFound)?;
    tree.write(&path, bytes.to_vec(), now)?;
    tree.change(&path, |entry| {
        entry.mode = mode.unwrap_or(entry.mode);
        entry.uid = owner.0.unwrap_or(entry.uid);
        entry.gid = owner.1.unwrap_or(entry.gid);
    })
}
