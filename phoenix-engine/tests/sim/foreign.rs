//! Guests that people make under an id of ours, and what a run that failed or died before has to do with them: nothing.

use std::time::Duration;

use phoenix_engine::{Disposition, GuestOutcome};
use phoenix_host::Host as _;
use phoenix_sim::SimNode;
use serde_json::{Value, json};

use crate::harness::fleet::{Fleet, Kind};
use crate::harness::run::Ran;
use crate::harness::tale::{Tale, boot, container, sent, slow_services, vm};
use crate::harness::watch::Moment;

const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";

/// Commands by which people make a guest under the id 500.
const THEIRS: [&[&str]; 6] = [
    &["qm create 500 --name theirs --memory 512"],
    &["qm create 500 --name theirs --memory 512 --net0 virtio,bridge=vmbr0 --boot order=net0"],
    &["qm create 500 --name theirs --memory 512 --scsi0 tank:8", "qm set 500 --delete scsi0"],
    &["qm create 500 --name theirs --memory 512 --scsi0 tank:8", "qm set 500 --lock snapshot"],
    &["qm clone 200 500 --name theirs"],
    &["qm create 500 --name theirs --memory 512", "qm set 500 --lock clone"],
];

fn five_hundred(more: Value) -> Fleet {
    Fleet::of([(200, Kind::Vm, vm(json!({"state": "stopped"}))), (500, Kind::Vm, vm(more))])
}

async fn text(tale: &Tale, path: &str) -> String {
    String::from_utf8(tale.scene.node.read(path.into(), 1 << 16).await.unwrap()).unwrap()
}

async fn by_hand(tale: &Tale, lines: &[&str]) {
    for line in lines {
        tale.by_hand(line).await;
    }
}

/// The run leaves guest 500 alone, and the plan says so.
async fn leaves_it_alone(tale: &mut Tale, fleet: &Fleet, path: &str) -> Ran {
    let before = text(tale, path).await;
    let ran = tale.up(fleet).await;
    let planned = ran.plan.as_ref().unwrap().guests.iter().find(|guest| guest.id.get() == 500).unwrap();
    assert_eq!(planned.disposition, Disposition::NotOurs, "{before}\n{planned:#?}");
    assert!(!sent(&ran, "destroy 500") && !sent(&ran, "unlock 500"), "{before}");
    assert_eq!(text(tale, path).await, before);
    ran
}

#[tokio::test(start_paused = true)]
async fn what_somebody_makes_after_a_create_of_ours_failed_is_theirs() {
    let fleet = five_hundred(json!({}));
    for theirs in THEIRS {
        let full = json!({"when": "qm create 500", "nth": 1, "fail": {"exit": 255, "stderr": "out of space\n"}});
        let world = serde_json::from_value(json!({"faults": [full]})).unwrap();
        let mut tale = Tale::on(SimNode::new(world));
        assert!(!tale.up(&fleet).await.is_good());
        by_hand(&tale, theirs).await;
        leaves_it_alone(&mut tale, &fleet, "/etc/pve/qemu-server/500.conf").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_makes_after_a_run_of_ours_died_is_theirs() {
    let fleet = five_hundred(json!({}));
    for span in [1, 400, 800] {
        for theirs in THEIRS {
            let mut tale = Tale::on(slow_services(&boot()));
            tale.up_well(&Fleet::of([(200, Kind::Vm, vm(json!({"state": "stopped"})))])).await;
            tale.killed(&fleet, Moment::During(Duration::from_millis(span)), "qm create 500").await;
            // They clear away what is left, if anything is, and use the id.
            tale.scene.node.run(&["qm", "unlock", "500"].map(str::to_owned), b"").await;
            let destroy = ["qm", "destroy", "500", "--purge", "1", "--destroy-unreferenced-disks", "1"];
            tale.scene.node.run(&destroy.map(str::to_owned), b"").await;
            tale.scene.node.run(&["pvesm", "free", "tank:vm-500-cloudinit"].map(str::to_owned), b"").await;
            by_hand(&tale, theirs).await;
            leaves_it_alone(&mut tale, &fleet, "/etc/pve/qemu-server/500.conf").await;
            // The id is not remembered for ever either.
            leaves_it_alone(&mut tale, &fleet, "/etc/pve/qemu-server/500.conf").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_makes_between_plan_and_destroy_is_theirs() {
    let fleet = Fleet::of([(500, Kind::Container, container(json!({"state": "stopped"})))]);
    let mut tale = Tale::on(slow_services(&boot()));
    tale.up_well(&fleet).await;
    let desired = tale.desired(&fleet);
    let node = phoenix_engine::Node::new(phoenix_host::Layered::new(std::sync::Arc::new(tale.scene.node.clone())));
    let site = node.labelled(None, "observe");
    let observed = phoenix_engine::observe(&site, &desired).await.unwrap();
    let ids = desired.guests.keys().copied().collect();
    let plan = phoenix_engine::plan_removal(&desired, &observed, &ids).unwrap();
    by_hand(&tale, &["pct destroy 500", &format!("pct create 500 {TEMPLATE} --rootfs tank:2 --hostname theirs")]).await;
    let before = text(&tale, "/etc/pve/lxc/500.conf").await;
    let options = phoenix_engine::Options::default();
    let summary = phoenix_engine::converge(&node, desired, plan, &options, &mut []).await;
    assert!(matches!(summary.guests.values().next(), Some(GuestOutcome::Failed { .. })), "{summary:#?}");
    assert_eq!(text(&tale, "/etc/pve/lxc/500.conf").await, before);
}
