//! Nodes over ssh: real time, real processes, a question before anything changes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};

use crate::program::{Place, Run};
use crate::terminal::Session;

/// How long the tools of the node take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tools {
    /// No time.
    Instant,
    /// As long as on a real node.
    TakeTime,
}

/// A simulated node behind an `ssh` of ours, with two containers configured: 101 needs 103.
pub(crate) struct Remote {
    place: Place,
}

/// The address of the node; the `ssh` of these tests leads to the one node that there is.
const HOST: &str = "ssh://root@node";

impl Remote {
    pub(crate) fn new(world: &Value) -> Self {
        let place = Place::empty();
        let template = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
        let configuration = json!({"lxc_configs": {
            "103": {
                "name": "step-ca", "template": template, "storage_pool": "local-zfs", "storage_size_gb": 8,
                "start_at_boot": true, "features": ["step_ca"],
                "health_check": {"name": "CA ready", "file": "/etc/ca.ready", "retries": 3, "interval": 60},
            },
            "101": {
                "name": "nginx", "template": template, "storage_pool": "local-zfs", "storage_size_gb": 8,
                "start_at_boot": true, "dependencies": ["103"],
            },
        }});
        fs::create_dir(place.config().join("features")).unwrap();
        let remote = Self::with(place, &world.to_string());
        remote.write("phoenix_lxc_configs.json", &configuration.to_string());
        remote.write("features/step_ca.sh", "#!/bin/sh\ntouch /etc/ca.ready\n");
        remote
    }

    /// The same behind another configuration.
    fn with(place: Place, world: &str) -> Self {
        fs::create_dir(place.beside("node")).unwrap();
        let mut world: Value = serde_json::from_str(world).unwrap();
        // A shell on the node sees what a file stands for, and nothing that is taken for granted.
        let files = world.as_object_mut().unwrap().entry("files").or_insert_with(|| json!({})).as_object_mut().unwrap();
        for path in ["/var/lib/vz/template/cache/debian-12-standard_12.7-1_amd64.tar.zst", "/dev/kvm", "/proc/fs/nfsd/"]
        {
            files.entry(path).or_insert_with(|| json!(""));
        }
        for interface in ["vmbr0", "vmbr1"] {
            files.entry(format!("/sys/class/net/{interface}/bridge/")).or_insert_with(|| json!(""));
        }
        fs::write(place.beside("node/world.json"), world.to_string()).unwrap();
        fs::create_dir(place.beside("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_ssh-to-simulated-node"), place.beside("bin/ssh")).unwrap();
        Self { place }
    }

