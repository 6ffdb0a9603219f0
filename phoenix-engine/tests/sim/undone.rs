//! Runs that die while a change is taken back, while scripts run once more, or while volumes are mounted: rule 5.

use std::time::Duration;

use phoenix_engine::{GuestOutcome, Provision};
use phoenix_sim::SimNode;
use phoenix_types::{GuestConf, GuestKind};
use serde_json::{Value, json};

use crate::harness::fleet::{Fleet, Kind, NODE};
use crate::harness::run::{How, Ran};
use crate::harness::tale::{Tale, boot, commands, container, sent, slow_services, vm};
use crate::harness::watch::{Death, Fatal, Moment};

/// In the middle of a command that takes its time.
const MIDDLE: Duration = Duration::from_secs(8);

/// A guest whose changes go back when they fail, before and after a change whose script does fail; the file that the script leaves
/// behind must be gone with it.
fn changes(kind: Kind) -> (Fleet, Fleet) {
    let gate = json!({"command": "test ! -e /etc/broken", "retries": 3, "interval": 1});
    let more = |memory: u32, feature: &str| json!({"on_failure": "rollback", "memory_mb": memory, "features": [feature], "health_check": gate});
    let (id, base): (u32, fn(Value) -> Value) = match kind {
        Kind::Container => (100, container),
        Kind::Vm => (200, vm),
    };
    let fleet = |more: Value| Fleet::of([(id, kind, base(more))]);
    (fleet(more(512, "tools")), fleet(more(768, "docker")))
}

fn node() -> SimNode {
    let broken = json!({"begins": {"script": "docker"}, "events": [{"files": {"/etc/broken": "it is\n"}}]});
    // The disks go back at once, the configuration at the end.
    let durations = json!({"pct rollback": "10s", "qm rollback": "10s"});
    let world = json!({"every_guest": {"services": {"broken": broken}}, "durations": durations});
    SimNode::new(serde_json::from_value(world).unwrap())
}

