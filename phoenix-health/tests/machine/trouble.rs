//! Probes that misbehave: what they do is bounded, and never taken for health.

use std::time::Duration;

use phoenix_health::{Gate, Outcome, Probe, Reason, Schedule, Verdict, wait};
use tokio::time::Instant;

use super::{LIMIT, context, verdict};

/// A gate with one short attempt.
fn gate(line: &str, timeout: Duration) -> Gate {
    let schedule = Schedule { attempts: Some(1), timeout, ..Schedule::default() };
    Gate { name: "trouble".to_owned(), probe: Probe::shell(line), schedule }
}

fn alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

async fn gone(pid: &str) -> bool {
    let gone = async {
        while alive(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.is_ok()
}

#[tokio::test]
async fn a_probe_that_hangs_and_forks_is_gone_at_its_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let line = format!("echo so far; sleep 600 & echo $! > {}; wait", pid_file.display());
    let started = Instant::now();
    let attempt = phoenix_health::ask_once(&gate(&line, Duration::from_millis(500)), &context()).await;
    assert_eq!(attempt.answer.verdict, Verdict::No);
    assert_eq!((attempt.answer.said.as_str(), attempt.answer.output.as_str()), ("no answer within 0.5 s", "so far"));
    assert!(started.elapsed() < LIMIT);
    assert!(gone(&std::fs::read_to_string(pid_file).unwrap()).await, "what it started is gone too");
}

#[tokio::test]
async fn a_wait_that_is_dropped_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let line = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", pid_file.display());
    let gate = gate(&line, Duration::from_secs(600));
    let context = context();
    let mut observer = |_: &phoenix_health::Attempt| ();
    let started = async {
        while !pid_file.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = wait(&gate, &context, &mut observer) => panic!("{outcome:?}"),
        () = started => {}
    }
    assert!(gone(&std::fs::read_to_string(pid_file).unwrap()).await);
}

#[tokio::test]
async fn a_flood_of_bytes_that_are_no_text_is_bounded() {
    let gate = gate("head -c 20000000 /dev/urandom; echo; echo the end; exit 3", LIMIT);
    let attempt = phoenix_health::ask_once(&gate, &context()).await;
    assert_eq!(attempt.answer.said, "exit status 3: the end");
    assert!(attempt.answer.output.len() < 20_000);
    assert!(attempt.answer.output.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
}

#[tokio::test]
async fn an_endless_flood_ends_at_the_timeout() {
    let attempt = phoenix_health::ask_once(&gate("yes", Duration::from_millis(300)), &context()).await;
    assert_eq!((attempt.answer.verdict, attempt.answer.output.lines().last()), (Verdict::No, Some("y")));
}

#[tokio::test]
async fn ended_by_a_signal_is_no_yes() {
    assert_eq!(verdict(Probe::shell("kill -9 $$")).await, Verdict::No);
}

#[tokio::test]
async fn a_failed_gate_brings_evidence_of_this_machine() {
    let gate = gate("exit 1", LIMIT);
    let Outcome::Failed(failure) = wait(&gate, &context(), &mut |_| ()).await else { panic!("it passed") };
    assert_eq!(failure.reason, Reason::AttemptsUsedUp);
    assert!(failure.evidence.section("disks").is_some(), "{}", failure.evidence);
}
