//! Commands inside a VM whose agent runs them on this machine: what the adapter sends meets a real shell, and comes back in
//! the words of `qm`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_host::{
    ByteStream, Chunk, Command, Created, Effect, FileStat, Host, HostError, Input, InsideError, Output, Stream,
};
use phoenix_pve::Guests as _;
use phoenix_sim::grammar::{Verdict, parse};
use phoenix_types::GuestId;
use phoenix_vm::Qm;
use pretty_assertions::assert_eq;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use tokio::io::AsyncWriteExt as _;

/// A node with one VM, the inside of which is this machine.
#[derive(Debug, Default)]
struct Mirror {
    /// A file that the first command makes. The clock of a test leaps while this machine is busy; the node waits for the
    /// file before it continues.
    first: Option<std::path::PathBuf>,
    calls: std::sync::atomic::AtomicU32,
    running: Mutex<BTreeMap<u64, tokio::task::JoinHandle<serde_json::Value>>>,
}

/// As Proxmox prints bytes: each for a character of Latin-1.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

async fn execute(argv: Vec<String>, stdin: Vec<u8>) -> serde_json::Value {
    let mut child = tokio::process::Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let _ = pipe.write_all(&stdin).await;
    drop(pipe);
    let output = child.wait_with_output().await.unwrap();
    let mut answer = json!({"exited": 1, "out-truncated": 0});
    match output.status.code() {
        Some(code) => answer["exitcode"] = code.into(),
        None => answer["signal"] = 9.into(),
    }
    if !output.stdout.is_empty() {
        answer["out-data"] = latin(&output.stdout).into();
    }
    if !output.stderr.is_empty() {
        answer["err-data"] = latin(&output.stderr).into();
    }
    answer
}

#[async_trait]
impl Host for Mirror {
    fn name(&self) -> String {
        "mirror:".to_owned()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let Verdict::Accepted(call) = parse(&command.argv()) else { panic!("refused: {}", command.display()) };
        let calls = self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        while calls > 0 && self.first.as_ref().is_some_and(|path| !path.exists()) {
            let _ = tokio::process::Command::new("true").status().await;
        }
        let stdin = command.stdin.as_ref().map_or_else(Vec::new, |input| input.as_bytes().to_vec());
        assert_eq!(call.params.get("pass-stdin") == Some("1"), command.stdin.is_some());
        let answer = match call.command.as_str() {
            "guest exec" if call.params.get("synchronous") == Some("0") => {
                let pid = 155;
                let task = tokio::spawn(execute(call.extra_args, stdin));
                self.running.lock().unwrap().insert(pid, task);
                json!({"pid": pid})
            }
            "guest exec" => execute(call.extra_args, stdin).await,
            "guest exec-status" => {
                let task = self.running.lock().unwrap().remove(&155).unwrap();
                match task.is_finished() {
                    true => task.await.unwrap(),
                    false => {
                        self.running.lock().unwrap().insert(155, task);
                        // The clock of the test leaps as soon as nothing else happens; let something else happen.
                        let _ = tokio::process::Command::new("true").status().await;
                        json!({"exited": 0})
                    }
                }
            }
            other => panic!("{other}"),
        };
        Ok(Output { status: Some(0), stdout: answer.to_string().into_bytes(), ..Output::default() })
    }

    async fn read(&self, path: &Utf8Path, _limit: u64) -> Result<Vec<u8>, HostError> {
        Err(HostError::File { action: "read", path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() })
    }

    async fn write(&self, _path: &Utf8Path, _contents: &[u8], _mode: u32) -> Result<(), HostError> {
        Ok(())
    }

    async fn create_new(&self, _path: &Utf8Path, _contents: &[u8]) -> Result<Created, HostError> {
        Ok(Created::Made)
    }

    async fn remove(&self, _path: &Utf8Path) -> Result<(), HostError> {
        Ok(())
    }

    async fn stat(&self, _path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        Ok(None)
    }

    async fn list(&self, _path: &Utf8Path) -> Result<Vec<String>, HostError> {
        Ok(Vec::new())
    }

    async fn dial(&self, address: &str, _port: u16, _deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        Err(HostError::Dial { address: address.to_owned(), reason: "no network".to_owned() })
    }
}

const HOUR: Duration = Duration::from_secs(3600);

fn sh(script: &str, deadline: Duration) -> Command {
    Command::new("sh", Effect::Change, deadline).args(["-c", script])
}

fn docker() -> GuestId {
    GuestId::new(1001).unwrap()
}

