//! The schedule's meaning at the tick, in virtual time.

use std::sync::Arc;

use phoenix_types::gate::*;
use proptest::prelude::*;
use test_case::test_case;

use super::*;
use crate::fake::{FakeGuest, Reply};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn gate(probe: Probe, schedule: Schedule) -> Gate {
    Gate { name: "gate".to_owned(), probe, schedule }
}

/// The starts of all attempts in seconds, and the end.
async fn times(gate: &Gate, guest: &Arc<FakeGuest>) -> (Vec<f64>, Outcome) {
    let mut starts = Vec::new();
    let outcome = wait(gate, &guest.surrounded(), &mut |attempt| starts.push(attempt.started.as_secs_f64())).await;
    (starts, outcome)
}

fn failure(outcome: Outcome) -> GateFailure {
    match outcome {
        Outcome::Failed(failure) => *failure,
        Outcome::Passed { .. } => panic!("the gate passed"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_seeds_form_asks_at_most_30_times_10_s_apart() {
    let guest = Arc::new(FakeGuest::new(103).answers(|_| Reply::Exits(1)));
    let schedule = Schedule { attempts: Some(30), interval: seconds(10), ..Schedule::default() };
    let (starts, outcome) = times(&gate(Probe::shell("nc -z localhost 9000"), schedule), &guest).await;
    assert_eq!(starts, (0..30).map(|n| f64::from(n) * 10.0).collect::<Vec<_>>());
    let failure = failure(outcome);
    assert_eq!((failure.reason, failure.elapsed), (Reason::AttemptsUsedUp, seconds(290)));
    assert_eq!(guest.calls()[0].argv, ["sh", "-c", "nc -z localhost 9000"], "the line is one argument");
}

#[tokio::test(start_paused = true)]
async fn the_interval_counts_from_the_end_of_an_attempt() {
    use phoenix_host::Output;
    let slow = Output { status: Some(1), elapsed: seconds(3), ..Output::default() };
    let guest = Arc::new(FakeGuest::new(103).answers(move |_| Reply::Ends(slow.clone())));
    let schedule = Schedule { attempts: Some(3), interval: seconds(10), ..Schedule::default() };
    let (starts, outcome) = times(&gate(Probe::shell("x"), schedule), &guest).await;
    assert_eq!(starts, [0.0, 13.0, 26.0]);
    assert_eq!(failure(outcome).elapsed, seconds(29));
}

#[tokio::test(start_paused = true)]
async fn wait_for_asks_as_often_as_fits_before_its_deadline() {
    let guest = Arc::new(FakeGuest::new(1001));
    let schedule =
        Schedule { attempts: None, interval: seconds(5), deadline: Some(seconds(300)), ..Schedule::default() };
    let (starts, outcome) = times(&gate(Probe::file("/etc/step-ca/ssl/ca.ready"), schedule), &guest).await;
    assert_eq!((starts.len(), starts.last()), (60, Some(&295.0)));
    let failure = failure(outcome);
    assert_eq!((failure.reason, failure.elapsed), (Reason::Deadline, seconds(300)));
}

#[tokio::test(start_paused = true)]
async fn a_marker_is_seen_by_the_next_attempt() {
    let guest = Arc::new(FakeGuest::new(1001).file("/ready", seconds(95), ""));
    let schedule =
        Schedule { attempts: None, interval: seconds(5), deadline: Some(seconds(300)), ..Schedule::default() };
    let (_, outcome) = times(&gate(Probe::file("/ready"), schedule), &guest).await;
    assert_eq!(outcome, Outcome::Passed { attempts: 20, elapsed: seconds(95) });
}

#[tokio::test(start_paused = true)]
async fn a_hanging_probe_is_ended_at_its_timeout() {
    let guest = Arc::new(FakeGuest::new(103).answers(|_| Reply::Hangs));
    let schedule = Schedule { attempts: Some(2), interval: seconds(10), timeout: seconds(4), ..Schedule::default() };
    let (starts, outcome) = times(&gate(Probe::shell("sleep 1000000"), schedule), &guest).await;
    assert_eq!(starts, [0.0, 14.0]);
    let failure = failure(outcome);
    assert_eq!(failure.elapsed, seconds(18));
    assert_eq!(failure.attempts.last().unwrap().answer.said, "no answer within 4 s");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_a_running_attempt() {
    let guest = Arc::new(FakeGuest::new(103).answers(|_| Reply::Hangs));
    let schedule = Schedule { deadline: Some(seconds(7)), ..Schedule::default() };
    let failure = failure(times(&gate(Probe::shell("x"), schedule), &guest).await.1);
    assert_eq!((failure.reason, failure.elapsed, failure.attempts.made), (Reason::Deadline, seconds(7), 1));
}

#[tokio::test(start_paused = true)]
async fn attempts_of_the_start_period_are_free() {
    let guest = Arc::new(FakeGuest::new(103));
    let schedule =
        Schedule { attempts: Some(2), interval: seconds(10), start_period: seconds(30), ..Schedule::default() };
    let (starts, outcome) = times(&gate(Probe::tcp(1), schedule), &guest).await;
    assert_eq!(starts, [0.0, 10.0, 20.0, 30.0, 40.0]);
    let kinds: Vec<_> = failure(outcome).attempts.kept.iter().map(|attempt| attempt.counting).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == Counting::StartPeriod).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_pass_within_the_start_period_counts() {
    let guest = Arc::new(FakeGuest::new(103).opens(80, seconds(10)));
    let schedule = Schedule { start_period: seconds(300), ..Schedule::default() };
    let outcome = times(&gate(Probe::tcp(80), schedule), &guest).await.1;
    assert_eq!(outcome, Outcome::Passed { attempts: 2, elapsed: seconds(10) });
}

#[tokio::test(start_paused = true)]
async fn the_threshold_wants_passes_in_a_row() {
    // yes no yes yes no yes yes yes
    let guest = Arc::new(FakeGuest::new(103).answers(|call| Reply::Exits(i32::from([2, 5].contains(&call.number)))));
    let schedule = Schedule { success_threshold: 3, interval: seconds(1), ..Schedule::default() };
    let outcome = times(&gate(Probe::shell("flaps"), schedule), &guest).await.1;
    assert_eq!(outcome, Outcome::Passed { attempts: 8, elapsed: seconds(7) });
}

#[tokio::test(start_paused = true)]
async fn a_row_that_the_attempts_cut_short_does_not_pass() {
    let guest = Arc::new(FakeGuest::new(103).opens(80, seconds(1)));
    let schedule = Schedule { attempts: Some(3), success_threshold: 3, interval: seconds(1), ..Schedule::default() };
    let failure = failure(times(&gate(Probe::tcp(80), schedule), &guest).await.1);
    assert_eq!((failure.reason, failure.attempts.last().unwrap().streak), (Reason::AttemptsUsedUp, 2));
    assert!(failure.to_string().ends_with("a pass, but only 2 in a row"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn backoff_stretches_the_pauses() {
    let guest = Arc::new(FakeGuest::new(103));
    let schedule = Schedule {
        attempts: Some(6),
        interval: seconds(1),
        backoff: Some(Backoff { factor: 2.0, max: Some(seconds(5)) }),
        ..Schedule::default()
    };
    let (starts, _) = times(&gate(Probe::tcp(80), schedule), &guest).await;
    assert_eq!(starts, [0.0, 1.0, 3.0, 7.0, 12.0, 17.0]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_bounds_ends_all_the_same() {
    let guest = Arc::new(FakeGuest::new(103));
    let schedule = Schedule { attempts: None, ..Schedule::default() };
    let failure = failure(times(&gate(Probe::tcp(80), schedule), &guest).await.1);
    assert_eq!(failure.elapsed, Schedule::LAST_DEADLINE);
    assert_eq!(failure.attempts.made, 360);
    assert_eq!(failure.attempts.kept.len(), Attempts::KEPT_FIRST + Attempts::KEPT_LAST);
}

#[test_case("status: error\nerrors:\n\t- no space left\n", 1, Reason::Never; "failed")]
#[test_case("status: done\n", 2, Reason::NeedsReboot; "degraded")]
#[tokio::test(start_paused = true)]
async fn hopeless_states_end_the_wait_at_once(stdout: &str, status: i32, reason: Reason) {
    use phoenix_host::Output;
    let output = Output { status: Some(status), stdout: stdout.into(), ..Output::default() };
    let guest = Arc::new(FakeGuest::new(1001).answers(move |_| Reply::Ends(output.clone())));
    let failure = failure(
        times(
            &gate(
                Probe::CloudInit(CloudInitProbe { recoverable: Recoverable::NeedsReboot, ..CloudInitProbe::default() }),
                Schedule::default(),
            ),
            &guest,
        )
        .await
        .1,
    );
    assert_eq!((failure.reason, failure.attempts.made), (reason, 1));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_restarts_while_it_is_probed_is_no_error() {
    let guest = Arc::new(FakeGuest::new(103).answers(|call| match call.number {
        1..=2 => Reply::NotRunning,
        3 => Reply::AgentSilent,
        _ => Reply::Exits(0),
    }));
    let mut verdicts = Vec::new();
    let gate = gate(Probe::shell("x"), Schedule::default());
    let outcome = wait(&gate, &guest.surrounded(), &mut |attempt| verdicts.push(attempt.answer.verdict)).await;
    assert_eq!(outcome, Outcome::Passed { attempts: 4, elapsed: seconds(30) });
    assert_eq!(verdicts[..3], [Verdict::Unanswered; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_ignores_its_deadline_does_not_hold_the_gate() {
    #[derive(Debug)]
    struct Deaf;
    #[async_trait::async_trait]
    impl phoenix_host::Inside for Deaf {
        async fn exec(&self, _: phoenix_host::Command) -> Result<phoenix_host::Output, phoenix_host::InsideError> {
            std::future::pending().await
        }
    }
    let context = ProbeContext { inside: Arc::new(Deaf), ..FakeGuest::new(103).context() };
    let schedule = Schedule { attempts: Some(1), timeout: seconds(1), ..Schedule::default() };
    let failure = failure(wait(&gate(Probe::shell("x"), schedule), &context, &mut |_| ()).await);
    assert_eq!(failure.elapsed, seconds(41));
    // That is no sign of illness.
    assert_eq!(failure.attempts.last().unwrap().answer.verdict, Verdict::Unanswered);
}

#[tokio::test(start_paused = true)]
async fn asking_once_asks_once() {
    let guest = Arc::new(FakeGuest::new(103).answers(|_| Reply::Exits(1)));
    let attempt = ask_once(&gate(Probe::shell("x"), Schedule::default()), &guest.surrounded()).await;
    assert!(!attempt.passed());
    assert_eq!(guest.calls().len(), 1, "no evidence is gathered");
}

#[tokio::test(start_paused = true)]
async fn the_report_says_what_happened() {
    let guest = FakeGuest::new(103);
    let schedule = Schedule { attempts: Some(3), ..Schedule::default() };
    let failure = failure(wait(&gate(Probe::tcp(9000), schedule), &guest.context(), &mut |_| ()).await);
    assert_eq!(
        failure.to_string(),
        "gate `gate` of guest 103 (tcp 9000) did not pass: 3 attempts in 20 s; \
         the last answer was: 192.0.2.103 port 9000: connection refused"
    );
    assert_eq!(failure.attempts.lines(), ["1 to 3, 0 s to 20 s: 192.0.2.103 port 9000: connection refused"]);
    let json = serde_json::to_value(&failure).unwrap();
    assert_eq!(json["attempts"]["kept"][1]["started"], 10.0);
    assert_eq!(json["attempts"]["kept"][1]["verdict"], "no");
}

#[tokio::test(start_paused = true)]
async fn gates_do_not_wait_for_each_other() {
    let started = Instant::now();
    let guest = FakeGuest::new(103).opens(80, seconds(100)).context();
    let gates: Vec<_> = (0..1000).map(|_| gate(Probe::tcp(80), Schedule::default())).collect();
    let passed =
        futures_util::future::join_all(gates.iter().map(|gate| async {
            matches!(wait(gate, &guest, &mut |_| ()).await, Outcome::Passed { attempts: 11, .. })
        }))
        .await;
    assert!(passed.into_iter().all(|passed| passed));
    assert_eq!(started.elapsed(), seconds(100));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the schedule, the wait ends within its `longest`, and passes only after enough passes in a row.
    #[test]
    fn every_wait_is_bounded_and_honest(
        attempts in proptest::option::of(0u32..20),
        interval in 0u64..20_000,
        timeout in 1u64..5_000,
        deadline in proptest::option::of(1u64..100_000),
        start_period in 0u64..20_000,
        success_threshold in 0u32..4,
        backoff in proptest::option::of((0.5f64..4.0, 0u64..60_000)),
        replies in proptest::collection::vec(0u8..5, 1..40),
    ) {
        let millis = Duration::from_millis;
        let schedule = Schedule {
            attempts,
            interval: millis(interval),
            timeout: millis(timeout),
            deadline: deadline.map(millis).or(if attempts.is_none() { Some(seconds(60)) } else { None }),
            start_period: millis(start_period),
            success_threshold,
            backoff: backoff.map(|(factor, max)| Backoff { factor, max: Some(millis(max)) }),
            jitter: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let answers = move |call: &crate::fake::Call| match replies[(call.number as usize - 1) % replies.len()] {
                0 | 1 => Reply::Exits(0),
                2 => Reply::Exits(1),
                3 => Reply::Hangs,
                _ => Reply::NotRunning,
            };
            let guest = FakeGuest::new(103).answers(answers).context();
            let gate = gate(Probe::shell("x"), schedule.clone());
            let mut seen: Vec<Attempt> = Vec::new();
            let outcome = wait(&gate, &guest, &mut |attempt| seen.push(attempt.clone())).await;
            let enough = schedule.success_threshold.max(1) as usize;
            let row = seen.iter().rev().take_while(|attempt| attempt.passed()).count();
            let elapsed = match &outcome {
                Outcome::Passed { elapsed, .. } => {
                    prop_assert!(row == enough);
                    *elapsed
                }
                Outcome::Failed(failure) => {
                    prop_assert!(row < enough);
                    failure.elapsed
                }
            };
            prop_assert!(elapsed <= schedule.longest() + millis(1), "{elapsed:?} {:?}", schedule.longest());
            let counted = seen.iter().filter(|attempt| attempt.counting == Counting::Counted).count();
            prop_assert!(counted <= schedule.attempts.map_or(usize::MAX, |attempts| attempts.max(1) as usize));
            for pair in seen.windows(2) {
                let pause = pair[1].started - (pair[0].started + pair[0].took);
                prop_assert!(pause >= schedule.interval.max(Schedule::MIN_PAUSE));
            }
            Ok(())
        })?;
    }
}

/// Counts how many commands run inside at the same time.
#[derive(Debug, Default)]
struct Crowd {
    now: std::sync::atomic::AtomicUsize,
    most: std::sync::atomic::AtomicUsize,
}

#[async_trait::async_trait]
impl phoenix_host::Inside for Crowd {
    async fn exec(&self, _: phoenix_host::Command) -> Result<phoenix_host::Output, phoenix_host::InsideError> {
        use std::sync::atomic::Ordering::SeqCst;
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        tokio::time::sleep(Duration::from_secs(4)).await;
        self.now.fetch_sub(1, SeqCst);
        Ok(phoenix_host::Output { status: Some(0), ..phoenix_host::Output::default() })
    }
}

/// The wait for a turn is no part of an attempt: with a timeout of five seconds all of them pass.
#[tokio::test(start_paused = true)]
async fn no_more_gates_are_asked_at_once_than_may_be() {
    let crowd = Arc::new(Crowd::default());
    let turns = Arc::new(tokio::sync::Semaphore::new(3));
    let context = ProbeContext { inside: crowd.clone(), turns, ..FakeGuest::new(103).context() };
    let schedule = Schedule { attempts: Some(1), timeout: Duration::from_secs(5), ..Schedule::default() };
    let gates: Vec<Gate> = (0..30).map(|_| gate(Probe::shell("true"), schedule.clone())).collect();
    let waits = gates.iter().map(async |gate| wait(gate, &context, &mut |_| ()).await);
    let outcomes = futures_util::future::join_all(waits).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Passed { .. })), "{outcomes:?}");
    assert_eq!(crowd.most.load(std::sync::atomic::Ordering::SeqCst), 3);
}
