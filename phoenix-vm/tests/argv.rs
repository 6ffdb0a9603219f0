//! Every command line that the adapter sends is read by the real tool's grammar, and says what was meant.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use phoenix_host::fake::FakeHost;
use phoenix_host::{Command, Effect, HostError, Input, InsideError, Output};
use phoenix_pve::{CloneGuest, CloneMode, ErrorClass, GuestError, Guests as _, Purge};
use phoenix_sim::grammar::{Invocation, Verdict, parse};
use phoenix_types::{Change, GuestId, MemoryMib, Power, SnapshotName};
use phoenix_vm::{CreateVm, Image, IpConfig, Qm, VirtualMachines, VmNet, VmSettings};
use pretty_assertions::assert_eq;
use test_case::test_case;

const CONF: &str = "boot: order=scsi0\nlock: backup\nname: docker\nscsi0: tank:vm-1001-disk-0,size=4G\nvmgenid: 1\n";

fn docker() -> GuestId {
    GuestId::new(1001).unwrap()
}

/// What the real parser makes of a command; refused ones end the test.
fn read(command: &Command) -> Invocation {
    match parse(&command.argv()) {
        Verdict::Accepted(call) => *call,
        Verdict::Answered(answer) => panic!("refused: {}\n{}", command.display(), answer.stderr),
    }
}

fn done(stdout: impl Into<Vec<u8>>) -> Output {
    Output { status: Some(0), stdout: stdout.into(), ..Output::default() }
}

/// A node on which every command that the grammar takes succeeds and changes nothing but what is given.
fn node(after: &'static [(&'static str, &'static str)]) -> Arc<FakeHost> {
    let host = FakeHost::answering(move |command, files| {
        let call = read(command);
        for (name, conf) in after {
            if call.command == *name {
                files.insert("/etc/pve/qemu-server/1001.conf".into(), conf.as_bytes().to_vec());
            }
        }
        Ok(done(""))
    });
    Arc::new(host.file("/etc/pve/qemu-server/1001.conf", CONF))
}