    /// The program on this node.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-under-test"));
        command
            .env_clear()
            .env("COLUMNS", "100")
            .env("PATH", self.place.beside("bin"))
            .env("PHOENIX_SIM_DIR", self.place.beside("node"))
            .env("PHOENIX_CONFIG_DIR", self.place.config())
            .env("PHOENIX_HOST", HOST)
            .args(args);
        command
    }

    pub(crate) fn phoenix(&self, args: &[&str]) -> Run {
        let output = self.command(args).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run { exit: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The program in the middle of its work; its events come line by line.
    pub(crate) fn begin(&self, args: &[&str], tools: Tools) -> Child {
        let mut command = self.command(&[&["--format", "jsonl"], args].concat());
        if tools == Tools::TakeTime {
            command.env("PHOENIX_SIM_PACE", "1");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The same, started as `nohup` starts a program.
    pub(crate) fn begin_ignoring_hangups(&self, args: &[&str]) -> Child {
        let phoenix = self.command(&[&["--format", "jsonl"], args].concat());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(phoenix.get_program()).args(phoenix.get_args());
        command.env_clear();
        command.envs(phoenix.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PHOENIX_SIM_PACE", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The program with so many open files at most.
    fn phoenix_with_files(&self, args: &[&str], files: u32) -> Run {
        let phoenix = self.command(args);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh", &files.to_string()]);
        command.arg(phoenix.get_program()).args(phoenix.get_args()).env_clear();
        command.envs(phoenix.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run { exit: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The program again and again while another run holds the lock.
    pub(crate) fn until_free(&self, args: &[&str]) -> Run {
        loop {
            let run = self.phoenix(args);
            if run.exit != Some(4) {
                return run;
            }
        }
    }

    /// Writes a file of the configuration.
    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.place.config().join(file), text).unwrap();
    }

    /// The program at a terminal at which somebody types an answer once he is asked; what he sees, and how it ends.
    fn answered(&self, args: &[&str], answer: &str) -> (String, ExitStatus) {
        let mut session = Session::new(&mut self.command(args), 100);
        session.until("[y/N] ");
        session.types(answer);
        session.ends()
    }

    /// The guests that exist, by id.
    fn existing(&self) -> Vec<u64> {
        let status = self.phoenix(&["--format", "json", "status"]).json();
        let guests = status.as_array().unwrap().iter();
        guests.filter(|guest| guest["ownership"] != "absent").map(|guest| guest["id"].as_u64().unwrap()).collect()
    }

    /// The commands of the node that changed it, by what was recorded in `log`.
    pub(crate) fn changes(&self, log: &str) -> Vec<Value> {
        self.place.commands(log).into_iter().filter(|command| command["effect"] == "change").collect()
    }

    /// What ssh was called for while the program ran.
    fn lines_of(&self, args: &[&str]) -> Vec<String> {
        let log = self.place.beside("lines");
        let output = self.command(args).env("PHOENIX_SIM_LINES", &log).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
        fs::remove_file(log).unwrap();
        lines
    }

    /// A path next to the configuration.
    pub(crate) fn beside(&self, name: &str) -> String {
        self.place.beside(name).to_str().unwrap().to_owned()
    }
}

/// The lines of a stream up to the first that fits, that one included.
pub(crate) fn until<'a>(lines: &'a mut impl Iterator<Item = String>, fits: impl Fn(&str) -> bool + 'a) -> Vec<String> {
    let mut seen = Vec::new();
    for line in lines {
        let found = fits(&line);
        seen.push(line);
        if found {
            return seen;
        }
    }
    panic!("the stream ended without it: {seen:#?}")
}

/// The lines of a stream as they come.
pub(crate) fn lines(stream: impl std::io::Read) -> impl Iterator<Item = String> {
    BufReader::new(stream).lines().map(Result::unwrap)
}

#[test]
fn a_fleet_comes_up_over_ssh_and_goes_down_again() {
    let remote = Remote::new(&json!({}));
    let up = remote.phoenix(&["up", "--yes"]);
    assert_eq!(up.exit, Some(0), "{}", up.all());
    assert!(up.stdout.contains("✓ 2 guests: 2 done"), "{}", up.all());
    let log = remote.beside("second.jsonl");
    let again = remote.phoenix(&["--command-log", &log, "up"]);
    assert_eq!((again.exit, remote.changes("second.jsonl").len()), (Some(0), 0), "{}", again.all());
    assert_eq!(remote.phoenix(&["health"]).exit, Some(0));
    assert_eq!(remote.phoenix(&["wait", "step-ca", "nginx", "--timeout", "10"]).exit, Some(0));
    let down = remote.phoenix(&["down", "--yes"]);
    assert_eq!(down.exit, Some(0), "{}", down.all());
    assert_eq!(remote.existing(), [0; 0]);
}

/// An address that only the node knows: nobody here answers at it.
#[test]
fn probes_over_ssh_are_made_from_the_nodes_side() {
    let guest = json!({"services": {"app": {
        "events": [{"after": "0s", "open": [9000]}], "http": {"/health": {"body": "green\n"}},
    }}});
    let remote = Remote::new(&json!({"guests": {"103": guest}, "files": {"/srv/ca.ready": "yes\n"}}));
    let gates = |port: u16, marker: &str| {
        json!([
            {"tcp": {"port": port}, "retries": 1},
            {"http": {"port": port, "path": "/health", "body": "green"}, "retries": 1},
            {"host_command": format!("test -e {marker}"), "retries": 1},
            {"file": {"path": marker, "on": "host", "contains": "yes"}, "retries": 1},
            {"command": format!("nc -z localhost {port}"), "retries": 1},
        ])
    };
    let configured = |gates: Value| {
        let configuration = json!({"lxc_configs": {"103": {
            "name": "step-ca", "template": "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
            "storage_pool": "local-zfs", "storage_size_gb": 8, "start_at_boot": true, "health_check": gates,
            "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "10.99.0.103/24", "gw": "10.99.0.1"},
        }}});
        remote.write("phoenix_lxc_configs.json", &configuration.to_string());
    };
    configured(gates(9000, "/srv/ca.ready"));
    let up = remote.phoenix(&["up", "--yes"]);
    assert_eq!(up.exit, Some(0), "{}", up.all());
    assert_eq!(remote.phoenix(&["health"]).exit, Some(0));
    configured(gates(9001, "/srv/other"));
    let health = remote.phoenix(&["--format", "json", "health"]);
    assert_eq!(health.exit, Some(1), "{}", health.all());
    let answers = health.json()[0]["gates"].clone();
    assert!(answers.as_array().unwrap().iter().all(|gate| gate[1]["verdict"] != "yes"), "{answers:#}");
}

/// The CA in its container, and a VM that waits for its marker and runs its scripts detached, where no process outlives the
/// command that started it: what the scripts take passes on the node's clock, what gates wait for passes here.
#[test]
fn the_example_ends_healthy_where_each_command_is_a_process_of_its_own() {
    let place = Place::copy_of("examples/step-ca");
    let text = fs::read_to_string(place.config().join("world.json")).unwrap();
    let mut world: Value = serde_json::from_str(&text).unwrap();
    for waited_for in [
        "/guests/103/services/step-ca/events/1/after",
        "/guests/103/services/step-ca/events/2/after",
        "/guests/1001/boot/agent",
        "/guests/1001/boot/cloud_init",
    ] {
        *world.pointer_mut(waited_for).unwrap() = json!("0s");
    }
    let remote = Remote::with(place, &world.to_string());
    let up = remote.phoenix(&["up", "step-ca", "docker-host", "--yes"]);
    assert_eq!(up.exit, Some(0), "{}", up.all());
    assert!(up.stdout.contains("✓ 4 guests: 4 done"), "{}", up.all());
    assert_eq!(remote.phoenix(&["health", "step-ca", "docker-host"]).exit, Some(0));
    let again = remote.phoenix(&["plan", "step-ca", "docker-host", "--exit-code"]);
    assert_eq!(again.exit, Some(0), "{}", again.all());
}

#[test]
fn nothing_is_changed_without_a_word() {
    let remote = Remote::new(&json!({}));
    let log = remote.beside("log.jsonl");
    let run = remote.phoenix(&["--command-log", &log, "up"]);
    assert_eq!(run.exit, Some(2), "{}", run.all());
    assert!(run.stderr.contains("add `--yes`"), "{}", run.all());
    let changes = remote.changes("log.jsonl");
    assert!(changes.iter().all(|command| command["guest"].is_null()), "{changes:?}");
    assert_eq!(remote.existing(), [0; 0]);
}

#[test]
fn whoever_says_yes_gets_it() {
    let remote = Remote::new(&json!({}));
    for answer in ["y\n", "YES\n"] {
        let (seen, status) = remote.answered(&["up"], answer);
        assert!(seen.contains("Do this on ssh://root@node? [y/N] "), "{seen}");
        assert_eq!(status.code(), Some(0), "{seen}");
        assert_eq!(remote.existing(), [101, 103]);
        let (seen, status) = remote.answered(&["down"], answer);
        assert_eq!((status.code(), remote.existing()), (Some(0), vec![]), "{seen}");
    }
}

#[test]
fn every_other_answer_is_a_no() {
    let remote = Remote::new(&json!({}));
    for answer in ["n\n", "\n", "yesterday\n", "\u{4}"] {
        let (seen, status) = remote.answered(&["up"], answer);
        assert_eq!(status.code(), Some(130), "{answer:?}: {seen}");
        assert!(seen.contains("nothing was changed"), "{seen}");
    }
    assert_eq!(remote.existing(), [0; 0]);
}

#[test]
fn with_nothing_to_change_nobody_is_asked() {
    let remote = Remote::new(&json!({}));
    assert_eq!(remote.phoenix(&["up", "--yes"]).exit, Some(0));
    let run = remote.phoenix(&["up"]);
    assert_eq!(run.exit, Some(0), "{}", run.all());
}

#[test]
fn a_node_that_cannot_be_reached_is_a_failure_with_its_cause() {
    let remote = Remote::new(&json!({}));
    // A folder in the place of the world: the `ssh` of these tests ends with 255 and a message, as ssh does.
    fs::remove_file(remote.beside("node/world.json")).unwrap();
    fs::create_dir(remote.beside("node/world.json")).unwrap();
    let run = remote.phoenix(&["status"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    assert!(run.stderr.contains("cannot reach ssh://root@node: ssh: "), "{}", run.all());
    fs::remove_file(remote.beside("bin/ssh")).unwrap();
    let run = remote.phoenix(&["status"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    assert!(run.stderr.contains("`ssh`"), "{}", run.all());
}

/// The list of containers, that of VMs, and one look at all files.
#[test]
fn a_plan_costs_three_processes_of_the_node_whatever_the_size_of_the_fleet() {
    let remote = Remote::new(&json!({}));
    for count in [2, 12] {
        let container = |n: usize| {
            let guest = json!({
                "name": format!("c{n}"), "template": "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
                "storage_pool": "local-zfs", "storage_size_gb": 8, "start_at_boot": true,
                "mount_points": [{"host_path": format!("/srv/c{n}"), "container_path": "/data"}],
                "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": format!("10.0.0.{n}/24"), "gw": "10.0.0.254", "firewall": true},
                "firewall": {"enabled": true},
            });
            ((100 + n).to_string(), guest)
        };
        let guests: serde_json::Map<String, Value> = (1..=count).map(container).collect();
        remote.write("phoenix_lxc_configs.json", &json!({"lxc_configs": guests}).to_string());
        let up = remote.phoenix(&["up", "--yes"]);
        assert_eq!(up.exit, Some(0), "{}", up.all());
        let lines = remote.lines_of(&["plan", "--exit-code"]);
        assert_eq!(lines.len(), 3, "{lines:#?}");
    }
}

/// Gates that are asked at once need more files than the process may open: they wait for each other, and none is taken for a no.
#[test]
fn running_out_of_file_descriptors_is_never_an_unhealthy_answer() {
    let remote = Remote::new(&json!({}));
    let gates: Vec<Value> =
        (0..24).map(|n| json!({"name": format!("g{n}"), "command": "true", "retries": 1, "timeout": 120})).collect();
    let configuration = json!({"lxc_configs": {"103": {
        "name": "step-ca", "template": "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
        "storage_pool": "local-zfs", "storage_size_gb": 8, "start_at_boot": true, "health_check": gates,
    }}});
    remote.write("phoenix_lxc_configs.json", &configuration.to_string());
    let run = remote.phoenix_with_files(&["up", "--yes"], 48);
    assert_eq!(run.exit, Some(0), "{}", run.all());
    assert!(run.stdout.contains("24/24"), "{}", run.all());
}
