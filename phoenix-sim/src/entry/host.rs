//! The simulated node as a [`Host`].

use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_host::{ByteStream, Command, Created, FileKind, FileStat, Host, HostError, Input, Output};
use phoenix_sim_guest::{Dialled, Ended, Exec};
use phoenix_sim_shell::files::{Content, Entry, FileError, FileTree};
use phoenix_types::redact;

use crate::grammar::Tool;
use crate::node::{Console, LIST, SimNode};

fn file_error(action: &'static str, path: &Utf8Path, error: FileError) -> HostError {
    HostError::File { action, path: path.to_owned(), source: std::io::Error::new(error.kind(), error.to_string()) }
}

impl SimNode {
    /// Runs any program of the node: the Proxmox tools here, everything else as the inside of guests knows it.
    pub(crate) async fn run_program(&self, argv: &[String], stdin: &[u8], console: &mut Console) -> Option<Ended> {
        if argv.first().is_some_and(|program| Tool::from_program(program).is_some()) {
            return Some(Ended::Exit(self.run_on(argv, stdin, console).await));
        }
        if argv.first().is_some_and(|program| program.rsplit('/').next() == Some("lxc-info")) {
            return Some(Ended::Exit(crate::lxc::info(self, argv.get(1..).unwrap_or_default(), console)));
        }
        let env = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("LANG", "C.UTF-8"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let exec = Exec { argv, env: &env, stdin };
        match self.exec(exec, console).await {
            Ended::NotFound => None,
            ended => Some(ended),
        }
    }
}

#[async_trait]
impl Host for SimNode {
    fn name(&self) -> String {
        self.store().map_or_else(|| "sim:".to_owned(), |store| format!("sim:{}", store.dir()))
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let session = self.begin()?;
        let done = async {
            let started = self.clock().now();
            let mut console = Console::new(command.output_limit, command.tap.clone());
            let argv = command.argv();
            let stdin = command.stdin.as_ref().map_or(&[][..], Input::as_bytes);
            let ended =
                tokio::time::timeout(command.deadline, Box::pin(self.run_program(&argv, stdin, &mut console))).await;
            let (stdout, stderr, dropped) = console.into_parts();
            let status = match ended {
                Ok(Some(Ended::Exit(status))) => Some(status),
                Ok(Some(Ended::Signal(_))) => None,
                Ok(Some(Ended::NotFound) | None) => {
                    return Err(HostError::NoSuchProgram { program: command.program, host: Host::name(self) });
                }
                Err(_) => {
                    let tail = [stdout, stderr].concat();
                    return Err(HostError::Deadline {
                        command: redact(&argv).join(" "),
                        deadline: command.deadline,
                        tail: String::from_utf8_lossy(&tail).into_owned(),
                    });
                }
            };
            Ok(Output { status, stdout, stderr, dropped, elapsed: self.clock().now().saturating_sub(started) })
        }
        .await;
        session.end(done)
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let session = self.begin()?;
        let done = async {
            let state = self.state();
            let bytes = match state.files.read(path.as_str()) {
                Err(FileError::NotFound) if path == LIST => state.cluster_list().into(),
                read => read.map_err(|error| file_error("read", path, error))?,
            };
            drop(state);
            if bytes.len() as u64 > limit {
                let source = std::io::Error::new(
                    std::io::ErrorKind::FileTooLarge,
                    format!("it has {} bytes, at most {limit} are read", bytes.len()),
                );
                return Err(HostError::File { action: "read", path: path.to_owned(), source });
            }
            Ok(bytes.to_vec())
        }
        .await;
        session.end(done)
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        let session = self.begin()?;
        let done = async {
            let mut state = self.state();
            let now = state.now;
            if state.files.is_folder(path.as_str()) {
                return Err(file_error("write", path, FileError::IsAFolder));
            }
            let entry = Entry { mode, ..Entry::file(contents.to_vec(), now) };
            state.files.insert(path.as_str(), entry).map_err(|error| file_error("write", path, error))
        }
        .await;
        session.end(done)
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        let session = self.begin()?;
        let done = async {
            let mut state = self.state();
            if state.files.get_link(path.as_str()).is_some() {
                return Ok(Created::Existed);
            }
            let now = state.now;
            state
                .files
                .write(path.as_str(), contents.to_vec(), now)
                .map(|()| Created::Made)
                .map_err(|error| file_error("create", path, error))
        }
        .await;
        session.end(done)
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        let session = self.begin()?;
        let done = async {
            let mut state = self.state();
            if state.files.get_link(path.as_str()).is_some_and(|entry| entry.is_folder()) {
                return Err(file_error("remove", path, FileError::IsAFolder));
            }
            match state.files.remove(path.as_str()) {
                Ok(()) | Err(FileError::NotFound) => Ok(()),
                Err(error) => Err(file_error("remove", path, error)),
            }
        }
        .await;
        session.end(done)
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        let session = self.begin()?;
        let done = async {
            let entry = self.state().files.get(path.as_str());
            let entry = match entry {
                Some(entry) => entry,
                None if path == LIST => Entry::file(self.state().cluster_list(), 0),
                None => return Ok(self.assumed(path)),
            };
            Ok(Some(FileStat {
                kind: match entry.content {
                    Content::Folder => FileKind::Folder,
                    Content::File(_) => FileKind::File,
                    Content::Link(_) => FileKind::Other,
                },
                size: entry.bytes().map_or(0, |bytes| bytes.len() as u64),
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
            }))
        }
        .await;
        session.end(done)
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        let session = self.begin()?;
        let done = async {
            let state = self.state();
            match state.files.list(path.as_str()) {
                Some(names) => Ok(names),
                None if state.files.exists(&FileTree::normalise(path.as_str())) => {
                    Err(file_error("list", path, FileError::NotAFolder))
                }
                None => Ok(Vec::new()),
            }
        }
        .await;
        session.end(done)
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        let refused =
            |reason: &str| HostError::Dial { address: format!("{address}:{port}"), reason: reason.to_owned() };
        let Ok(ip) = address.parse() else {
            return Err(refused("the name is not known; give an IP address"));
        };
        match tokio::time::timeout(deadline, self.dial_address(ip, port)).await {
            Ok(Dialled::Open(stream)) => Ok(stream),
            Ok(Dialled::Refused) => Err(refused("connection refused")),
            Ok(Dialled::NoAnswer) => {
                self.sleep(deadline).await;
                Err(refused("no answer in time"))
            }
            Err(_) => Err(refused("no answer in time")),
        }
    }
}
