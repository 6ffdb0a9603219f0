//! The inside of guests, seen through the tools of the node, in paused time.

use std::time::Duration;

use phoenix_host::Host as _;
use pretty_assertions::assert_eq;

use crate::node::SimNode;
use crate::world::{AgentWorld, World};

/// A node with a world and a running container 103 at 10.0.0.103.
async fn node(world: &str) -> SimNode {
    let node = SimNode::new(serde_json::from_str(world).unwrap());
    let create = "pct create 103 local:vztmpl/debian-12.tar.zst --rootfs local-zfs:4 --hostname ca --net0 name=eth0,bridge=vmbr0,ip=10.0.0.103/24";
    run(&node, create).await;
    run(&node, "pct start 103").await;
    node
}

/// Runs a command line of the node that must succeed; gives its output.
async fn run(node: &SimNode, line: &str) -> String {
    let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let answer = node.run(&argv, b"").await;
    assert_eq!(answer.exit, 0, "{line}: {}{}", answer.stdout, answer.stderr);
    answer.stdout
}

/// Runs a shell text in a guest: output and status.
async fn sh(node: &SimNode, vmid: u32, text: &str) -> (String, i32) {
    let argv = ["pct", "exec", &vmid.to_string(), "--", "sh", "-c", text].map(str::to_owned);
    let answer = node.run(&argv, b"").await;
    (answer.stdout + &answer.stderr, answer.exit)
}

/// Lets the node's clock reach a time after an earlier one.
async fn until(node: &SimNode, from: Duration, seconds: u64) {
    node.sleep((from + Duration::from_secs(seconds)).saturating_sub(node.clock().now())).await;
}

#[tokio::test(start_paused = true)]
async fn a_script_on_the_node_calls_the_nodes_tools() {
    let node = node("{}").await;
    let script = "command -v -- pct && echo in | timeout 60 pct exec 103 -- cat && pct status 999; echo $?; \
        stat -c %f /etc /etc/hosts; find /etc/pve/ -mindepth 1 -maxdepth 1 -name 's*' -printf '%f\\0'";
    let command = phoenix_host::Command::new("sh", phoenix_host::Effect::Change, Duration::from_secs(600));
    let output = phoenix_host::Host::run(&node, command.args(["-c", script])).await.unwrap();
    assert_eq!(output.stdout_text(), "/usr/bin/pct\nin\n2\n41ed\n81a4\nstorage.cfg\0");
    assert_eq!(output.stderr_text(), "Configuration file 'nodes/pve/lxc/999.conf' does not exist\n");
}

const CA: &str = r#"{
    "startup": 0,
    "guests": {"103": {"services": {"step-ca": {
        "begins": {"script": "step_ca"},
        "events": [
            {"after": "80s", "open": [9000], "log": ["serving HTTPS"]},
            {"after": "95s", "files": {"/etc/step-ca/ssl/ca.ready": ""}}
        ]
    }}}}
}"#;

const SCRIPT: &str =
    "mkdir -p /etc/step-ca && printf 'echo setting up; exit 0\\n' > /tmp/step_ca.sh && sh /tmp/step_ca.sh";

#[tokio::test(start_paused = true)]
async fn a_service_opens_its_port_and_writes_its_files_after_its_script() {
    let node = node(CA).await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 1);
    assert_eq!(sh(&node, 103, SCRIPT).await, ("setting up\n".to_owned(), 0));
    let ended = node.clock().now();
    until(&node, ended, 79).await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 1);
    assert!(node.dial("10.0.0.103", 9000, Duration::from_secs(1)).await.is_err());
    until(&node, ended, 81).await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 0);
    assert!(node.dial("10.0.0.103", 9000, Duration::from_secs(1)).await.is_ok());
    assert_eq!(sh(&node, 103, "test -e /etc/step-ca/ssl/ca.ready").await.1, 1);
    assert_eq!(sh(&node, 103, "journalctl -u step-ca -o cat").await.0, "Started step-ca.service.\nserving HTTPS\n");
    until(&node, ended, 96).await;
    assert_eq!(sh(&node, 103, "test -e /etc/step-ca/ssl/ca.ready; echo $?").await.0, "0\n");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_its_script_starts_begins_once_at_the_end_of_the_script() {
    let node = node(CA).await;
    sh(&node, 103, "printf 'systemctl enable --now step-ca\nsleep 50\n' > /tmp/step_ca.sh").await;
    for _ in 0..2 {
        assert_eq!(sh(&node, 103, "sh /tmp/step_ca.sh").await, (String::new(), 0));
    }
    node.sleep(Duration::from_secs(29)).await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 1);
    node.sleep(Duration::from_secs(2)).await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 0);
    assert_eq!(sh(&node, 103, "journalctl -o cat | grep -c Started").await.0, "1\n");
}

