//! The trait that everything outside the process goes through.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Command, FileStat, Glance, HostError, Output, Wanted};

/// A byte stream to a socket on the node's network.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> ByteStream for T {}

/// Whether [`Host::create_new`] made the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    Made,
    /// It was there already, and is untouched.
    Existed,
}

/// A way to a Proxmox VE node: runs programs, reads and writes files, dials sockets from the node's side.
///
/// Implementations: [`Local`](crate::Local), `phoenix_sim`'s simulated node, and whatever an embedding program brings.
/// All methods take `&self` and may be called at the same time.
#[async_trait]
pub trait Host: fmt::Debug + Send + Sync {
    /// The host's name for messages: `this machine`, `ssh://root@node`, `sim:`.
    fn name(&self) -> String;

    /// Runs a command to its end, or to its deadline, when its whole process group is killed.
    ///
    /// Cancel safety: when the future is dropped the process group is killed; what the command did until then stays done.
    ///
    /// # Errors
    /// When the program does not exist, cannot be started, passes its deadline, or the way to the node breaks. A non-zero
    /// exit status is not an error here.
    async fn run(&self, command: Command) -> Result<Output, HostError>;

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// # Errors
    /// When it does not exist, is larger, or cannot be read.
    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError>;

    /// Writes a file as a whole: readers see the old text or the new one, never a part. `mode` are the permission bits.
    ///
    /// Cancel safety: a dropped future leaves the old or the new file, and at worst a temporary file next to it.
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written.
    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError>;

    /// Makes a file that must not exist yet, in one step that no other process can slip into.
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written.
    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError>;

    /// Removes a file; one that is gone already is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError>;

    /// What a path is; `None` when there is nothing.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError>;

    /// The names in a folder, sorted; none when the folder does not exist.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError>;

    /// Looks at many files, in one question where the way to the node is long. What cannot be read is left out.
    ///
    /// # Errors
    /// When the node cannot be reached.
    async fn read_many(&self, wanted: &[Wanted]) -> Result<Glance, HostError> {
        Ok(one_by_one(self, wanted).await)
    }

    /// Connects to a TCP port, from the node's side. `address` is a name or an IP address.
    ///
    /// # Errors
    /// When nothing answers within `deadline`, or the connection is refused.
    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError>;
}

/// The largest file that is read along with others.
const LARGEST: u64 = 16 << 20;

/// Looks at one thing after the other.
async fn one_by_one<H: Host + ?Sized>(host: &H, wanted: &[Wanted]) -> Glance {
    let mut glance = Glance::default();
    for wanted in wanted {
        match wanted {
            Wanted::Stat(path) => {
                if let Ok(stat) = host.stat(path).await {
                    glance.stats.insert(path.clone(), stat);
                }
            }
            Wanted::File(path) => read_along(host, path.clone(), &mut glance).await,
            Wanted::Files { folder, suffix } => {
                let Ok(names) = host.list(folder).await else { continue };
                for name in names.iter().filter(|name| name.ends_with(suffix)) {
                    read_along(host, folder.join(name), &mut glance).await;
                }
                glance.folders.insert(folder.clone(), names);
            }
        }
    }
    glance
}

/// Reads a file, unless that fails.
async fn read_along<H: Host + ?Sized>(host: &H, path: Utf8PathBuf, glance: &mut Glance) {
    match host.read(&path, LARGEST).await {
        Ok(bytes) => _ = glance.files.insert(path, Some(bytes)),
        Err(error) if error.is_not_found() => _ = glance.files.insert(path, None),
        Err(_) => {}
    }
}

/// How much of an answer is read that must be read whole: 64 MiB.
const WHOLE: usize = 64 << 20;

/// Asks a question whose answer is needed to the last byte: more is kept of it than of other output, and an answer that was cut all the
/// same is an error. Whatever decides by what a command printed asks this way.
///
/// # Errors
/// When the command cannot be run, or printed too much.
pub async fn ask_whole(host: &dyn Host, mut command: Command) -> Result<Output, HostError> {
    command.output_limit = command.output_limit.max(WHOLE);
    let shown = command.display();
    let output = host.run(command).await?;
    match output.dropped {
        0 => Ok(output),
        dropped => Err(HostError::Cut { command: shown, dropped }),
    }
}

#[async_trait]
impl<T: Host + ?Sized> Host for Arc<T> {
    fn name(&self) -> String {
        (**self).name()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        (**self).run(command).await
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        (**self).read(path, limit).await
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        (**self).write(path, contents, mode).await
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        (**self).create_new(path, contents).await
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        (**self).remove(path).await
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        (**self).stat(path).await
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        (**self).list(path).await
    }

    async fn read_many(&self, wanted: &[Wanted]) -> Result<Glance, HostError> {
        (**self).read_many(wanted).await
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        (**self).dial(address, port, deadline).await
    }
}
