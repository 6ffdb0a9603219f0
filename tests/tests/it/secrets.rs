//! Secrets that Phoenix meets: on the node, in what people write, in what comes back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use phoenix_host::Host as _;
use serde_json::json;

use crate::lab::{Lab, container};
use crate::program::Run;

const SECRET: &str = "hunter2-0815";

fn conceals(run: &Run) {
    assert!(!run.all().contains("hunter2"), "{}", run.all());
}

/// A container and a VM that somebody made, with a secret wherever Proxmox keeps one.
fn made_by_hand(lab: &Lab) {
    lab.by_hand(&[
        "qm",
        "create",
        "1001",
        "--name",
        "docker",
        "--memory",
        "1024",
        "--agent",
        "1",
        "--scsi0",
        "local-lvm:16",
        "--net0",
        "virtio,bridge=vmbr0",
        "--ciuser",
        "ops",
        "--cipassword",
        SECRET,
        "--args",
        "-vnc 0.0.0.0:1,password=hunter2-0815",
        "--description",
        "backup token: hunter2-0815",
    ]);
    let template = "local:vztmpl/debian-12.tar.zst";
    lab.by_hand(&[
        "pct",
        "create",
        "103",
        template,
        "--hostname",
        "ca",
        "--rootfs",
        "local-lvm:8",
        "--unprivileged",
        "1",
    ]);
    let conf = Utf8Path::new("/etc/pve/lxc/103.conf");
    lab.on_node(async |node| {
        let mut text = node.read(conf, 1 << 20).await.unwrap();
        text.extend_from_slice(b"lxc.environment: SMTP_LOGIN=hunter2-0815\nlxc.environment.runtime: X=hunter2-0815\n");
        node.write(conf, &text, 0o640).await.unwrap();
    });
}

#[test]
fn secrets_of_the_node_are_masked_in_every_form_of_output() {
    let lab = Lab::of(&json!({}));
    made_by_hand(&lab);
    let out = lab.beside("out");
    conceals(&lab.done(&["adopt", "--write", &out]));
    let mode = |file: &str| fs::metadata(format!("{out}/{file}")).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("phoenix_lxc_configs.json"), mode("phoenix_vm_configs.json")], [0o600, 0o600]);
    for format in ["human", "json", "jsonl"] {
        for verb in [&["adopt", "--dry-run"][..], &["plan"], &["plan", "--commands"], &["status"], &["doctor"]] {
            let run = lab.phoenix(&[&["-C", &out, "--format", format], verb].concat());
            assert!(run.exit == Some(0) || run.exit == Some(1), "{}", run.all());
            conceals(&run);
        }
    }
    conceals(&lab.done(&["-C", &out, "adopt", "--yes"]));
    let plan = lab.done(&["-C", &out, "plan"]);
    conceals(&plan);
    assert!(plan.stdout.contains("cipassword: ••••••"), "{}", plan.all());
    let run = lab.done(&["-C", &out, "--format", "json", "plan"]);
    conceals(&run);
    assert!(run.stdout.contains("••••••"), "{}", run.all());
}

#[test]
fn diagnostics_do_not_repeat_the_secrets_that_they_complain_about() {
    let headers = json!({"Authorization": "Bearer hunter2-0815", "Cookie": "session=hunter2-0815", "X-Bad": 7});
    let gate = json!([
        {"http": {"port": 80, "path": "https://a:hunter2-0815@b/", "headers": headers}, "retries": -1},
        {"command": ["curl", "-u", "admin:hunter2-0815", "x"], "interval": "PGPASSWORD=hunter2-0815"},
        {"command": "curl -H 'Authorization: Basic hunter2-0815' x", "timeout": "Cookie: hunter2-0815"},
    ]);
    let lab = Lab::of(&json!({"103": container("ca", &json!({
        "health_check": gate, "lxc_options": ["lxc.environment: DB_PASS=hunter2-0815", "no line: token: hunter2-0815"],
        "template": "https://user:hunter2-0815@mirror/x.tar.zst", "storage_pool": "password=hunter2-0815",
    }))}));
    lab.machines(&json!([{"vmid": 1001, "name": "x", "template_image": "https://u:hunter2-0815@h/x.img", "cores": "token=hunter2-0815"}]));
    lab.hypervisor(&json!({"network": {"external_registry_url": "https://user:hunter2-0815@registry/"},
        "portainer_api": {"admin_password": SECRET}}));
    for format in ["human", "json", "jsonl"] {
        let run = lab.phoenix(&["--format", format, "validate"]);
        assert_eq!(run.exit, Some(2), "{}", run.all());
        conceals(&run);
    }
}

/// The server repeats the header that it refuses, the script and the command of a gate print what they know, and the
/// command that fails has it in an argument.
#[test]
fn a_known_secret_that_comes_back_is_masked() {
    let http = json!({"/": {"status": 401, "body": "no session for Bearer hunter2-0815, see hunter2-0815\n"}});
    let lab = Lab::of(&json!({"103": container("ca", &json!({
        "features": ["show"],
        "network_config": {"ip": "10.9.0.103/24", "gw": "10.9.0.1"},
        "health_check": [
            {"http": {"port": 80, "headers": {"Authorization": {"secret": {"file": "header"}}}}, "retries": 1, "interval": 1},
            {"name": "shown", "command": "cat /known; exit 1", "retries": 1, "interval": 1},
        ],
    }))}));
    lab.world(
        &json!({"guests": {"103": {"services": {"web": {"events": [{"after": "0s", "open": [80]}], "http": http}}}}}),
    );
    lab.write("header", "Bearer hunter2-0815\n");
    lab.feature("show", "echo hunter2-0815 | tee /known");
    let page = lab.beside("report.html");
    for up in [&["-vv", "up", "--report", &page][..], &["--format", "json", "up"], &["--format", "jsonl", "up"]] {
        let run = lab.phoenix(up);
        assert_eq!(run.exit, Some(1), "{}", run.all());
        conceals(&run);
    }
    assert!(!fs::read_to_string(page).unwrap().contains("hunter2"));
    for verb in ["health", "status", "doctor"] {
        for format in ["human", "json"] {
            conceals(&lab.phoenix(&["--format", format, verb]));
        }
    }
    let health = lab.phoenix(&["--format", "json", "health"]);
    assert!(health.stdout.contains("no session for ••••••, see ••••••"), "{}", health.all());
    assert!(!lab.commands().join("\n").contains("hunter2"));
}
