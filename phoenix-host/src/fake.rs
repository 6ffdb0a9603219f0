//! A host in memory, for unit tests of what runs over a [`Host`].

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};

use crate::{ByteStream, Command, Created, FileKind, FileStat, Host, HostError, Output};

/// The files of a [`FakeHost`] by path.
pub type Files = BTreeMap<Utf8PathBuf, Vec<u8>>;

type Answer = dyn Fn(&Command, &mut Files) -> Result<Output, HostError> + Send + Sync;

/// A host whose files are in memory and whose commands are answered by a function, which may change the files. It keeps every
/// command that it was sent.
///
/// ```
/// use std::time::Duration;
/// use phoenix_host::fake::FakeHost;
/// use phoenix_host::{Command, Effect, Host as _, Output};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let host = FakeHost::answering(|command, files| {
///     files.insert("/tmp/last".into(), command.display().into_bytes());
///     Ok(Output { status: Some(0), ..Output::default() })
/// });
/// host.run(Command::new("pct", Effect::Change, Duration::from_secs(5)).args(["start", "103"])).await?;
/// assert_eq!(host.read("/tmp/last".into(), 99).await?, b"pct start 103");
/// assert_eq!(host.argvs(), [["pct", "start", "103"]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FakeHost {
    state: Mutex<State>,
    answer: Box<Answer>,
}

#[derive(Debug, Default)]
struct State {
    files: Files,
    commands: Vec<Command>,
}

impl fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.state, f)
    }
}

impl FakeHost {
    /// A host without files whose commands are answered by `answer`.
    #[must_use]
    pub fn answering(
        answer: impl Fn(&Command, &mut Files) -> Result<Output, HostError> + Send + Sync + 'static,
    ) -> Self {
        Self { state: Mutex::default(), answer: Box::new(answer) }
    }

    /// The same with a file.
    #[must_use]
    pub fn file(self, path: impl Into<Utf8PathBuf>, contents: impl Into<Vec<u8>>) -> Self {
        self.state().files.insert(path.into(), contents.into());
        self
    }

    /// The text of a file; empty when there is none.
    #[must_use]
    pub fn text(&self, path: &str) -> String {
        let files = &self.state().files;
        files.get(Utf8Path::new(path)).map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The commands so far.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        self.state().commands.clone()
    }

    /// The commands so far, program and arguments.
    #[must_use]
    pub fn argvs(&self) -> Vec<Vec<String>> {
        self.state().commands.iter().map(Command::argv).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Host for FakeHost {
    fn name(&self) -> String {
        "fake:".to_owned()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let mut state = self.state();
        state.commands.push(command.clone());
        (self.answer)(&command, &mut state.files)
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let failed =
            |kind: io::ErrorKind| HostError::File { action: "read", path: path.to_owned(), source: kind.into() };
        let bytes = self.state().files.get(path).cloned().ok_or_else(|| failed(io::ErrorKind::NotFound))?;
        if bytes.len() as u64 > limit { Err(failed(io::ErrorKind::FileTooLarge)) } else { Ok(bytes) }
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], _mode: u32) -> Result<(), HostError> {
        self.state().files.insert(path.to_owned(), contents.to_owned());
        Ok(())
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        let mut state = self.state();
        if state.files.contains_key(path) {
            return Ok(Created::Existed);
        }
        state.files.insert(path.to_owned(), contents.to_owned());
        Ok(Created::Made)
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.state().files.remove(path);
        Ok(())
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        let state = self.state();
        let stat = |kind, size| Some(FileStat { kind, size, mode: 0o644, uid: 0, gid: 0 });
        if let Some(bytes) = state.files.get(path) {
            return Ok(stat(FileKind::File, bytes.len() as u64));
        }
        let folder = state.files.keys().any(|file| file.starts_with(path));
        Ok(if folder { stat(FileKind::Folder, 0) } else { None })
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        let state = self.state();
        let names = state.files.keys().filter_map(|file| file.strip_prefix(path).ok()?.iter().next());
        let names: std::collections::BTreeSet<&str> = names.collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    async fn dial(&self, address: &str, port: u16, _deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        Err(HostError::Dial {
            address: format!("{address}:{port}"),
            reason: "there is no network in memory".to_owned(),
        })
    }
}