/// The parameters of the one command that was sent, without those that the tool adds itself.
fn sent(host: &FakeHost) -> (String, BTreeMap<String, String>) {
    let commands = host.commands();
    assert_eq!(commands.len(), 1, "{:?}", host.argvs());
    let call = read(&commands[0]);
    let params = call.params.iter().filter(|(name, _)| *name != "node");
    (call.command.clone(), params.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+/A me@x";

#[tokio::test]
async fn create_from_a_cloud_image() {
    let host = node(&[]);
    let settings = VmSettings {
        name: Some("ubuntu".parse().unwrap()),
        memory: Some(MemoryMib(4096)),
        nets: [(0, VmNet { firewall: true, ..VmNet::new("vmbr0".parse().unwrap()) })].into(),
        ip_configs: [(
            0,
            IpConfig {
                ip: Some("10.0.0.50/24".parse().unwrap()),
                gw: Some("10.0.0.1".parse().unwrap()),
                ..IpConfig::default()
            },
        )]
        .into(),
        nameservers: Some(vec!["10.0.0.13".parse().unwrap()]),
        ci_user: Some("phoenix".to_owned()),
        ssh_keys: Some(KEY.to_owned()),
        ..VmSettings::default()
    };
    let mut spec =
        CreateVm::from_cloud_image("tank".parse().unwrap(), Image::File("/srv/a b/noble.img".into()), settings);
    spec.description = Some("a, b=c\n--memory".to_owned());
    Qm::new(host.clone()).create(docker(), &spec).await.unwrap();
    let wanted = map([
        ("agent", "enabled=1"),
        ("boot", "order=scsi0"),
        ("ciuser", "phoenix"),
        ("description", "a, b=c\n--memory"),
        ("ide2", "tank:cloudinit,media=cdrom"),
        ("ipconfig0", "ip=10.0.0.50/24,gw=10.0.0.1"),
        ("memory", "4096"),
        ("name", "ubuntu"),
        ("nameserver", "10.0.0.13"),
        ("net0", "virtio,bridge=vmbr0,firewall=1"),
        ("ostype", "l26"),
        ("scsi0", "tank:0,import-from=/srv/a b/noble.img,discard=on"),
        ("scsihw", "virtio-scsi-pci"),
        ("serial0", "socket"),
        ("sshkeys", "/run/phoenix-1001.pub"),
        ("vga", "serial0"),
        ("vmid", "1001"),
    ]);
    assert_eq!(sent(&host), ("create".to_owned(), wanted));
    assert_eq!(host.text("/run/phoenix-1001.pub"), "", "the key file is gone");
}

#[tokio::test]
async fn ssh_keys_travel_in_a_file() {
    let host = Arc::new(FakeHost::answering(|command, files| {
        let path = command.args.last().unwrap().as_str();
        let text = String::from_utf8(files[camino::Utf8Path::new(path)].clone()).unwrap();
        assert_eq!(text, format!("{KEY}\n"));
        Ok(done(""))
    }));
    let settings = VmSettings { ssh_keys: Some(format!("\n  {KEY} \n\n")), ..VmSettings::default() };
    let change: Change = settings.difference(&phoenix_types::ConfSection::default()).unwrap().iter().collect();
    Qm::new(host.clone()).configure(docker(), &change, None).await.unwrap();
    assert_eq!(host.argvs(), [["qm", "set", "1001", "--sshkeys", "/run/phoenix-1001.pub"]]);

    // The keys that Proxmox wrote down are the keys that were meant, whatever its encoding escapes.
    let mut section = phoenix_types::ConfSection::default();
    section.keys.insert(
        "sshkeys".to_owned(),
        "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%2B%2FA%20me%40x%0A".to_owned(),
    );
    assert_eq!(settings.difference(&section).unwrap(), []);
}

#[tokio::test]
async fn clone() {
    let host = node(&[]);
    let mut spec = CloneGuest::new(GuestId::new(9000).unwrap());
    spec.mode = CloneMode::Linked;
    spec.name = Some("docker".parse().unwrap());
    Qm::new(host.clone()).clone_from(docker(), &spec).await.unwrap();
    let wanted = map([("full", "0"), ("name", "docker"), ("newid", "1001"), ("vmid", "9000")]);
    assert_eq!(sent(&host), ("clone".to_owned(), wanted));
}

#[tokio::test]
async fn life() {
    let name: SnapshotName = "pre-features".parse().unwrap();
    let one = |host: Arc<FakeHost>, command: &str, pairs: BTreeMap<String, String>| {
        let mut pairs = pairs;
        pairs.insert("vmid".to_owned(), "1001".to_owned());
        assert_eq!(sent(&host), (command.to_owned(), pairs));
    };
    let host = node(&[]);
    Qm::new(host.clone()).start(docker(), None).await.unwrap();
    one(host, "start", map([]));
    let host = node(&[]);
    Qm::new(host.clone()).shutdown(docker(), Duration::from_secs(90)).await.unwrap();
    one(host, "shutdown", map([("timeout", "90"), ("forceStop", "0")]));
    let host = node(&[]);
    Qm::new(host.clone()).stop(docker()).await.unwrap();
    one(host, "stop", map([]));
    let host = node(&[]);
    Qm::new(host.clone()).reboot(docker(), Duration::from_secs(90)).await.unwrap();
    one(host, "reboot", map([("timeout", "90")]));
    let host = node(&[]);
    Qm::new(host.clone()).snapshot(docker(), &name, "--vmstate 1").await.unwrap();
    one(host, "snapshot", map([("snapname", "pre-features"), ("description", "--vmstate 1"), ("vmstate", "0")]));
    let host = node(&[]);
    Qm::new(host.clone()).rollback(docker(), &name).await.unwrap();
    one(host, "rollback", map([("snapname", "pre-features")]));
    let host = node(&[]);
    Qm::new(host.clone()).unlock(docker()).await.unwrap();
    one(host, "unlock", map([]));
    let host = node(&[]);
    Qm::new(host.clone()).destroy(docker(), Purge::No).await.unwrap();
    one(host, "destroy", map([("purge", "0"), ("destroy-unreferenced-disks", "1")]));
    let host = node(&[]);
    Qm::new(host.clone()).cloudinit_update(docker()).await.unwrap();
    one(host, "cloudinit update", map([]));
    let host = node(&[]);
    Qm::new(host.clone()).ping(docker()).await.unwrap();
    one(host, "guest cmd", map([("command", "ping")]));
    let host = node(&[("template", "template: 1\n")]);
    Qm::new(host.clone()).convert_to_template(docker()).await.unwrap();
    one(host, "template", map([]));
    let host = node(&[("disk resize", "scsi0: tank:x,size=32G\n")]);
    Qm::new(host.clone()).resize(docker(), "scsi0", "32G".parse().unwrap()).await.unwrap();
    one(host, "disk resize", map([("disk", "scsi0"), ("size", "32G")]));

    // Disks never shrink, what is so already costs no command, and an exit status of 0 is not believed.
    let host = node(&[]);
    let qm = Qm::new(host.clone());
    qm.resize(docker(), "scsi0", "4G".parse().unwrap()).await.unwrap();
    qm.delete_snapshot(docker(), &name).await.unwrap();
    let error = qm.resize(docker(), "scsi0", "2G".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    let error = qm.resize(docker(), "scsi1", "2G".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::NotFound);
    assert!(host.argvs().is_empty());
    let error = qm.resize(docker(), "scsi0", "8G".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, GuestError::Unverified(_)), "{error}");
}

#[test_case("memory", "8\n16"; "a line break")]
#[test_case("name", ""; "an empty value")]
#[test_case("skiplock", "1"; "an option of the tool")]
#[test_case("scsi31", "tank:8"; "an index out of range")]
#[test_case("description", "a\0b"; "a NUL in notes")]
fn refused_before_it_is_sent(key: &str, value: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let host = node(&[]);
    let change = Change { set: map([(key, value)]), delete: BTreeSet::new() };
    let error = runtime.block_on(Qm::new(host.clone()).configure(docker(), &change, None)).unwrap_err();
    assert!(matches!(error, GuestError::Invalid { .. }), "{error}");
    assert!(host.argvs().is_empty());
}

#[tokio::test]
async fn the_list_is_read_from_the_end() {
    let list = "      VMID NAME                 STATUS     MEM(MB)    BOOTDISK(GB) PID       \n      1001 a-name-much-longer-than-the-column running    4096               2.00 811       \n      8001 VM 8001              stopped    512                1.00 0         \n";
    let host = FakeHost::answering(move |_, _| Ok(done(list)));
    let host = Arc::new(
        host.file("/etc/pve/qemu-server/1001.conf", CONF).file("/etc/pve/qemu-server/8001.conf", "memory: 512\n"),
    );
    let seen = Qm::new(host.clone()).observe().await.unwrap();
    assert_eq!(seen.values().map(|vm| vm.power).collect::<Vec<_>>(), [Power::Running, Power::Stopped]);
    assert_eq!(host.argvs().len(), 1);
}

#[tokio::test]
async fn a_paused_vm_is_told_by_its_status() {
    let host = FakeHost::answering(|_, _| Ok(done("status: io-error\n"))).file("/etc/pve/qemu-server/1001.conf", CONF);
    let seen = Qm::new(Arc::new(host)).inspect(docker()).await.unwrap().unwrap();
    assert_eq!(seen.power, Power::Paused);
}

/// Commands inside, each answered by the next of these texts on standard output.
fn agent(answers: &'static [&'static str]) -> Arc<FakeHost> {
    let next = std::sync::Mutex::new(answers.iter());
    Arc::new(FakeHost::answering(move |command, _| {
        read(command);
        Ok(match next.lock().unwrap().next() {
            Some(error) if error.starts_with("! ") => {
                Output { status: Some(255), stderr: error[2..].into(), ..Output::default() }
            }
            Some(answer) => done(*answer),
            None => panic!("one command too many: {}", command.display()),
        })
    }))
}

fn command(seconds: u64) -> Command {
    Command::new("sh", Effect::Read, Duration::from_secs(seconds)).args(["-c", "echo \"$1\"", "--", "--timeout"])
}

#[tokio::test]
async fn a_short_command_is_one_call() {
    let host = agent(&[r#"{"exited": 1, "exitcode": 3, "out-data": "gr\u00c3\u00bcn\n", "err-data": "e"}"#]);
    let output =
        Qm::new(host.clone()).inside(docker()).exec(command(10).stdin(Input::Bytes(b"in".to_vec()))).await.unwrap();
    assert_eq!((output.status, output.stdout_text().as_ref(), output.stderr_text().as_ref()), (Some(3), "grün\n", "e"));
    let sent = &host.commands()[0];
    let call = read(sent);
    assert_eq!(call.command, "guest exec");
    assert_eq!((call.params.get("timeout"), call.params.get("pass-stdin")), (Some("15"), Some("1")));
    // The agent logs arguments, so nothing of the command is among them.
    assert_eq!((call.extra_args[0].as_str(), call.extra_args[1].as_str()), ("sh", "-c"));
    assert!(!call.extra_args.iter().any(|word| word.contains("echo")), "{:?}", call.extra_args);
    let stdin = String::from_utf8(sent.stdin.as_ref().unwrap().as_bytes().to_vec()).unwrap();
    assert!(
        stdin.ends_with("'timeout' '-k' '2' '10' 'sh' '-c' 'echo \"$1\"' '--' '--timeout'\n#phoenix-end\nin"),
        "{stdin}"
    );
    let shown = sent.shown();
    assert_eq!(shown[8..11], ["--", "env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    assert_eq!(shown[15..], ["timeout", "-k", "2", "10", "sh", "-c", "echo \"$1\"", "--", "--timeout"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_command_is_asked_after() {
    let host = agent(&[
        r#"{"pid": 155}"#,
        r#"{"exited": 0}"#,
        "! QEMU guest agent is not running\n",
        r#"{"exited": 1, "exitcode": 0, "out-data": "done"}"#,
    ]);
    let started = tokio::time::Instant::now();
    let output = Qm::new(host.clone()).inside(docker()).exec(command(600)).await.unwrap();
    assert_eq!(output.stdout, b"done");
    assert_eq!(started.elapsed(), Duration::from_millis(500 + 750 + 1125));
    assert_eq!(host.argvs()[3], ["qm", "guest", "exec-status", "1001", "155"]);
    assert_eq!(host.commands()[0].args[..5], ["guest", "exec", "1001", "--synchronous", "0"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_does_not_end_has_a_deadline() {
    let host = agent(&[r#"{"pid": 7}"#]);
    let error = Qm::new(host).inside(docker()).exec(command(10)).await.unwrap_err();
    assert!(matches!(error, InsideError::Deadline { .. }), "{error}");
    let host = Arc::new(FakeHost::answering(|command, _| {
        Ok(done(if command.args[1] == "exec" { r#"{"pid": 7}"# } else { r#"{"exited": 0}"# }))
    }));
    let started = tokio::time::Instant::now();
    let error = Qm::new(host).inside(docker()).exec(command(400)).await.unwrap_err();
    assert!(matches!(error, InsideError::Deadline { .. }), "{error}");
    assert_eq!(started.elapsed(), Duration::from_secs(405));
    let host = FakeHost::answering(|command, _| {
        Err(HostError::Deadline { command: command.display(), deadline: command.deadline, tail: String::new() })
    });
    let error = Qm::new(Arc::new(host)).inside(docker()).exec(command(10)).await.unwrap_err();
    assert!(matches!(error, InsideError::Slow { seconds: 45.0, .. }), "{error}");
}

#[test_case("! VM 1001 is not running\n" => matches InsideError::NotRunning(_); "off")]
#[test_case("! No QEMU guest agent configured\n" => matches InsideError::AgentSilent { .. }; "no agent")]
#[test_case("! QEMU guest agent is not running\n" => matches InsideError::AgentSilent { .. }; "silent agent")]
#[test_case("! Agent error: PID ld does not exist\n" => matches InsideError::Host(_); "lost")]
#[test_case("! Agent error: Failed to execute child process \u{201c}env\u{201d} (No such file or directory)\n" => matches InsideError::Refused { .. }; "no such program")]
#[test_case("nonsense" => matches InsideError::Refused { .. }; "no JSON")]
fn failures_of_the_carrier(answer: &'static str) -> InsideError {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let answers: &'static [&'static str] = Box::leak(Box::new([answer]));
    runtime.block_on(Qm::new(agent(answers)).inside(docker()).exec(command(5))).unwrap_err()
}

#[tokio::test]
async fn a_large_input_goes_in_pieces() {
    let host = Arc::new(FakeHost::answering(|command, _| {
        assert!(command.stdin.as_ref().is_none_or(|input| input.as_bytes().len() <= 1 << 20));
        read(command);
        Ok(done(r#"{"exited": 1, "exitcode": 0}"#))
    }));
    let input = Input::Bytes(vec![b'x'; 3 << 20]);
    Qm::new(host.clone()).inside(docker()).exec(command(5).stdin(input)).await.unwrap();
    assert_eq!(host.commands().len(), 7);
}
