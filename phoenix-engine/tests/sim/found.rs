//! Faults that the random stories found, each told again on its own.

use std::time::Duration;

use phoenix_engine::GuestOutcome;
use serde_json::json;

use crate::harness::fleet::{Fleet, Kind};
use crate::harness::tale::{Tale, boot, commands, container, sent, slow_services, vm, with};
use crate::harness::watch::Moment;

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_mounted_is_there_before_the_restart_that_mounts_it() {
    let mounts = json!({"mount_points": [{"host_path": "/srv/data/100", "container_path": "/data"}],
        "lxc_options": ["lxc.cap.drop=sys_time"]});
    let mut tale = Tale::on(slow_services(&boot()));
    tale.up_well(&Fleet::of([(100, Kind::Container, container(json!({})))])).await;
    let ran = tale.recovers(&Fleet::of([(100, Kind::Container, container(mounts))])).await;
    assert!(sent(&ran, "pct start 100"), "{:#?}", commands(&ran));
}

#[tokio::test(start_paused = true)]
async fn other_notes_are_a_difference_like_any_other() {
    let fleet = |text: &str| Fleet::of([(100, Kind::Container, container(json!({"description": text})))]);
    let mut tale = Tale::on(slow_services(&boot()));
    tale.up_well(&fleet("first")).await;
    let ran = tale.recovers(&fleet("second\nline\n")).await;
    let notes = ran.after.guests[&100].live().description.unwrap();
    assert!(notes.starts_with("second\nline"), "{notes}");
    // And nobody restarts a guest for them.
    assert!(!sent(&ran, "pct "), "{:#?}", commands(&ran));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_was_only_being_made_is_nothing_to_go_back_to() {
    let careful = json!({"on_failure": "rollback", "enable_lifecycle_snapshots": true, "features": ["tools"]});
    let golden = container(json!({"template_snapshot_name": "golden", "memory_mb": 256}));
    let clone = json!({"clone_from_ctid": 100, "memory_mb": 512, "state": "running"});
    for (id, fatal, start, before) in [
        (101, "write /etc/pve/lxc/101.conf", "pct start 101", "pct snapshot 101 pre-configured"),
        (200, "qm create 200", "qm start 200", "qm snapshot 200 pre-features"),
        (200, "write /etc/pve/qemu-server/200.conf", "qm start 200", "qm snapshot 200 pre-features"),
    ] {
        let own = if id == 200 { vm(careful.clone()) } else { with(clone.clone(), careful.clone()) };
        let kind = if id == 200 { Kind::Vm } else { Kind::Container };
        let fleet = Fleet::of([(100, Kind::Container, golden.clone()), (id, kind, own)]);
        let mut tale = Tale::on(slow_services(&boot()));
        tale.killed(&fleet, Moment::After, fatal).await;
        let ran = tale.recovers(&fleet).await;
        let at = |words: &str| commands(&ran).iter().position(|command| command.contains(words)).unwrap();
        assert!(at(start) < at(before), "{fatal}: {:#?}", commands(&ran));
        assert!(!sent(&ran, "phoenix-undo"), "{fatal}: {:#?}", commands(&ran));
        // From then on it can go back.
        let mut edited = fleet.clone();
        edited.rewrite("tools", 2);
        assert!(sent(&tale.recovers(&edited).await, "phoenix-undo"), "{fatal}");
    }
}

/// A container whose service is well only with the first version of its script.
fn careful() -> Fleet {
    let json = json!({"on_failure": "rollback", "features": ["tools"],
        "health_check": {"command": "test -e /var/lib/tools.good", "retries": 3, "interval": 2}});
    let mut fleet = Fleet::of([(100, Kind::Container, container(json))]);
    fleet.scripts.insert("tools".into(), "#!/bin/sh\ntouch /var/lib/tools.good\n".into());
    fleet
}

#[tokio::test(start_paused = true)]
async fn a_change_that_a_dead_run_began_goes_back_to_what_was_before_that_run() {
    let good = careful();
    let mut bad = good.clone();
    bad.scripts.insert("tools".into(), "#!/bin/sh\nrm /var/lib/tools.good\n".into());
    // In the middle of the change, and of the way back.
    for (fatal, moment) in
        [("test -e", Moment::Before), ("pct rollback 100", Moment::After), ("pct start 100", Moment::Before)]
    {
        let mut tale = Tale::on(slow_services(&boot()));
        let before = tale.up_well(&good).await.after;
        tale.killed(&bad, moment, fatal).await;
        let next = tale.up(&bad).await;
        let outcome = next.summary.as_ref().unwrap().guests.values().next().unwrap();
        let GuestOutcome::Failed { failure } = outcome else { panic!("{outcome:#?}") };
        let said = failure.rollback.as_deref().unwrap();
        assert_eq!(said, "rolled back to its previous state, and is healthy again", "{fatal}");
        // What it is, and what its record says that ran.
        assert_eq!(next.after.guests[&100].conf, before.guests[&100].conf, "{fatal}");
        assert_eq!(next.after.guests[&100].power, "running", "{fatal}");
        let ran = tale.up_well(&good).await;
        assert!(ran.plan.unwrap().is_empty(), "{fatal}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_rollback_that_was_cut_off_nothing_counts_as_run() {
    let json = json!({"on_failure": "rollback", "features": ["tools"],
        "health_check": {"command": "test -e /var/lib/tools.good", "retries": 3, "interval": 2}});
    let mut good = Fleet::of([(200, Kind::Vm, vm(json))]);
    good.scripts.insert("tools".into(), "#!/bin/sh\ntouch /var/lib/tools.good\n".into());
    let mut bad = good.clone();
    bad.scripts.insert("tools".into(), "#!/bin/sh\nrm -f /var/lib/tools.good\n".into());
    let mut tale = Tale::on(slow_services(&boot()));
    tale.up_well(&good).await;
    // The disk is what it was, so the gate would pass; the settings and the record are not.
    tale.killed(&bad, Moment::During(Duration::from_millis(800)), "qm rollback 200").await;
    let next = tale.up(&bad).await;
    let outcome = next.summary.as_ref().unwrap().guests.values().next().unwrap();
    assert!(matches!(outcome, GuestOutcome::Failed { .. }), "{outcome:#?}");
    assert!(tale.up_well(&good).await.plan.unwrap().is_empty());
}
