//! Changes that go back when they fail, and snapshots that are replaced.

use std::sync::Arc;

use phoenix_engine::{GuestOutcome, Options, Plan, Record};
use phoenix_host::Host as _;
use phoenix_sim::{SimNode, World};
use phoenix_types::{GuestConf, GuestKind};
use pretty_assertions::assert_eq;

use crate::fleet::{Folder, id};
use crate::run::{Ran, up, up_with};

const GATE: &str = r#""health_check": {"name": "good", "command": "test -e /etc/good", "retries": 2, "interval": 1}"#;

fn container(more: &str) -> String {
    format!(
        r#""900": {{"name": "app", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs",
        "start_at_boot": true, "features": ["setup"], {GATE}, {more}}}"#
    )
}

fn folder(more: &str, script: &str) -> Folder {
    let folder = Folder::new(&container(more), "", &["setup"]);
    folder.write("features/setup.sh", script);
    folder
}

const GOOD: &str = "#!/bin/sh\ntouch /etc/good\n";

async fn conf(sim: &SimNode) -> GuestConf {
    let text = sim.read("/etc/pve/lxc/900.conf".into(), 1 << 20).await.unwrap();
    GuestConf::parse(&String::from_utf8(text).unwrap(), GuestKind::Container)
}

fn failure(ran: &Ran) -> &phoenix_engine::Failure {
    match &ran.summary.guests[&id(900)] {
        GuestOutcome::Failed { failure } => failure,
        other => panic!("{other:#?}"),
    }
}

fn verbs(ran: &Ran) -> Vec<String> {
    let words = |argv: &[String]| format!("{} {}", argv[1], argv.get(3).map_or("", String::as_str)).trim().to_owned();
    let changing = ran.commands.iter().filter(|command| command.effect == phoenix_host::Effect::Change);
    let tools = changing.filter(|command| command.argv[0] == "pct" && command.argv[1] != "exec");
    tools.map(|command| words(&command.argv)).collect()
}

fn summaries(plan: &Plan) -> Vec<&str> {
    plan.guests[0].steps.iter().map(|step| step.summary.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_change_that_breaks_the_gate_goes_back_and_the_gate_is_asked_again() {
    let rollback = r#""on_failure": "rollback", "memory_mb": 512"#;
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &Arc::new(folder(rollback, GOOD).desired())).await.summary.is_good());
    let before = conf(&sim).await;
    let broken = folder(&rollback.replace("512", "1024"), "#!/bin/sh\nrm /etc/good\n");
    let broken = Arc::new(broken.desired());
    let ran = up(&sim, &broken).await;
    let failure = failure(&ran);
    assert!(failure.message.contains("gate `good`"), "{failure:#?}");
    assert_eq!(
        failure.rollback.as_deref(),
        Some("rolled back to its previous state, and is healthy again"),
        "{failure:#?}"
    );
    assert_eq!(
        verbs(&ran),
        ["snapshot phoenix-undo", "set --digest", "rollback phoenix-undo", "start", "delsnapshot phoenix-undo"]
    );
    let after = conf(&sim).await;
    assert_eq!(after.live.keys, before.live.keys);
    assert_eq!(
        Record::find(after.live.description.as_deref().unwrap()),
        Record::find(before.live.description.as_deref().unwrap())
    );
    assert!(after.snapshots.is_empty());
    // The same change is planned again, and nothing else.
    let again = up(&sim, &broken).await;
    assert_eq!(summaries(&again.plan), summaries(&ran.plan));
    assert!(up(&sim, &Arc::new(folder(rollback, GOOD).desired())).await.plan.is_empty());
}

const VM_GATE: &str =
    r#""health_check": {"name": "good", "command": "test -e /etc/good", "retries": 2, "interval": 1}"#;

/// Every file of a guest of its own: settings, notes and record; firewall.
async fn files(sim: &SimNode, conf: &str, id: u32) -> [Option<String>; 2] {
    let text = async |path: String| {
        let bytes = sim.read(path.as_str().into(), 1 << 20).await.ok()?;
        Some(String::from_utf8(bytes).unwrap())
    };
    [text(conf.to_owned()).await, text(format!("/etc/pve/firewall/{id}.fw")).await]
}

