//! Every command line that the adapter sends is read by the real tool's grammar, and says what was meant.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use phoenix_host::fake::FakeHost;
use phoenix_host::{Command, Effect, InsideError, Output};
use phoenix_lxc::{
    ContainerSettings, Containers, CreateContainer, Device, Features, MountPoint, MountSource, Net, Pct,
};
use phoenix_pve::{CloneGuest, CloneMode, ErrorClass, GuestError, Guests as _, Purge};
use phoenix_sim::grammar::{Invocation, Verdict, parse};
use phoenix_types::{Change, GuestId, SnapshotName};
use pretty_assertions::assert_eq;
use test_case::test_case;

const CONF: &str = "arch: amd64\nhostname: ca\nlock: backup\nmp0: tank:subvol-103-disk-1,mp=/data,size=8G\nrootfs: tank:subvol-103-disk-0,size=4G\n";

fn ca() -> GuestId {
    GuestId::new(103).unwrap()
}

/// What the real parser makes of a command; refused ones end the test.
fn read(command: &Command) -> Invocation {
    match parse(&command.argv()) {
        Verdict::Accepted(call) => *call,
        Verdict::Answered(answer) => panic!("refused: {}\n{}", command.display(), answer.stderr),
    }
}

/// A node on which every command that the grammar takes succeeds and changes nothing but what is given.
fn node(after: &'static [(&'static str, &'static str)]) -> Arc<FakeHost> {
    let host = FakeHost::answering(move |command, files| {
        let call = read(command);
        for (name, conf) in after {
            if call.command == *name {
                files.insert("/etc/pve/lxc/103.conf".into(), conf.as_bytes().to_vec());
            }
        }
        Ok(Output { status: Some(0), ..Output::default() })
    });
    Arc::new(host.file("/etc/pve/lxc/103.conf", CONF))
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

fn settings() -> ContainerSettings {
    let mut net = Net::new("eth0".parse().unwrap(), "vmbr0".parse().unwrap());
    net.ip = Some("10.0.0.10/24".parse().unwrap());
    net.gw = Some("10.0.0.1".parse().unwrap());
    net.firewall = true;
    ContainerSettings {
        hostname: Some("step-ca".parse().unwrap()),
        cores: Some(2),
        features: Some(Features {
            nesting: true,
            mount: ["nfs".to_owned(), "cifs".to_owned()].into(),
            ..Features::default()
        }),
        nets: [(0, net)].into(),
        mounts: [(0, MountPoint::new(MountSource::Path("/srv/a b".into()), "/etc/step-ca/ssl"))].into(),
        devices: [(0, Device { mode: Some(0o660), gid: Some(104), ..Device::new("/dev/dri/renderD128") })].into(),
        nameservers: Some(vec!["1.1.1.1".parse().unwrap(), "fd00::53".parse().unwrap()]),
        startup: Some("order=3,up=30".parse().unwrap()),
        tags: Some(["b".parse().unwrap(), "a".parse().unwrap()].into()),
        onboot: Some(true),
        ..ContainerSettings::default()
    }
}

#[tokio::test]
async fn create() {
    let host = node(&[]);
    let mut spec =
        CreateContainer::new("local:vztmpl/debian-12.tar.zst".parse().unwrap(), "tank:8".parse().unwrap(), settings());
    spec.description = Some("--memory 9\nünï, 100 %\n- a list".to_owned());
    spec.ssh_public_keys =
        Some("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me".to_owned());
    Pct::new(host.clone()).create(ca(), &spec).await.unwrap();
    let (command, params) = sent(&host);
    assert_eq!(command, "create");
    assert_eq!(
        params,
        map([
            ("cores", "2"),
            ("description", "--memory 9\nünï, 100 %\n- a list"),
            ("dev0", "/dev/dri/renderD128,gid=104,mode=0660"),
            ("features", "mount=cifs;nfs,nesting=1"),
            ("hostname", "step-ca"),
            ("mp0", "/srv/a b,mp=/etc/step-ca/ssl"),
            ("nameserver", "1.1.1.1 fd00::53"),
            ("net0", "name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,ip=10.0.0.10/24"),
            ("onboot", "1"),
            ("ostemplate", "local:vztmpl/debian-12.tar.zst"),
            ("rootfs", "tank:8"),
            ("ssh-public-keys", "/run/phoenix-103.pub"),
            ("startup", "order=3,up=30"),
            ("tags", "a;b"),
            ("unprivileged", "1"),
            ("vmid", "103"),
        ])
    );
    assert_eq!(host.text("/run/phoenix-103.pub"), "", "the key file is gone");
}

#[tokio::test]
async fn clone() {
    let host = node(&[]);
    let mut spec = CloneGuest::new(GuestId::new(900).unwrap());
    spec.snapshot = Some("final-form".parse().unwrap());
    spec.mode = CloneMode::Full { storage: Some("tank".parse().unwrap()) };
    spec.name = Some("ca".parse().unwrap());
    spec.description = Some("--full".to_owned());
    Pct::new(host.clone()).clone_from(ca(), &spec).await.unwrap();
    let wanted = map([
        ("description", "--full"),
        ("full", "1"),
        ("hostname", "ca"),
        ("newid", "103"),
        ("snapname", "final-form"),
        ("storage", "tank"),
        ("vmid", "900"),
    ]);
    assert_eq!(sent(&host), ("clone".to_owned(), wanted));
}

#[tokio::test]
async fn configure_is_one_command() {
    let host = node(&[]);
    let change = Change {
        set: map([("memory", "2048"), ("net0", "name=eth0,bridge=vmbr0")]),
        delete: ["mp0".to_owned(), "nameserver".to_owned()].into(),
    };
    let pct = Pct::new(host.clone());
    pct.configure(ca(), &Change::default(), None).await.unwrap();
    pct.configure(ca(), &change, Some("0123456789abcdef0123456789abcdef01234567")).await.unwrap();
    let wanted = map([
        ("delete", "mp0,nameserver"),
        ("digest", "0123456789abcdef0123456789abcdef01234567"),
        ("memory", "2048"),
        ("net0", "name=eth0,bridge=vmbr0"),
        ("vmid", "103"),
    ]);
    assert_eq!(sent(&host), ("set".to_owned(), wanted));
}

#[tokio::test]
async fn life() {
    const LARGE: &str = "rootfs: tank:x,size=16G\n";
    const TEMPLATE: &str = "template: 1\n";
    let name: SnapshotName = "final-form".parse().unwrap();
    let seconds = Duration::from_secs;
    let one = |host: Arc<FakeHost>, command: &str, pairs: BTreeMap<String, String>| {
        let mut pairs = pairs;
        pairs.insert("vmid".to_owned(), "103".to_owned());
        assert_eq!(sent(&host), (command.to_owned(), pairs));
    };
    let host = node(&[]);
    Pct::new(host.clone()).start(ca(), None).await.unwrap();
    one(host, "start", map([]));
    let host = node(&[]);
    Pct::new(host.clone()).shutdown(ca(), seconds(45)).await.unwrap();
    one(host, "shutdown", map([("timeout", "45"), ("forceStop", "0")]));
    let host = node(&[]);
    Pct::new(host.clone()).stop(ca()).await.unwrap();
    one(host, "stop", map([]));
    let host = node(&[]);
    Pct::new(host.clone()).reboot(ca(), Duration::ZERO).await.unwrap();
    one(host, "reboot", map([("timeout", "1")]));
    let host = node(&[]);
    Pct::new(host.clone()).snapshot(ca(), &name, "taken -- by us").await.unwrap();
    one(host, "snapshot", map([("snapname", "final-form"), ("description", "taken -- by us")]));
    let host = node(&[]);
    Pct::new(host.clone()).rollback(ca(), &name).await.unwrap();
    one(host, "rollback", map([("snapname", "final-form")]));
    let host = node(&[]);
    Pct::new(host.clone()).unlock(ca()).await.unwrap();
    one(host, "unlock", map([]));
    let host = node(&[]);
    Pct::new(host.clone()).destroy(ca(), Purge::Yes).await.unwrap();
    one(host, "destroy", map([("purge", "1"), ("destroy-unreferenced-disks", "1")]));
    let host = node(&[("template", TEMPLATE)]);
    Pct::new(host.clone()).convert_to_template(ca()).await.unwrap();
    one(host, "template", map([]));
    let host = node(&[("resize", LARGE)]);
    Pct::new(host.clone()).resize(ca(), "rootfs", "16G".parse().unwrap()).await.unwrap();
    one(host, "resize", map([("disk", "rootfs"), ("size", "16G")]));

    // What is so already costs no command.
    let host = node(&[]);
    let pct = Pct::new(host.clone());
    pct.resize(ca(), "rootfs", "4G".parse().unwrap()).await.unwrap();
    pct.delete_snapshot(ca(), &name).await.unwrap();
    assert!(host.argvs().is_empty());

    // Disks never shrink, and an exit status of 0 is not believed.
    let error = pct.resize(ca(), "rootfs", "2G".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(host.argvs().is_empty());
    let error = pct.resize(ca(), "rootfs", "8G".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, GuestError::Unverified(_)), "{error}");
    let error = pct.convert_to_template(ca()).await.unwrap_err();
    assert!(matches!(error, GuestError::Unverified(_)), "{error}");
}

#[test_case("memory", "8\n16"; "a line break")]
#[test_case("memory", ""; "an empty value")]
#[test_case("hostname", "a\0b"; "a NUL")]
#[test_case("lxc.idmap", "u 0 1 2"; "a raw line")]
#[test_case("unprivileged", "0"; "what is decided at creation")]
#[test_case("force", "1"; "an option of the tool")]
#[test_case("net32", "name=eth0,bridge=vmbr0"; "an index out of range")]
#[test_case("description", "a\rb"; "a carriage return in notes")]
fn refused_before_it_is_sent(key: &str, value: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let host = node(&[]);
    let change = Change { set: map([(key, value)]), delete: BTreeSet::new() };
    let error = runtime.block_on(Pct::new(host.clone()).configure(ca(), &change, None)).unwrap_err();
    assert!(matches!(error, GuestError::Invalid { .. }), "{error}");
    assert!(host.argvs().is_empty());
}

#[tokio::test]
async fn notes_have_a_limit() {
    let host = node(&[]);
    let notes = |length| Change { set: map([("description", &"ü".repeat(length))]), delete: BTreeSet::new() };
    Pct::new(host.clone()).configure(ca(), &notes(8192), None).await.unwrap();
    assert_eq!(sent(&host).1["description"].chars().count(), 8192);
    assert!(Pct::new(host.clone()).configure(ca(), &notes(8193), None).await.is_err());
}

/// A node that answers one command as recorded.
fn answering(status: i32, stdout: &'static str, stderr: &'static str) -> Arc<FakeHost> {
    let host = FakeHost::answering(move |command, _| {
        read(command);
        Ok(Output { status: Some(status), stdout: stdout.into(), stderr: stderr.into(), ..Output::default() })
    });
    Arc::new(host.file("/etc/pve/lxc/103.conf", CONF))
}

#[tokio::test]
async fn refusals_that_mean_there_is_nothing_to_do() {
    Pct::new(answering(255, "", "CT 103 already running\n")).start(ca(), None).await.unwrap();
    Pct::new(answering(255, "", "CT 103 not running\n")).stop(ca()).await.unwrap();
    Pct::new(answering(255, "", "CT 103 not running\n")).shutdown(ca(), Duration::from_secs(9)).await.unwrap();
    let error = Pct::new(answering(255, "", "CT is locked (backup)\n")).start(ca(), None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Busy);
    assert_eq!(
        error.to_string(),
        "guest 103: CT is locked (backup): `pct start 103` on fake: ended with status 255 after 0.0 s"
    );
}

#[tokio::test]
async fn observing_reads_files_and_runs_one_command() {
    let list = "VMID       Status     Lock         Name                \n103        running    backup       ca                  \n";
    let host = answering(0, list, "");
    let seen = Pct::new(host.clone()).observe().await.unwrap();
    assert_eq!(seen[&ca()].power, phoenix_types::Power::Running);
    assert_eq!(seen[&ca()].digest, phoenix_types::conf_digest(CONF));
    assert_eq!(host.argvs().len(), 1);
    let error = Pct::new(answering(0, "VMID Status\n103 confused\n", "")).observe().await.unwrap_err();
    assert!(matches!(error, GuestError::Unreadable { .. }), "{error}");
    assert_eq!(Pct::new(answering(0, "", "")).observe().await.unwrap()[&ca()].power, phoenix_types::Power::Stopped);
}

#[tokio::test]
async fn commands_inside_arrive_as_they_are() {
    let host = answering(7, "out", "err");
    let inside = Pct::new(host.clone()).inside(ca());
    let command = Command::new("sh", Effect::Read, Duration::from_millis(2500)).args([
        "-c",
        "echo \"$1\"",
        "--",
        "-la",
        "--keep-env",
    ]);
    let output = inside.exec(command).await.unwrap();
    assert_eq!(output.status, Some(7));
    let call = read(&host.commands()[0]);
    assert_eq!(call.command, "exec");
    assert_eq!(call.params.get("keep-env"), Some("0"));
    let carried: Vec<&str> = call.extra_args.iter().map(String::as_str).collect();
    assert_eq!(carried[..5], ["env", "HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8"]);
    assert_eq!(carried[5..], ["timeout", "-k", "2", "3", "sh", "-c", "echo \"$1\"", "--", "-la", "--keep-env"]);
}

#[test_case(255, "container '103' not running!\n" => matches Err(InsideError::NotRunning(_)); "off")]
#[test_case(2, "Configuration file 'nodes/pve/lxc/103.conf' does not exist\n" => matches Err(InsideError::Refused { .. }); "gone")]
#[test_case(127, "lxc-attach: 103: ../src/lxc/attach.c: lxc_attach_run_command: 1841 No such file or directory - Failed to exec \"x\"\n" => matches Ok(_); "no such program")]
#[test_case(255, "my own failure\n" => matches Ok(_); "the command's own")]
fn failures_of_the_carrier(status: i32, stderr: &'static str) -> Result<Output, InsideError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let inside = Pct::new(answering(status, "", stderr)).inside(ca());
    runtime.block_on(inside.exec(Command::new("x", Effect::Read, Duration::from_secs(1))))
}