fn failed_and_went_back(ran: &Ran, id: u32) -> bool {
    let id = phoenix_types::GuestId::new(id).unwrap();
    let outcome = ran.summary.as_ref().map(|summary| &summary.guests[&id]);
    matches!(outcome, Some(GuestOutcome::Failed { failure }) if failure.rollback.as_ref().is_some_and(|words| words.contains("healthy again")))
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_was_cut_off_is_gone_to_its_end() {
    for (kind, id) in [(Kind::Container, 100), (Kind::Vm, 200)] {
        let (before, after) = changes(kind);
        let mut tale = Tale::on(node());
        tale.up_well(&before).await;
        let undisturbed = tale.up(&after).await;
        assert!(failed_and_went_back(&undisturbed, id), "{:#?}", undisturbed.summary);
        let changes: Vec<_> = undisturbed.ops.iter().filter(|op| op.changes()).collect();
        let begin = changes.iter().position(|op| op.words().contains(" rollback ")).unwrap();
        // From the note that it goes back, which is the change before, to the snapshot's removal, after which the lock is given back.
        for at in begin..changes.len() {
            let words = changes[at - 1].words();
            for moment in [Moment::Before, Moment::During(MIDDLE), Moment::After, Moment::Outlived(MIDDLE)] {
                let mut tale = Tale::on(node());
                tale.up_well(&before).await;
                let death = Some(Death { at: Fatal::Number(at), moment });
                let killed = tale.scene.run(&tale.desired(&after), How { death, ..How::default() }).await;
                assert!(killed.killed);
                let what = format!("{moment:?} at `{words}`");
                let next = tale.up(&after).await;
                assert!(failed_and_went_back(&next, id), "{what}: {:#?} {:#?}", next.summary, commands(&next));
                assert_eq!(next.after.normalised(), undisturbed.after.normalised(), "{what}: {:#?}", commands(&next));
                // What was gone back to is what it was before, and the fixed change is made.
                assert!(tale.recovers(&before).await.plan.unwrap().guests[0].steps.is_empty(), "{what}");
            }
        }
    }
}

/// When a snapshot of container 100 was taken.
fn taken(ran: &Ran, name: &str) -> u64 {
    let conf = GuestConf::parse(&ran.after.guests[&100].conf, GuestKind::Container);
    conf.snapshots[name].get("snaptime").unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn scripts_that_were_asked_for_once_more_and_cut_off_run_again_and_are_in_the_snapshots() {
    let more = json!({"features": ["tools", "docker"], "enable_lifecycle_snapshots": true, "template_snapshot_name": "golden"});
    let fleet = Fleet::of([(100, Kind::Container, container(more))]);
    let forced = How { provision: Provision::Always, ..How::default() };
    let mut tale = Tale::on(slow_services(&boot()));
    tale.up_well(&fleet).await;
    let undisturbed = tale.scene.run(&tale.desired(&fleet), forced.clone()).await;
    assert!(undisturbed.is_good(), "{:#?}", undisturbed.summary);
    for at in 1..=undisturbed.changes {
        for moment in [Moment::Before, Moment::After] {
            let mut tale = Tale::on(slow_services(&boot()));
            let before = tale.up_well(&fleet).await;
            tokio::time::sleep(Duration::from_secs(100)).await;
            let how = How { death: Some(Death { at: Fatal::Number(at), moment }), ..forced.clone() };
            let killed = tale.scene.run(&tale.desired(&fleet), how).await;
            let next = tale.recovers(&fleet).await;
            let what = format!("{moment:?} {at}: {:#?}\n{:#?}", commands(&killed), commands(&next));
            assert_eq!(next.after.normalised(), undisturbed.after.normalised(), "{what}");
            // Whatever ran once more is what the snapshots show.
            if sent(&killed, "phoenix-run start") {
                for name in ["final-form", "golden"] {
                    assert!(taken(&next, name) > taken(&before, name), "{name} is of old, {what}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_configured_no_more_after_a_dead_run_mounted_it_is_unmounted() {
    let volume = json!([{"type": "nfs", "server": NODE, "path": "/srv/nfs/data", "mount_point": "/data"}]);
    let with_volume = Fleet::of([(200, Kind::Vm, vm(json!({"volumes": volume})))]);
    let without = Fleet::of([(200, Kind::Vm, vm(json!({})))]);
    for moment in [Moment::After, Moment::During(Duration::from_millis(700)), Moment::Outlived(MIDDLE)] {
        let mut tale = Tale::on(slow_services(&boot()));
        tale.up_well(&without).await;
        tale.killed(&with_volume, moment, "phoenix-volumes").await;
        tale.recovers(&without).await;
        assert_eq!(inside(&tale, "qm guest exec 200 --", "grep -c /data /etc/fstab").await, "0", "{moment:?}");
        assert_eq!(inside(&tale, "qm guest exec 200 --", "mountpoint -q /data || echo no").await, "no", "{moment:?}");
        // And one that is configured still is mounted after all.
        tale.killed(&with_volume, Moment::Before, "phoenix-volumes").await;
        tale.recovers(&with_volume).await;
        assert_eq!(inside(&tale, "qm guest exec 200 --", "mountpoint -q /data && echo yes").await, "yes", "{moment:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_forms_of_a_script_never_run_at_once() {
    let script = |form: u32| {
        format!(
            "#!/bin/sh\n# {form}\nif [ -e /run/busy ]; then touch /root/twice; fi\ntouch /run/busy\nsleep 60\nrm /run/busy\n"
        )
    };
    for (id, kind, json, exec) in [
        (100, Kind::Container, container(json!({"features": ["tools"]})), "pct exec 100 --"),
        (200, Kind::Vm, vm(json!({"features": ["tools"]})), "qm guest exec 200 --"),
    ] {
        let mut fleet = Fleet::of([(id, kind, json)]);
        fleet.scripts.insert("tools".to_owned(), script(1));
        let mut tale = Tale::on(slow_services(&boot()));
        tale.killed(&fleet, Moment::Outlived(MIDDLE), "phoenix-run start").await;
        fleet.scripts.insert("tools".to_owned(), script(2));
        tale.recovers(&fleet).await;
        assert_eq!(inside(&tale, exec, "test -e /root/twice || echo never").await, "never");
    }
}

/// What a command line in a guest prints.
async fn inside(tale: &Tale, exec: &str, line: &str) -> String {
    let mut argv: Vec<String> = exec.split(' ').map(str::to_owned).collect();
    argv.extend(["sh", "-c", line].map(str::to_owned));
    let answer = tale.scene.node.run(&argv, b"").await;
    let said = match serde_json::from_str::<Value>(&answer.stdout) {
        Ok(Value::Object(told)) => told["out-data"].as_str().unwrap_or_default().to_owned(),
        _ => answer.stdout,
    };
    said.trim().to_owned()
}
