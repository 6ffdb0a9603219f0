//! Runs that die at one certain moment, and what the next one makes of it: rule 5, one fault after the other.

use std::time::Duration;

use phoenix_engine::GuestOutcome;
use phoenix_host::Host as _;
use phoenix_sim::SimNode;
use phoenix_types::{GuestConf, GuestId, GuestKind};
use serde_json::json;

use crate::harness::fleet::{Fleet, Kind, NODE};
use crate::harness::run::Verb;
use crate::harness::tale::{Tale, boot, commands, container, gate, sent, slow_commands, slow_services, vm, with};
use crate::harness::watch::{Moment, Op};

#[tokio::test(start_paused = true)]
async fn a_guest_that_a_dead_run_had_just_started_is_waited_for() {
    for (id, kind, json) in [
        (100, Kind::Container, container(json!({"health_check": gate()}))),
        (200, Kind::Vm, vm(json!({"health_check": gate()}))),
    ] {
        let start = if kind == Kind::Vm { "qm start 200" } else { "pct start 100" };
        let stop = if kind == Kind::Vm { "qm stop 200" } else { "pct stop 100" };
        let fleet = Fleet::of([(id, kind, json)]);
        let mut tale = Tale::on(slow_services(&boot()));
        tale.killed(&fleet, Moment::After, start).await;
        tale.recovers(&fleet).await;
        // The same for one that is there already.
        tale.by_hand(stop).await;
        tale.killed(&fleet, Moment::After, start).await;
        tale.recovers(&fleet).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_whose_gates_failed_is_waited_for_by_the_next_run() {
    let impatient = json!({"command": "nc -z localhost 9000", "retries": 2, "interval": 1});
    let fleet = Fleet::of([(100, Kind::Container, container(json!({"health_check": impatient})))]);
    let mut tale = Tale::on(slow_services(&boot()));
    let first = tale.up(&fleet).await;
    assert!(matches!(first.summary.unwrap().guests.values().next(), Some(GuestOutcome::Failed { .. })));
    let patient = Fleet::of([(100, Kind::Container, container(json!({"health_check": gate()})))]);
    tale.recovers(&patient).await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_whose_script_a_dead_run_had_finished_is_waited_for() {
    let before = Fleet::of([(100, Kind::Container, container(json!({})))]);
    let after = Fleet::of([(100, Kind::Container, container(json!({"features": ["docker"], "health_check": gate()})))]);
    let mut tale = Tale::on(slow_services(&json!({"script": "docker"})));
    tale.up_well(&before).await;
    // The script has run, and the record says so; nobody has asked the service that it began.
    tale.killed(&after, Moment::After, "nc -z").await;
    let next = tale.recovers(&after).await;
    assert!(!sent(&next, "phoenix-run start"), "it ran twice: {:#?}", commands(&next));
}

#[tokio::test(start_paused = true)]
async fn what_is_off_in_the_end_is_proven_before_it_goes_off() {
    let json = container(json!({"state": "stopped", "features": ["docker"], "health_check": gate()}));
    let fleet = Fleet::of([(100, Kind::Container, json)]);
    let mut tale = Tale::on(slow_services(&boot()));
    tale.killed(&fleet, Moment::Before, "nc -z").await;
    tale.by_hand("pct stop 100").await;
    let next = tale.recovers(&fleet).await;
    assert!(next.ops.iter().any(Op::is_gate) && sent(&next, "pct shutdown 100"), "{:#?}", commands(&next));
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_nobody_can_give_any_more_is_owed_no_more() {
    let mut fleet = Fleet::of([(100, Kind::Container, container(json!({"health_check": gate()})))]);
    let mut tale = Tale::on(slow_services(&boot()));
    tale.killed(&fleet, Moment::After, "pct start 100").await;
    fleet.set(100, "health_check", json!([]));
    tale.recovers(&fleet).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_a_dead_run_owed_is_made_up_for() {
    // Settings that wait in the file for the next start, and raw lines, which do not.
    for (more, fatal) in [
        (json!({"cores": 3, "pct_options": ["nesting=1"]}), "pct set 100"),
        (json!({"lxc_options": ["lxc.cap.drop=sys_time"]}), "write /etc/pve/lxc/100.conf"),
        (json!({"pct_options": ["nesting=1"], "lxc_options": ["lxc.cap.drop=sys_time"]}), "pct shutdown 100"),
    ] {
        let before = Fleet::of([(100, Kind::Container, container(json!({})))]);
        let after = Fleet::of([(100, Kind::Container, container(more))]);
        let mut tale = Tale::on(slow_services(&boot()));
        tale.up_well(&before).await;
        let moment = if fatal == "pct shutdown 100" { Moment::Before } else { Moment::After };
        tale.killed(&after, moment, fatal).await;
        let next = tale.recovers(&after).await;
        assert!(sent(&next, "pct shutdown 100") && sent(&next, "pct start 100"), "{fatal}: {:#?}", commands(&next));
        assert!(!next.after.guests[&100].conf.contains("[pve:pending]"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_died_between_stop_and_start_of_a_restart_is_started_once() {
    let before = Fleet::of([(200, Kind::Vm, vm(json!({"cores": 1})))]);
    let after = Fleet::of([(200, Kind::Vm, vm(json!({"cores": 2})))]);
    let mut tale = Tale::on(slow_services(&boot()));
    tale.up_well(&before).await;
    tale.killed(&after, Moment::Before, "qm start 200").await;
    let next = tale.recovers(&after).await;
    assert!(sent(&next, "qm start 200") && !sent(&next, "qm shutdown 200"), "{:#?}", commands(&next));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_start_of_a_guest_that_is_off_is_no_difference() {
    let fleet = Fleet::of([(100, Kind::Container, container(json!({"state": "stopped", "cores": 3})))]);
    let mut tale = Tale::on(slow_services(&boot()));
    tale.up_well(&fleet).await;
    // As a node leaves it that lost its power.
    let path = "/etc/pve/lxc/100.conf".into();
    let text = String::from_utf8(tale.scene.node.read(path, 1 << 16).await.unwrap()).unwrap();
    let text = format!("{}\n[pve:pending]\ncores: 3\n", text.replace("cores: 3\n", "cores: 1\n"));
    tale.scene.node.write(path, text.as_bytes(), 0o640).await.unwrap();
    tale.recovers(&fleet).await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_left_waiting_does_not_come_true() {
    let before = Fleet::of([(200, Kind::Vm, vm(json!({"cores": 1, "memory_mb": 1024})))]);
    // Whether we restart the guest for something of ours, or have nothing else to do.
    for memory in [1024, 2048] {
        let mut tale = Tale::on(slow_services(&boot()));
        tale.up_well(&before).await;
        tale.by_hand("qm set 200 --cores 7").await;
        let after = Fleet::of([(200, Kind::Vm, vm(json!({"cores": 1, "memory_mb": memory})))]);
        let next = tale.recovers(&after).await;
        assert!(!next.after.guests[&200].conf.contains("cores: 7"), "{}", next.after.guests[&200].conf);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_word_of_a_script_reaches_the_follower_that_is_heard() {
    // What the agent of a VM started continues when the run dies, and the script's first follower with it.
    let fleet = Fleet::of([(200, Kind::Vm, vm(json!({"features": ["tools"]})))]);
    let mut tale = Tale::on(slow_services(&boot()));
    tale.killed(&fleet, Moment::During(Duration::from_secs(2)), "phoenix-run start").await;
    let next = tale.recovers(&fleet).await;
    let starts = commands(&next).iter().filter(|command| command.contains("phoenix-run start")).count();
    assert_eq!(starts, 1, "{:#?}", commands(&next));
}

#[tokio::test(start_paused = true)]
async fn what_a_clones_source_is_given_later_is_none_of_the_clones_business() {
    let source = |more| container(with(json!({"state": "stopped", "template_snapshot_name": "golden"}), more));
    let clone = |memory: u32| json!({"state": "running", "clone_from_ctid": 100, "memory_mb": memory});
    let mut tale = Tale::on(slow_services(&boot()));
    let fleet = |more, memory| Fleet::of([(100, Kind::Container, source(more)), (101, Kind::Container, clone(memory))]);
    tale.up_well(&fleet(json!({}), 512)).await;
    tale.by_hand("pct set 101 --tags by-hand").await;
    let next = tale.recovers(&fleet(json!({"tags": ["golden"]}), 768)).await;
    assert_eq!(next.after.guests[&101].live().get("tags"), Some("by-hand"));
}

#[tokio::test(start_paused = true)]
async fn a_half_made_guest_whose_lock_a_dead_run_took_off_is_made_anew() {
    let source = container(json!({"state": "stopped", "template_snapshot_name": "golden"}));
    let clone = json!({"state": "running", "clone_from_ctid": 100});
    let containers = Fleet::of([(100, Kind::Container, source), (101, Kind::Container, clone)]);
    let machine = Fleet::of([(200, Kind::Vm, vm(json!({})))]);
    for (fleet, make, unlock) in [
        (&containers, "pct create 100", "pct unlock 100"),
        (&containers, "pct clone 100 101", "pct unlock 101"),
        (&machine, "qm create 200", "qm unlock 200"),
    ] {
        let mut tale = Tale::on(slow_services(&boot()));
        tale.killed(fleet, Moment::During(Duration::from_millis(700)), make).await;
        // The next run dies between unlocking what is left and destroying it.
        tale.killed(fleet, Moment::After, unlock).await;
        tale.recovers(fleet).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_run_was_destroying_is_destroyed_by_the_next_or_made_anew() {
    let fleet = Fleet::of([(100, Kind::Container, container(json!({}))), (200, Kind::Vm, vm(json!({})))]);
    for (id, destroy) in [(100, "pct destroy"), (200, "qm destroy")] {
        for goes_on in [Verb::Delete([GuestId::new(id).unwrap()].into()), Verb::Up] {
            let mut tale = Tale::on(slow_services(&boot()));
            tale.up_well(&fleet).await;
            let delete = Verb::Delete([GuestId::new(id).unwrap()].into());
            let moment = Moment::During(Duration::from_millis(500));
            tale.killed_in(delete, &fleet, moment, destroy).await;
            let left = text(&tale, id).await;
            assert!(left.contains("lock: destroyed") && !left.contains("phoenix"), "{left}");
            let next = tale.run(goes_on.clone(), &fleet).await;
            assert!(next.is_good(), "{:#?} {:?}", next.summary, next.error);
            assert_eq!(next.after.guests.contains_key(&id), goes_on == Verb::Up);
            tale.recovers(&fleet).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_is_not_whole_yet_has_nothing_to_go_back_to() {
    let more = json!({"on_failure": "rollback", "features": ["tools"], "enable_lifecycle_snapshots": true});
    let fleet = Fleet::of([(200, Kind::Vm, vm(more))]);
    // Its record is not there yet, and then it is, but not all else.
    for (moment, words) in [(Moment::After, "qm create 200"), (Moment::Before, "qm start 200")] {
        let mut tale = Tale::on(slow_services(&boot()));
        tale.killed(&fleet, moment, words).await;
        let next = tale.recovers(&fleet).await;
        let conf = GuestConf::parse(&next.after.guests[&200].conf, GuestKind::Vm);
        let before = &conf.snapshots["pre-features"];
        assert!(!before.keys.contains_key("cicustom"), "{:#?}", commands(&next));
        assert!(!next.after.guests[&200].conf.contains("making"), "{}", next.after.guests[&200].conf);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_half_made_is_named_when_it_is_configured_no_more() {
    let none = Fleet::of([(101, Kind::Container, container(json!({"state": "stopped"})))]);
    let made = [
        (100, Kind::Container, container(json!({})), "pct create 100", "guest 100 is incompletely created"),
        (200, Kind::Vm, vm(json!({})), "qm create 200", "guest 200 is incompletely created"),
    ];
    for (id, kind, json, command, words) in made {
        let mut tale = Tale::on(slow_services(&boot()));
        tale.killed(&Fleet::of([(id, kind, json.clone())]), Moment::During(Duration::from_millis(800)), command).await;
        // Every run says so for as long as it is there.
        for _ in 0..2 {
            let next = tale.up_well(&none).await;
            let remarks = &next.plan.as_ref().unwrap().remarks;
            assert!(remarks.iter().any(|remark| remark.starts_with(words)), "{remarks:?}");
            assert!(next.after.guests.contains_key(&id));
        }
        // What it says to do does it.
        let tool = if kind == Kind::Vm { "qm" } else { "pct" };
        tale.by_hand(&format!("{tool} unlock {id}")).await;
        tale.by_hand(&format!("{tool} destroy {id} --purge 1 --destroy-unreferenced-disks 1")).await;
        assert!(tale.up_well(&none).await.plan.unwrap().remarks.is_empty());
        // And one that is configured again was not forgotten meanwhile.
        let both = Fleet::of([(id, kind, json)]);
        tale.killed(&both, Moment::During(Duration::from_millis(800)), command).await;
        tale.up_well(&none).await;
        tale.recovers(&both).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_a_dead_command_left_is_named() {
    let on_bulk = |volumes| container(json!({"storage_pool": "bulk", "volumes": volumes}));
    let volumes = json!([{"pool": "bulk", "size_gb": 3, "mount_point": "/srv/data"}]);
    let before = Fleet::of([(100, Kind::Container, on_bulk(json!([])))]);
    let after = Fleet::of([(100, Kind::Container, on_bulk(volumes))]);
    let bulk = json!({"type": "dir", "content": ["rootdir", "backup"], "path": "/srv/bulk"});
    let mut tale = Tale::on(SimNode::new(serde_json::from_value(json!({"storages": {"bulk": bulk}})).unwrap()));
    // A backup is nothing that was left.
    let backup = "/srv/bulk/dump/vzdump-lxc-100-2026_11_20-01_00_00.tar.zst";
    tale.scene.node.write(backup.into(), b"backup", 0o640).await.unwrap();
    tale.up_well(&before).await;
    tale.killed(&after, Moment::During(Duration::from_millis(475)), "pct set 100").await;
    let next = tale.recovers(&after).await;
    let remarks = next.plan.unwrap().remarks;
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(remarks[0].contains("`pvesm free bulk:100/vm-100-disk-1.raw`"), "{remarks:?}");
    tale.by_hand("pvesm free bulk:100/vm-100-disk-1.raw").await;
    assert!(tale.up_well(&after).await.plan.unwrap().is_empty());
}

async fn text(tale: &Tale, id: u32) -> String {
    let folder = if id < 200 { "lxc" } else { "qemu-server" };
    let path = format!("/etc/pve/{folder}/{id}.conf");
    String::from_utf8(tale.scene.node.read(path.as_str().into(), 1 << 16).await.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_command_that_outlives_its_run_is_waited_for() {
    let golden = container(json!({"state": "stopped", "template_snapshot_name": "golden"}));
    let clone = json!({"state": "running", "clone_from_ctid": 100});
    let image = vm(json!({"state": "template"}));
    let copy = json!({"state": "running", "clone_from_vmid": 200});
    let fleet = Fleet::of([
        (100, Kind::Container, golden),
        (101, Kind::Container, clone),
        (200, Kind::Vm, image),
        (201, Kind::Vm, copy),
    ]);
    for command in [
        "pct create 100",
        "pct snapshot 100",
        "pct clone 100 101",
        "pct start 101",
        "qm create 200",
        "qm clone 200 201",
        "qm start 201",
    ] {
        // Before the tool has come up, when it has written its lock, and when its worker works.
        for span in [1, 470, 1500] {
            let mut tale = Tale::on(slow_commands());
            tale.killed(&fleet, Moment::Outlived(Duration::from_millis(span)), command).await;
            let next = tale.recovers(&fleet).await;
            // What other commands were making at that moment died with the run.
            let guest = command.rsplit(' ').next().unwrap();
            let destroyed = sent(&next, &format!("destroy {guest} "));
            assert!(!destroyed && !sent(&next, command), "{command}, {span} ms: {:#?}", commands(&next));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_off_in_the_end_is_started_once_although_its_making_was_cut_off() {
    let volume = json!([{"type": "nfs", "server": NODE, "path": "/srv/nfs/data", "mount_point": "/data"}]);
    let image = vm(json!({"state": "template", "health_check": {"command": "true"}}));
    for gates in ["health_check", "wait_for"] {
        let mut copy = json!({"state": "stopped", "clone_from_vmid": 200, "volumes": volume});
        copy[gates] = json!({"command": "true", "interval": 1});
        let fleet = Fleet::of([(200, Kind::Vm, image.clone()), (201, Kind::Vm, copy)]);
        for moment in [Moment::Before, Moment::After] {
            let mut tale = Tale::on(slow_commands());
            tale.killed(&fleet, moment, "write /etc/pve/qemu-server/201.conf").await;
            let next = tale.recovers(&fleet).await;
            assert!(sent(&next, "phoenix-volumes"), "{gates}, {moment:?}: {:#?}", commands(&next));
        }
    }
}
