//! The program that runs scripts inside guests, by this machine's own `sh` and its programs.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use pretty_assertions::assert_eq;
use tempfile::TempDir;

const RUNNER: &str = include_str!("../../src/converge/steps/runner.sh");
const SUPERVISOR: &str = include_str!("../../src/converge/steps/supervise.sh");

/// What it needs of a system, next to a shell. It finds nothing else here.
const NEEDS: [&str; 13] =
    ["base64", "cat", "grep", "head", "mkdir", "mv", "rm", "setsid", "sh", "sleep", "tail", "tr", "wc"];

/// Base64 without a crate for it.
fn encoded(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let letter = LETTERS[usize::try_from((bits >> (18 - 6 * at)) & 63).unwrap()];
            out.push(if at <= part.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// How a look ended.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    output: Vec<u8>,
    /// The last line on standard error.
    said: String,
}

impl Look {
    fn new(output: &str, said: &str) -> Self {
        Self { output: output.as_bytes().to_vec(), said: said.to_owned() }
    }
}

/// A folder in which a script runs, with pipes to talk with it.
struct Scratch {
    folder: TempDir,
}

impl Scratch {
    fn new(pipes: &[&str]) -> Self {
        let scratch = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(scratch.path("bin")).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for name in NEEDS {
            let program = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.exists());
            symlink(program.unwrap_or_else(|| panic!("no {name}")), scratch.path("bin").join(name)).unwrap();
        }
        for pipe in pipes {
            assert!(Command::new("mkfifo").arg(scratch.path(pipe)).status().unwrap().success());
        }
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the script's folder.
    fn own(&self, name: &str) -> PathBuf {
        self.path("scripts/0123456789abcdef").join(name)
    }

    /// What the script's folder holds.
    fn left(&self) -> Vec<String> {
        let mut names: Vec<String> = match fs::read_dir(self.own("")) {
            Ok(entries) => entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect(),
            Err(_) => Vec::new(),
        };
        names.sort();
        names
    }

    /// The files of a script, as they are sent.
    fn payload(&self, script: &str) -> String {
        let script = script.replace("HERE", self.folder.path().to_str().unwrap());
        let words = "200\nbox\nwork\n/bin/sh\n";
        let files =
            [("supervise", SUPERVISOR), ("words", words), ("script", &script), ("context.json", "{\"token\": 1}")];
        let lines: String = files.iter().map(|(name, text)| format!("{name} {}\n", encoded(text))).collect();
        lines + "end\n"
    }

    /// A look that has not begun: from this byte on, for so many seconds, with so much output.
    fn command(&self, mode: &str, at: usize, seconds: u32, most: usize, script: &str) -> Command {
        let input = self.path("input");
        fs::write(&input, self.payload(script)).unwrap();
        let mut command = Command::new("sh");
        command
            .env_clear()
            .env("PATH", self.path("bin"))
            .args(["-c", RUNNER, "phoenix-run", mode, self.own("").to_str().unwrap().trim_end_matches('/')])
            .args([at.to_string(), seconds.to_string(), seconds.to_string(), most.to_string()])
            .stdin(File::open(input).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn look(&self, mode: &str, at: usize, seconds: u32, most: usize, script: &str) -> Look {
        let output = self.command(mode, at, seconds, most, script).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        Look { output: output.stdout, said: said.lines().last().unwrap_or_default().to_owned() }
    }

    /// A look that ends with the script.
    fn whole(&self, script: &str) -> Look {
        self.look("start", 0, 60, 1 << 20, script)
    }

    /// Lets a script continue that waits for this pipe.
    fn say(&self, pipe: &str) {
        let status =
            Command::new("timeout").args(["60", "sh", "-c", "echo go > \"$1\"", "sh"]).arg(self.path(pipe)).status();
        assert!(status.unwrap().success(), "somebody waits for it");
    }

    /// Begins to wait for what somebody says over this pipe, until nobody holds it open any more.
    fn listen(&self, pipe: &str) -> Child {
        Command::new("timeout").args(["60", "cat"]).arg(self.path(pipe)).stdout(Stdio::piped()).spawn().unwrap()
    }
}

/// What was said.
fn heard(listener: Child) -> String {
    let output = listener.wait_with_output().unwrap();
    assert!(output.status.success(), "somebody says something");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits in a script for this pipe. Should the test fail, nothing of it stays for longer than a minute.
fn wait(pipe: &str) -> String {
    format!("word=$(timeout 60 cat HERE/{pipe})")
}

/// Kills a process group.
fn kill_group(leader: &str) {
    assert!(Command::new("sh").args(["-c", "kill -9 \"-$1\"", "sh", leader]).status().unwrap().success());
}

#[test]
fn a_script_runs_with_its_environment_and_tells_its_status() {
    let scratch = Scratch::new(&[]);
    let script = "echo \"$PHOENIX_SCRIPT $PHOENIX_GUEST_ID $PHOENIX_GUEST_NAME $1\"; cat \"$PHOENIX_CONTEXT\"; echo\n\
                  umask; pwd; echo \"$HOME $LANG $DEBIAN_FRONTEND\"; cat; exit 7\n";
    let said = "work 200 box 200\n{\"token\": 1}\n0022\n/\n/root C.UTF-8 noninteractive\n";
    assert_eq!(scratch.whole(script), Look::new(said, "phoenix-run ended 7"));
    assert_eq!(scratch.left(), ["status"]);
    // A caller that lost the answer can ask again, and the script does not run again.
    assert_eq!(scratch.look("resume", said.len(), 60, 1 << 20, script), Look::new("", "phoenix-run ended 7"));
}

/// A link that breaks while the files are on their way looks like their end from inside.
#[test]
fn a_script_that_arrives_incomplete_never_begins() {
    let scratch = Scratch::new(&[]);
    let script = "touch HERE/begun\n";
    let payload = scratch.payload(script);
    // All of it takes a thousand processes, so the long files are cut here and there.
    for cut in (0..payload.len()).step_by(29).chain(payload.len() - 60..payload.len()) {
        let mut command = scratch.command("start", 0, 60, 1 << 20, script);
        fs::write(scratch.path("input"), &payload[..cut]).unwrap();
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "cut after {cut} bytes");
        assert!(!scratch.path("begun").exists() && !scratch.own("").exists(), "cut after {cut} bytes");
    }
    assert_eq!(scratch.look("resume", 0, 60, 1 << 20, script).said, "phoenix-run ended 0");
    assert!(scratch.path("begun").exists());
}

#[test]
fn nobody_but_root_can_read_what_it_is_given() {
    let scratch = Scratch::new(&["go"]);
    let script = &format!("echo begun; {}\n", wait("go"));
    assert_eq!(scratch.look("start", 0, 1, 1 << 20, script), Look::new("begun\n", "phoenix-run at 6"));
    for file in ["", "script", "context.json", "log"] {
        assert_eq!(fs::metadata(scratch.own(file)).unwrap().permissions().mode() & 0o077, 0, "{file}");
    }
    scratch.say("go");
    assert_eq!(scratch.look("follow", 6, 60, 1 << 20, script), Look::new("", "phoenix-run ended 0"));
}

#[test]
fn secrets_go_with_the_script_also_when_nobody_follows_it() {
    let scratch = Scratch::new(&["go", "over"]);
    let watch =
        "while [ -d HERE ] && [ ! -f HERE/scripts/0123456789abcdef/status ]; do sleep 0.1; done; echo over > HERE/over";
    let script = format!("timeout 60 sh -c '{watch}' > /dev/null 2>&1 &\necho begun; {}; echo ended\n", wait("go"));
    assert_eq!(scratch.look("start", 0, 1, 1 << 20, &script).said, "phoenix-run at 6");
    let over = scratch.listen("over");
    scratch.say("go");
    assert_eq!(heard(over), "over\n");
    assert_eq!(scratch.left(), ["log", "pid", "status", "supervise", "taken", "words"]);
    assert_eq!(scratch.look("follow", 6, 60, 1 << 20, &script), Look::new("ended\n", "phoenix-run ended 0"));
}

/// With everything that belongs to the connection.
#[test]
fn a_follower_that_is_killed_takes_nothing_with_it() {
    let scratch = Scratch::new(&["go"]);
    let script = &format!("echo x >> HERE/ran; echo one; {}; echo two\n", wait("go"));
    let mut follower = scratch.command("start", 0, 60, 1 << 20, script).process_group(0).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(follower.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "one\n");
    kill_group(&follower.id().to_string());
    follower.wait().unwrap();
    scratch.say("go");
    assert_eq!(scratch.look("resume", 4, 60, 1 << 20, script), Look::new("two\n", "phoenix-run ended 0"));
    assert_eq!(fs::read_to_string(scratch.path("ran")).unwrap(), "x\n", "it ran once");
}

#[test]
fn a_second_start_joins_what_runs() {
    let scratch = Scratch::new(&["go"]);
    let script = &format!("echo x >> HERE/ran; echo one; {}\n", wait("go"));
    for _ in 0..2 {
        assert_eq!(scratch.look("start", 0, 1, 1 << 20, script), Look::new("one\n", "phoenix-run at 4"));
    }
    scratch.say("go");
    assert_eq!(scratch.look("follow", 4, 60, 1 << 20, script), Look::new("", "phoenix-run ended 0"));
    assert_eq!(fs::read_to_string(scratch.path("ran")).unwrap(), "x\n", "it ran once");
}

#[test]
fn a_flood_of_bytes_comes_whole_and_in_pieces() {
    let scratch = Scratch::new(&[]);
    let script = "head -c 10000000 /dev/zero | tr '\\0' x; printf '\\377\\200\\n'\n";
    let most = 3_000_000;
    let (mut all, mut mode) = (Vec::new(), "start");
    let last = loop {
        let look = scratch.look(mode, all.len(), 60, most, script);
        assert!(look.output.len() <= most);
        all.extend(look.output);
        mode = "follow";
        if look.said != format!("phoenix-run at {}", all.len()) {
            break look.said;
        }
    };
    assert_eq!((last.as_str(), all.len()), ("phoenix-run ended 0", 10_000_003));
    assert!(all.ends_with(b"xx\xff\x80\n"));
}

#[test]
fn a_daemon_that_a_script_leaves_behind_lives_on() {
    let scratch = Scratch::new(&["ask", "answer"]);
    let daemon = format!("{}; echo \"heard $word\" > HERE/answer", wait("ask"));
    let script = format!("timeout 60 sh -c '{daemon}' &\necho left it\n");
    assert_eq!(scratch.whole(&script), Look::new("left it\n", "phoenix-run ended 0"));
    let answer = scratch.listen("answer");
    scratch.say("ask");
    assert_eq!(heard(answer), "heard go\n");
}

#[test]
fn a_script_that_is_killed_is_told() {
    let scratch = Scratch::new(&["go"]);
    assert_eq!(scratch.whole("echo one; kill -9 $$\n"), Look::new("one\n", "phoenix-run ended 137"));
    // As when somebody kills all of it: nothing is left to tell a status.
    let script = &format!("echo one; {}\n", wait("go"));
    assert_eq!(scratch.look("start", 0, 1, 1 << 20, script).said, "phoenix-run at 4");
    kill_group(fs::read_to_string(scratch.own("pid")).unwrap().trim());
    assert_eq!(scratch.look("follow", 4, 60, 1 << 20, script), Look::new("", "phoenix-run lost "));
    assert_eq!(scratch.left(), [""; 0]);
}

/// A script past its deadline, and what it waits for.
#[test]
fn a_script_is_stopped_with_what_it_started() {
    let scratch = Scratch::new(&["held"]);
    // A reader of the pipe reaches its end when nobody holds it open any more.
    let script = "exec 3> HERE/held; echo begun; sleep 60\n";
    let held = scratch.listen("held");
    assert_eq!(scratch.look("start", 0, 1, 1 << 20, script), Look::new("begun\n", "phoenix-run at 6"));
    assert_eq!(scratch.look("stop", 0, 0, 0, script), Look::new("", ""));
    assert_eq!(heard(held), "");
    assert_eq!(scratch.left(), [""; 0]);
}

/// Only its supervisor is killed: it is not reported as lost while it runs on.
#[test]
fn a_script_ends_with_its_supervisor() {
    let scratch = Scratch::new(&["held"]);
    let script = "exec 3> HERE/held; echo begun; sleep 60\n";
    let held = scratch.listen("held");
    assert_eq!(scratch.look("start", 0, 1, 1 << 20, script), Look::new("begun\n", "phoenix-run at 6"));
    let supervisor = fs::read_to_string(scratch.own("pid")).unwrap();
    assert!(Command::new("kill").args(["-9", supervisor.trim()]).status().unwrap().success());
    assert_eq!(scratch.look("follow", 6, 60, 1 << 20, script), Look::new("", "phoenix-run lost "));
    assert_eq!(heard(held), "", "nothing of it runs");
}

#[test]
fn what_others_left_goes_and_what_still_runs_is_waited_for() {
    let scratch = Scratch::new(&["go"]);
    let other = |name: &str| scratch.path("scripts").join(name);
    let make = |name: &str, pid: &str| {
        fs::create_dir_all(other(name)).unwrap();
        fs::write(other(name).join("pid"), pid).unwrap();
        fs::write(other(name).join("context.json"), "secret").unwrap();
    };
    // Another process that has the number by now, and a number that no process has (proc_pid_max: at most 2^22).
    make("aaaaaaaaaaaaaaaa", &std::process::id().to_string());
    make("bbbbbbbbbbbbbbbb", "4194305");
    make("cccccccccccccccc", "4194305");
    let supervise = other("cccccccccccccccc").join("supervise");
    fs::write(&supervise, SUPERVISOR).unwrap();
    fs::write(other("cccccccccccccccc").join("words"), "1\nx\nx\nsh\n").unwrap();
    fs::write(other("cccccccccccccccc").join("script"), format!("cat {} > /dev/null\n", scratch.path("go").display()))
        .unwrap();
    let mut running = Command::new("timeout").args(["60", "sh"]).arg(&supervise).spawn().unwrap();
    let taken =
        format!("until [ \"$(cat {0})\" != 4194305 ]; do sleep 0.1; done", other("cccccccccccccccc/pid").display());
    assert!(Command::new("timeout").args(["60", "sh", "-c", &taken]).status().unwrap().success());
    assert_eq!(scratch.whole("exit 0\n"), Look::new("", "phoenix-run busy"));
    assert!(other("cccccccccccccccc/context.json").exists());
    scratch.say("go");
    running.wait().unwrap();
    assert_eq!(scratch.whole("exit 0\n").said, "phoenix-run ended 0");
    for gone in ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"] {
        assert!(!other(gone).exists(), "{gone}");
    }
}
