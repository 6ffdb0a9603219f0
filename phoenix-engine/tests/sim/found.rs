//! Faults that the random stories found, each told again on its own.

use serde_json::json;

use crate::harness::fleet::{Fleet, Kind};
use crate::harness::tale::{Tale, boot, commands, container, sent, slow_services};

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