#[tokio::test(start_paused = true)]
async fn services_come_back_with_their_delay_after_a_restart() {
    let node = node(CA).await;
    sh(&node, 103, SCRIPT).await;
    node.sleep(Duration::from_secs(100)).await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 0);
    run(&node, "pct stop 103").await;
    assert!(node.dial("10.0.0.103", 9000, Duration::from_secs(1)).await.is_err());
    run(&node, "pct start 103").await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 1);
    node.sleep(Duration::from_secs(81)).await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_events_never_gets_ready() {
    let node = node(r#"{"guests": {"103": {"services": {"step-ca": {"begins": {"script": "step_ca"}}}}}}"#).await;
    sh(&node, 103, SCRIPT).await;
    node.sleep(Duration::from_secs(86_400)).await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn in_an_empty_world_every_port_is_open_once_the_guest_is_up() {
    let node = node(r#"{"startup": 0}"#).await;
    node.sleep(Duration::from_secs(3)).await;
    assert_eq!(sh(&node, 103, "nc -z localhost 9000").await.1, 0);
}

#[tokio::test(start_paused = true)]
async fn files_of_a_bind_mount_are_the_hosts() {
    let node = SimNode::new(serde_json::from_str(r#"{"files": {"/srv/ca/": ""}}"#).unwrap());
    run(
        &node,
        "pct create 103 local:vztmpl/d.tar.zst --rootfs local-zfs:4 --hostname ca --mp0 /srv/ca,mp=/etc/step-ca/ssl",
    )
    .await;
    run(&node, "pct start 103").await;
    assert_eq!(sh(&node, 103, "echo inside > /etc/step-ca/ssl/ca.ready").await, (String::new(), 0));
    assert_eq!(node.read("/srv/ca/ca.ready".into(), 100).await.unwrap(), b"inside\n");
    node.write("/srv/ca/from-host".into(), b"outside\n", 0o644).await.unwrap();
    assert_eq!(sh(&node, 103, "cd /etc/step-ca/ssl; cat from-host; echo *").await.0, "outside\nca.ready from-host\n");
}

#[tokio::test(start_paused = true)]
async fn files_travel_with_snapshots_clones_and_rollbacks() {
    let node = node("{}").await;
    sh(&node, 103, "echo first > /root/f").await;
    run(&node, "pct snapshot 103 before").await;
    sh(&node, 103, "echo second > /root/f").await;
    run(&node, "pct stop 103").await;
    run(&node, "pct clone 103 104 --snapname before --full").await;
    run(&node, "pct start 104").await;
    assert_eq!(
        sh(&node, 104, "cat /root/f; hostname").await.0,
        "first\nCopy-of-CT-ca\n".replace("Copy-of-CT-ca", sh(&node, 104, "cat /etc/hostname").await.0.trim())
    );
    run(&node, "pct rollback 103 before").await;
    run(&node, "pct start 103").await;
    assert_eq!(sh(&node, 103, "cat /root/f").await.0, "first\n");
}

#[tokio::test(start_paused = true)]
async fn scripts_take_their_time_and_fail_as_the_world_says() {
    let world = r#"{"guests": {"103": {"scripts": {
        "slow": {"duration": "40s", "output": "working\n"},
        "flaky": {"exit": 4, "times": 2, "errors": "no network\n"}
    }}}}"#;
    let node = node(world).await;
    sh(&node, 103, "printf 'sleep 10; echo own\\n' > /root/slow.sh; echo 'echo fine' > /root/flaky.sh").await;
    let started = node.clock().now();
    assert_eq!(sh(&node, 103, "sh /root/slow.sh").await, ("working\nown\n".to_owned(), 0));
    assert_eq!((node.clock().now() - started).as_secs(), 40);
    for expected in [("no network\n", 4), ("no network\n", 4), ("fine\n", 0)] {
        let (output, status) = sh(&node, 103, "PHOENIX_SCRIPT=flaky sh /root/flaky.sh").await;
        assert_eq!((output.as_str(), status), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn commands_answer_as_the_world_says() {
    let world = r#"{"guests": {"103": {
        "missing": ["docker"],
        "commands": [{"when": "pg_isready*", "exit": 2, "stderr": "no response\n", "duration": "3s", "times": 1}]
    }}}"#;
    let node = node(world).await;
    assert_eq!(sh(&node, 103, "pg_isready -q").await, ("no response\n".to_owned(), 2));
    assert_eq!(sh(&node, 103, "pg_isready -q").await, (String::new(), 0));
    assert_eq!(sh(&node, 103, "command -v docker").await, (String::new(), 127));
    assert_eq!(sh(&node, 103, "docker ps").await, ("sh: 1: docker: not found\n".to_owned(), 127));
}

#[tokio::test(start_paused = true)]
async fn ports_flap() {
    let world = r#"{"startup": 0, "guests": {"103": {"services": {"web": {
        "events": [{"after": "10s", "open": [80], "flapping": {"open": "5s", "closed": "2s"}}]
    }}}}}"#;
    let node = node(world).await;
    let started = node.state().inside[&103].started;
    let mut seen = String::new();
    for second in 9..24 {
        node.sleep((started + Duration::from_millis(second * 1000 + 500)).saturating_sub(node.clock().now())).await;
        seen.push(if sh(&node, 103, "nc -z 10.0.0.103 80").await.1 == 0 { 'o' } else { '.' });
    }
    assert_eq!(seen, ".ooooo..ooooo..");
}

