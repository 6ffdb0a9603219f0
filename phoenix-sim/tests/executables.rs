//! The program under the names of the Proxmox tools, over a kept node.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use test_case::test_case;

struct Node {
    folder: TempDir,
}

impl Node {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bin = folder.path().join("bin");
        let installed =
            Command::new(env!("CARGO_BIN_EXE_phoenix-sim")).arg("install").arg(&bin).status().expect("it starts");
        assert!(installed.success());
        Self { folder }
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("node")
    }

    fn command(&self, line: &str) -> Command {
        let mut words = line.split(' ');
        let mut command = Command::new(self.folder.path().join("bin").join(words.next().expect("a tool")));
        command.args(words).env("PHOENIX_SIM_DIR", self.state()).env_remove("PHOENIX_SIM_PACE").stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("it starts")
    }

    /// Runs a command that must succeed, and gives its output.
    fn output(&self, line: &str) -> String {
        let output = self.run(line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{line}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }
}

const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst --rootfs tank:4 --features nesting=1";

#[test]
fn each_tool_answers_by_its_name() {
    let node = Node::new();
    node.output(&format!("pct create 103 {TEMPLATE} --hostname step-ca"));
    node.output("qm create 1001 --name docker --memory 512 --scsi0 tank:8");
    node.output("pct start 103");
    assert_eq!(node.output("pct status 103"), "status: running\n");
    assert_eq!(node.output("pct exec 103 -- hostname"), "step-ca\n");
    assert!(node.output("qm list").contains("docker"));
    assert!(node.output("pvesm status").contains("tank"));
    assert!(node.output("pvesh get /cluster/resources --type vm --output-format json").contains("\"lxc/103\""));
    let conf = fs::read_to_string(node.state().join("etc/pve/lxc/103.conf")).expect("a real file");
    assert!(conf.contains("hostname: step-ca\n"), "{conf}");
    let missing = node.run("pct status 999");
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(missing.stderr, b"Configuration file 'nodes/pve/lxc/999.conf' does not exist\n");
}

#[test]
fn many_at_once_lose_nothing() {
    let node = Node::new();
    let started: Vec<_> = (200..216)
        .map(|id| {
            let mut command = node.command(&format!("pct create {id} {TEMPLATE}"));
            command.stdout(Stdio::null()).spawn().expect("it starts")
        })
        .collect();
    for mut child in started {
        assert!(child.wait().expect("it ends").success());
    }
    assert_eq!(node.output("pct list").lines().count(), 17);
}

#[test]
fn without_a_folder_it_says_what_to_set() {
    let node = Node::new();
    let output = node.command("pct list").env_remove("PHOENIX_SIM_DIR").output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("set `$PHOENIX_SIM_DIR`"), "{text}");
    assert!(!Path::new("pct").exists());
}

#[test]
fn what_a_command_is_given_are_files_of_this_machine() {
    let node = Node::new();
    let beside = node.folder.path().join("beside");
    fs::create_dir(&beside).expect("a folder");
    fs::write(beside.join("note"), "hi\n").expect("it is written");
    node.output(&format!("pct create 103 {TEMPLATE} --hostname step-ca"));
    node.output("pct start 103");

    let here = beside.to_str().expect("UTF-8");
    node.output(&format!("pct push 103 {here}/note /root/note --perms 600"));
    assert_eq!(node.output("pct exec 103 -- cat /root/note"), "hi\n");
    assert_eq!(node.output("pct exec 103 -- stat -c %a /root/note"), "600\n");
    let relative = node.command("pct push 103 note /root/again").current_dir(&beside).status().expect("it starts");
    assert!(relative.success());
    assert_eq!(node.output("pct exec 103 -- cat /root/again"), "hi\n");
    node.output(&format!("pct pull 103 /etc/hostname {here}/name"));
    assert_eq!(fs::read_to_string(beside.join("name")).expect("a real file"), "step-ca\n");
    assert!(
        String::from_utf8_lossy(&node.run(&format!("pct push 103 {here}/none /x")).stderr).contains("failed to open")
    );
}