async fn exec(command: Command) -> Result<Output, InsideError> {
    Qm::new(Arc::new(Mirror::default())).inside(docker()).exec(command).await
}

#[tokio::test(start_paused = true)]
async fn bytes_and_status_come_back_as_they_were() {
    for deadline in [Duration::from_secs(10), HOUR] {
        let script = "printf 'gr\\303\\274n \\377'; cat >&2; exit 42";
        let output = exec(sh(script, deadline).stdin(Input::Bytes(b"in\n".to_vec()))).await.unwrap();
        assert_eq!(
            (output.status, output.stdout, output.stderr),
            (Some(42), b"gr\xc3\xbcn \xff".to_vec(), b"in\n".to_vec())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_environment_is_settled() {
    let output = exec(sh("echo $HOME $USER $LANG; echo $PATH", Duration::from_secs(10))).await.unwrap();
    assert_eq!(
        output.stdout_text(),
        "/root root C.UTF-8\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    );
    let output = exec(Command::new("no-such-program", Effect::Read, Duration::from_secs(10))).await.unwrap();
    assert_eq!(output.status, Some(127));
}

#[tokio::test(start_paused = true)]
async fn output_is_seen_as_it_appears() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let script = format!("echo one; echo oops >&2; until [ -e {} ]; do sleep 0.01; done; cat; exit 3", go.display());
    let (tap, mut chunks) = tokio::sync::mpsc::unbounded_channel();
    let run = tokio::spawn(exec(sh(&script, 24 * HOUR).stdin(Input::Bytes(b"two".to_vec())).tap(tap)));
    let first = chunks.recv().await.unwrap();
    assert!(
        [
            Chunk { stream: Stream::Stdout, bytes: b"one\n".to_vec() },
            Chunk { stream: Stream::Stderr, bytes: b"oops\n".to_vec() }
        ]
        .contains(&first)
    );
    std::fs::write(go, "").unwrap();
    let output = run.await.unwrap().unwrap();
    assert_eq!(
        (output.status, output.stdout_text().as_ref(), output.stderr_text().as_ref()),
        (Some(3), "one\ntwo", "oops\n")
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_comes_through_whole_and_in_order() {
    let (tap, mut chunks) = tokio::sync::mpsc::unbounded_channel();
    let mut command = sh("seq 1 150000; exit 0", 24 * HOUR).tap(tap);
    command.output_limit = 1000;
    let output = exec(command).await.unwrap();
    let mut seen = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        seen.extend(chunk.bytes);
    }
    let wanted: String = (1..=150_000).map(|number| format!("{number}\n")).collect();
    assert!(seen == wanted.as_bytes(), "{} bytes of {}", seen.len(), wanted.len());
    assert_eq!(output.stdout, &wanted.as_bytes()[wanted.len() - 1000..]);
    assert_eq!(output.dropped, wanted.len() as u64 - 1000);
}

#[tokio::test(start_paused = true)]
async fn a_streamed_command_is_ended_at_its_deadline_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let (tap, _chunks) = tokio::sync::mpsc::unbounded_channel();
    let script = format!("echo $$ >{0}.new; mv {0}.new {0}; sleep 600", pid.display());
    let mirror = Mirror { first: Some(pid.clone()), ..Mirror::default() };
    let inside = Qm::new(Arc::new(mirror)).inside(docker());
    let error = inside.exec(sh(&script, Duration::from_secs(400)).tap(tap)).await.unwrap_err();
    assert!(matches!(error, InsideError::Deadline { .. }), "{error}");
    let pid = std::fs::read_to_string(pid).unwrap();
    let alive = || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    };
    let started = std::time::Instant::now();
    while alive() {
        assert!(started.elapsed() < Duration::from_secs(5), "it still runs");
        std::thread::yield_now();
    }
}

#[tokio::test(start_paused = true)]
async fn files_arrive_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap().join("new folder/it's");
    let contents: Vec<u8> = (0..1_500_000_u32).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
    let qm = Qm::new(Arc::new(Mirror::default()));
    qm.push(docker(), &path, &contents, 0o750).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == contents);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
}

#[tokio::test(start_paused = true)]
async fn a_large_input_is_read_whole() {
    let input = vec![b'x'; 2_500_000];
    let output = exec(sh("wc -c", Duration::from_secs(20)).stdin(Input::Bytes(input))).await.unwrap();
    assert_eq!(output.stdout_text().trim(), "2500000");
}