#[tokio::test(start_paused = true)]
async fn what_runs_in_the_background_goes_on_and_ends_with_the_guest() {
    let node = node("{}").await;
    let start = "cd /root; setsid sh -c 'echo $$ > pid; sleep 30; echo done > result' >/dev/null 2>&1 </dev/null & echo started";
    let started = node.clock().now();
    assert_eq!(sh(&node, 103, start).await.0, "started\n");
    assert!(node.clock().now() - started < Duration::from_secs(2));
    assert_eq!(
        sh(&node, 103, "kill -0 $(cat /root/pid); echo $?; cat /root/result").await.0,
        "0\ncat: /root/result: No such file or directory\n"
    );
    node.sleep(Duration::from_secs(31)).await;
    assert_eq!(sh(&node, 103, "cat /root/result").await.0, "done\n");
    sh(&node, 103, "rm /root/result; setsid sh -c 'sleep 30; echo done > /root/result' >/dev/null 2>&1 &").await;
    run(&node, "pct stop 103").await;
    run(&node, "pct start 103").await;
    node.sleep(Duration::from_secs(60)).await;
    assert_eq!(sh(&node, 103, "test -e /root/result").await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_settles_when_nothing_runs_in_the_background() {
    let node = node("{}").await;
    sh(&node, 103, "for i in 10 20; do setsid sh -c \"sleep $i; echo $i >> /root/result\" >/dev/null 2>&1 & done")
        .await;
    node.settle(Duration::from_secs(15)).await;
    assert_eq!(sh(&node, 103, "cat /root/result").await.0, "10\n");
    let started = node.clock().now();
    node.settle(Duration::from_secs(1000)).await;
    assert!(node.clock().now() - started < Duration::from_secs(10));
    assert_eq!(sh(&node, 103, "cat /root/result").await.0, "10\n20\n");
}

#[tokio::test(start_paused = true)]
async fn an_endless_loop_and_a_flood_are_cut_off() {
    let node = node("{}").await;
    assert_eq!(sh(&node, 103, "while :; do :; done").await.1, 137);
    assert_eq!(sh(&node, 103, "x=a; while :; do x=$x$x; done").await.1, 137);
    assert_eq!(sh(&node, 103, "f() { f; }; f").await.1, 2);
    assert_eq!(sh(&node, 103, "echo 'sh /tmp/self; exit $?' > /tmp/self; sh /tmp/self 2>/dev/null").await.1, 126);
    let deep = format!("{}echo deep{}", "if true; then ".repeat(25), "; fi".repeat(25));
    assert_eq!(sh(&node, 103, &deep).await, ("deep\n".to_owned(), 0));
    let deep = format!("{}echo deep{}", "(".repeat(25), ")".repeat(25));
    assert_eq!(sh(&node, 103, &deep).await, ("deep\n".to_owned(), 0));
    let deep = format!("echo {}deep{}", "$(echo ".repeat(12), ")".repeat(12));
    assert_eq!(sh(&node, 103, &deep).await, ("deep\n".to_owned(), 0));
    for (open, close) in [
        ("(", ")"),
        ("$(", ")"),
        ("if ", "fi"),
        ("$((", "))"),
        ("${x:-", "}"),
        ("\"$(", ")\""),
        ("{ ", "}"),
        ("[[ ( ", ") ]]"),
    ] {
        for shell in ["sh", "bash"] {
            let text = format!("{}x{}", open.repeat(5000), close.repeat(5000));
            let argv = ["pct", "exec", "103", "--", shell, "-c", &text].map(str::to_owned);
            node.run(&argv, b"").await;
        }
    }
    assert_eq!(sh(&node, 103, "yes >/dev/full & sleep 1; kill $!; echo over").await, ("over\n".to_owned(), 0));
    assert_eq!(sh(&node, 103, "sh -c '$0' sh | cat; echo next").await.1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_unit_is_told_by_systemd_and_its_journal() {
    let world = r#"{"guests": {"103": {"services": {"step-ca": {"begins": "unit", "events": [
        {"after": "12s", "state": "failed", "log": ["no space left on device"]}
    ]}}}}}"#;
    let node = node(world).await;
    assert_eq!(sh(&node, 103, "systemctl is-active step-ca").await, ("inactive\n".to_owned(), 3));
    assert_eq!(
        sh(&node, 103, "systemctl enable --now step-ca; systemctl is-active step-ca.service").await,
        ("active\n".to_owned(), 0)
    );
    node.sleep(Duration::from_secs(13)).await;
    assert_eq!(sh(&node, 103, "systemctl is-active step-ca").await, ("failed\n".to_owned(), 3));
    assert_eq!(sh(&node, 103, "systemctl is-system-running").await, ("degraded\n".to_owned(), 1));
    assert_eq!(
        sh(&node, 103, "systemctl --failed --no-legend --plain").await.0,
        "step-ca.service loaded failed failed step-ca\n"
    );
    let journal = sh(&node, 103, "journalctl -u step-ca -n 2 -o cat").await.0;
    assert_eq!(journal, "no space left on device\nstep-ca.service: Failed with result 'exit-code'.\n");
}

