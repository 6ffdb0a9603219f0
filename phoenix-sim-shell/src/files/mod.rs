//! Files of simulated machines: what a path is, permission bits, and trees in memory.
//!
//! Copying a tree costs nothing until one of the copies changes, so snapshots and clones of disks are cheap.

mod entry;
mod mode;
mod stored;
mod tree;

pub use self::entry::{Bytes, Content, Entry, FileError, Follow, Offset};
pub use self::mode::symbolic_mode;
pub use self::tree::FileTree;
