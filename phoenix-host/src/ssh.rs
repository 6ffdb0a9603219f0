//! A node that is reached over ssh.

use std::fmt;
use std::io;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::AsyncReadExt as _;

use crate::{ByteStream, Command, Created, Effect, FileKind, FileStat, Host, HostError, Input, Local, Output, sha256};

/// How long a file operation may take.
const FILE: Duration = Duration::from_secs(60);

/// How much longer than on the node a command may take on the way there and back.
const WAY: Duration = Duration::from_secs(20);

/// What the node prints on standard error after a command, with the command's status. Without it the connection broke:
/// ssh's own status 255 cannot be distinguished from a command's.
const MARK: &str = "phoenix-status ";

/// Runs the rest of the arguments with a deadline that holds on the node too, in a locale that damages no arguments, and tells
/// how it ended. `$1` is the deadline in seconds.
const WRAPPER: &str = r#"deadline=$1
shift
export LC_ALL=C.UTF-8
if command -v -- "$1" > /dev/null 2>&1; then
    timeout -k 2 "$deadline" "$@"
    status=$?
else
    status=missing
fi
printf '\nphoenix-status %s\n' "$status" >&2"#;

/// A Proxmox VE node reached with the OpenSSH program `ssh`: its configuration, agent and known hosts are the user's own.
///
/// Commands are quoted for the shell of the other side in one place; deadlines are kept there by `timeout` and here as well.
/// One connection is opened and shared (`ControlMaster`). Nothing is ever asked: a key or an agent must let us in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    target: String,
    program: String,
}

/// A text that is no ssh address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ssh address: write `ssh://root@node` or `ssh://root@node:2222`")]
pub struct InvalidSshAddress(pub String);

impl FromStr for Ssh {
    type Err = InvalidSshAddress;

    /// Takes `ssh://[user@]host[:port]`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let target = text.strip_prefix("ssh://").unwrap_or_default();
        // ssh itself reads such addresses; a leading dash would be one of its options.
        let sound = !target.is_empty()
            && !target.starts_with('-')
            && !target.contains("@-")
            && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"@.-_:[]%".contains(&b));
        if sound {
            Ok(Self { target: text.to_owned(), program: "ssh".to_owned() })
        } else {
            Err(InvalidSshAddress(text.to_owned()))
        }
    }
}

impl fmt::Display for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target)
    }
}

/// How ssh is told to behave (`ssh_config(5)`): never ask, notice a dead connection, share one connection.
const OPTIONS: [&str; 6] = [
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "ControlMaster=auto",
    "ControlPersist=60",
];

impl Ssh {
    /// The same node through another program than `ssh`.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }

