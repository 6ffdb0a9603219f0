//! A table of snippets with what they print and how they end in dash, bash and BusyBox's shell, for the simulated shells and the real ones.

use std::process::{Command, Stdio};

use phoenix_sim_guest::{Ended, Exec};
use test_case::test_case;

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
        let ended = node.exec(Exec { argv: &argv, env: &env, stdin: b"first line\nsecond line\n" }, &mut console).await;
        let (out, err) = console.into_texts();
        let status = match ended {
            Ended::Exit(status) => status,
            Ended::Signal(signal) => 128 + signal,
            Ended::NotFound => 127,
        };
        (out, err, status)
    })
}

/// The same in a real shell of this machine, in an empty folder; nothing when it has none.
fn real(shell: &[&str], text: &str) -> Option<(String, i32)> {
    use std::io::Write as _;
    use std::os::unix::process::ExitStatusExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", text, shell[0], "one", "two words"])
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

/// Snippets that mean the same to dash, bash and BusyBox: text, output, status.
const BOTH: &[(&str, &str, i32)] = &include!("../../../phoenix-sim-shell/tests/snippets/both.in");
/// Snippets for dash alone.
const DASH: &[(&str, &str, i32)] = &include!("../../../phoenix-sim-shell/tests/snippets/dash.in");
/// Snippets for bash alone.
const BASH: &[(&str, &str, i32)] = &include!("../../../phoenix-sim-shell/tests/snippets/bash.in");

fn row(shell: &str, text: &str, (out, status): (&str, i32)) -> String {
    format!("{shell} -c {text:?}\n  gives {out:?} {status}\n")
}

/// Checks snippets in the simulated shell of a name.
fn check(shell: &str, snippets: &[(&str, &str, i32)]) {
    let mut wrong = String::new();
    for (text, output, status) in snippets {
        let (out, err, ended) = simulated(shell, text);
        if (out.as_str(), ended) != (*output, *status) {
            wrong.push_str(&format!("{}  expected {output:?} {status}\n  {err:?}\n", row(shell, text, (&out, ended))));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Checks the same snippets in the real shell, so that the table says what real shells do.
fn check_real(shell: &[&str], snippets: &[(&str, &str, i32)]) {
    let mut wrong = String::new();
    for (text, output, status) in snippets {
        let Some((out, ended)) = real(shell, text) else {
            eprintln!("this machine has no {}: its column of the table was not checked", shell[0]);
            return;
        };
        if (out.as_str(), ended) != (*output, *status) {
            wrong.push_str(&format!("the real {}  expected {output:?} {status}\n", row(shell[0], text, (&out, ended))));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test_case("dash", DASH; "dash")]
#[test_case("bash", BASH; "bash")]
#[test_case("ash", &[]; "busybox")]
fn the_simulated_shell_does_what_the_table_says(shell: &str, own: &[(&str, &str, i32)]) {
    check(shell, BOTH);
    check(shell, own);
}

#[test_case(&["dash"], DASH; "dash")]
#[test_case(&["bash"], BASH; "bash")]
#[test_case(&["busybox", "sh"], &[]; "busybox")]
fn the_real_shell_does_what_the_table_says(shell: &[&str], own: &[(&str, &str, i32)]) {
    check_real(shell, BOTH);
    check_real(shell, own);
}
