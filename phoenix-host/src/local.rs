//! The machine that Phoenix runs on.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::{ByteStream, Chunk, Command, Created, FileKind, FileStat, Host, HostError, Output, Stream};

/// How long a process group gets between the polite signal and the last one.
const GRACE: Duration = Duration::from_secs(2);

/// How long the output of an ended command is still read when something that it left running holds the pipes open.
const DRAIN: Duration = Duration::from_millis(200);

/// The machine that Phoenix itself runs on: a Proxmox VE node, or any machine for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Local;

impl Local {
    /// Whether this machine has the tools that drive a node's guests.
    #[must_use]
    pub fn is_node() -> bool {
        ["pct", "qm"].iter().all(|tool| which::which(tool).is_ok())
    }

    /// Raises this process's limit of open files as far as it may, up to 8,192: each command takes several. Most systems begin with
    /// 1,024.
    pub fn raise_file_limit() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        const ENOUGH: u64 = 8192;
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
        if current.is_some_and(|current| current < wanted) {
            // What is not allowed stays as it is: commands then wait for each other.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
        }
    }
}

/// How long is waited before a process or a socket is tried again that this machine had no room for.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Whether this machine ran out of file descriptors, processes or memory.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|errno| exhausted.contains(&errno))
}

/// The process group of a command. Dropping it kills the group, so a dropped future leaves nothing behind.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // The group may be gone already; there is nothing to do about that.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// The leader has ended by itself; what it left running in the background is its own business.
    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The last `limit` bytes of a stream.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    dropped: u64,
}

impl Tail {
    fn push(&mut self, new: &[u8], limit: usize) {
        self.bytes.extend_from_slice(new);
        // Cut only when twice the limit has come together, so that a flood costs linear time.
        if self.bytes.len() > limit.saturating_mul(2) {
            self.cut(limit);
        }
    }

    fn cut(&mut self, limit: usize) {
        let excess = self.bytes.len().saturating_sub(limit);
        self.bytes.drain(..excess);
        self.dropped += excess as u64;
    }
}

async fn collect(
    mut pipe: impl AsyncRead + Unpin,
    stream: Stream,
    command: &Command,
    tail: &mut Tail,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = pipe.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        tail.push(&buffer[..count], command.output_limit);
        if let Some(tap) = &command.tap {
            let _ = tap.send(Chunk { stream, bytes: buffer[..count].to_vec() });
        }
    }
}

