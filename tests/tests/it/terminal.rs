//! The program at a terminal: what somebody sees who sits there, and what he types.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program::Place;

/// The program at a terminal.
pub(crate) struct Session {
    child: Child,
    terminal: File,
    seen: Vec<u8>,
}

impl Session {
    /// Starts a program at a terminal with this many columns.
    pub(crate) fn new(command: &mut Command, columns: u16) -> Self {
        let size = Winsize { ws_row: 30, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        // The command keeps no copy of the other end: once the program has ended nobody holds it, and reading ends.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child, terminal: File::from(master), seen: Vec::new() }
    }

    /// Reads until a text has been shown since the last call, or the program has ended.
    pub(crate) fn until(&mut self, text: &str) {
        let from = self.seen.len();
        let mut byte = [0];
        while !self.seen[from..].ends_with(text.as_bytes())
            && self.terminal.read(&mut byte).is_ok_and(|count| count == 1)
        {
            self.seen.push(byte[0]);
        }
    }

    pub(crate) fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
    }

    /// All that was shown, and how it ended.
    pub(crate) fn ends(mut self) -> (String, ExitStatus) {
        // Linux ends the reading of a terminal that was hung up with an error.
        let _ = self.terminal.read_to_end(&mut self.seen);
        (String::from_utf8(self.seen).unwrap(), self.child.wait().unwrap())
    }
}

/// The program on a simulated node that is kept, without a width of its own.
fn phoenix(place: &Place, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-under-test"));
    let node = format!("sim:{}", place.beside("node").display());
    command.env_clear().env("TERM", "xterm").env("PHOENIX_CONFIG_DIR", place.config()).env("PHOENIX_HOST", node);
    command.args(args);
    command
}

#[test]
fn watching_health_gives_the_screen_back() {
    let place = Place::copy_of("examples/step-ca");
    let node = format!("sim:{}", place.beside("node").display());
    assert_eq!(place.phoenix(&["--host", &node, "up", "103"]).exit, Some(0));
    let mut session = Session::new(&mut phoenix(&place, &["--color", "never", "health", "103", "--watch", "1"]), 80);
    session.until("1 of 1 healthy");
    session.until("passed");
    session.interrupt();
    let (seen, status) = session.ends();
    assert_eq!(status.code(), Some(130), "{seen}");
    let (before, after) = seen.split_once("\u{1b}[?1049h").unwrap();
    assert!(before.contains("simulated node"), "{seen}");
    let (drawn, left) = after.split_once("\u{1b}[?25h\u{1b}[?1049l").unwrap();
    assert!(drawn.contains("Ctrl-C ends it"), "{seen}");
    assert!(left.contains("CA port") && left.contains("passed"), "the last answers stay: {seen}");
}

#[test]
fn a_run_at_a_terminal_leaves_nothing_of_its_foot() {
    let place = Place::copy_of("examples/step-ca");
    let session = Session::new(&mut phoenix(&place, &["--color", "never", "--pace", "2000", "up", "103"]), 60);
    let (seen, status) = session.ends();
    assert_eq!(status.code(), Some(0), "{seen}");
    // Each line of the foot is removed again; after the last of them nothing is drawn over.
    let last = seen.rsplit("\u{1b}[J").next().unwrap();
    assert!(last.contains("✓ 2 guests: 2 done") && !last.contains('▸'), "{seen}");
    for line in last.lines() {
        assert!(line.trim_end().chars().count() <= 60, "wider than the terminal: {line:?}");
    }
}

#[test]
fn waiting_says_what_is_in_the_way_and_ends_when_it_is_gone() {
    let place = Place::copy_of("examples/step-ca");
    let node = format!("sim:{}", place.beside("node").display());
    let phoenix = |args: &[&str]| place.phoenix(&[&["--host", &node], args].concat());
    let absent = phoenix(&["wait", "103", "--timeout", "10"]);
    assert_eq!(absent.exit, Some(1), "{}", absent.all());
    assert!(absent.stderr.contains("not yet healthy: 103 step-ca (absent)"), "{}", absent.all());
    assert!(absent.stderr.contains("after 10s, not healthy: 103 step-ca (absent)"), "{}", absent.all());

    assert_eq!(phoenix(&["up", "101"]).exit, Some(0));
    assert_eq!(phoenix(&["stop", "103"]).exit, Some(0));
    let stopped = phoenix(&["wait", "101", "103", "--for", "stopped"]);
    assert_eq!((stopped.exit, stopped.stdout.as_str()), (Some(0), "✓ stopped: 101 nginx, 103 step-ca\n"));
    let running = phoenix(&["--format", "json", "wait", "103", "--for", "running", "--timeout", "3"]);
    assert_eq!((running.exit, &running.json()[0]["reached"]), (Some(1), &serde_json::Value::Bool(false)));

    // Its service takes 80 s after the start, so several looks are needed.
    assert!(phoenix_sim_tool(&place, &["pct", "start", "103"]).success());
    let healthy = phoenix(&["wait", "step-ca", "--timeout", "5m"]);
    assert_eq!((healthy.exit, healthy.stdout.as_str()), (Some(0), "✓ healthy: 103 step-ca\n"), "{}", healthy.all());
    assert!(healthy.stderr.contains("not yet healthy: 103 step-ca (gate `CA port`"), "{}", healthy.all());
    let hopeless = phoenix(&["wait", "104"]);
    assert_eq!(hopeless.exit, Some(2), "{}", hopeless.all());
}

/// A gate that takes all its time does not make the wait longer than asked for.
#[test]
fn waiting_ends_in_time_while_a_gate_hangs() {
    let place = Place::copy_of("examples/step-ca");
    let node = format!("sim:{}", place.beside("node").display());
    let phoenix = |args: &[&str]| place.phoenix(&[&["--host", &node], args].concat());
    assert_eq!(phoenix(&["up", "103"]).exit, Some(0));
    place.replace("phoenix_lxc_configs.json", "\"nc -z localhost 9000\"", "\"sleep 10000\", \"timeout\": 600");
    let run = phoenix(&["wait", "103", "--timeout", "20"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    let said = run.stderr.lines().find(|line| line.starts_with("error: after 20s, not healthy")).unwrap();
    let limit = said.split("no answer within ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(limit.parse::<f64>().unwrap() <= 20.0, "{said}");
}

/// A tool of the node, called by hand.
fn phoenix_sim_tool(place: &Place, argv: &[&str]) -> ExitStatus {
    std::fs::copy(place.config().join("world.json"), place.beside("node/world.json")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ssh-to-simulated-node"));
    command.env("PHOENIX_SIM_DIR", place.beside("node")).stdin(Stdio::null()).arg(argv.join(" "));
    command.output().unwrap().status
}
