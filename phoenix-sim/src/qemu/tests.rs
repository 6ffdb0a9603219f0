//! The life of VMs on the default node, and recorded sessions of the real `qm` when they are at hand.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use phoenix_types::GuestKind;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::SimNode;
use crate::replay;
use crate::world::{Images, World};

#[test]
fn recorded_sessions_match() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pve");
    for name in ["vms", "random", "random-2", "record"] {
        let Ok(file) = File::open(folder.join(format!("transcripts-{name}.jsonl"))) else { continue };
        let report = replay::run(BufReader::new(file)).unwrap();
        let wrong: Vec<_> = report.differences.iter().filter(|difference| difference.argv[0] == "qm").collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    }
}

/// Runs a command line, which must succeed, and gives its output.
async fn ok(node: &SimNode, line: &str) -> String {
    let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let answer = node.run(&argv, b"").await;
    assert_eq!((answer.exit, answer.stderr.as_str()), (0, ""), "{line}");
    answer.stdout
}

/// Runs a command line, and gives its status and what it says on stderr.
async fn refused(node: &SimNode, line: &str) -> (i32, String) {
    let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let answer = node.run(&argv, b"").await;
    (answer.exit, answer.stderr.trim_end().to_owned())
}

fn conf(node: &SimNode, id: u32) -> String {
    node.state().files.text(&format!("/etc/pve/qemu-server/{id}.conf")).unwrap()
}

