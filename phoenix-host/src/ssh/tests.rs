//! A node behind a program that stands for `ssh`.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8PathBuf;
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::FileKind;

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
    let missing = node.ssh.run(Command::new("no-such-tool", Effect::Read, Duration::from_secs(5))).await.unwrap_err();
    assert!(matches!(missing, HostError::NoSuchProgram { .. }), "{missing}");
    let late =
        node.ssh.run(Command::new("sleep", Effect::Change, Duration::from_millis(300)).arg(600)).await.unwrap_err();
    assert!(matches!(late, HostError::Deadline { .. }), "{late}");
    let status =
        node.ssh.run(Command::new("sh", Effect::Read, Duration::from_secs(5)).args(["-c", "exit 255"])).await.unwrap();
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
    let error = cut.ssh.run(Command::new("pct", Effect::Change, deadline).args(["start", "103"])).await.unwrap_err();
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
async fn many_files_are_one_program() {
    let node = pretended("echo >> \"$(dirname \"$0\")/count\"\nexec sh -c \"$line\"");
    let folder = node.folder.join("lxc");
    std::fs::create_dir(&folder).unwrap();
    std::fs::create_dir(node.folder.join("none")).unwrap();
    std::fs::write(folder.join("103.conf"), "one\0\n\n").unwrap();
    std::fs::write(folder.join("a b.conf"), "").unwrap();
    std::fs::write(folder.join("other"), "x").unwrap();
    let loose = node.folder.join("$(id) it's");
    std::fs::write(&loose, "two").unwrap();
    let wanted = [
        Wanted::Files { folder: folder.clone(), suffix: ".conf" },
        Wanted::Files { folder: node.folder.join("none"), suffix: ".fw" },
        Wanted::File(loose.clone()),
        Wanted::File(node.folder.join("absent")),
        Wanted::Stat(loose),
        Wanted::Stat(folder),
        Wanted::Stat(node.folder.join("absent")),
    ];
    let seen = node.ssh.read_many(&wanted).await.unwrap();
    assert_eq!(std::fs::read(node.folder.join("count")).unwrap(), b"\n");
    assert_eq!(seen, Local.read_many(&wanted).await.unwrap());
    assert_eq!((seen.files.len(), seen.stats.len(), seen.folders.len()), (4, 3, 2));
}

/// `/etc/pve` whose daemon died answers "Transport endpoint is not connected": its guests are not gone.
#[tokio::test]
async fn a_folder_that_does_not_answer_is_not_an_empty_one() {
    let node = pretended(
        "mkdir -p \"$(dirname \"$0\")/bin\"\nprintf '#!/bin/sh\\necho \"stat: cannot statx: Transport endpoint is not connected\" >&2\\nexit 1\\n' > \"$(dirname \"$0\")/bin/stat\"\nchmod +x \"$(dirname \"$0\")/bin/stat\"\nPATH=$(dirname \"$0\")/bin:$PATH exec sh -c \"$line\"",
    );
    let path = node.folder.join("ssh");
    for error in [
        node.ssh.read(&path, 9999).await.unwrap_err(),
        node.ssh.stat(&path).await.unwrap_err(),
        node.ssh.list(&node.folder).await.unwrap_err(),
    ] {
        assert!(!error.is_not_found() && format!("{error:?}").contains("not connected"), "{error:?}");
    }
    let seen = node.ssh.read_many(&[Wanted::File(path.clone()), Wanted::Stat(path)]).await.unwrap();
    assert_eq!(seen, Glance::default());
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
