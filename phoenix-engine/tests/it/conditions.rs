//! Dependencies with conditions, and jobs.

use std::sync::Arc;

use phoenix_engine::{Disposition, EventKind, GuestOutcome, Stage};
use phoenix_sim::{SimNode, World};
use phoenix_types::Power;
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::fleet::{Folder, id, node};
use crate::run::{Ran, up};

fn container(id: u32, more: &str) -> String {
    format!(
        r#""{id}": {{"name": "guest-{id}", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs",
            "storage_size_gb": 8{more}}}"#
    )
}

/// 900, whose script takes a minute and whose gate passes only when `healthy`, and 901 that depends on it.
fn pair(terms: &str, healthy: &str) -> (SimNode, Arc<phoenix_engine::Desired>) {
    let first = format!(
        r#", "features": ["setup"], "health_check": {{"name": "gate", "command": "{healthy}", "retries": 2, "interval": 1}}"#
    );
    let second = format!(r#", "dependencies": [{{"on": "900", {terms}}}]"#);
    let folder = Folder::new(&[container(900, &first), container(901, &second)].join(","), "", &["setup"]);
    let world: World =
        serde_json::from_value(json!({"every_guest": {"scripts": {"setup": {"duration": "1m"}}}})).unwrap();
    (SimNode::new(world), Arc::new(folder.desired()))
}

fn begins(ran: &Ran, guest: u32) -> u64 {
    ran.at(guest, |kind| matches!(kind, EventKind::StepStarted { .. }))
}

fn ends(ran: &Ran, guest: u32, of: Stage) -> u64 {
    ran.at(guest, |kind| matches!(kind, EventKind::StepFinished { stage, error: None, .. } if *stage == of))
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_needs_another_one_started_does_not_wait_for_its_scripts() {
    let (sim, desired) = pair(r#""until": "started""#, "true");
    let ran = up(&sim, &desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    assert!(begins(&ran, 901) >= ends(&ran, 900, Stage::Start));
    assert!(begins(&ran, 901) < ends(&ran, 900, Stage::Provision));
    let again = up(&sim, &desired).await;
    assert!(again.plan.is_empty() && again.summary.is_good(), "{:#?}", again.summary);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_needs_another_one_healthy_waits_for_its_gates() {
    let (sim, desired) = pair(r#""until": "healthy""#, "true");
    let ran = up(&sim, &desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    assert!(begins(&ran, 901) >= ends(&ran, 900, Stage::Health));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_was_started_is_enough_although_it_fails_later() {
    let (sim, desired) = pair(r#""until": "started""#, "false");
    let ran = up(&sim, &desired).await;
    assert_eq!(ran.summary.guests[&id(900)].word(), "failed");
    assert!(ran.summary.guests[&id(901)].is_good(), "{:#?}", ran.summary);
}

#[tokio::test(start_paused = true)]
async fn what_a_guest_can_do_without_is_waited_for_and_stops_nothing() {
    let (sim, desired) = pair(r#""optional": true"#, "false");
    let ran = up(&sim, &desired).await;
    assert_eq!(ran.summary.guests[&id(900)].word(), "failed");
    assert!(ran.summary.guests[&id(901)].is_good(), "{:#?}", ran.summary);
    let failed = ran.at(900, |kind| matches!(kind, EventKind::GuestFinished { .. }));
    assert!(begins(&ran, 901) >= failed, "it waited");

    let (sim, desired) = pair(r#""optional": false"#, "false");
    let ran = up(&sim, &desired).await;
    assert_eq!(ran.summary.guests[&id(901)], GuestOutcome::Blocked { by: id(900) });
}

#[test]
fn what_a_guest_can_do_without_holds_nothing_back() {
    let conf = "arch: amd64\nhostname: somebody-elses\nmemory: 64\nrootfs: local-zfs:subvol-900-disk-0,size=8G\n";
    let of = |terms: &str| {
        let (_, desired) = pair(terms, "true");
        let plan = phoenix_engine::plan(&desired, &node(&[(900, conf, Power::Stopped)]), Default::default());
        (plan.guests[0].disposition, plan.guests[1].disposition)
    };
    assert_eq!(of(r#""optional": true"#), (Disposition::NotOurs, Disposition::Create));
    assert_eq!(of(r#""until": "started""#), (Disposition::NotOurs, Disposition::Held));
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_once_for_each_version_of_its_script_and_is_off_afterwards() {
    let first = r#", "kind": "job", "application_script": "migrate.sh""#;
    let second = r#", "dependencies": [{"on": "900", "until": "completed"}]"#;
    let folder = Folder::new(&[container(900, first), container(901, second)].join(","), "", &[]);
    folder.write("applications/migrate.sh", "#!/bin/sh\necho one\n");
    let sim = SimNode::new(World::default());
    let ran = up(&sim, &Arc::new(folder.desired())).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    assert!(begins(&ran, 901) >= ends(&ran, 900, Stage::Stop), "the job was over and off");

    let again = up(&sim, &Arc::new(folder.desired())).await;
    assert!(again.plan.is_empty() && again.summary.is_good(), "{:#?}", again.plan);

    folder.write("applications/migrate.sh", "#!/bin/sh\necho two\n");
    let changed = up(&sim, &Arc::new(folder.desired())).await;
    let stages: Vec<Stage> = changed.plan.guests[0].steps.iter().map(|step| step.stage).collect();
    assert_eq!(stages, [Stage::Start, Stage::Provision, Stage::Stop]);
    assert!(changed.plan.guests[1].is_empty());
    assert!(changed.summary.is_good(), "{:#?}", changed.summary);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_runs_again_and_stops_those_that_wait_for_it() {
    let first = r#", "kind": "job", "application_script": "migrate.sh""#;
    let second = r#", "dependencies": [{"on": "900", "until": "completed"}]"#;
    let folder = Folder::new(&[container(900, first), container(901, second)].join(","), "", &[]);
    folder.write("applications/migrate.sh", "#!/bin/sh\nexit 3\n");
    let sim = SimNode::new(World::default());
    for run in 0..2 {
        let ran = up(&sim, &Arc::new(folder.desired())).await;
        assert_eq!(ran.summary.guests[&id(900)].word(), "failed", "run {run}");
        assert_eq!(ran.summary.guests[&id(901)], GuestOutcome::Blocked { by: id(900) }, "run {run}");
    }
    folder.write("applications/migrate.sh", "#!/bin/sh\nexit 0\n");
    let ran = up(&sim, &Arc::new(folder.desired())).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
}
