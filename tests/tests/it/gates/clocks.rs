//! Clocks that jump, and what is left from before the guest's start: nothing old is ever taken for a sign of health.

use std::time::Duration;

use phoenix_host::Host as _;
use phoenix_types::GuestKind;
use serde_json::{Value, json};
use test_case::test_matrix;

use super::asked::Asked;

const HOUR: i64 = 3600;

/// A guest whose clock jumps by so many seconds when its unit `ntp` is started.
fn jumping(by: i64) -> Value {
    json!({"guest_agent": "installed", "services": {"ntp": {"begins": "unit", "events": [{"clock": by}]}}, "other_ports": "closed"})
}

/// Everything that looks for something since the guest's start.
fn since_start() -> Value {
    json!([
        {"file": {"path": "/root/ready", "newer_than_start": true}},
        {"file": {"path": "/srv/ready", "on": "host", "newer_than_start": true}},
        {"log": {"contains": "app is ready"}},
        {"log": {"contains": "app is ready", "unit": "app"}},
        {"log": {"contains": "app is ready", "file": "/var/log/timed.log"}},
        {"log": {"contains": "app is ready", "file": "/var/log/plain.log"}},
    ])
}

/// The application gets ready, by every sign of it.
async fn gets_ready(asked: &Asked) {
    asked.inside(
        "touch /root/ready; logger -t app app is ready; echo \"$(date +%Y-%m-%dT%H:%M:%SZ) app is ready\" >>/var/log/timed.log; \
         echo app is ready >>/var/log/plain.log",
    )
    .await;
    // The node's own clock is what containers see, jumps and all.
    asked.host.remove("/srv/ready".into()).await.unwrap();
    asked.host.write("/srv/ready".into(), b"yes\n", 0o644).await.unwrap();
}

/// When the clock jumps: never, or before or after the guest's second start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jumps {
    Before,
    After,
    Twice,
}

async fn minutes(n: u64) {
    tokio::time::sleep(Duration::from_secs(n * 60)).await;
}

/// A guest that was ready half an hour before its last start, and is not since then.
async fn not_ready(kind: GuestKind, by: i64, jumps: Jumps) -> Asked {
    let asked = Asked::of(kind, &jumping(by)).await;
    gets_ready(&asked).await;
    minutes(30).await;
    if jumps != Jumps::After {
        asked.inside("systemctl start ntp").await;
    }
    asked.restart().await;
    minutes(10).await;
    asked.inside("echo starting >>/var/log/timed.log; echo starting >>/var/log/plain.log").await;
    if jumps != Jumps::Before {
        asked.inside("systemctl start ntp").await;
    }
    minutes(1).await;
    asked
}

#[test_matrix(
    [GuestKind::Container, GuestKind::Vm],
    [-40 * 60, HOUR, -HOUR, -26 * HOUR, 400 * 24 * HOUR],
    [Jumps::Before, Jumps::After, Jumps::Twice]
)]
#[tokio::test(start_paused = true)]
async fn nothing_from_before_the_start_is_a_sign_of_health(kind: GuestKind, by: i64, jumps: Jumps) {
    let asked = not_ready(kind, by, jumps).await;
    for (attempt, probe) in asked.ask(&since_start()).await.iter().zip(since_start().as_array().unwrap()) {
        assert!(!attempt.passed(), "{probe}: {attempt:?}");
    }
    // An hour later the clock may have come to where it was.
    minutes(62).await;
    for (attempt, probe) in asked.ask(&since_start()).await.iter().zip(since_start().as_array().unwrap()) {
        assert!(!attempt.passed(), "an hour later: {probe}: {attempt:?}");
    }
}

#[test_matrix([GuestKind::Container, GuestKind::Vm])]
#[tokio::test(start_paused = true)]
async fn without_a_jump_what_is_new_is_new_and_what_cannot_be_told_says_so(kind: GuestKind) {
    let asked = not_ready(kind, 0, Jumps::After).await;
    let old: Vec<String> = asked.ask(&since_start()).await.into_iter().map(|attempt| attempt.answer.said).collect();
    let timeless = "a line with `app is ready` is in `/var/log/plain.log`, but it has no time and the file is older than the \
                    guest's start, so it is unclear whether it is newer: add times to the lines, or use the journal";
    assert_eq!(
        old,
        [
            "`/root/ready` is older than the guest's start",
            "`/srv/ready` is older than the guest's start",
            "no line with `app is ready` in the journal yet",
            "no line with `app is ready` in the journal of app yet",
            "no line with `app is ready` in `/var/log/timed.log` yet",
            timeless,
        ]
    );
    gets_ready(&asked).await;
    let new: Vec<(bool, String)> =
        asked.ask(&since_start()).await.into_iter().map(|attempt| (attempt.passed(), attempt.answer.said)).collect();
    assert!(new[..5].iter().all(|(passed, _)| *passed), "{new:#?}");
    assert_eq!(new[5], (false, timeless.to_owned()), "the lines look the same");
    // A log that is recreated holds nothing old.
    asked.inside("rm /var/log/plain.log; echo app is ready >/var/log/plain.log").await;
    assert!(asked.ask(&since_start()).await[5].passed());
}

#[test_matrix([GuestKind::Container, GuestKind::Vm], [HOUR, -HOUR])]
#[tokio::test(start_paused = true)]
async fn after_a_jump_the_journal_still_knows_and_the_rest_says_why_not(kind: GuestKind, by: i64) {
    let asked = not_ready(kind, by, Jumps::After).await;
    gets_ready(&asked).await;
    let new = asked.ask(&since_start()).await;
    assert!(new[2].passed() && new[3].passed(), "{new:#?}");
    if by > 0 {
        assert!(new[0].passed() && new[4].passed(), "by any clock it is newer: {new:#?}");
    } else {
        for attempt in [&new[0], &new[4]] {
            assert!(
                attempt.answer.said.contains("the clock was moved by 60 min at the guest's start or since then"),
                "{attempt:?}"
            );
        }
    }
}