/// The configuration without what no rollback brings back: the generation id of a VM, and the memory of the rollback itself.
fn settled(text: &str) -> String {
    let fleeting = |line: &&str| !line.starts_with("vmgenid:") && !line.starts_with('#');
    text.lines().filter(fleeting).collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn a_rollback_restores_firewall_and_notes_too() {
    let rule = r#"{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "22"}"#;
    let on = |rules: &str| {
        format!(r#""firewall": {{"enabled": true, "default_input_policy": "ACCEPT", "rules": [{rules}]}}"#)
    };
    let drop = on("").replace("ACCEPT", "DROP");
    let none = r#""tags": ["x"]"#.to_owned();
    let container = |more: &str| {
        container(&format!(
            r#""network_config": {{"bridge": "vmbr0", "ip": "10.0.0.9/24"}}, "on_failure": "rollback", {more}"#
        ))
    };
    let vm = |more: &str| {
        format!(
            r#"{{"vmid": 900, "name": "app", "template_image": "local:import/x.qcow2", "storage_pool": "local-zfs",
            "start_at_boot": true, "features": ["setup"], "on_failure": "rollback", {VM_GATE}, {more}}}"#
        )
    };
    for is_vm in [false, true] {
        let desired = |more: &str, script: &str| {
            let folder = match is_vm {
                true => Folder::new("", &vm(more), &["setup"]),
                false => Folder::new(&container(more), "", &["setup"]),
            };
            folder.write("features/setup.sh", script);
            Arc::new(folder.desired())
        };
        let path = if is_vm { "/etc/pve/qemu-server/900.conf" } else { "/etc/pve/lxc/900.conf" };
        for (before, after) in [(on(rule), drop.clone()), (none.clone(), drop.clone()), (on(rule), none.clone())] {
            let sim = SimNode::new(World::default());
            let before = format!(r#"{before}, "description": "The app.\nDo not touch.""#);
            assert!(up(&sim, &desired(&before, GOOD)).await.summary.is_good());
            let [conf_before, firewall_before] = files(&sim, path, 900).await;
            let after = format!(r#"{after}, "description": "Something else.", "memory_mb": 1024"#);
            let ran = up(&sim, &desired(&after, "#!/bin/sh\nrm /etc/good\n")).await;
            let words = failure(&ran).rollback.as_deref();
            assert_eq!(
                words,
                Some("rolled back to its previous state, and is healthy again"),
                "{ran:#?}",
                ran = ran.summary
            );
            let [conf_after, firewall_after] = files(&sim, path, 900).await;
            let (conf_before, conf_after) = (conf_before.unwrap(), conf_after.unwrap());
            assert_eq!(settled(&conf_after), settled(&conf_before));
            assert_eq!(firewall_after, firewall_before, "the firewall goes back with the rest");
            let kind = if is_vm { GuestKind::Vm } else { GuestKind::Container };
            let notes = |text: &str| GuestConf::parse(text, kind).live.description.unwrap();
            assert_eq!(Record::strip(&notes(&conf_after)), "The app.\nDo not touch.");
            assert!(up(&sim, &desired(&before, GOOD)).await.plan.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_gate_that_fails_on_the_old_state_too_is_no_failed_rollback() {
    let rollback = r#""on_failure": "rollback", "memory_mb": 512"#;
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &Arc::new(folder(rollback, GOOD).desired())).await.summary.is_good());
    let other =
        Folder::new(&container(&rollback.replace("512", "1024")).replace("/etc/good", "/etc/never"), "", &["setup"]);
    other.write("features/setup.sh", GOOD);
    let ran = up(&sim, &Arc::new(other.desired())).await;
    let words = failure(&ran).rollback.as_deref().unwrap();
    assert!(
        words.starts_with("rolled back to its previous state, and is not healthy in that state either: "),
        "{words}"
    );
    assert!(conf(&sim).await.snapshots.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_to_go_back_to_is_gone_only_after_the_gate_passed() {
    let rollback = r#""on_failure": "rollback", "enable_lifecycle_snapshots": true"#;
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &Arc::new(folder(rollback, GOOD).desired())).await.summary.is_good());
    let ran = up(&sim, &Arc::new(folder(rollback, "#!/bin/sh\ntouch /etc/good /etc/better\n").desired())).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    assert_eq!(
        summaries(&ran.plan),
        [
            "take a rollback snapshot",
            "run setup",
            "wait until healthy: good",
            "remove the rollback snapshot",
            "replace snapshot final-form",
        ]
    );
    let last = ran.commands.iter().position(|command| command.argv.contains(&"delsnapshot".to_owned())).unwrap();
    let asked = ran.commands.iter().rposition(|command| command.stage.as_deref() == Some("gate")).unwrap();
    assert!(asked < last, "the gate is asked before the snapshot goes");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_before_provisioning_does_not_stand_in_the_way_back() {
    // Storages like ZFS go back to the newest snapshot only.
    let sim = SimNode::new(World::default());
    let plain = r#""on_failure": "rollback""#;
    assert!(up(&sim, &Arc::new(folder(plain, GOOD).desired())).await.summary.is_good());
    let both = r#""on_failure": "rollback", "enable_lifecycle_snapshots": true"#;
    let ran = up(&sim, &Arc::new(folder(both, "#!/bin/sh\nexit 3\n").desired())).await;
    let rollback = failure(&ran).rollback.as_deref().unwrap();
    assert_eq!(rollback, "rolled back to its previous state, and is healthy again");
    let left: Vec<String> = conf(&sim).await.snapshots.into_keys().collect();
    assert_eq!(left, ["pre-configured"]);
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_when_a_change_cannot_be_undone() {
    let mounted = r#""on_failure": "rollback", "mount_points": [{"host_path": "/srv/x", "container_path": "/x"}]"#;
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &Arc::new(folder(mounted, GOOD).desired())).await.summary.is_good());
    let ran = up(&sim, &Arc::new(folder(mounted, "#!/bin/sh\nrm /etc/good\n").desired())).await;
    let remarks = &ran.plan.guests[0].remarks;
    assert!(remarks.iter().any(|remark| remark.starts_with("the change cannot be rolled back: ")), "{remarks:?}");
    assert_eq!(failure(&ran).rollback, None);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_the_finished_guest_is_taken_anew_after_its_scripts_ran_again() {
    let lifecycle = r#""enable_lifecycle_snapshots": true, "template_snapshot_name": "ready""#;
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &Arc::new(folder(lifecycle, GOOD).desired())).await.summary.is_good());
    let first = conf(&sim).await;
    // A setting alone is no reason.
    let memory = format!(r#"{lifecycle}, "memory_mb": 1024"#);
    assert_eq!(verbs(&up(&sim, &Arc::new(folder(&memory, GOOD).desired())).await), ["set --digest"]);
    let changed = Arc::new(folder(&memory, "#!/bin/sh\ntouch /etc/good /etc/better\n").desired());
    let ran = up(&sim, &changed).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    let replaced = |name: &str| {
        [
            format!("snapshot {name}-new"),
            format!("delsnapshot {name}"),
            format!("snapshot {name}"),
            format!("delsnapshot {name}-new"),
        ]
    };
    assert_eq!(verbs(&ran), [replaced("ready"), replaced("final-form")].concat());
    let last = conf(&sim).await;
    assert!(last.snapshots.keys().eq(first.snapshots.keys()), "{:?}", last.snapshots.keys());
    let ran_by = |conf: &GuestConf, name: &str| {
        Record::find(conf.snapshots[name].description.as_deref().unwrap()).unwrap().scripts
    };
    assert_ne!(ran_by(&last, "final-form"), ran_by(&first, "final-form"));
    assert_eq!(last.snapshots["pre-configured"], first.snapshots["pre-configured"]);
    assert!(up(&sim, &changed).await.plan.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_was_cut_off_is_finished() {
    let lifecycle = r#""enable_lifecycle_snapshots": true"#;
    let desired = Arc::new(folder(lifecycle, GOOD).desired());
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &desired).await.summary.is_good());
    // Only the successor stands: the old one is gone, the new one not yet taken.
    let notes = conf(&sim).await.snapshots["final-form"].description.clone().unwrap();
    let taken = ["pct", "snapshot", "900", "final-form-new", "--description", &notes];
    for argv in [&taken[..], &["pct", "delsnapshot", "900", "final-form"][..]] {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(sim.run(&argv, b"").await.exit, 0);
    }
    let ran = up(&sim, &desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    assert_eq!(verbs(&ran), ["snapshot final-form", "delsnapshot final-form-new"]);
    assert!(up(&sim, &desired).await.plan.is_empty());
}

#[tokio::test(start_paused = true)]
async fn guests_on_one_storage_are_made_so_many_at_a_time_while_others_go_on() {
    let on = |id: u32, storage: &str| {
        format!(
            r#""{id}": {{"name": "g{id}", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "{storage}",
            "start_at_boot": false}}"#
        )
    };
    let guests: Vec<String> = (901..=904).map(|id| on(id, "local-zfs")).chain([on(905, "local-lvm")]).collect();
    let desired = Arc::new(Folder::new(&guests.join(","), "", &[]).desired());
    let spans = async |jobs_per_storage| {
        let options = Options { jobs_per_storage, ..Options::default() };
        let ran = up_with(&SimNode::new(World::default()), &desired, &options).await;
        assert!(ran.summary.is_good(), "{:#?}", ran.summary);
        ran.summary.elapsed_ms
    };
    let (one, two, four) = (spans(1).await, spans(2).await, spans(4).await);
    assert!(one > two + two / 2 && two > four + four / 2, "{one} ms, {two} ms, {four} ms");
    assert!(one < 5 * four, "the one on another storage does not wait: {one} ms, {four} ms");
}