#[async_trait]
impl Host for Local {
    fn name(&self) -> String {
        "this machine".to_owned()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let failed = |source| HostError::Process { command: command.display(), source };
        let program = which::which(&command.program)
            .map_err(|_| HostError::NoSuchProgram { program: command.program.clone(), host: self.name() })?;
        let started = Instant::now();
        let spawn = || {
            tokio::process::Command::new(&program)
                .args(&command.args)
                // The real tools decode their arguments with the locale; anything but UTF-8 damages them (PVE-CLI 1.1).
                .env("LC_ALL", "C.UTF-8")
                .stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0)
                .spawn()
        };
        let mut child = loop {
            match spawn() {
                // Our own limit, or the machine's: it says nothing about what is asked, so it is waited for.
                Err(error) if is_exhausted(&error) && started.elapsed() < command.deadline => {
                    tokio::time::sleep(EXHAUSTED).await;
                }
                spawned => break spawned.map_err(failed)?,
            }
        };
        let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut out, mut err) = (Tail::default(), Tail::default());

        let work = async {
            let feed = async {
                if let (Some(mut stdin), Some(input)) = (stdin, &command.stdin) {
                    // A program may end without reading everything; its exit status tells whether that was right.
                    let _ = stdin.write_all(input.as_bytes()).await;
                    let _ = stdin.shutdown().await;
                }
            };
            let read_out = async {
                match stdout {
                    Some(pipe) => collect(pipe, Stream::Stdout, &command, &mut out).await,
                    None => Ok(()),
                }
            };
            let read_err = async {
                match stderr {
                    Some(pipe) => collect(pipe, Stream::Stderr, &command, &mut err).await,
                    None => Ok(()),
                }
            };
            // The status, not the end of the pipes, ends a command: a daemon that it left behind may hold them open.
            let pipes = async {
                let _ = tokio::join!(feed, read_out, read_err);
            };
            tokio::pin!(pipes);
            let mut reading = true;
            loop {
                tokio::select! {
                    biased;
                    () = &mut pipes, if reading => reading = false,
                    status = child.wait() => {
                        if reading {
                            let _ = tokio::time::timeout(DRAIN, &mut pipes).await;
                        }
                        break status;
                    }
                }
            }
        };
        let outcome = tokio::time::timeout(command.deadline, work).await;
        match outcome {
            Ok(status) => {
                group.disarm();
                let status = status.map_err(failed)?;
                out.cut(command.output_limit);
                err.cut(command.output_limit);
                Ok(Output {
                    status: status.code(),
                    stdout: out.bytes,
                    stderr: err.bytes,
                    dropped: out.dropped + err.dropped,
                    elapsed: started.elapsed(),
                })
            }
            Err(_) => {
                group.signal(Signal::TERM);
                let _ = tokio::time::timeout(GRACE, child.wait()).await;
                drop(group);
                let _ = child.wait().await;
                let tail =
                    String::from_utf8_lossy(if err.bytes.is_empty() { &out.bytes } else { &err.bytes }).into_owned();
                Err(HostError::Deadline { command: command.display(), deadline: command.deadline, tail })
            }
        }
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let failed = |source| HostError::File { action: "read", path: path.to_owned(), source };
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).await.map_err(failed)?;
        if bytes.len() as u64 > limit {
            return Err(failed(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is larger than {limit} bytes"),
            )));
        }
        Ok(bytes)
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        let (owned, contents) = (path.to_owned(), contents.to_vec());
        blocking(move || write_atomically(&owned, &contents, mode)).await.map_err(|source| HostError::File {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        let (owned, contents) = (path.to_owned(), contents.to_vec());
        blocking(move || {
            // A link made from a finished temporary file: a reader of the name sees the whole text.
            let folder = owned.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            io::Write::write_all(&mut file, &contents)?;
            match file.persist_noclobber(&owned) {
                Ok(_) => Ok(Created::Made),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Created::Existed),
                Err(error) => Err(error.error),
            }
        })
        .await
        .map_err(|source| HostError::File { action: "create", path: path.to_owned(), source })
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        match tokio::fs::remove_file(path).await {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(HostError::File { action: "remove", path: path.to_owned(), source })
            }
            _ => Ok(()),
        }
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        match tokio::fs::metadata(path).await {
            Ok(data) => Ok(Some(FileStat {
                kind: if data.is_file() {
                    FileKind::File
                } else if data.is_dir() {
                    FileKind::Folder
                } else {
                    FileKind::Other
                },
                size: data.len(),
                mode: data.mode() & 0o7777,
                uid: data.uid(),
                gid: data.gid(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HostError::File { action: "inspect", path: path.to_owned(), source }),
        }
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        let failed = |source| HostError::File { action: "list", path: path.to_owned(), source };
        let mut entries = match tokio::fs::read_dir(path).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        let failed = |reason: String| HostError::Dial { address: format!("{address}:{port}"), reason };
        let connect = async {
            loop {
                match tokio::net::TcpStream::connect((address, port)).await {
                    Err(error) if is_exhausted(&error) => tokio::time::sleep(EXHAUSTED).await,
                    connected => break connected,
                }
            }
        };
        match tokio::time::timeout(deadline, connect).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no answer within {} s", deadline.as_secs_f64()))),
        }
    }
}