fn setting(node: &SimNode, id: u32, key: &str) -> Option<String> {
    let text = conf(node, id);
    text.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(": ")?.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn every_command_takes_the_time_that_the_world_gives_it() {
    let times =
        ["qm create", "qm clone", "qm set", "qm template", "pct create", "pct clone", "pct set", "pct template"];
    let durations: serde_json::Map<String, Json> =
        times.iter().zip(20..).map(|(command, seconds)| ((*command).to_owned(), Json::from(seconds))).collect();
    let world = json!({"startup": 0, "durations": durations});
    let node = SimNode::new(serde_json::from_value(world).unwrap());
    let begun = tokio::time::Instant::now();
    let mut expected = 0;
    for (line, seconds) in [
        ("qm create 9000 --scsi0 tank:0,import-from=/a.img --scsi1 tank:0,import-from=/b.img", 20),
        ("qm clone 9000 9001 --full 1", 21),
        ("qm set 9000 --memory 512", 22),
        ("qm template 9000", 23),
        ("pct create 100 local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst --rootfs tank:1", 24),
        ("pct clone 100 101", 25),
        ("pct set 100 --memory 64", 26),
        ("pct template 100", 27),
    ] {
        assert_eq!(refused(&node, line).await.0, 0, "{line}");
        expected += seconds;
        assert_eq!(begun.elapsed(), Duration::from_secs(expected), "{line}");
    }
    // What fails does not work.
    assert_eq!(refused(&node, "qm set 9999 --memory 512").await.0, 2);
    assert_eq!(begun.elapsed(), Duration::from_secs(expected));
}

#[tokio::test(start_paused = true)]
async fn a_cloud_image_becomes_a_template_and_the_template_a_vm() {
    let world = r#"{"every_guest": {"guest_agent": "installed"}}"#;
    let node = SimNode::new(serde_json::from_str(world).unwrap());
    let create = "qm create 9000 --name base --memory 2048 --agent 1 --scsihw virtio-scsi-single --net0 virtio,bridge=vmbr0 \
                  --scsi0 tank:0,import-from=/var/lib/vz/images/cloud.img --ide2 tank:cloudinit --serial0 socket";
    let text = ok(&node, create).await;
    assert!(text.contains("scsi0: successfully created disk 'tank:vm-9000-disk-0,size=2G'"), "{text}");
    assert_eq!(setting(&node, 9000, "ide2").as_deref(), Some("tank:vm-9000-cloudinit,media=cdrom"));
    assert_eq!(setting(&node, 9000, "boot").as_deref(), Some("order=scsi0;ide2;net0"));
    ok(&node, "qm template 9000").await;
    assert_eq!(setting(&node, 9000, "scsi0").as_deref(), Some("tank:base-9000-disk-0,size=2G"));

    let text = ok(&node, "qm clone 9000 1001 --name app").await;
    assert!(text.contains("create linked clone of drive scsi0 (tank:base-9000-disk-0)"), "{text}");
    assert_eq!(setting(&node, 1001, "scsi0").as_deref(), Some("tank:base-9000-disk-0/vm-1001-disk-0,size=2G"));
    assert_eq!(setting(&node, 1001, "ide2").as_deref(), Some("tank:vm-1001-cloudinit,media=cdrom,size=4M"));
    assert_ne!(setting(&node, 1001, "net0"), setting(&node, 9000, "net0"));
    assert_ne!(setting(&node, 1001, "vmgenid"), setting(&node, 9000, "vmgenid"));
    assert_eq!(setting(&node, 1001, "template"), None);

    ok(&node, "qm set 1001 --ipconfig0 ip=10.0.0.51/24,gw=10.0.0.1 --ciuser phoenix --cores 2").await;
    ok(&node, "qm disk resize 1001 scsi0 20G").await;
    assert_eq!(setting(&node, 1001, "scsi0").as_deref(), Some("tank:base-9000-disk-0/vm-1001-disk-0,size=20G"));
    assert_eq!(ok(&node, "qm start 1001").await, "generating cloud-init ISO\n");
    assert_eq!(refused(&node, "qm agent 1001 ping").await, (255, "QEMU guest agent is not running".to_owned()));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(ok(&node, "qm agent 1001 ping").await, "");

    ok(&node, "qm snapshot 1001 before").await;
    let generation = setting(&node, 1001, "vmgenid");
    ok(&node, "qm set 1001 --memory 4096").await;
    ok(&node, "qm rollback 1001 before").await;
    assert_eq!(ok(&node, "qm status 1001").await, "status: stopped\n");
    assert_eq!(setting(&node, 1001, "memory").as_deref(), Some("2048"));
    assert_ne!(setting(&node, 1001, "vmgenid"), generation);
    assert!(!conf(&node, 1001).contains("PENDING"));

    let in_use = "base volume 'tank:base-9000-disk-0' is still in use by linked cloned".to_owned();
    assert_eq!(refused(&node, "qm destroy 9000").await, (255, in_use));
    ok(&node, "qm destroy 1001").await;
    ok(&node, "qm destroy 9000").await;
    assert!(node.state().volumes.is_empty());
    assert_eq!(ok(&node, "qm list").await, "");
}

#[tokio::test(start_paused = true)]
async fn commands_that_meet_on_one_vm_wait_ten_seconds_for_each_other() {
    // There is no system that would react to being shut down.
    let node = SimNode::new(World { images: Images::Listed, ..World::default() });
    ok(&node, "qm create 100 --memory 64").await;
    ok(&node, "qm start 100").await;
    let argv = ["qm", "shutdown", "100"].map(str::to_owned);
    let shutdown = async { node.run(&argv, b"").await };
    let set = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        refused(&node, "qm set 100 --memory 128").await
    };
    let (shutdown, set) = tokio::join!(shutdown, set);
    assert_eq!((shutdown.exit, shutdown.stderr.as_str()), (255, "VM quit/powerdown failed - got timeout\n"));
    let timeout = "trying to acquire lock...\ncan't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout";
    assert_eq!(set, (4, timeout.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn clones_of_one_template_run_side_by_side_and_of_a_locked_vm_not_at_all() {
    let node = SimNode::new(World::default());
    ok(&node, "qm create 9000 --scsi0 tank:4").await;
    ok(&node, "qm template 9000").await;
    tokio::join!(ok(&node, "qm clone 9000 101"), ok(&node, "qm clone 9000 102 --full 1 --storage other"));
    assert_eq!(setting(&node, 102, "scsi0").as_deref(), Some("other:vm-102-disk-0,size=4G"));
    ok(&node, "qm set 101 --lock backup").await;
    assert_eq!(refused(&node, "qm clone 101 103").await, (255, "VM is locked (backup)".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_create_that_fails_leaves_nothing() {
    let node = SimNode::new(World { images: Images::Listed, ..World::default() });
    let line = "qm create 100 --scsi0 tank:4 --scsi1 tank:0,import-from=/nowhere.img";
    let reason = "unable to create VM 100 - can't find file '/nowhere.img'".to_owned();
    assert_eq!(refused(&node, line).await, (255, reason));
    assert!(node.state().volumes.is_empty());
    let (_, reason) = refused(&node, "qm config 100").await;
    assert_eq!(reason, "Configuration file 'nodes/pve/qemu-server/100.conf' does not exist");
}

#[tokio::test(start_paused = true)]
async fn the_memory_of_a_vm_that_runs_comes_back_with_its_snapshot() {
    let node = SimNode::new(World::default());
    ok(&node, "qm create 100 --scsi0 tank:4 --agent 1").await;
    ok(&node, "qm start 100").await;
    ok(&node, "qm snapshot 100 live --vmstate 1").await;
    assert!(conf(&node, 100).contains("vmstate: tank:vm-100-state-live"));
    ok(&node, "qm stop 100").await;
    ok(&node, "qm rollback 100 live").await;
    assert_eq!(ok(&node, "qm status 100").await, "status: running\n");
    ok(&node, "qm delsnapshot 100 live").await;
    assert_eq!(node.state().volumes.len(), 1);

    ok(&node, "qm suspend 100 --todisk 1").await;
    assert_eq!(setting(&node, 100, "lock").as_deref(), Some("suspended"));
    assert_eq!(ok(&node, "qm start 100").await, "Resuming suspended VM\nResumed VM, removing state\n");
    assert_eq!((setting(&node, 100, "lock"), node.state().volumes.len()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn disks_move_between_storages_and_vms() {
    let node = SimNode::new(World::default());
    ok(&node, "qm create 100 --scsi0 tank:4 --scsi1 tank:1").await;
    ok(&node, "qm create 101").await;
    let text = ok(&node, "qm disk move 100 scsi1 other").await;
    assert!(text.ends_with("adding source volume 'tank:vm-100-disk-1' as 'unused0' to config\n"), "{text}");
    assert_eq!(setting(&node, 100, "scsi1").as_deref(), Some("other:vm-100-disk-0,size=1G"));
    ok(&node, "qm disk move 100 unused0 --target-vmid 101 --target-disk scsi3").await;
    assert_eq!(setting(&node, 101, "scsi3").as_deref(), Some("tank:vm-101-disk-0,size=1G"));
    ok(&node, "qm set 100 --delete scsi1").await;
    ok(&node, "qm disk unlink 100 --idlist unused0 --force 1").await;
    let text = ok(&node, "qm disk import 101 /var/lib/vz/images/x.img tank").await;
    assert!(text.ends_with("unused0: successfully imported disk 'tank:vm-101-disk-1'\n"), "{text}");
    let names: Vec<String> = node.state().volumes.keys().cloned().collect();
    assert_eq!(names, ["tank:vm-100-disk-0", "tank:vm-101-disk-0", "tank:vm-101-disk-1"]);
}

#[tokio::test(start_paused = true)]
async fn the_agent_tells_of_the_inside_and_its_processes_go_on_alone() {
    let node = SimNode::new(World::default());
    let create = "qm create 100 --name web --agent 1 --scsi0 tank:4 --net0 virtio,bridge=vmbr0 --net1 virtio,bridge=vmbr0 \
                  --ipconfig0 ip=10.0.0.51/24 --ipconfig1 ip=dhcp";
    ok(&node, create).await;
    ok(&node, "qm start 100").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let ask = async |command: &str| -> Json {
        serde_json::from_str(&ok(&node, &format!("qm guest {command}")).await).unwrap()
    };
    let networks = ask("cmd 100 network-get-interfaces").await;
    let addresses: Vec<&Json> = (1..3).map(|place| &networks[place]["ip-addresses"][0]["ip-address"]).collect();
    assert_eq!(addresses[0], "10.0.0.51");
    let inside = ask("exec 100 -- hostname -I").await;
    let words = addresses.iter().map(|address| format!("{} ", address.as_str().unwrap())).collect::<String>();
    assert_eq!(inside["out-data"], format!("{words}\n"));
    assert_eq!(ask("cmd 100 get-host-name").await["host-name"], "web");
    assert_eq!(ask("cmd 100 get-osinfo").await["id"], "debian");
    assert_eq!(ask("exec 100 -- uname -r").await["out-data"], "6.12.117+deb13-cloud-amd64\n");

    let pid = ask("exec 100 --synchronous 0 -- sleep 20").await["pid"].clone();
    let status = format!("exec-status 100 {pid}");
    assert_eq!(ask(&status).await, json!({"exited": 0}));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(ask(&status).await, json!({"exited": 1, "exitcode": 0}));
    assert_eq!(refused(&node, &format!("qm guest {status}")).await.1, "Agent error: PID ld does not exist");

    ok(&node, "qm guest exec 100 -- touch /root/mine").await;
    ok(&node, "qm snapshot 100 then").await;
    ok(&node, "qm guest exec 100 -- rm /root/mine").await;
    ok(&node, "qm rollback 100 then --start 1").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(ask("exec 100 -- test -e /root/mine").await["exitcode"], 0);
}

/// One of the commands of a random life, over three ids and three snapshot names.
fn any_command() -> impl Strategy<Value = String> {
    let id = || (0..3_u32).prop_map(|number| 100 + number);
    let name = || prop_oneof![Just("aa"), Just("bb"), Just("cc")];
    let key = || {
        prop_oneof![
            Just("scsi0"),
            Just("scsi1"),
            Just("ide2"),
            Just("net0"),
            Just("unused0"),
            Just("memory"),
            Just("description"),
            Just("boot"),
            Just("name"),
            Just("tags"),
            Just("vmgenid"),
        ]
    };
    let value = prop_oneof![
        Just("--scsi1 tank:1"),
        Just("--scsi1 none,media=cdrom"),
        Just("--ide2 tank:cloudinit"),
        Just("--ide0 tank:2,ssd=1"),
        Just("--net0 virtio,bridge=vmbr0"),
        Just("--memory 128"),
        Just("--cores 3"),
        Just("--boot order=scsi0"),
        Just("--tags b;a"),
        Just("--description x"),
        Just("--ciuser u"),
        Just("--scsi0 tank:0,import-from=/x.img"),
        Just("--hotplug 0"),
        Just("--hotplug network,disk,cloudinit"),
        Just("--protection 1"),
        Just("--protection 0"),
        Just("--ostype win11"),
        Just("--balloon 0"),
        Just("--efidisk0 tank:1"),
    ];
    let power = prop_oneof![
        4 => Just("start"), 2 => Just("stop"), 1 => Just("reboot"), 1 => Just("suspend"), 1 => Just("resume"),
        1 => Just("shutdown"),
    ];
    let rest = prop_oneof![
        Just("destroy ID"),
        Just("template ID"),
        Just("suspend ID --todisk 1"),
        Just("cloudinit update ID"),
        Just("rescan --vmid ID"),
        Just("shutdown ID --timeout 1 --forceStop 1"),
        Just("create ID --scsi0 tank:1 --net0 virtio"),
        Just("unlock ID"),
        Just("pending ID"),
        Just("config ID"),
        Just("showcmd ID"),
        Just("listsnapshot ID"),
        Just("status ID --verbose 1"),
    ];
    let disk = || prop_oneof![Just("scsi0"), Just("scsi1"), Just("unused0"), Just("ide0")];
    let flag = || 0..2_u32;
    prop_oneof![
        6 => (id(), value).prop_map(|(id, value)| format!("qm set {id} {value}")),
        4 => (id(), key(), flag()).prop_map(|(id, key, force)| format!("qm set {id} --delete {key} --force {force}")),
        1 => (id(), key()).prop_map(|(id, key)| format!("qm set {id} --revert {key}")),
        2 => (id(), id(), flag()).prop_map(|(id, new, full)| format!("qm clone {id} {new} --full {full}")),
        3 => (id(), name(), flag()).prop_map(|(id, name, state)| format!("qm snapshot {id} {name} --vmstate {state}")),
        3 => (id(), name()).prop_map(|(id, name)| format!("qm rollback {id} {name}")),
        2 => (id(), name()).prop_map(|(id, name)| format!("qm delsnapshot {id} {name}")),
        1 => (id(), prop_oneof![Just("+1G"), Just("512M"), Just("3G")])
            .prop_map(|(id, size)| format!("qm resize {id} scsi0 {size}")),
        2 => (id(), disk(), flag()).prop_map(|(id, disk, delete)| format!("qm disk move {id} {disk} other --delete {delete}")),
        1 => (id(), disk(), id()).prop_map(|(id, disk, to)| format!("qm disk move {id} {disk} --target-vmid {to}")),
        5 => (id(), power).prop_map(|(id, verb)| format!("qm {verb} {id}")),
        3 => (id(), rest).prop_map(|(id, line)| format!("qm {}", line.replace("ID", &id.to_string()))),
    ]
}

/// What must hold of a node after any command.
fn check_node(node: &SimNode, line: &str) {
    let state = node.state();
    for id in state.guest_ids(GuestKind::Vm) {
        let conf = state.conf(GuestKind::Vm, id).unwrap();
        let text = state.conf_text(GuestKind::Vm, id).unwrap();
        // An empty value is written with one blank, and once it was read again with two.
        let again = conf.print(GuestKind::Vm).replace(":  \n", ": \n");
        assert_eq!(again, text.replace(":  \n", ": \n"), "{line}: not as the tools write it");
        let lock = conf.lock();
        assert!(lock.is_none() || lock == Some("suspended"), "{line}: {lock:?} left on {id}\n{text}");
        for (key, drive) in super::drive::drives(&conf.live) {
            let file = drive.file();
            // A cloud-init drive comes back with a rollback, and its volume with the next start.
            let is_there = file == "none" || drive.is_cloud_init() || state.volume(file).is_some();
            assert!(is_there, "{line}: {key} of {id} lacks {file}\n{text}");
        }
        if let Some(parent) = conf.live.get("parent") {
            assert!(conf.snapshots.contains_key(parent), "{line}: {parent} is no snapshot of {id}");
        }
        if state.is_running(id) {
            assert!(!conf.is_template() && lock.is_none(), "{line}: {id} runs\n{text}");
        }
    }
    for (volume, disk) in &state.volumes {
        let owner = super::settings::owner(volume);
        assert!(owner.is_some_and(|id| state.conf_text(GuestKind::Vm, id).is_some()), "{line}: {volume} has no owner");
        assert!(disk.base.as_ref().is_none_or(|base| state.volume(base).is_some()), "{line}: {volume} lost its base");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is done to VMs: files are as the tools write them, no lock and no volume is left behind, nothing panics.
    #[test]
    fn a_random_life_leaves_the_node_in_order(lines in proptest::collection::vec(any_command(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let node = SimNode::new(World::default());
            for id in 100..103 {
                ok(&node, &format!("qm create {id} --scsi0 tank:1 --net0 virtio --agent 1")).await;
            }
            for line in &lines {
                let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
                node.run(&argv, b"").await;
                check_node(&node, &format!("{lines:#?}\n{line}"));
            }
        });
    }
}
