//! NFS volumes of a VM through their life: mounted, moved, removed, in use.

use std::sync::Arc;

use phoenix_engine::{Desired, GuestOutcome, Spec, Stage};
use phoenix_sim::SimNode;
use phoenix_types::GuestKind;
use pretty_assertions::assert_eq;

use crate::fleet::{Folder, id};
use crate::run::{Ran, up};

/// A VM with these volumes: path on the node, mount point.
fn desired(volumes: &[(&str, &str)]) -> Arc<Desired> {
    let volumes: Vec<String> = volumes
        .iter()
        .map(|(path, at)| {
            format!(r#"{{"type": "nfs", "server": "10.0.0.2", "path": "{path}", "mount_point": "{at}"}}"#)
        })
        .collect();
    let vm = format!(
        r#"{{"vmid": 200, "name": "box", "template_image": "debian-12-genericcloud-amd64.qcow2", "storage_pool": "local-zfs",
            "state": "running", "network_config": {{"ip": "10.0.0.200/24", "gw": "10.0.0.1"}}, "volumes": [{}]}}"#,
        volumes.join(",")
    );
    let folder = Folder::new("", &vm, &[]);
    folder.write(
        "phoenix_hypervisor_config.json",
        r#"{"network": {"interfaces": {"name": "vmbr0", "address": "10.0.0.2/24", "gateway": "10.0.0.1"}},
            "nfs": {"exports": [{"path": "/srv", "clients": ["10.0.0.0/24"], "options": ["rw"]}]}}"#,
    );
    Arc::new(folder.desired())
}

/// Runs a shell line in the VM: what it prints.
async fn inside(sim: &SimNode, line: &str) -> String {
    crate::run::inside(sim, GuestKind::Vm, 200, line).await
}

/// What is mounted, and what is in fstab: source and mount point.
async fn state(sim: &SimNode) -> (String, String) {
    let mounted = inside(sim, "findmnt -n -t nfs -o SOURCE,TARGET || :").await;
    (mounted, inside(sim, "cut -d ' ' -f 1-2 /etc/fstab").await)
}

/// The state in which these volumes are mounted, each exactly once.
fn mounted(volumes: &[(&str, &str)]) -> (String, String) {
    let lines: Vec<String> = volumes.iter().map(|(path, at)| format!("10.0.0.2:{path} {at}")).collect();
    (lines.join("\n"), lines.join("\n"))
}

