//! Stands in for `ssh`: the remote line goes to the shell of a simulated node that is kept in `$PHOENIX_SIM_DIR`, as sshd
//! would give it to the shell of a real one. The node's commands take no time, or with `$PHOENIX_SIM_PACE` their own. With
//! `$PHOENIX_SIM_CUT` the link breaks after so many bytes of standard input: the node continues with what it got, and nothing comes
//! back. With `$PHOENIX_SIM_INSIDES` the guests are real systems below that folder: what goes inside goes there. With
//! `$PHOENIX_SIM_LINES` each line is added to that file.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_host::{Chunk, Command, Effect, Host, HostError, Input, Output, Stream};
use phoenix_sim::{Between, SimNode, World};
use phoenix_tests::real::{Insides, Kinds};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

/// No remote line of a test lasts as long.
const DEADLINE: Duration = Duration::from_secs(24 * 3600);

fn main() -> ExitCode {
    match run() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let _ = writeln!(io::stderr(), "ssh: {error}");
            // What ssh itself says when it does not get through.
            ExitCode::from(255)
        }
    }
}

fn run() -> Result<u8, Box<dyn std::error::Error>> {
    let line = std::env::args().next_back().ok_or("no remote line")?;
    let folder = Utf8PathBuf::from(std::env::var("PHOENIX_SIM_DIR")?);
    if let Some(path) = std::env::var_os("PHOENIX_SIM_LINES") {
        let mut lines = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(lines, "{line:?}")?;
    }
    let takes_time = std::env::var_os("PHOENIX_SIM_PACE").is_some();
    let world = world(&folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(!takes_time).build()?;
    if line.contains("/proc/self/ns/pid") {
        // A question about processes: those of the node are this machine's.
        let error = std::process::Command::new("/bin/sh").args(["-c", &line]).env("PATH", "/usr/bin:/bin").exec();
        return Err(error.into());
    }
    if let Some((address, port)) = dialled(&line) {
        return runtime.block_on(async {
            let node = SimNode::kept(&folder, world, Between::RunsOn)?;
            let mut stream = node.dial(address, port, DEADLINE).await?;
            let (mut stdin, mut stdout) = (tokio::io::stdin(), tokio::io::stdout());
            stdout.write_all(b"+").await?;
            stdout.flush().await?;
            // The process that ends us has closed the connection.
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut tokio::io::join(&mut stdin, &mut stdout)).await;
            Ok(0)
        });
    }
    let insides = std::env::var_os("PHOENIX_SIM_INSIDES").map(|folder| Insides::new(folder.into(), Kinds::All));
    let cut: Option<u64> = std::env::var("PHOENIX_SIM_CUT").ok().map(|bytes| bytes.parse()).transpose()?;
    let mut stdin = Vec::new();
    io::stdin().take(cut.unwrap_or(u64::MAX)).read_to_end(&mut stdin)?;
    let asked = insides.and_then(|insides| Some((insides, asked(&line, &stdin)?)));
    if let Some((insides, command)) = &asked {
        if let Some(answer) = real()?.block_on(insides.answer(command)) {
            return match answer {
                Err(HostError::Deadline { .. }) => Ok(told(&Output { status: Some(124), ..Output::default() })),
                answer => Ok(told(&answer?)),
            };
        }
        insides.before(&command.argv());
    }
    runtime
        .block_on(async {
            let node = SimNode::kept(&folder, world, Between::RunsOn)?;
            let (tap, mut chunks) = mpsc::unbounded_channel();
            let mut command = Command::new("sh", Effect::Change, DEADLINE).args(["-c", &line]);
            command.stdin = Some(Input::Bytes(stdin));
            command.tap = Some(tap);
            let running = node.clone();
            let work = async move { Host::run(&running, command).await };
            let show = async {
                while let Some(chunk) = chunks.recv().await {
                    if cut.is_none() {
                        show(&chunk);
                    }
                }
            };
            let (output, ()) = tokio::join!(work, show);
            node.settle(DEADLINE).await;
            if cut.is_some() {
                return Err("Connection to node closed by remote host.".into());
            }
            Ok(output?)
        })
        .and_then(|output: Output| {
            // The wrapper's own status is that of the last command in it, which tells the status of the tool.
            if let Some((insides, command)) = &asked
                && String::from_utf8_lossy(&output.stderr).trim_end().ends_with("phoenix-status 0")
            {
                real()?.block_on(insides.after(&command.argv()))?;
            }
            Ok(output.status.and_then(|status| u8::try_from(status).ok()).unwrap_or(255))
        })
}

/// A runtime whose clock is the real one.
fn real() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// The command in a line of the ssh host: behind its own program, and the seconds that the command may take.
fn asked(line: &str, stdin: &[u8]) -> Option<Command> {
    let words = shell_words::split(line).ok()?;
    let [shell, _, _, _, seconds, program, args @ ..] = words.as_slice() else { return None };
    if shell != "sh" {
        return None;
    }
    let deadline = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    let mut command = Command::new(program.as_str(), Effect::Change, deadline).args(args);
    command.output_limit = 64 << 20;
    command.stdin = Some(Input::Bytes(stdin.to_vec()));
    Some(command)
}

/// Shows the output of a command as the ssh host's own program does.
fn told(output: &Output) -> u8 {
    for (stream, bytes) in [(Stream::Stdout, &output.stdout), (Stream::Stderr, &output.stderr)] {
        show(&Chunk { stream, bytes: bytes.clone() });
    }
    let mark = format!("\nphoenix-status {}\n", output.status.unwrap_or(137));
    show(&Chunk { stream: Stream::Stderr, bytes: mark.into_bytes() });
    0
}

/// Where a line leads that connects standard input and output with a socket of the node.
fn dialled(line: &str) -> Option<(&str, u16)> {
    let mut words = line.split_whitespace().rev();
    let (port, address) = (words.next()?.parse().ok()?, words.next()?);
    line.contains("/dev/tcp/$1/$2").then_some((address, port))
}

fn world(folder: &Utf8Path) -> Result<World, Box<dyn std::error::Error>> {
    let path = folder.join("world.json");
    Ok(if path.exists() { serde_json::from_slice(&std::fs::read(path)?)? } else { World::default() })
}

fn show(chunk: &Chunk) {
    // The reader has closed the pipe.
    let _ = match chunk.stream {
        Stream::Stdout => io::stdout().write_all(&chunk.bytes).and_then(|()| io::stdout().flush()),
        Stream::Stderr => io::stderr().write_all(&chunk.bytes),
    };
}