#[test]
fn a_bind_mount_is_a_folder_of_this_machine() {
    let node = Node::new();
    let shared = node.folder.path().join("shared");
    node.output(&format!("pct create 103 {TEMPLATE} --mp0 {},mp=/shared", shared.display()));
    assert!(!node.run("pct start 103").status.success(), "the folder is not there yet");

    fs::create_dir(&shared).expect("a folder");
    fs::write(shared.join("config"), "from outside\n").expect("it is written");
    node.output("pct start 103");
    assert_eq!(node.output("pct exec 103 -- ls /shared"), "config\n");
    assert_eq!(node.output("pct exec 103 -- cat /shared/config"), "from outside\n");
    node.output("pct exec 103 -- mkdir -p /shared/a/b");
    node.output("pct exec 103 -- cp /shared/config /shared/a/copy");
    node.output("pct exec 103 -- mv /shared/a/copy /shared/a/b/moved");
    node.output("pct exec 103 -- chmod 640 /shared/a/b/moved");
    assert_eq!(fs::read_to_string(shared.join("a/b/moved")).expect("a real file"), "from outside\n");
    assert_eq!(node.output("pct exec 103 -- stat -c %a /shared/a/b/moved"), "640\n");
    node.output("pct exec 103 -- rm -r /shared/a");
    assert!(!shared.join("a").exists());

    // What is below the node's own configuration stays below its folder.
    node.output("pct stop 103");
    node.output("pct set 103 --mp0 /etc/pve,mp=/shared");
    node.output("pct start 103");
    assert!(node.output("pct exec 103 -- ls /shared").contains("storage.cfg\n"));
}

#[test]
fn an_image_of_this_machine_is_imported() {
    let node = Node::new();
    let image = node.folder.path().join("disk.raw");
    fs::File::create(&image).and_then(|file| file.set_len(3 << 30)).expect("a sparse file");
    node.output("qm create 9000 --name cloud --memory 512");
    node.output(&format!("qm disk import 9000 {} tank", image.display()));
    assert!(node.output("qm config 9000").contains("unused0: tank:vm-9000-disk-0\n"));
    assert!(node.output("pvesm list tank").contains(" 3221225472 9000"));
}

#[test]
fn what_a_service_writes_meanwhile_appears_in_the_mounted_folder() {
    let node = Node::new();
    let shared = node.folder.path().join("shared");
    fs::create_dir(&shared).expect("a folder");
    fs::create_dir(node.state()).expect("a folder");
    let event = r#"{"after": "30s", "files": {"/ssl/ca.ready": "yes", "/root/alone": "yes"}}"#;
    let world = format!(r#"{{"guests": {{"103": {{"services": {{"ca": {{"events": [{event}]}}}}}}}}}}"#);
    fs::write(node.state().join("world.json"), world).expect("it is written");
    node.output(&format!("pct create 103 {TEMPLATE} --mp0 {},mp=/ssl", shared.display()));
    node.output("pct start 103");
    // A minute passes before the next command.
    let kept = node.state().join("state.json");
    let mut state: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&kept).expect("a state")).expect("it is JSON");
    state["elapsed_ms"] = (state["elapsed_ms"].as_u64().expect("a time") + 60_000).into();
    fs::write(&kept, state.to_string()).expect("it is written");
    assert_eq!(node.output("pct exec 103 -- ls /ssl /root/alone"), "/root/alone\n\n/ssl:\nca.ready\n");
    assert_eq!(fs::read_to_string(shared.join("ca.ready")).expect("a real file"), "yes");
}

