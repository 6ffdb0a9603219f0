//! The guest agent of VMs whose image lacks it.

use std::sync::Arc;

use phoenix_engine::{EventKind, GuestOutcome, Stage};
use phoenix_sim::{SimNode, World};
use pretty_assertions::assert_eq;

use crate::fleet::{Folder, id};
use crate::run::{Ran, up};

const VM: &str = r#"{"vmid": 200, "name": "box", "template_image": "debian-12-genericcloud-amd64.qcow2", "storage_pool": "local-zfs", "state": "running",
    "network_config": {"ip": "10.0.0.200/24", "gw": "10.0.0.1"}, "user_config": {"username": "operator"}}"#;

/// The same, made from a template that never ran.
const CLONE: &str = r#"{"vmid": 200, "name": "base", "template_image": "debian-12-genericcloud-amd64.qcow2", "storage_pool": "local-zfs", "is_template": true},
    {"vmid": 201, "name": "box", "clone_from_vmid": 200, "storage_pool": "local-zfs", "state": "running",
    "network_config": {"ip": "10.0.0.201/24", "gw": "10.0.0.1"}, "user_config": {"username": "operator"}}"#;

fn world(text: &str) -> SimNode {
    SimNode::new(serde_json::from_str::<World>(text).unwrap())
}

/// A line of a VM's configuration file.
async fn setting(sim: &SimNode, vm: u32, key: &str) -> Option<String> {
    let path = format!("/etc/pve/qemu-server/{vm}.conf");
    let text = phoenix_host::Host::read(sim, path.as_str().into(), 1 << 20).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    text.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(": ")?.to_owned()))
}

fn summaries(ran: &Ran, guest: u32) -> Vec<&str> {
    let plan = ran.plan.guests.iter().find(|plan| plan.id == id(guest)).unwrap();
    plan.steps.iter().map(|step| step.summary.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn cloud_init_installs_the_agent_and_nothing_of_that_stays_in_the_settings() {
    let sim = world("{}");
    let desired = Arc::new(Folder::new("", VM, &[]).desired());
    let ran = up(&sim, &desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    assert_eq!(
        summaries(&ran, 200),
        [
            "write local:snippets/phoenix-guest-agent.yaml",
            "create from image debian-12-genericcloud-amd64.qcow2",
            "start",
            "wait for the guest agent",
            "wait for cloud-init"
        ]
    );
    let create = ran.commands.iter().find(|command| command.argv.starts_with(&["qm", "create"].map(String::from)));
    let argv = create.unwrap().argv.join(" ");
    assert!(argv.contains("--cicustom vendor=local:snippets/phoenix-guest-agent.yaml"), "{argv}");
    assert!(argv.contains("--agent enabled=1") && argv.contains("--ciuser operator"), "{argv}");
    assert_eq!(setting(&sim, 200, "cicustom").await, None, "a VM must start without the file, too");
    assert_eq!(setting(&sim, 200, "ciuser").await.as_deref(), Some("operator"), "the user's own data stays in force");
    assert!(up(&sim, &desired).await.plan.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_clone_of_an_image_that_never_ran_gets_its_agent_by_cloud_init_too() {
    let sim = world("{}");
    let ran = up(&sim, &Arc::new(Folder::new("", CLONE, &[]).desired())).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    assert_eq!(setting(&sim, 201, "cicustom").await, None);
    let of_template = setting(&sim, 200, "cicustom").await;
    assert_eq!(of_template.as_deref(), Some("vendor=local:snippets/phoenix-guest-agent.yaml"), "for its next clone");
}

#[tokio::test(start_paused = true)]
async fn the_snippet_is_written_once() {
    let sim = world("{}");
    assert!(up(&sim, &Arc::new(Folder::new("", VM, &[]).desired())).await.summary.is_good());
    let more = format!("{VM}, {}", VM.replace("200", "210").replace("box", "other"));
    let ran = up(&sim, &Arc::new(Folder::new("", &more, &[]).desired())).await;
    assert_eq!(summaries(&ran, 210)[0], "create from image debian-12-genericcloud-amd64.qcow2");
}

#[tokio::test(start_paused = true)]
async fn without_a_storage_for_snippets_the_plan_says_what_to_do() {
    let storages = r#""storages": {"local": {"type": "dir", "path": "/var/lib/vz", "content": ["import", "iso", "vztmpl"]},
        "local-zfs": {"type": "zfspool", "path": "rpool"}}"#;
    let desired = Arc::new(Folder::new("", VM, &[]).desired());
    // An image that comes with the agent needs none.
    let with_agent = format!(r#"{{{storages}, "every_guest": {{"guest_agent": "installed"}}}}"#);
    let ran = up(&world(&with_agent), &desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    let remark = &ran.plan.guests[0].remarks[0];
    assert!(
        remark.starts_with("no storage allows snippets") && remark.contains("pvesm set local --content"),
        "{remark}"
    );

    let ran = up(&world(&format!("{{{storages}}}")), &desired).await;
    let GuestOutcome::Failed { failure } = &ran.summary.guests[&id(200)] else { panic!("{:#?}", ran.summary) };
    assert_eq!(failure.stage, Stage::Agent);
    let hint = failure.hint.as_deref().unwrap();
    assert!(hint.contains("qm terminal 200") && hint.contains("qemu-guest-agent"), "{hint}");
}

/// An upgrade of all packages before the agent is installed takes longer than an agent takes that is there already.
#[tokio::test(start_paused = true)]
async fn a_slow_cloud_init_is_waited_for_where_it_brings_the_agent() {
    let slow = world(r#"{"every_guest": {"boot": {"cloud_init": "20m"}}}"#);
    let ran = up(&slow, &Arc::new(Folder::new("", VM, &[]).desired())).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    let answered = ran.at(200, |event| matches!(event, EventKind::GatePassed { gate, .. } if gate == "guest agent"));
    assert!(answered >= 15 * 60_000, "{answered}");
}

/// How often cloud-init's demand for a reboot was reported, and how often the VM was started.
fn reboots(ran: &Ran) -> (usize, usize) {
    let told = ran.events.iter().filter(
        |event| matches!(&event.kind, EventKind::Notice { text } if text.ends_with("a reboot may fix: rebooting once")),
    );
    let sent = ran.commands.iter().filter(|command| command.argv.starts_with(&["qm", "start"].map(String::from)));
    (told.count(), sent.count())
}

#[tokio::test(start_paused = true)]
async fn a_cloud_init_with_something_to_recover_from_is_rebooted_once() {
    let sim = world(r#"{"guests": {"200": {"boot": {"cloud_init_result": "reboot"}}}}"#);
    let desired = Arc::new(Folder::new("", VM, &[]).desired());
    let ran = up(&sim, &desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    assert_eq!(reboots(&ran), (1, 2), "it is started, and once more");
    assert!(up(&sim, &desired).await.plan.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cloud_init_that_failed_for_good_is_an_error_and_no_reboot() {
    let sim = world(r#"{"guests": {"200": {"boot": {"cloud_init_result": "error"}}}}"#);
    let desired = Arc::new(Folder::new("", VM, &[]).desired());
    let ran = up(&sim, &desired).await;
    let GuestOutcome::Failed { failure } = &ran.summary.guests[&id(200)] else { panic!("{:#?}", ran.summary) };
    assert_eq!(failure.stage, Stage::CloudInit);
    assert!(failure.message.contains("cloud-init"), "{}", failure.message);
    assert_eq!(reboots(&ran), (0, 1));
}