    /// The arguments before the remote command. The shared connection's socket lies in the user's own folder.
    fn options(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            OPTIONS.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()]).collect();
        arguments.extend(["-o", "ControlPath=~/.ssh/phoenix-%C", "-T", "--"].map(str::to_owned));
        arguments.push(self.target.clone());
        arguments
    }

    /// The one line that the other side's shell gets: every word quoted.
    fn remote_line(deadline: Duration, argv: &[String]) -> String {
        let seconds = deadline.as_secs_f64().max(0.001).to_string();
        let words = ["sh", "-c", WRAPPER, "phoenix"]
            .into_iter()
            .map(str::to_owned)
            .chain([seconds])
            .chain(argv.iter().cloned());
        shell_words::join(words)
    }

    /// Starts ssh with a line for the other side, whose streams are ours. Dropping it ends ssh. It is in a process group of its own:
    /// an interrupt that a person types is for this program, which decides when the connection ends.
    pub(crate) fn spawn(&self, line: &str) -> io::Result<tokio::process::Child> {
        tokio::process::Command::new(&self.program)
            .args(self.options())
            .arg(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    pub(crate) fn unreachable(&self, reason: impl Into<String>) -> HostError {
        HostError::Unreachable { host: self.target.clone(), reason: reason.into() }
    }

    /// Runs a small shell program of ours on the node, with arguments.
    async fn shell(
        &self,
        action: &'static str,
        path: &Utf8Path,
        script: &str,
        args: &[&str],
        input: Option<&[u8]>,
    ) -> Result<Output, HostError> {
        let mut command =
            Command::new("sh", Effect::Change, FILE).args(["-c", script, "phoenix", path.as_str()]).args(args);
        command.output_limit = 64 << 20;
        if let Some(input) = input {
            command = command.stdin(Input::Bytes(input.to_vec()));
        }
        // People know the file operation, not our shell program.
        let what = || format!("{action} {path}");
        let output = self.run(command).await.map_err(|error| match error {
            HostError::OutcomeUnknown { host, .. } => HostError::OutcomeUnknown { host, command: what() },
            HostError::Deadline { deadline, tail, .. } => HostError::Deadline { command: what(), deadline, tail },
            error => error,
        })?;
        if output.succeeded() {
            return Ok(output);
        }
        let message = output.stderr_text().trim().to_owned();
        let kind = if output.status == Some(NOT_FOUND) { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
        Err(HostError::File { action, path: path.to_owned(), source: io::Error::new(kind, message) })
    }
}

/// The status with which the shell programs below say that there is no such file.
const NOT_FOUND: i32 = 44;

/// Receives a file for the path `$1` into `$new`, a temporary file next to it. A link that breaks looks like the end of the file
/// from there, so the SHA-256 in `$2` decides whether all of it arrived.
const RECEIVE: &str = r#"umask 077
new=$(mktemp "$1.XXXXXX") || exit 1
cat > "$new" && sync "$new" && sum=$(sha256sum < "$new") && [ "${sum%% *}" = "$2" ] || {
    rm -f -- "$new"
    echo "the file arrived incomplete" >&2
    exit 1
}
"#;

/// What ssh says when it never got as far as running a command (`ssh(1)` and `sshd(8)` of OpenSSH 9.2).
const NOT_CONNECTED: [&str; 8] = [
    "ssh: ",
    "Permission denied",
    "Host key verification failed",
    "kex_exchange_identification: ",
    "Connection timed out during banner exchange",
    "Too many authentication failures",
    "Unable to negotiate with",
    "Bad owner or permissions on",
];

/// Whether ssh failed before it ran the command. Without words of its own that is not known.
fn never_ran(words: &str) -> bool {
    words.lines().any(|line| NOT_CONNECTED.iter().any(|known| line.contains(known)))
}

/// Splits the status mark off standard error: the command's own standard error, and what the mark says.
fn split_mark(stderr: &[u8]) -> Option<(Vec<u8>, String)> {
    let needle = format!("\n{MARK}");
    let at = stderr.windows(needle.len()).rposition(|window| window == needle.as_bytes())?;
    let status = String::from_utf8_lossy(&stderr[at + needle.len()..]).trim().to_owned();
    Some((stderr[..at].to_vec(), status))
}

#[async_trait]
impl Host for Ssh {
    fn name(&self) -> String {
        self.target.clone()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let line = Self::remote_line(command.deadline, &command.argv());
        let mut local =
            Command::new(self.program.as_str(), command.effect, command.deadline + WAY).args(self.options()).arg(line);
        local.stdin.clone_from(&command.stdin);
        local.output_limit = command.output_limit.saturating_add(64);
        local.tap.clone_from(&command.tap);
        let unknown = || match command.effect {
            Effect::Change => HostError::OutcomeUnknown { host: self.target.clone(), command: command.display() },
            Effect::Read => self.unreachable("the connection broke"),
        };
        let mut output = match Local.run(local).await {
            Ok(output) => output,
            Err(HostError::Deadline { .. }) => return Err(unknown()),
            Err(error) => return Err(error),
        };
        match split_mark(&output.stderr) {
            Some((stderr, status)) => {
                output.stderr = stderr;
                match status.as_str() {
                    "missing" => {
                        Err(HostError::NoSuchProgram { program: command.program.clone(), host: self.target.clone() })
                    }
                    // `timeout` says 124 when it ended the command, 137 when it had to kill it.
                    "124" | "137" if output.elapsed >= command.deadline => Err(HostError::Deadline {
                        command: command.display(),
                        deadline: command.deadline,
                        tail: output.stderr_text().into_owned(),
                    }),
                    status => {
                        output.status = status.parse().ok();
                        Ok(output)
                    }
                }
            }
            // Before the command was sent there is ssh's own message; it names the cause better than we can.
            None if output.status == Some(255)
                && output.stdout.is_empty()
                && (command.effect == Effect::Read || never_ran(&output.stderr_text())) =>
            {
                Err(self.unreachable(output.stderr_text().trim().to_owned()))
            }
            None => Err(unknown()),
        }
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let script = "[ -e \"$1\" ] || exit 44\nhead -c \"$2\" -- \"$1\"";
        let most = limit.saturating_add(1).to_string();
        let output = self.shell("read", path, script, &[&most], None).await?;
        if output.stdout.len() as u64 > limit {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes"));
            return Err(HostError::File { action: "read", path: path.to_owned(), source });
        }
        Ok(output.stdout)
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        // /etc/pve has fixed modes (pmxcfs) and refuses chmod; its own mode is the right one there.
        let put = "{ chmod \"$3\" \"$new\" 2> /dev/null || [ \"${1#/etc/pve/}\" != \"$1\" ]; } && mv -fT -- \"$new\" \"$1\" && exit 0\n\
            rm -f -- \"$new\"\nexit 1";
        let arguments = [&*sha256(contents), &format!("{mode:o}")];
        self.shell("write", path, &format!("{RECEIVE}{put}"), &arguments, Some(contents)).await.map(|_| ())
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        let put = "if ln -T -- \"$new\" \"$1\" 2> /dev/null; then echo made; elif [ -e \"$1\" ]; then echo existed; fi\n\
            rm -f -- \"$new\"";
        let script = format!("{RECEIVE}{put}");
        let output = self.shell("create", path, &script, &[&sha256(contents)], Some(contents)).await?;
        match output.stdout_text().trim() {
            "made" => Ok(Created::Made),
            "existed" => Ok(Created::Existed),
            _ => {
                let source = io::Error::other("the folder takes no new files");
                Err(HostError::File { action: "create", path: path.to_owned(), source })
            }
        }
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.shell("remove", path, "rm -f -- \"$1\"", &[], None).await.map(|_| ())
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        let script = "[ -e \"$1\" ] || exit 0\nstat -L -c '%f %s %u %g' -- \"$1\"";
        let output = self.shell("inspect", path, script, &[], None).await?;
        let text = output.stdout_text();
        let words: Vec<&str> = text.split_whitespace().collect();
        let [mode, size, uid, gid] = words.as_slice() else { return Ok(None) };
        let unreadable = |_| HostError::File {
            action: "inspect",
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, text.trim().to_owned()),
        };
        let mode = u32::from_str_radix(mode, 16).map_err(unreadable)?;
        Ok(Some(FileStat {
            kind: match mode & 0o170_000 {
                0o100_000 => FileKind::File,
                0o040_000 => FileKind::Folder,
                _ => FileKind::Other,
            },
            size: size.parse().map_err(unreadable)?,
            mode: mode & 0o7777,
            uid: uid.parse().map_err(unreadable)?,
            gid: gid.parse().map_err(unreadable)?,
        }))
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        let script = "[ -d \"$1\" ] || exit 0\nfind \"$1\" -mindepth 1 -maxdepth 1 -printf '%f\\0'";
        // `find` follows no link in its argument unless it ends in a slash: /etc/pve/lxc is a link.
        let folder = Utf8PathBuf::from(format!("{}/", path.as_str().trim_end_matches('/')));
        let output = self.shell("list", &folder, script, &[], None).await?;
        let mut names: Vec<String> = output
            .stdout
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        let failed = |reason: String| HostError::Dial { address: format!("{address}:{port}"), reason };
        // bash is on every node; it says when the connection stands, which `ssh -W` does not.
        let script = "exec 3<> \"/dev/tcp/$1/$2\" || exit 1\nprintf +\ncat <&3 &\nexec cat >&3";
        let line = shell_words::join(["bash", "-c", script, "phoenix", address, &port.to_string()]);
        let mut child = self.spawn(&line).map_err(|error| failed(error.to_string()))?;
        let (Some(stdin), Some(mut stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed("its pipes could not be opened".to_owned()));
        };
        let stands = async {
            let mut first = [0];
            match stdout.read(&mut first).await {
                Ok(1) => Ok(()),
                _ => {
                    let mut words = String::new();
                    let _ = stderr.read_to_string(&mut words).await;
                    Err(failed(words.lines().last().unwrap_or("no connection").to_owned()))
                }
            }
        };
        match tokio::time::timeout(deadline, stands).await {
            Ok(result) => result?,
            Err(_) => return Err(failed(format!("no answer within {} s", deadline.as_secs_f64()))),
        }
        Ok(Box::new(Tunnel { streams: tokio::io::join(stdout, stdin), _child: child }))
    }
}

/// A connection through the node. The program that carries it ends with it.
#[derive(Debug)]
struct Tunnel {
    streams: tokio::io::Join<tokio::process::ChildStdout, tokio::process::ChildStdin>,
    _child: tokio::process::Child,
}

impl tokio::io::AsyncRead for Tunnel {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.streams).poll_read(cx, buffer)
    }
}

