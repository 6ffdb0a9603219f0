//! Questions to the node that change nothing.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Command, Effect, FileStat, Host, HostError, Output, ask_whole};

/// How long a question may take. A storage that does not answer keeps `pvesm` waiting.
const DEADLINE: Duration = Duration::from_secs(60);

/// No file that is looked at is as long.
const LIMIT: u64 = 1 << 20;

/// A way to ask the node.
pub(super) struct NodeReader<'a> {
    host: &'a dyn Host,
}

impl<'a> NodeReader<'a> {
    pub(super) fn new(host: &'a dyn Host) -> Self {
        Self { host }
    }

    pub(super) fn host(&self) -> &'a dyn Host {
        self.host
    }

    /// What a program answers; `None` when the node does not have it.
    pub(super) async fn ask(&self, program: &str, args: &[&str]) -> Result<Option<Output>, HostError> {
        let command = Command::new(program, Effect::Read, DEADLINE).args(args.iter().copied());
        match ask_whole(self.host, command).await {
            Ok(output) => Ok(Some(output)),
            Err(HostError::NoSuchProgram { .. } | HostError::Deadline { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file's text; `None` when it is not there.
    pub(super) async fn text(&self, path: &str) -> Result<Option<String>, HostError> {
        match self.host.read(Utf8Path::new(path), LIMIT).await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is at a path.
    pub(super) async fn stat(&self, path: impl Into<Utf8PathBuf>) -> Result<Option<FileStat>, HostError> {
        self.host.stat(&path.into()).await
    }
}
