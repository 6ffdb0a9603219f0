//! The `ssh` that Phoenix runs meanwhile: it passes everything on to the real one and writes down what the node's tools were asked
//! and said, in the form in which the simulated node replays sessions.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Instant;

use camino::Utf8Path;
use serde_json::json;

/// The tools whose sessions are worth a recording.
const TOOLS: [&str; 6] = ["pct", "qm", "pvesm", "pvesh", "pveam", "ha-manager"];

/// How the ssh host of Phoenix tells a command's status, behind its standard error.
const MARK: &str = "\nphoenix-status ";

/// Puts an `ssh` into a folder that is this program; `ssh` is the real one.
pub(super) fn install(folder: &Utf8Path, transcript: &Utf8Path, ssh: &Utf8Path) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let program = program.to_str().ok_or_else(|| io::Error::other("the path of this program is no text"))?;
    let words = shell_words::join([program, "record", transcript.as_str(), ssh.as_str()]);
    let shim = folder.join("ssh");
    std::fs::write(&shim, format!("#!/bin/sh\nexec {words} \"$@\"\n"))?;
    std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755))
}

/// What is run on the node: the words behind the ssh host's own program.
fn remote(args: &[OsString]) -> Option<Vec<String>> {
    let line = args.last()?.to_str()?;
    let words = shell_words::split(line).ok()?;
    let argv = words.get(5..)?.to_vec();
    argv.first().is_some_and(|program| TOOLS.contains(&program.as_str())).then_some(argv)
}

/// Copies one stream to another and keeps it.
fn tee(mut from: impl Read, mut to: impl Write) -> Vec<u8> {
    let (mut kept, mut piece) = (Vec::new(), [0; 8192]);
    while let Ok(count) = from.read(&mut piece)
        && count > 0
    {
        kept.extend_from_slice(&piece[..count]);
        // A reader that is gone has seen enough; the recording goes on.
        let _ = to.write_all(&piece[..count]).and_then(|()| to.flush());
    }
    kept
}

/// Runs the real `ssh`.
pub(crate) fn run(transcript: &Utf8Path, ssh: &str, args: &[OsString]) -> io::Result<ExitCode> {
    let begun = Instant::now();
    let mut child = Command::new(ssh).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || stderr.map(|from| tee(from, io::stderr())).unwrap_or_default());
    let printed = stdout.map(|from| tee(from, io::stdout())).unwrap_or_default();
    let errors = errors.join().unwrap_or_default();
    let status = child.wait()?;
    if let Some(argv) = remote(args) {
        let errors = String::from_utf8_lossy(&errors).into_owned();
        let (stderr, exit) = errors.rsplit_once(MARK).unwrap_or((&errors, ""));
        let record = json!({
            "argv": argv,
            "exit": exit.trim().parse::<i32>().ok().or(status.code()),
            "stdout": String::from_utf8_lossy(&printed),
            "stderr": stderr,
            "seconds": begun.elapsed().as_millis() as f64 / 1000.0,
        });
        // One write a line: several of these run at once.
        OpenOptions::new().create(true).append(true).open(transcript)?.write_all(format!("{record}\n").as_bytes())?;
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tools_are_recorded() {
        let line = |words: &[&str]| {
            let own = ["sh", "-c", "x", "phoenix", "30"];
            vec![OsString::from("-o"), shell_words::join(own.iter().chain(words)).into()]
        };
        assert_eq!(remote(&line(&["pct", "start", "9901"])), Some(vec!["pct".into(), "start".into(), "9901".into()]));
        assert_eq!(remote(&line(&["cat", "/etc/pve/.vmlist"])), None);
        assert_eq!(remote(&[]), None);
    }
}