/// The agent of a VM starts a process, and the process outlives the command that asked for it.
#[test]
fn what_a_command_leaves_running_in_a_vm_goes_on_until_it_has_ended() {
    let node = Node::new();
    fs::create_dir(node.state()).expect("a folder");
    fs::write(node.state().join("world.json"), r#"{"every_guest": {"boot": {"agent": "0s"}}}"#).expect("it is written");
    node.output("qm create 200 --memory 512 --agent 1 --scsi0 tank:4");
    node.output("qm start 200");
    let inside = |text: &str| {
        let output = node.command("qm guest exec 200 --").args(["sh", "-c", text]).output().expect("it starts");
        let reply: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        reply["out-data"].as_str().unwrap_or_default().to_owned()
    };
    let script = "echo begun; sleep 3600; echo ended";
    let start = format!("cd /root; setsid sh -c '{script}' > log 2>&1 < /dev/null & sleep 1; cat /root/log");
    assert_eq!(inside(&start), "begun\n");
    assert_eq!(inside("cat /root/log"), "begun\nended\n");

    let asked = node.output("qm guest exec 200 --synchronous 0 -- sleep 100");
    let asked: serde_json::Value = serde_json::from_str(&asked).expect("it is JSON");
    let status = node.output(&format!("qm guest exec-status 200 {}", asked["pid"]));
    assert!(status.contains("\"exited\" : 1"), "{status}");

    // What never ends, ends with the command.
    inside("setsid sh -c 'echo $$ > /root/pid; while :; do sleep 60; done' > /dev/null 2>&1 &");
    assert_eq!(inside("kill -0 $(cat /root/pid) 2> /dev/null || echo gone"), "gone\n");
}

/// Runs a command whose output nobody reads: the one who asked is dead. Its status and what it says on stderr.
fn unread(node: &Node, line: &str) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = node.command(line).stdout(writer).stderr(Stdio::piped()).output().expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test_case("qm clone 1001 1002 --full 1"; "a copy")]
#[test_case("qm create 1002 --memory 512 --scsi0 tank:0,import-from=IMAGE"; "an imported disk")]
#[test_case("pct clone 103 1002 --full 1"; "a container's copy")]
#[test_case("pct create 1002 local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst --rootfs tank:4"; "a container")]
fn a_worker_that_makes_a_guest_ends_with_its_caller_and_leaves_nothing(line: &str) {
    let node = Node::new();
    let image = node.folder.path().join("cloud.raw");
    fs::write(&image, "an image").expect("a file");
    let line = &line.replace("IMAGE", &image.display().to_string());
    fs::create_dir_all(node.state()).expect("a folder");
    let storages = r#"{"storages": {"tank": {"type": "zfspool"}, "plain": {"type": "dir"}}}"#;
    fs::write(node.state().join("world.json"), storages).expect("a file");
    node.output(&format!("pct create 103 {TEMPLATE} --hostname step-ca"));
    node.output("qm create 1001 --name docker --memory 512 --scsi0 tank:8");
    let disks = node.output("pvesm list tank") + &node.output("pvesm list plain");
    assert_eq!(unread(&node, line), (Some(255), "broken pipe\n".to_owned()));
    for folder in ["lxc", "qemu-server"] {
        assert!(!node.state().join(format!("etc/pve/{folder}/1002.conf")).exists());
    }
    assert_eq!(node.output("pvesm list tank") + &node.output("pvesm list plain"), disks);
    assert!(!node.output("pct config 103").contains("lock") && !node.output("qm config 1001").contains("lock"));
    let tasks = node.output("pvesh get /nodes/pve/tasks --output-format json");
    assert!(tasks.contains("broken pipe"), "{tasks}");
    node.output(line);
}

#[test]
fn a_direct_command_that_nobody_reads_is_killed_at_its_first_word() {
    let node = Node::new();
    node.output("qm create 1001 --name docker --memory 512 --scsi0 tank:8");
    assert_eq!(unread(&node, "qm set 1001 --memory 600"), (Some(141), String::new()));
    assert!(node.output("qm config 1001").contains("memory: 512"));
}