#[test]
fn worlds_with_unknown_keys_are_refused() {
    for text in
        [r#"{"guests": {"103": {"port": 1}}}"#, r#"{"every_guest": {"services": {"x": {"events": [{"opens": [1]}]}}}}"#]
    {
        assert!(serde_json::from_str::<World>(text).is_err(), "{text}");
    }
}

/// A node with a running VM 200 at 10.0.0.200.
async fn vm(world: &str) -> SimNode {
    let mut world: World = serde_json::from_str(world).unwrap();
    world.every_guest.guest_agent.get_or_insert(AgentWorld::Installed);
    let node = SimNode::new(world);
    let create = "qm create 200 --name box --memory 1024 --net0 virtio,bridge=vmbr0 --scsi0 local-zfs:0,import-from=/root/cloud.qcow2 --ide2 local-zfs:cloudinit --agent 1 --ipconfig0 ip=10.0.0.200/24";
    run(&node, create).await;
    run(&node, "qm start 200").await;
    node
}

/// Runs a shell text in a VM through its agent: the agent's answer.
async fn agent(node: &SimNode, text: &str) -> serde_json::Value {
    let argv = ["qm", "guest", "exec", "200", "--timeout", "600", "--", "sh", "-c", text].map(str::to_owned);
    let answer = node.run(&argv, b"").await;
    serde_json::from_str(&answer.stdout).unwrap_or(serde_json::Value::String(answer.stderr))
}

#[tokio::test(start_paused = true)]
async fn cloud_init_finishes_in_its_time_and_only_once_per_machine() {
    let world =
        r#"{"guests": {"200": {"boot": {"agent": "10s", "cloud_init": "60s", "cloud_init_result": "reboot"}}}}"#;
    let node = vm(world).await;
    assert_eq!(agent(&node, "true").await, "QEMU guest agent is not running\n");
    node.sleep(Duration::from_secs(12)).await;
    assert_eq!(agent(&node, "cloud-init status").await["out-data"], "status: running\n");
    let answer = agent(&node, "cloud-init status --wait").await;
    assert_eq!((&answer["out-data"], &answer["exitcode"]), (&"status: done\n".into(), &2.into()));
    let started = node.state().inside[&200].started;
    assert!((node.clock().now() - started).as_secs().abs_diff(60) <= 3);
    run(&node, "qm reboot 200").await;
    node.sleep(Duration::from_secs(20)).await;
    let answer = agent(&node, "cloud-init status --format json").await;
    assert_eq!(answer["exitcode"], 0, "{answer}");
    let status: serde_json::Value = serde_json::from_str(answer["out-data"].as_str().unwrap()).unwrap();
    assert_eq!((&status["status"], &status["errors"]), (&"done".into(), &serde_json::json!([])));
}

#[tokio::test(start_paused = true)]
async fn a_vm_mounts_what_the_node_exports_and_sees_what_a_container_writes_there() {
    let world = r#"{
        "addresses": ["10.0.0.2"],
        "files": {"/srv/ca/": "", "/srv/secret/": "", "/etc/exports": "/srv/ca 10.0.0.0/24(rw,sync)\n/srv/secret 10.9.0.0/16(rw)\n"}
    }"#;
    let node = vm(world).await;
    run(&node, "pct create 103 local:vztmpl/d.tar.zst --rootfs local-zfs:4 --hostname ca --mp0 /srv/ca,mp=/ssl").await;
    run(&node, "pct start 103").await;
    node.sleep(Duration::from_secs(10)).await;
    let mount = "mkdir -p /etc/step-ca/ssl; echo '10.0.0.2:/srv/ca /etc/step-ca/ssl nfs defaults,_netdev 0 0' >> /etc/fstab; mount -a";
    assert_eq!(agent(&node, mount).await["exitcode"], 0);
    assert_eq!(
        agent(&node, "mountpoint -q /etc/step-ca/ssl && findmnt -n -o SOURCE /etc/step-ca/ssl").await["out-data"],
        "10.0.0.2:/srv/ca\n"
    );
    assert_eq!(agent(&node, "test -e /etc/step-ca/ssl/ca.ready").await["exitcode"], 1);
    sh(&node, 103, "echo yes > /ssl/ca.ready").await;
    assert_eq!(agent(&node, "cat /etc/step-ca/ssl/ca.ready").await["out-data"], "yes\n");
    for (source, expected) in [
        ("10.0.0.2:/srv/none", "No such file or directory"),
        ("10.0.0.2:/srv/secret", "access denied by server"),
        ("10.0.0.77:/srv/ca", "timed out"),
        ("nobody.example:/srv/ca", "Failed to resolve server"),
    ] {
        let answer = agent(&node, &format!("mount -t nfs {source} /mnt")).await;
        assert_eq!(answer["exitcode"], 32);
        assert!(answer["err-data"].as_str().unwrap().contains(expected), "{answer}");
    }
    // A mount that is not in the table of file systems is gone after a restart, one that is there has to be mounted by init.
    run(&node, "qm stop 200").await;
    run(&node, "qm start 200").await;
    node.sleep(Duration::from_secs(10)).await;
    assert_eq!(agent(&node, "cat /etc/step-ca/ssl/ca.ready").await["out-data"], "yes\n");
}