impl tokio::io::AsyncWrite for Tunnel {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.streams).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.streams).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.streams).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use test_case::test_case;
    use tokio::io::AsyncWriteExt as _;

    /// A node that is this machine, behind a program that does with its last argument what sshd does: gives it to a shell.
    struct Pretended {
        _keep: tempfile::TempDir,
        folder: Utf8PathBuf,
        ssh: Ssh,
    }

    fn pretended(script: &str) -> Pretended {
        let keep = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        let program = folder.join("ssh");
        std::fs::write(&program, format!("#!/bin/sh\nfor line in \"$@\"; do :; done\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Pretended { _keep: keep, ssh: "ssh://root@node".parse::<Ssh>().unwrap().with_program(program.as_str()), folder }
    }

    fn node() -> Pretended {
        pretended("exec sh -c \"$line\"")
    }

    #[test_case("ssh://root@pve", true)]
    #[test_case("ssh://pve:2222", true)]
    #[test_case("ssh://-oProxyCommand=x", false)]
    #[test_case("ssh://root@-x", false)]
    #[test_case("ssh://a b", false)]
    #[test_case("ssh://", false)]
    #[test_case("pve", false)]
    fn addresses(text: &str, good: bool) {
        assert_eq!(text.parse::<Ssh>().is_ok(), good);
    }

    #[tokio::test]
    async fn arguments_status_and_streams_come_through() {
        let node = node();
        let script = "printf '%s|' \"$@\"; echo to stderr >&2; exit 7";
        let command = Command::new("sh", Effect::Read, Duration::from_secs(10))
            .args(["-c", script, "x", "a b", "$(id)", "it's", "ü\n", "--", ""]);
        let output = node.ssh.run(command).await.unwrap();
        assert_eq!(output.stdout_text(), "a b|$(id)|it's|ü\n|--||");
        assert_eq!((output.status, output.stderr_text().as_ref()), (Some(7), "to stderr\n"));
    }

    #[tokio::test]
    async fn a_missing_program_and_a_deadline_are_told_from_a_status() {
        let node = node();
        let missing =
            node.ssh.run(Command::new("no-such-tool", Effect::Read, Duration::from_secs(5))).await.unwrap_err();
        assert!(matches!(missing, HostError::NoSuchProgram { .. }), "{missing}");
        let late =
            node.ssh.run(Command::new("sleep", Effect::Change, Duration::from_millis(300)).arg(600)).await.unwrap_err();
        assert!(matches!(late, HostError::Deadline { .. }), "{late}");
        let status = node
            .ssh
            .run(Command::new("sh", Effect::Read, Duration::from_secs(5)).args(["-c", "exit 255"]))
            .await
            .unwrap();
        assert_eq!(status.status, Some(255));
    }

    #[tokio::test]
    async fn a_broken_connection_leaves_a_change_unknown() {
        let broken = pretended("echo half; exit 255");
        let deadline = Duration::from_secs(5);
        let change =
            broken.ssh.run(Command::new("pct", Effect::Change, deadline).args(["start", "103"])).await.unwrap_err();
        assert!(matches!(change, HostError::OutcomeUnknown { .. }), "{change}");
        let refused = pretended("echo 'Permission denied (publickey).' >&2; exit 255");
        let error = refused.ssh.run(Command::new("pct", Effect::Change, deadline).arg("list")).await.unwrap_err();
        assert!(error.to_string().contains("Permission denied"), "{error}");
        assert!(matches!(error, HostError::Unreachable { .. }));
    }

    #[tokio::test]
    async fn a_link_that_breaks_while_a_command_runs_is_not_a_node_that_cannot_be_reached() {
        let cut = pretended("echo 'client_loop: send disconnect: Broken pipe' >&2; exit 255");
        let deadline = Duration::from_secs(5);
        let error =
            cut.ssh.run(Command::new("pct", Effect::Change, deadline).args(["start", "103"])).await.unwrap_err();
        assert!(matches!(error, HostError::OutcomeUnknown { .. }), "{error}");
        let error = cut.ssh.run(Command::new("pct", Effect::Read, deadline).arg("list")).await.unwrap_err();
        assert!(matches!(error, HostError::Unreachable { .. }), "{error}");
    }

    /// The far side of a link that breaks continues with what it got.
    #[tokio::test]
    async fn a_link_that_breaks_during_a_write_leaves_the_old_file() {
        let contents = b"[OPTIONS]\n\nenable: 1\n";
        for cut in 0..contents.len() {
            let node = pretended(&format!("head -c {cut} | sh -c \"$line\" > /dev/null 2>&1; exit 255"));
            let (old, new) = (node.folder.join("103.fw"), node.folder.join("lock"));
            std::fs::write(&old, "old").unwrap();
            let error = node.ssh.write(&old, contents, 0o640).await.unwrap_err();
            assert!(matches!(error, HostError::OutcomeUnknown { .. }), "{error}");
            node.ssh.create_new(&new, contents).await.unwrap_err();
            assert_eq!(std::fs::read(&old).unwrap(), b"old", "cut after {cut} bytes");
            assert_eq!(Local.list(&node.folder).await.unwrap(), ["103.fw", "ssh"], "cut after {cut} bytes");
        }
    }

    #[tokio::test]
    async fn files_are_those_of_the_node() {
        let node = node();
        let path = node.folder.join("a file");
        assert!(node.ssh.read(&path, 10).await.unwrap_err().is_not_found());
        assert_eq!(node.ssh.stat(&path).await.unwrap(), None);
        node.ssh.write(&path, b"one\n", 0o640).await.unwrap();
        node.ssh.write(&path, b"tw\0o", 0o600).await.unwrap();
        assert_eq!(node.ssh.read(&path, 4).await.unwrap(), b"tw\0o");
        assert!(node.ssh.read(&path, 3).await.is_err());
        let stat = node.ssh.stat(&path).await.unwrap().unwrap();
        assert_eq!((stat.kind, stat.size, stat.mode), (FileKind::File, 4, 0o600));
        assert_eq!(node.ssh.create_new(&path, b"x").await.unwrap(), Created::Existed);
        assert_eq!(node.ssh.list(&node.folder).await.unwrap(), ["a file", "ssh"]);
        node.ssh.remove(&path).await.unwrap();
        assert_eq!(node.ssh.create_new(&path, b"x").await.unwrap(), Created::Made);
        assert_eq!(node.ssh.list(&node.folder).await.unwrap(), ["a file", "ssh"]);
        assert!(node.ssh.list(&node.folder.join("none")).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn sockets_are_dialled_from_the_nodes_side() {
        let node = node();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let echo = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4];
            socket.read_exact(&mut bytes).await.unwrap();
            socket.write_all(&bytes).await.unwrap();
        });
        let mut stream = node.ssh.dial("127.0.0.1", port, Duration::from_secs(10)).await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"ping");
        echo.await.unwrap();
        drop(stream);
        let error = node.ssh.dial("127.0.0.1", port, Duration::from_secs(10)).await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
