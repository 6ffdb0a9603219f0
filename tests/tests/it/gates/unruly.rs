//! Guests and probes that misbehave while a run waits for them: never a hang, never a false health.

use std::time::Duration;

use phoenix_engine::{Event, EventKind, GuestOutcome, Summary};
use phoenix_health::Verdict;
use phoenix_types::{GuestId, GuestKind};
use serde_json::{Value, json};
use test_case::{test_case, test_matrix};
use tokio::time::Instant;

use super::asked::Asked;

/// What the gates of a run answered: when, whether they passed, what was said.
fn answers(events: &[Event]) -> Vec<(u64, bool, &str)> {
    let asked = events.iter().filter_map(|event| match &event.kind {
        EventKind::GateAsked { passed, detail, .. } => Some((event.at_ms / 1000, *passed, detail.as_str())),
        _ => None,
    });
    asked.collect()
}

fn failure(summary: &Summary) -> &phoenix_engine::Failure {
    match &summary.guests[&GuestId::new(103).unwrap()] {
        GuestOutcome::Failed { failure } => failure,
        other => panic!("{other:?}"),
    }
}

/// A guest that was changed by hand, so that a run has something to do and waits for the gates.
async fn changed(kind: GuestKind, inside: &Value) -> Asked {
    let asked = Asked::of(kind, inside).await;
    asked.run(&format!("{} set 103 --memory 777", asked.tool())).await;
    asked
}

/// An application that listens two minutes after each start.
fn app() -> Value {
    json!({"guest_agent": "installed", "other_ports": "closed", "services": {"app": {"events": [{"after": "2m", "open": [9000]}]}}})
}

#[test_matrix([GuestKind::Container, GuestKind::Vm])]
#[tokio::test(start_paused = true)]
async fn a_guest_that_restarts_while_it_is_probed_is_waited_for_anew(kind: GuestKind) {
    let asked = changed(kind, &app()).await;
    asked.restart().await;
    let restarted = Instant::now();
    let gates = json!([
        {"name": "from inside", "command": "nc -z localhost 9000", "retries": 60, "interval": 5, "success_threshold": 3},
        {"name": "from the node", "tcp": {"port": 9000}, "retries": 60, "interval": 5, "success_threshold": 3},
    ]);
    let run = asked.up(&gates);
    let restart = async {
        // In the middle of the row of passes.
        tokio::time::sleep(Duration::from_secs(127)).await;
        asked.run(&format!("{} stop 103", asked.tool())).await;
        tokio::time::sleep(Duration::from_secs(11)).await;
        asked.run(&format!("{} start 103", asked.tool())).await;
        Instant::now()
    };
    let ((summary, events), again) = tokio::join!(run, restart);
    assert!(summary.is_good(), "{summary:#?}");
    assert!(restarted.elapsed() >= (again - restarted) + Duration::from_secs(120), "not before it listened anew");
    let answers = answers(&events);
    let first = answers.iter().position(|(_, passed, _)| *passed).unwrap();
    assert!(answers[first..].iter().any(|(_, passed, _)| !passed), "the row was broken: {answers:#?}");
    assert!(
        answers.iter().any(|(.., said)| said.contains("does not run") || said.contains("not answer")),
        "{answers:#?}"
    );
}

#[test_matrix([GuestKind::Container, GuestKind::Vm])]
#[tokio::test(start_paused = true)]
async fn an_address_that_changes_is_followed(kind: GuestKind) {
    let mut inside = app();
    inside["commands"] = json!([
        {"when": "hostname -I", "stdout": "\n", "times": 2},
        {"when": "hostname -I", "stdout": "10.0.0.44 fe80::1\n", "times": 2},
        {"when": "hostname -I", "stdout": "10.0.0.103 fe80::1\n"},
    ]);
    inside["services"]["app"]["events"] = json!([{"open": [9000]}]);
    let asked = Asked::dhcp(kind, &inside).await;
    let mut said = Vec::new();
    for _ in 0..5 {
        said.push(asked.says(&json!({"tcp": {"port": 9000}, "timeout": 3})).await.1);
    }
    let unknown = "the guest's address is not known: the guest has no address yet";
    let elsewhere = "10.0.0.44 port 9000: no connection within 3 s";
    assert_eq!(said, [unknown, unknown, elsewhere, elsewhere, "10.0.0.103 port 9000 is open"]);
}

#[test_matrix([GuestKind::Container, GuestKind::Vm], [
    json!({"when": "hostname -I", "exit": 1, "stderr": "hostname: invalid option -- 'I'\nBusyBox v1.36.1 multi-call binary.\n"}),
    json!({"when": "hostname -I", "exit": 127, "stderr": "sh: hostname: not found\n"}),
])]
#[tokio::test(start_paused = true)]
async fn a_guest_without_gnu_tools_has_its_address_found_from_the_node(kind: GuestKind, hostname: Value) {
    let mut inside = app();
    inside["commands"] = json!([hostname]);
    inside["services"]["app"]["events"] = json!([{"open": [9000]}]);
    let asked = Asked::dhcp(kind, &inside).await;
    let (verdict, said) = asked.says(&json!({"tcp": {"port": 9000}})).await;
    assert_eq!((verdict, said.as_str()), (Verdict::Yes, "10.0.0.103 port 9000 is open"));
}

#[test_case(json!({"command": "echo so far; sleep 1000000", "timeout": 8}), 8, "no answer within 8 s"; "hangs")]
#[test_case(json!({"command": "trap '' TERM; while :; do sleep 1; done", "timeout": 8}), 8, "no answer within 8 s"; "will not end")]
#[test_case(json!({"command": "sleep 1000000 & echo forked; wait", "timeout": 8}), 8, "no answer within 8 s"; "forks and waits")]
#[test_case(json!({"command": "printf '\\377\\376a\\033[2J'; exit 3", "timeout": 8}), 0,
    "exit status 3: \u{fffd}\u{fffd}a\u{fffd}[2J"; "is no text")]
#[test_case(json!({"command": "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; exit 3",
    "timeout": 8}), 0, "exit status 3: 0123456789012345678901234567890123456789"; "floods")]
#[tokio::test(start_paused = true)]
async fn a_probe_that_misbehaves_is_bounded(probe: Value, seconds: u64, said: &str) {
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let asked = changed(kind, &json!({"guest_agent": "installed"})).await;
        let begun = Instant::now();
        let attempt = asked.ask(&probe).await.remove(0);
        assert!(!attempt.passed() && attempt.answer.output.len() <= 3 * 4096, "{kind}: {attempt:?}");
        assert_eq!(attempt.answer.said, said, "{kind}");
        let bound = Duration::from_secs(seconds + 15);
        assert!(begun.elapsed() <= bound, "{kind}: {:?}", begun.elapsed());
        let mut gate = probe.clone();
        gate["retries"] = json!(2);
        let (summary, _) = asked.up(&gate).await;
        let failure = failure(&summary);
        assert!(failure.message.contains(said), "{kind}: {}", failure.message);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(asked.inside("pgrep -x sleep; true").await, "", "{kind}: what it started is gone");
    }
}

#[test_matrix([GuestKind::Container, GuestKind::Vm])]
#[tokio::test(start_paused = true)]
async fn a_probe_that_leaves_a_daemon_has_answered(kind: GuestKind) {
    let asked = Asked::of(kind, &json!({"guest_agent": "installed"})).await;
    let begun = Instant::now();
    let probe = json!({"command": "setsid sleep 1000000 >/dev/null 2>&1 & exit 4", "timeout": 8});
    assert_eq!(asked.says(&probe).await.1, "exit status 4");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