fn write_atomically(path: &Utf8Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, contents)?;
    // /etc/pve is a FUSE file system with fixed modes (pmxcfs); it refuses chmod, and its own mode is the right one there.
    match file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied && !path.starts_with("/etc/pve") => {
            return Err(error);
        }
        _ => {}
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Effect, Input};

    fn folder() -> (tempfile::TempDir, camino::Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        (dir, path)
    }

    fn sh(script: &str, deadline: Duration) -> Command {
        Command::new("sh", Effect::Change, deadline).args(["-c", script])
    }

    #[tokio::test]
    async fn arguments_arrive_as_they_are() {
        let output = Local
            .run(
                Command::new("printf", Effect::Read, Duration::from_secs(5))
                    .args(["%s|", "a b", "$(id)", "--x", "ü\n"]),
            )
            .await
            .unwrap();
        assert_eq!(output.stdout_text(), "a b|$(id)|--x|ü\n|");
        assert!(output.succeeded());
    }

    #[tokio::test]
    async fn standard_input_arrives_and_ends() {
        let command =
            Command::new("cat", Effect::Read, Duration::from_secs(5)).stdin(Input::Bytes(vec![b'x'; 200_000]));
        assert_eq!(Local.run(command).await.unwrap().stdout.len(), 200_000);
    }

    #[tokio::test]
    async fn only_the_tail_of_a_flood_is_kept() {
        let mut command = sh("yes | head -c 1000000; echo end", Duration::from_secs(20));
        command.output_limit = 1000;
        let output = Local.run(command).await.unwrap();
        assert_eq!(output.stdout.len(), 1000);
        assert!(output.stdout.ends_with(b"end\n"));
        assert_eq!(output.dropped, 1_000_004 - 1000);
    }

    #[tokio::test]
    async fn the_deadline_kills_grandchildren_too() {
        let (_keep, folder) = folder();
        let pid_file = folder.join("pid");
        let script = format!("(trap '' TERM; sleep 600 & echo $! > {pid_file}; wait) & wait");
        let error = Local.run(sh(&script, Duration::from_millis(500))).await.unwrap_err();
        assert!(matches!(error, HostError::Deadline { .. }), "{error}");
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        let alive = || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        };
        // The kernel has the signal; the process takes a moment to be gone.
        let gone = async {
            while alive() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the grandchild is gone");
    }

    #[tokio::test]
    async fn a_background_child_does_not_hold_the_command_open() {
        let output = Local.run(sh("sleep 600 & echo started; exit 3", Duration::from_secs(30))).await.unwrap();
        assert_eq!((output.status, output.stdout_text().as_ref()), (Some(3), "started\n"));
        assert!(output.elapsed < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn output_is_streamed() {
        let (tap, mut chunks) = tokio::sync::mpsc::unbounded_channel();
        let run = tokio::spawn(
            Local.run(sh("echo one; read line", Duration::from_secs(20)).stdin(Input::Bytes(Vec::new())).tap(tap)),
        );
        assert_eq!(chunks.recv().await.unwrap().bytes, b"one\n");
        run.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = Local.run(Command::new("no-such-tool", Effect::Read, Duration::from_secs(1))).await.unwrap_err();
        assert!(error.to_string().contains("`no-such-tool` is not on the path"));
    }

    #[tokio::test]
    async fn files_are_replaced_as_a_whole() {
        let (_keep, folder) = folder();
        let path = folder.join("x.conf");
        Local.write(&path, b"one", 0o640).await.unwrap();
        Local.write(&path, b"two", 0o600).await.unwrap();
        assert_eq!(Local.read(&path, 100).await.unwrap(), b"two");
        let stat = Local.stat(&path).await.unwrap().unwrap();
        assert_eq!((stat.kind, stat.size, stat.mode), (FileKind::File, 3, 0o600));
        assert_eq!(Local.list(&folder).await.unwrap(), ["x.conf"]);
        assert!(Local.read(&path, 2).await.is_err());
        assert_eq!(Local.create_new(&path, b"three").await.unwrap(), Created::Existed);
        Local.remove(&path).await.unwrap();
        Local.remove(&path).await.unwrap();
        assert_eq!(Local.create_new(&path, b"three").await.unwrap(), Created::Made);
        assert!(Local.read(&folder.join("none"), 9).await.unwrap_err().is_not_found());
        assert_eq!(Local.stat(&folder.join("none")).await.unwrap(), None);
        assert!(Local.list(&folder.join("none")).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn dialling_reaches_an_open_port_only() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Local.dial("127.0.0.1", port, Duration::from_secs(5)).await.unwrap();
        drop(listener);
        assert!(Local.dial("127.0.0.1", port, Duration::from_secs(5)).await.is_err());
    }
}
