//! What the tools say about their work reaches the person who asked for it.

use serde_json::json;

use crate::lab::{Lab, container};

/// The storage takes no snapshots, the check that would say so first is skipped, and `pct snapshot` gets notes of several lines.
#[test]
fn the_line_of_a_failed_step_gives_the_reason_of_the_tool() {
    let base = container(
        "base",
        &json!({"storage_pool": "nas", "state": "stopped", "start_at_boot": false,
        "template_snapshot_name": "ready"}),
    );
    let lab = Lab::of(&json!({"284": base}));
    lab.world(&json!({"storages": {
        "local": {"type": "dir", "path": "/var/lib/vz"},
        "nas": {"type": "nfs", "content": ["rootdir", "images"]},
    }}));
    let run = lab.phoenix(&["up", "--skip-check", "storage-feature"]);
    assert_eq!(run.exit, Some(1), "{}", run.all());
    let line = run.stderr.lines().find(|line| line.contains('✗')).unwrap_or_else(|| panic!("{}", run.all()));
    assert!(line.contains("✗ guest 284: snapshot feature is not available: `pct snapshot 284 "), "{line}");
    assert!(!run.stderr.contains("\\n"), "{}", run.stderr);
}

#[test]
fn a_warning_of_a_tool_that_did_its_work_is_shown_once() {
    let lab = Lab::of(&json!({"434": container("noble", &json!({
        "template": "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst",
    }))}));
    let run = lab.done(&["up"]);
    let warning = "warns: Systemd 255 detected. You may need to enable nesting.";
    assert_eq!(run.stderr.matches(&format!("`pct create 434` {warning}")).count(), 1, "{}", run.all());
    assert_eq!(run.stderr.matches(warning).count(), 1, "the start says nothing new: {}", run.all());
    let events = lab.done(&["--format", "jsonl", "restart", "434"]);
    assert!(events.stdout.contains(&format!("`pct start 434` {warning}")), "{}", events.all());
}
