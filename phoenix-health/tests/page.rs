//! The time lines of `docs/concepts/gates.md` are what gates really do.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::time::Duration;

use phoenix_health::fake::{FakeGuest, Reply};
use phoenix_health::{Backoff, Gate, Jitter, Outcome, Probe, Schedule, wait};
use phoenix_host::Output;
use test_case::test_case;

/// One question: how it ends (`x`, `o`) after so many seconds of work; `h` hangs. The last one is repeated.
type Answers = &'static [(char, u64)];

const NO: Answers = &[('x', 0)];

/// A wait drawn as the page draws it.
async fn drawn(schedule: Schedule, answers: Answers) -> String {
    let guest = FakeGuest::new(103).answers(move |call| {
        let (end, seconds) = answers[(call.number as usize - 1).min(answers.len() - 1)];
        match end {
            'h' => Reply::Hangs,
            end => Reply::Ends(Output {
                status: Some(i32::from(end == 'x')),
                elapsed: Duration::from_secs(seconds),
                ..Output::default()
            }),
        }
    });
    let gate = Gate { name: "gate".to_owned(), probe: Probe::shell("check"), schedule };
    let (mut line, mut clock) = (String::new(), 0_usize);
    let mut stretch = |line: &mut String, mark: &str, until: Duration| {
        let until = usize::try_from((until + Duration::from_millis(500)).as_secs()).unwrap();
        line.push_str(&mark.repeat(until.saturating_sub(clock)));
        clock = until;
    };
    let outcome = wait(&gate, &guest.context(), &mut |attempt| {
        stretch(&mut line, "-", attempt.started);
        stretch(&mut line, "=", attempt.started + attempt.took);
        line.push(if attempt.passed() { 'o' } else { 'x' });
    })
    .await;
    let (mark, word, elapsed, made) = match outcome {
        Outcome::Passed { attempts, elapsed } => ("", "passed", elapsed, attempts),
        Outcome::Failed(failure) => ("|", "failed", failure.elapsed, failure.attempts.made),
    };
    stretch(&mut line, "-", elapsed);
    format!("{line}{mark}  {word} after {} s, {made} attempts", elapsed.as_secs())
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn every(interval: u64) -> Schedule {
    Schedule { interval: seconds(interval), ..Schedule::default() }
}

#[test_case(every(5), &[('x', 0), ('x', 0), ('x', 0), ('o', 0)], "x-----x-----x-----o  passed after 15 s, 4 attempts"; "interval")]
#[test_case(every(5), &[('x', 3), ('x', 3), ('o', 3)], "===x-----===x-----===o  passed after 19 s, 3 attempts"; "a slow probe")]
#[test_case(Schedule { attempts: Some(3), ..every(5) }, NO, "x-----x-----x|  failed after 10 s, 3 attempts"; "retries")]
#[test_case(Schedule { attempts: Some(2), timeout: seconds(4), ..every(5) }, &[('h', 0)],
    "====x-----====x|  failed after 13 s, 2 attempts"; "timeout")]
#[test_case(Schedule { attempts: None, deadline: Some(seconds(12)), ..every(5) }, NO,
    "x-----x-----x--|  failed after 12 s, 3 attempts"; "deadline")]
#[test_case(Schedule { attempts: None, deadline: Some(seconds(10)), ..every(5) }, NO,
    "x-----x-----|  failed after 10 s, 2 attempts"; "deadline at an attempt")]
#[test_case(Schedule { attempts: Some(2), start_period: seconds(12), ..every(5) }, NO,
    "x-----x-----x-----x-----x|  failed after 20 s, 5 attempts"; "start period")]
#[test_case(Schedule { success_threshold: 3, ..every(1) },
    &[('o', 0), ('x', 0), ('o', 0), ('o', 0), ('x', 0), ('o', 0)], "o-x-o-o-x-o-o-o  passed after 7 s, 8 attempts"; "threshold")]
#[test_case(Schedule { attempts: Some(6), backoff: Some(Backoff { factor: 2.0, max: Some(seconds(5)) }), ..every(1) }, NO,
    "x-x--x----x-----x-----x|  failed after 17 s, 6 attempts"; "backoff")]
#[test_case(Schedule { attempts: Some(6), jitter: Some(Jitter { share: 0.5, seed: 2 }), ..every(6) }, NO,
    "x-------x-------x--------x-----x-----x|  failed after 31 s, 6 attempts"; "jitter")]
#[tokio::test(start_paused = true)]
async fn the_page_draws_what_happens(schedule: Schedule, answers: Answers, line: &str) {
    let drawn = drawn(schedule, answers).await;
    assert_eq!(drawn, line);
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/concepts/gates.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.lines().any(|there| there.ends_with(&format!(" {line}"))), "not on the page: {line}");
}