/// As the cloud images of Debian and Ubuntu are: the agent comes when cloud-init is told to install it, and stays.
#[tokio::test(start_paused = true)]
async fn cloud_init_installs_the_agent_that_an_image_lacks() {
    let snippet = "#cloud-config\npackages:\n  - qemu-guest-agent\nruncmd:\n  - [systemctl, start, web.service]\n";
    let node = vm_lacking_the_agent("", snippet).await;
    node.sleep(Duration::from_secs(120)).await;
    assert_eq!(agent(&node, "true").await, "QEMU guest agent is not running\n");

    run(&node, "qm stop 200").await;
    run(&node, "qm destroy 200").await;
    run(&node, &format!("{FROM_IMAGE} --cicustom vendor=local:snippets/agent.yaml")).await;
    run(&node, "qm start 200").await;
    node.sleep(Duration::from_secs(10)).await;
    assert_eq!(agent(&node, "true").await, "QEMU guest agent is not running\n");
    node.sleep(Duration::from_secs(10)).await;
    assert_eq!(agent(&node, "systemctl is-active web").await["out-data"], "active\n");
    for line in ["qm set 200 --delete cicustom", "qm stop 200", "qm start 200"] {
        run(&node, line).await;
    }
    node.sleep(Duration::from_secs(6)).await;
    assert_eq!(agent(&node, "true").await["exitcode"], 0, "it is on the disk now");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_be_installed_never_answers() {
    let failing = r#", "commands": [{"when": "apt-get install *", "exit": 100, "stderr": "Temporary failure resolving 'deb.debian.org'"}]"#;
    let node = vm_lacking_the_agent(failing, "#cloud-config\npackages:\n  - qemu-guest-agent\n").await;
    run(&node, "qm stop 200").await;
    run(&node, "qm set 200 --cicustom vendor=local:snippets/agent.yaml").await;
    run(&node, "qm start 200").await;
    node.sleep(Duration::from_secs(300)).await;
    assert_eq!(agent(&node, "true").await, "QEMU guest agent is not running\n");
}

const FROM_IMAGE: &str = "qm create 200 --name box --memory 1024 --scsi0 local-zfs:0,import-from=/root/cloud.qcow2 --ide2 local-zfs:cloudinit --agent 1";

/// A started VM 200 from a cloud image, and a snippet for its cloud-init that it does not use yet.
async fn vm_lacking_the_agent(guest: &str, snippet: &str) -> SimNode {
    let world = serde_json::json!({"files": {"/var/lib/vz/snippets/agent.yaml": snippet}});
    let mut world: World = serde_json::from_value(world).unwrap();
    let services = r#"{"services": {"web": {"begins": "unit", "events": [{"open": [80]}]}}"#;
    world.every_guest = serde_json::from_str(&format!("{services}{guest}}}")).unwrap();
    let node = SimNode::new(world);
    run(&node, FROM_IMAGE).await;
    run(&node, "qm start 200").await;
    node
}

#[tokio::test(start_paused = true)]
async fn a_script_may_print_a_hundred_thousand_lines_and_an_endless_one_is_ended_with_its_reason() {
    let node = node("{}").await;
    let text = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo line $i; done > /tmp/log; wc -l < /tmp/log";
    assert_eq!(sh(&node, 103, text).await, ("100000\n".to_owned(), 0));
    let (said, exit) = sh(&node, 103, "while :; do :; done").await;
    assert!(said.contains("it did too much without letting time pass"), "{said}");
    assert_eq!(exit, 137);
}
