//! Tells random stories on simulated nodes for as long as asked, and prints those in which a rule was broken:
//! `cargo run --release -p phoenix-engine --example campaign -- --runs 100000 --seed 1`.
//!
//! `--story life|kill|order|power|crowd|undo` tells only one kind, `--only SEED` only one story, with everything that happened in it.
#![expect(clippy::print_stdout, reason = "an example is a program")]
#![allow(dead_code, clippy::unwrap_used, reason = "the harness belongs to the tests")]

#[path = "../tests/sim/harness/mod.rs"]
mod harness;

use std::error::Error;
use std::process::ExitCode;

use harness::case::{Detail, Ended, Story, tell};

const ALL: [Story; 6] = [Story::Life, Story::Kill, Story::Order, Story::Power, Story::Crowd, Story::Undo];

struct Arguments {
    runs: usize,
    seed: u64,
    only: bool,
    stories: Vec<Story>,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut parsed = Arguments { runs: 10_000, seed: 1, only: false, stories: ALL.to_vec() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
        match word.as_str() {
            "--runs" => parsed.runs = value()?.parse()?,
            "--seed" => parsed.seed = value()?.parse()?,
            "--only" => {
                parsed.seed = value()?.parse()?;
                parsed.only = true;
            }
            "--story" => parsed.stories = vec![serde_json::from_value(value()?.into())?],
            _ => return Err(format!("`{word}` is not known: --runs N, --seed N, --story NAME, --only SEED").into()),
        }
    }
    Ok(parsed)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = arguments()?;
    let started = std::time::SystemTime::now();
    let (mut runs, mut stories, mut failures) = (0, 0, 0);
    let mut seed = arguments.seed;
    let detail = if arguments.only { Detail::Full } else { Detail::Brief };
    while runs < arguments.runs {
        for &story in &arguments.stories {
            let ended: Ended = tell(story, seed, detail);
            runs += ended.runs;
            stories += 1;
            if !ended.breaches.is_empty() || arguments.only {
                println!("{} {seed}\n{ended}", serde_json::to_value(story)?.as_str().unwrap_or_default());
            }
            failures += usize::from(!ended.breaches.is_empty());
        }
        if arguments.only || failures >= 50 {
            break;
        }
        seed += 1;
    }
    let minutes = started.elapsed()?.as_secs_f64() / 60.0;
    println!("{stories} stories, {runs} runs, {failures} failures, {:.0} runs a minute", runs as f64 / minutes);
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
