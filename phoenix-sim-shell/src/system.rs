//! The machine that a shell runs on.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::files::{Bytes, Entry, FileError, Follow, Offset};
use crate::process::{End, Process, Processes};
use crate::streams::Handle;

/// The status of a program that was not found.
pub const NOT_FOUND: i32 = 127;
/// The status of a file that is no program.
pub const DENIED: i32 = 126;

/// A machine with files, processes and programs. Paths are absolute.
pub trait System: fmt::Debug + Send + Sync {
    /// The machine's name.
    fn name(&self) -> String;

    /// The machine's clock, counted from 1970.
    fn now(&self) -> Duration;

    /// What runs on it.
    fn processes(&self) -> &Arc<Processes>;

    /// Counts work. It is false when too much was done without letting time pass: who did it is ended.
    fn spend(&self, steps: u64, bytes: usize) -> bool;

    /// What is at a path.
    ///
    /// # Errors
    /// When there is nothing, or the path leads through something that is no folder.
    fn entry(&self, path: &str, follow: Follow) -> Result<Entry, FileError>;

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// When there is no such folder.
    fn list(&self, path: &str) -> Result<Vec<String>, FileError>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// When there is no such file.
    fn read(&self, path: &str) -> Result<Bytes, FileError>;

    /// Puts bytes into a file. A new file has the given mode.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn write(&self, path: &str, bytes: &[u8], at: Offset, mode: u32) -> Result<(), FileError>;

    /// A path with all links followed.
    ///
    /// # Errors
    /// When links lead in a circle.
    fn real_path(&self, path: &str) -> Result<String, FileError>;

    /// Where the name of a program leads, seen from a folder.
    fn find(&self, folder: &str, name: &str) -> Found;

    /// Whether a path is that of a program that the machine has without a file.
    fn has_program(&self, path: &str) -> bool;

    /// Runs a program to its end.
    fn run(&self, invocation: Invocation) -> Work;
}

/// Where the name of a program leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// To a program at this path.
    Program(String),
    /// To a file that is no program.
    Denied,
    /// Nowhere.
    Nothing,
}

/// A program at work.
pub type Work = Pin<Box<dyn Future<Output = End> + Send>>;

/// What a program is to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A process of its own.
    Child,
    /// It takes the place of its caller, as `exec` does.
    Replacement,
}

/// A program about to run.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Its name and its arguments.
    pub argv: Vec<String>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// Its open files, by descriptor.
    pub files: BTreeMap<u32, Handle>,
    /// Its current folder.
    pub folder: String,
    /// The permission bits that new files lack.
    pub umask: u32,
    /// How deep programs and shells have called each other.
    pub nesting: u32,
    /// Who runs it; with [`Role::Replacement`] the process that it becomes.
    pub parent: Arc<Process>,
    /// What it is to its caller.
    pub role: Role,
}
