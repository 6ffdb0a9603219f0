//! VMs without a guest agent, without cloud-init, and with an agent that runs no programs.

use serde_json::json;
use test_case::test_case;

use crate::lab::{Lab, machine};

/// A VM that somebody made by hand, taken over.
fn adopted(create: &[&str], inside: &serde_json::Value) -> Lab {
    let lab = Lab::of(&json!({}));
    lab.world(&json!({"guests": {"259": inside}}));
    let argv = ["qm", "create", "259", "--name", "router", "--memory", "1024", "--net0", "virtio,bridge=vmbr0"];
    lab.by_hand(&[&argv[..], &["--scsi0", "local-lvm:16", "--onboot", "1", "--boot", "order=scsi0"], create].concat());
    lab.by_hand(&["qm", "start", "259"]);
    lab.machines(&json!([machine(
        259,
        "router",
        &json!({"storage_pool": "local-lvm", "network_config": {"ip": "manual"}, "disk_size_gb": 16})
    )]));
    lab.done(&["adopt", "--yes"]);
    lab
}

#[test]
fn a_vm_without_guest_agent_is_neither_restarted_nor_asked() {
    let lab = adopted(&[], &json!({"guest_agent": "absent"}));
    let up = lab.done(&["up"]);
    assert!(!lab.changes().iter().any(|line| line.contains("shutdown") || line.contains("--agent")), "{}", up.all());
    // A start waits for no agent.
    lab.by_hand(&["qm", "stop", "259"]);
    let up = lab.done(&["up"]);
    assert!(!up.all().contains("guest agent"), "{}", up.all());
    assert_eq!(lab.power(259), "running");
}

#[test_case(&json!({"guest_agent": "installed", "missing": ["cloud-init"]}) ; "not installed")]
fn a_vm_without_cloud_init_is_done_when_its_agent_answers(inside: &serde_json::Value) {
    let lab = adopted(&["--agent", "1"], inside);
    lab.by_hand(&["qm", "stop", "259"]);
    lab.done(&["up"]);
}

#[test_case("Agent error: Command guest-exec has been disabled: the command is not allowed\n" ; "blocked by RHEL")]
#[test_case("Agent error: The command guest-exec has been disabled for this instance\n" ; "blocked by an older agent")]
#[test_case("Agent error: Guest agent command failed, error was 'Failed to execute child process \"/bin/sh\" (Permission denied)'\n" ; "kept back by SELinux")]
fn an_agent_that_refuses_programs_ends_the_wait_at_once(words: &str) {
    let lab = Lab::of(&json!({}));
    lab.machines(&json!([machine(440, "rocky", &json!({}))]));
    let refuses = json!({"when": "qm guest exec 440", "fail": {"exit": 255, "stderr": words}});
    lab.world(&json!({"guests": {"440": {"guest_agent": "installed"}}, "faults": [refuses]}));
    let up = lab.phoenix(&["up"]);
    assert_eq!(up.exit, Some(1), "{}", up.all());
    let text: String = up.all().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("waiting longer cannot help") && text.contains("/etc/sysconfig/qemu-ga"), "{}", up.all());

    lab.machines(&json!([machine(440, "rocky", &json!({"guest_agent": {"exec": false}}))]));
    lab.done(&["up"]);
}
