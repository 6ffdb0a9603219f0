//! Snippets with what they print and how they end, checked against the real shells of this machine where it has them.

use std::process::{Command, Stdio};

use super::super::{Ended, Exec, exec};
use crate::node::{Console, SimNode};
use crate::world::World;

/// Runs a text in a shell of the simulated node: output, errors, status.
fn simulated(shell: &str, text: &str) -> (String, String, i32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let node = SimNode::new(World::default());
        let mut console = Console::default();
        let argv = [shell, "-c", text, shell, "one", "two words"].map(str::to_owned);
        let env =
            [("PATH", "/usr/bin:/bin"), ("HOME", "/root")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let ended = exec(
            &node,
            Exec { guest: None, argv: &argv, env: &env, stdin: b"first line\nsecond line\n" },
            &mut console,
        )
        .await;
        let (out, err) = console.into_texts();
        let status = match ended {
            Ended::Exit(status) => status,
            Ended::Signal(signal) => 128 + signal,
            Ended::NotFound => 127,
        };
        (out, err, status)
    })
}

/// The same in the real shell of this machine, in an empty folder; nothing when it has none.
fn real(shell: &str, text: &str) -> Option<(String, i32)> {
    use std::io::Write as _;
    use std::os::unix::process::ExitStatusExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(shell)
        .args(["-c", text, shell, "one", "two words"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/root")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // A snippet that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(b"first line\nsecond line\n");
    let output = child.wait_with_output().unwrap();
    let status = output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap();
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), status))
}

/// Snippets that mean the same to dash and bash: text, output, status.
const BOTH: &[(&str, &str, i32)] = &include!("tests/both.in");
/// Snippets for dash alone.
const DASH: &[(&str, &str, i32)] = &include!("tests/dash.in");
/// Snippets for bash alone.
const BASH: &[(&str, &str, i32)] = &include!("tests/bash.in");

fn check(shell: &str, snippets: &[(&str, &str, i32)]) {
    let mut wrong = String::new();
    for (text, output, status) in snippets {
        let (out, err, ended) = simulated(shell, text);
        if (out.as_str(), ended) != (*output, *status) {
            wrong.push_str(&format!(
                "{shell} -c {text:?}\n  gives    {out:?} {ended}\n  expected {output:?} {status}\n  {err:?}\n"
            ));
        }
        if let Some((out, ended)) = real(shell, text)
            && (out.as_str(), ended) != (*output, *status)
        {
            wrong.push_str(&format!("the real {shell} -c {text:?}\n  gives    {out:?} {ended}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn dash_does_what_the_real_one_does() {
    check("dash", BOTH);
    check("dash", DASH);
}

#[test]
fn bash_does_what_the_real_one_does() {
    check("bash", BOTH);
    check("bash", BASH);
}
