//! Files of the node, and of guests as the node writes and reads them.

use std::sync::Arc;

use phoenix_sim_shell::files::{FileError, Offset};

use super::view::View;
use crate::node::State;

/// The files of the node as a person sees them who is logged in there.
pub(crate) fn node_files(state: &mut State) -> View<'_> {
    View::new(state, None)
}

/// The bytes of a file in a guest.
pub(crate) fn read_file(state: &mut State, vmid: u32, path: &str) -> Result<Arc<[u8]>, FileError> {
    View::new(state, Some(vmid)).read(path)
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
    let mut view = View::new(state, Some(vmid));
    view.write(path, bytes, Offset::Replace, 0o644)?;
    view.change(path, |entry| {
        entry.mode = mode.unwrap_or(entry.mode);
        entry.uid = owner.0.unwrap_or(entry.uid);
        entry.gid = owner.1.unwrap_or(entry.gid);
    })
}
