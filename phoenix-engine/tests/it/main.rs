//! The engine over hand-made and simulated nodes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adopting;
mod agent;
mod cloning;
mod commands;
mod conditions;
mod converging;
mod differences;
mod fleet;
mod leavings;
mod ownership;
mod panics;
mod planning;
mod rollback;
mod run;
mod runner;
mod scripts;
mod templates;
mod volumes;