async fn good(sim: &SimNode, volumes: &[(&str, &str)]) -> Ran {
    let desired = desired(volumes);
    let ran = up(sim, &desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    let again = up(sim, &desired).await;
    assert!(again.plan.is_empty(), "{:#?}", again.plan);
    ran
}

const DATA: (&str, &str) = ("/srv/data", "/data");
const CA: (&str, &str) = ("/srv/ca", "/etc/ca/ssl");
const BELOW: (&str, &str) = ("/srv/more", "/data/more");

fn node() -> SimNode {
    SimNode::new(serde_json::from_str(r#"{"addresses": ["10.0.0.2"]}"#).unwrap())
}

#[tokio::test(start_paused = true)]
async fn volumes_come_and_go_each_exactly_once() {
    let sim = node();
    good(&sim, &[DATA, CA]).await;
    assert_eq!(state(&sim).await, mounted(&[DATA, CA]));
    good(&sim, &[DATA]).await;
    assert_eq!(state(&sim).await, mounted(&[DATA]));
    good(&sim, &[CA, DATA]).await;
    assert_eq!(state(&sim).await, mounted(&[DATA, CA]));
    let ran = good(&sim, &[]).await;
    assert_eq!(state(&sim).await, mounted(&[]));
    let summaries: Vec<&str> = ran.plan.guests[0].steps.iter().map(|step| step.summary.as_str()).collect();
    assert!(summaries.contains(&"unmount the NFS volumes"), "{summaries:?}");
}

#[tokio::test(start_paused = true)]
async fn another_directory_at_the_same_mount_point_replaces_the_first() {
    let sim = node();
    good(&sim, &[DATA]).await;
    let moved = ("/srv/elsewhere", "/data");
    good(&sim, &[moved]).await;
    assert_eq!(state(&sim).await, mounted(&[moved]));
}

#[tokio::test(start_paused = true)]
async fn what_others_wrote_into_fstab_stays() {
    let sim = node();
    good(&sim, &[DATA]).await;
    inside(&sim, "printf '# /data is ours\\nUUID=1 / ext4 defaults 0 1\\n' >> /etc/fstab").await;
    // Somebody wrote the same entry a second time.
    inside(&sim, "printf '10.0.0.2:/srv/data /data nfs ro 0 0\\n' >> /etc/fstab").await;
    good(&sim, &[DATA, CA]).await;
    let fstab = inside(&sim, "cat /etc/fstab").await;
    let lines: Vec<&str> = fstab.lines().collect();
    let data = lines.iter().filter(|line| line.contains(" /data ") && !line.starts_with('#')).count();
    assert_eq!(data, 1, "{fstab}");
    good(&sim, &[]).await;
    assert_eq!(inside(&sim, "cat /etc/fstab").await, "# /data is ours\nUUID=1 / ext4 defaults 0 1");
}

/// In whatever order they are written: what is above is mounted first and unmounted last.
#[tokio::test(start_paused = true)]
async fn a_volume_below_another_one() {
    let sim = node();
    good(&sim, &[BELOW, DATA]).await;
    assert_eq!(state(&sim).await.0, mounted(&[DATA, BELOW]).0);
    inside(&sim, "touch /data/more/file").await;
    good(&sim, &[]).await;
    assert_eq!(state(&sim).await, mounted(&[]));
}

/// At once, and not with the next boot.
#[tokio::test(start_paused = true)]
async fn options_hold_and_change() {
    let sim = node();
    let with = |options: &str| {
        let mut desired = (*desired(&[DATA])).clone();
        let Spec::Vm(vm) = &mut desired.guests.get_mut(&id(200)).unwrap().spec else { panic!("a VM") };
        options.clone_into(&mut vm.volumes[0].options);
        Arc::new(desired)
    };
    for (options, expected) in [("defaults,_netdev", "yes"), ("ro,_netdev", "no"), ("rw", "yes")] {
        let ran = up(&sim, &with(options)).await;
        assert!(ran.summary.is_good(), "{:#?}", ran.summary);
        assert_eq!(inside(&sim, "touch /data/file 2> /dev/null && echo yes || echo no").await, expected, "{options}");
        assert_eq!(state(&sim).await, mounted(&[DATA]));
        assert!(up(&sim, &with(options)).await.plan.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_above_another_one_moves() {
    let sim = node();
    good(&sim, &[DATA, BELOW]).await;
    let moved = ("/srv/elsewhere", "/data");
    good(&sim, &[moved, BELOW]).await;
    assert_eq!(state(&sim).await, mounted(&[moved, BELOW]));
}

#[tokio::test(start_paused = true)]
async fn a_volume_in_use_is_a_clear_error_and_goes_with_the_next_run() {
    let sim = node();
    good(&sim, &[DATA]).await;
    inside(&sim, "mkdir -p /data/own && mount -t nfs 10.0.0.2:/srv /data/own").await;
    let ran = up(&sim, &desired(&[])).await;
    let GuestOutcome::Failed { failure } = &ran.summary.guests[&id(200)] else { panic!("{:#?}", ran.summary) };
    assert_eq!(failure.stage, Stage::Volumes);
    assert!(failure.message.contains("/data: target is busy"), "{}", failure.message);
    assert!(failure.hint.as_deref().is_some_and(|hint| hint.contains("fuser -vm")), "{:?}", failure.hint);

    inside(&sim, "umount /data/own").await;
    good(&sim, &[]).await;
    assert_eq!(state(&sim).await, mounted(&[]));
}
