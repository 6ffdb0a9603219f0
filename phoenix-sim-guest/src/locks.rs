//! Locks on files.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Held {
    _guard: OwnedMutexGuard<()>,
}

impl From<OwnedMutexGuard<()>> for Held {
    fn from(guard: OwnedMutexGuard<()>) -> Self {
        Self { _guard: guard }
    }
}

/// All locked files by path.
#[derive(Debug, Default)]
pub struct Locks(Mutex<HashMap<String, LockFile>>);

/// The lock of one file.
pub type LockFile = Arc<tokio::sync::Mutex<()>>;

impl Locks {
    /// The lock of a file, which need not exist.
    #[must_use]
    pub fn file(&self, path: &str) -> LockFile {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(files.entry(path.to_owned()).or_default())
    }

    /// Takes a lock; waits as long as it takes.
    pub async fn hold(&self, path: &str) -> Held {
        self.file(path).lock_owned().await.into()
    }
}
