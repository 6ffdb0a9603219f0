//! What programs read and write: files, pipes, the output of the whole command.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::files::FileError;
use crate::files::Offset;
use crate::system::System;

/// How many bytes wait in a pipe before the writer waits.
const PIPE: usize = 64 << 10;

/// Why a program could not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// No one reads any more: a real program is ended by SIGPIPE.
    #[error("Broken pipe")]
    Broken,
    /// The descriptor is not for writing.
    #[error("Bad file descriptor")]
    NotOpen,
    /// The file refuses.
    #[error(transparent)]
    File(#[from] FileError),
}

/// One open thing; a descriptor is a shared handle of it.
#[derive(Debug)]
pub enum Stream {
    /// `/dev/null`
    Null,
    /// Text that is there from the start: standard input, a here-document.
    Text(Mutex<VecDeque<u8>>),
    /// Where the output of the whole command goes.
    Console(mpsc::UnboundedSender<Vec<u8>>),
    /// The reading end of a pipe.
    Reader(Reader),
    /// The writing end of a pipe.
    Writer(Writer),
    /// A file.
    File(OpenFile),
}

/// A shared handle of an open thing.
pub type Handle = Arc<Stream>;

/// A file that was opened.
#[derive(Debug)]
pub struct OpenFile {
    /// Where the file is.
    pub system: Arc<dyn System>,
    /// Its path, with all links followed.
    pub path: String,
    /// What it was opened for.
    pub access: Access,
    /// How far it was read or written.
    pub offset: Mutex<usize>,
}

/// What a file was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Writing, from its beginning.
    Write,
    /// Writing, after what is there.
    Append,
    /// Reading and writing.
    Both,
}

#[derive(Debug, Default)]
struct Pipe {
    state: Mutex<PipeState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct PipeState {
    bytes: VecDeque<u8>,
    no_writer: bool,
    no_reader: bool,
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, PipeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reading end of a pipe.
#[derive(Debug)]
pub struct Reader(Arc<Pipe>);

/// The writing end of a pipe.
#[derive(Debug)]
pub struct Writer(Arc<Pipe>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.state().no_reader = true;
        self.0.changed.notify_waiters();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.state().no_writer = true;
        self.0.changed.notify_waiters();
    }
}

/// A new pipe: where to read, where to write.
pub fn pipe() -> (Handle, Handle) {
    let pipe = Arc::new(Pipe::default());
    (Arc::new(Stream::Reader(Reader(Arc::clone(&pipe)))), Arc::new(Stream::Writer(Writer(pipe))))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    /// A stream that gives these bytes.
    pub fn text(bytes: impl Into<Vec<u8>>) -> Handle {
        Arc::new(Self::Text(Mutex::new(VecDeque::from(bytes.into()))))
    }

    /// Reads up to and with the next `end` byte, or to the end; `None` reads what is there, at least one byte unless it is the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn read_to(&self, end: Option<u8>) -> Result<Vec<u8>, FileError> {
        fn take(bytes: &mut VecDeque<u8>, end: Option<u8>) -> (Vec<u8>, bool) {
            let place = end.and_then(|end| bytes.iter().position(|byte| *byte == end));
            let count = place.map_or(bytes.len(), |place| place + 1);
            (bytes.drain(..count).collect(), place.is_some() || end.is_none())
        }
        match self {
            Self::Null | Self::Console(_) | Self::Writer(_) => Ok(Vec::new()),
            Self::Text(bytes) => Ok(take(&mut lock(bytes), end).0),
            Self::Reader(reader) => {
                let pipe = &reader.0;
                let mut line = Vec::new();
                loop {
                    let changed = pipe.changed.notified();
                    tokio::pin!(changed);
                    changed.as_mut().enable();
                    {
                        let mut state = pipe.state();
                        let (bytes, complete) = take(&mut state.bytes, end);
                        let moved = !bytes.is_empty();
                        line.extend(bytes);
                        if (complete && !line.is_empty()) || (state.no_writer && state.bytes.is_empty()) {
                            drop(state);
                            pipe.changed.notify_waiters();
                            return Ok(line);
                        }
                        if moved {
                            drop(state);
                            pipe.changed.notify_waiters();
                        }
                    }
                    changed.await;
                }
            }
            Self::File(file) => {
                if matches!(file.access, Access::Write | Access::Append) {
                    return Ok(Vec::new());
                }
                let bytes = file.system.read(&file.path)?;
                let mut offset = lock(&file.offset);
                let rest = bytes.get(*offset..).unwrap_or_default();
                let count =
                    end.and_then(|end| rest.iter().position(|byte| *byte == end)).map_or(rest.len(), |place| place + 1);
                *offset += count;
                Ok(rest[..count].to_vec())
            }
        }
    }

