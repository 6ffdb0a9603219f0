//! The ssh host over a real `sshd`, with links that are cut in the middle.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use phoenix_host::{Command, Effect, Host as _, HostError, Ssh};
use phoenix_tests::real::{CACHE, Kind, System};

use super::cases::{Table, check};

/// More than a pipe and the buffers of a connection hold: a write of it is in the middle when it is cut.
const LARGE: usize = 48 << 20;

/// A system with an `sshd`, and the way to it: ssh runs in the network of the system.
struct Server {
    system: System,
    ssh: Ssh,
}

impl Server {
    async fn new() -> Self {
        let folder = Path::new(CACHE).join(format!("run-{}-sshd", std::process::id()));
        let system = System::new(Kind::Trixie, folder.clone());
        system.make(None).unwrap();
        let root = system.root();
        let key = folder.join("key");
        let made = Process::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
        assert!(made.unwrap().success());
        fs::create_dir_all(root.join("root/.ssh")).unwrap();
        fs::set_permissions(root.join("root/.ssh"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::copy(folder.join("key.pub"), root.join("root/.ssh/authorized_keys")).unwrap();
        system.boot().await.unwrap();
        let leader = system.leader().unwrap();
        let program = folder.join("ssh");
        // The last value of an option does not count, so these come first.
        let script = format!(
            "#!/bin/sh\nexec nsenter --net --target {leader} -- ssh -F none -i {} -o StrictHostKeyChecking=no \\\n  \
             -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ControlMaster=no -o ControlPath=none \"$@\"\n",
            key.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let ssh = "ssh://root@127.0.0.1".parse::<Ssh>().unwrap().with_program(program.to_str().unwrap());
        Self { system, ssh }
    }

    /// Ends all sessions of the server, as a link that breaks does. The server itself stays.
    async fn cut(&self) {
        let line = "pkill -KILL -f '^sshd-session' || pkill -KILL -f '^sshd: root'; true";
        let command = Command::new("enter", Effect::Change, Duration::from_secs(20));
        self.system.enter(&["sh", "-c", line].map(str::to_owned), command).await.unwrap();
    }

    /// Waits until the system has a file whose name begins so; then the link is cut.
    async fn cut_when(&self, folder: &str, prefix: &str) {
        let place = self.system.root().join(folder);
        let is_there = || {
            let entries = fs::read_dir(&place).into_iter().flatten().flatten();
            entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_there() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.cut().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.system.remove();
    }
}

/// Cuts links while a file is written, while one is read, and while a command runs.
pub(crate) async fn all(table: &Table) {
    let begun = Instant::now();
    let server = Server::new().await;
    let file = Utf8Path::new("/srv/file");
    let written = server.ssh.write(file, b"the old text", 0o640).await;
    let read = server.ssh.read(file, 1 << 20).await;
    let good = written.is_ok() && read.as_ref().is_ok_and(|bytes| bytes == b"the old text");
    table.add(Kind::Trixie, "sshd: a file there and back", begun, check(good, || format!("{written:?} {read:?}")));

    let begun = Instant::now();
    let large = vec![b'x'; LARGE];
    let (cut, ()) = tokio::join!(server.ssh.write(file, &large, 0o640), server.cut_when("srv", "file."));
    let now = server.ssh.read(file, 1 << 20).await;
    let unknown = matches!(cut, Err(HostError::OutcomeUnknown { .. }));
    let good = unknown && now.as_ref().is_ok_and(|bytes| bytes == b"the old text");
    table.add(Kind::Trixie, "sshd: cut in a write, the old file stays", begun, check(good, || format!("{cut:?}")));

    let begun = Instant::now();
    let script = "touch /srv/begun; sleep 20; touch /srv/ended";
    let command = Command::new("sh", Effect::Change, Duration::from_secs(60)).args(["-c", script]);
    let (cut, ()) = tokio::join!(server.ssh.run(command), server.cut_when("srv", "begun"));
    let good = matches!(cut, Err(HostError::OutcomeUnknown { .. }));
    table.add(
        Kind::Trixie,
        "sshd: cut in a command, its outcome is unknown",
        begun,
        check(good, || format!("{cut:?}")),
    );

    let begun = Instant::now();
    let script = "touch /srv/reading; head -c 50000000 /dev/zero; sleep 20";
    let command = Command::new("sh", Effect::Read, Duration::from_secs(60)).args(["-c", script]);
    let (cut, ()) = tokio::join!(server.ssh.run(command), server.cut_when("srv", "reading"));
    let good = matches!(cut, Err(HostError::Unreachable { .. }));
    table.add(Kind::Trixie, "sshd: cut in a read, nothing of it counts", begun, check(good, || format!("{cut:?}")));
}
