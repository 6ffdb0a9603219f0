//! Proof by simulation: random fleets in random worlds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adopted;
mod campaign;
mod foreign;
mod found;
mod harness;
mod killed;
mod undone;