    /// Reads everything up to the end, at most `limit` bytes.
    ///
    /// # Errors
    /// When the file cannot be read, or there is more than the limit.
    pub async fn read_all(&self, limit: usize) -> Result<Vec<u8>, FileError> {
        let mut all = Vec::new();
        loop {
            let bytes = self.read_to(None).await?;
            if bytes.is_empty() {
                return Ok(all);
            }
            if all.len() + bytes.len() > limit {
                return Err(FileError::NoSpace);
            }
            all.extend(bytes);
        }
    }

    /// Writes bytes; waits while a pipe is full.
    ///
    /// # Errors
    /// When nobody reads any more, or the file cannot be written.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), WriteError> {
        match self {
            Self::Null => Ok(()),
            Self::Text(_) | Self::Reader(_) => Err(WriteError::NotOpen),
            Self::Console(sender) => sender.send(bytes.to_vec()).map_err(|_| WriteError::Broken),
            Self::Writer(writer) => {
                let pipe = &writer.0;
                let mut rest = bytes;
                loop {
                    let changed = pipe.changed.notified();
                    tokio::pin!(changed);
                    changed.as_mut().enable();
                    {
                        let mut state = pipe.state();
                        if state.no_reader {
                            return Err(WriteError::Broken);
                        }
                        let room = PIPE.saturating_sub(state.bytes.len()).min(rest.len());
                        state.bytes.extend(&rest[..room]);
                        rest = &rest[room..];
                        if room > 0 {
                            drop(state);
                            pipe.changed.notify_waiters();
                        }
                    }
                    if rest.is_empty() {
                        return Ok(());
                    }
                    changed.await;
                }
            }
            Self::File(file) => {
                let mut offset = lock(&file.offset);
                let place = match file.access {
                    Access::Read => return Err(WriteError::NotOpen),
                    Access::Append => Offset::End,
                    Access::Write | Access::Both => Offset::At(*offset),
                };
                file.system.write(&file.path, bytes, place, 0o644)?;
                *offset += bytes.len();
                drop(offset);
                file.system.processes().changed.notify_waiters();
                Ok(())
            }
        }
    }
}

/// The stream behind a path of `/dev`; nothing when it is an ordinary path.
#[must_use]
pub fn device(path: &str, files: &BTreeMap<u32, Handle>) -> Option<Result<Handle, FileError>> {
    let descriptor = match path {
        "/dev/null" | "/dev/full" | "/dev/tty" | "/dev/console" => return Some(Ok(Arc::new(Stream::Null))),
        "/dev/zero" | "/dev/urandom" | "/dev/random" => return Some(Ok(Stream::text(vec![0x5a; 4096]))),
        "/dev/stdin" => 0,
        "/dev/stdout" => 1,
        "/dev/stderr" => 2,
        path => path.strip_prefix("/dev/fd/").or(path.strip_prefix("/proc/self/fd/"))?.parse().ok()?,
    };
    Some(files.get(&descriptor).cloned().ok_or(FileError::NotFound))
}
