//! A few thousand runs, and every seed that ever failed.

use crate::harness::case::{Detail, Ended, Story, tell};

/// Stories that once broke a rule, each with what was wrong then. They are told first.
const KEPT: &[(Story, u64, &str)] = &[
    (Story::Life, 10, "a VM made from an image kept the image's disk size until the next run"),
    (Story::Life, 65, "a clone of a protected container got its mount points only in the second run"),
    (Story::Life, 88, "a slot was held while a restarted VM's agent was waited for"),
    (Story::Life, 94, "the snapshot to go back to was tried while a folder was still mounted"),
    (Story::Life, 3, "a snapshot to go back to was in the way of becoming a template"),
    (Story::Kill, 1, "a run that was killed before a guest's gates let the next one pass them by"),
    (Story::Kill, 10, "killed between a change and its record, what Phoenix set was not known as its own"),
    (Story::Kill, 30, "a clone that was cut off before it had disks was taken for made"),
    (Story::Kill, 65, "a clone that was cut off could not be taken away, protected as its source is"),
    (Story::Life, 123, "a change by hand that waited for a restart came true with the next one"),
    (Story::Kill, 7, "a VM that a dead run had just started was asked for its health once"),
    (Story::Kill, 9, "a VM that was still booting did not shut down, and nobody switched it off"),
    (Story::Kill, 15, "a restart that a dead run owed was never made up for"),
    (Story::Kill, 19, "a script's follower that was left behind took the script's end away from the next one"),
    (Story::Kill, 12, "the lock of a snapshot that was cut off stayed for ever"),
];

fn told(story: Story, seed: u64) -> Result<Ended, String> {
    let ended = tell(story, seed, Detail::Brief);
    if ended.breaches.is_empty() { Ok(ended) } else { Err(format!("{story:?}, seed {seed}:\n{ended}")) }
}

/// Tells stories until there were so many runs. Gives how many of them did things in another order than they would have.
fn tell_until(story: Story, enough: usize) -> usize {
    let (mut runs, mut seed, mut reordered) = (0, 1, 0);
    while runs < enough {
        let ended = told(story, seed).unwrap_or_else(|failure| panic!("after {runs} runs: {failure}"));
        runs += ended.runs;
        reordered += ended.reordered;
        seed += 1;
    }
    reordered
}

#[test]
fn what_failed_once_holds_now() {
    let failures: Vec<String> =
        KEPT.iter().filter_map(|(story, seed, what)| Some(format!("{what}\n{}", told(*story, *seed).err()?))).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn fleets_live() {
    tell_until(Story::Life, 400);
}

#[test]
fn killed_runs_are_finished() {
    tell_until(Story::Kill, 400);
}

#[test]
fn order_makes_no_difference() {
    let reordered = tell_until(Story::Order, 150);
    assert!(reordered > 5, "only {reordered} runs changed the order of anything");
}

#[test]
fn guests_are_switched_and_destroyed() {
    tell_until(Story::Power, 300);
}

#[test]
fn runs_keep_out_of_each_others_way() {
    tell_until(Story::Crowd, 150);
}

#[test]
fn changes_that_fail_go_back() {
    tell_until(Story::Undo, 300);
}
