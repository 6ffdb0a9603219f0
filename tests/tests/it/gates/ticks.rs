//! When attempts are made, to the millisecond, by what the configuration says of a gate.

use phoenix_engine::EventKind;
use phoenix_types::GuestKind;
use serde_json::{Value, json};
use test_case::test_case;

use super::asked::Asked;

/// A port that nobody listens at: an attempt takes no time.
fn closed() -> Value {
    json!({"other_ports": "closed"})
}

/// A port behind a firewall: an attempt takes all its time.
fn filtered() -> Value {
    json!({"other_ports": "filtered"})
}

/// A port that opens 25 s after the guest's start, and from then on is open for 6 s and closed for 4 s.
fn flapping() -> Value {
    let event = json!({"after": "25s", "open": [9000], "flapping": {"open": "6s", "closed": "4s"}});
    json!({"services": {"app": {"events": [event]}}})
}

const PASSED: bool = true;
const FAILED: bool = false;

#[test_case(json!({"retries": 4, "interval": 7}), closed(), &[0, 7_000, 14_000, 21_000], FAILED, 21_000; "retries and interval")]
#[test_case(json!({"retries": 3, "interval": "1m30s"}), closed(), &[0, 90_000, 180_000], FAILED, 180_000; "a duration in words")]
#[test_case(json!({"retries": 3, "interval": 5, "timeout": 3}), filtered(), &[3_000, 11_000, 19_000], FAILED, 19_000; "timeout")]
#[test_case(json!({"retries": 3, "interval": 5, "attempt_timeout": 2}), filtered(), &[2_000, 9_000, 16_000], FAILED, 16_000;
    "attempt timeout")]
#[test_case(json!({"deadline": 12, "interval": 5}), closed(), &[0, 5_000, 10_000], FAILED, 12_000; "deadline")]
#[test_case(json!({"deadline": 10, "interval": 5}), closed(), &[0, 5_000], FAILED, 10_000; "no attempt at the deadline")]
#[test_case(json!({"deadline": 10, "interval": 4, "timeout": 8}), filtered(), &[8_000], FAILED, 10_000;
    "no attempt after the deadline")]
#[test_case(json!({"deadline": 14, "interval": 4, "timeout": 8}), filtered(), &[8_000, 14_000], FAILED, 14_000;
    "the deadline cuts an attempt")]
#[test_case(json!({"retries": 2, "start_period": 12, "interval": 5}), closed(), &[0, 5_000, 10_000, 15_000, 20_000], FAILED, 20_000;
    "start period")]
#[test_case(json!({"retries": 30, "interval": 5}), flapping(), &[0, 5_000, 10_000, 15_000, 20_000, 25_000], PASSED, 25_000; "it passes")]
#[test_case(json!({"retries": 30, "interval": 2, "success_threshold": 3}), flapping(),
    &[0, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 14_000, 16_000, 18_000, 20_000, 22_000, 24_000, 26_000, 28_000, 30_000],
    PASSED, 30_000; "success threshold")]
#[test_case(json!({"retries": 6, "interval": 1, "backoff": 2, "max_interval": 5}), closed(),
    &[0, 1_000, 3_000, 7_000, 12_000, 17_000], FAILED, 17_000; "backoff")]
#[test_case(json!({"retries": 5, "interval": 1, "backoff": 3}), closed(), &[0, 1_000, 4_000, 13_000, 23_000], FAILED, 23_000;
    "backoff up to ten intervals")]
#[test_case(json!({"name": "even", "retries": 4, "interval": 10, "jitter": 0.5}), closed(), &[0, 11_855, 24_925, 37_009], FAILED,
    37_009; "jitter")]
#[test_case(json!({"name": "odd", "retries": 4, "interval": 10, "jitter": 0.5}), closed(), &[0, 5_958, 16_553, 23_963], FAILED,
    23_963; "jitter of another gate")]
#[tokio::test(start_paused = true)]
async fn attempts_end_at(schedule: Value, inside: Value, ends: &[u64], passes: bool, elapsed: u64) {
    let asked = Asked::of(GuestKind::Container, &inside).await;
    asked.run("pct set 103 --memory 777").await;
    asked.restart().await;
    let mut gate = schedule;
    gate["tcp"] = json!({"port": 9000});
    let (summary, events) = asked.up(&json!([gate])).await;
    let at = |wanted: fn(&EventKind) -> bool| {
        let found = events.iter().filter(move |event| wanted(&event.kind)).map(|event| event.at_ms);
        found.collect::<Vec<_>>()
    };
    let begun = at(|kind| matches!(kind, EventKind::StepStarted { .. })).pop().unwrap();
    let ended = at(|kind| matches!(kind, EventKind::GateAsked { .. }));
    assert_eq!(ended.iter().map(|end| end - begun).collect::<Vec<_>>(), ends);
    assert_eq!(summary.is_good(), passes, "{summary:#?}");
    let over = at(|kind| matches!(kind, EventKind::GatePassed { .. } | EventKind::GuestFinished { .. })).remove(0);
    assert!(over - begun >= elapsed && over - begun <= elapsed + 500, "{} {elapsed}", over - begun);
}
