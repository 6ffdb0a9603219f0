//! Runs a plan: guests in parallel as the graph allows, each one's steps in order.

mod carry_out;
mod error;
mod fleet;
mod gates;
mod guest;
mod record;
mod retry;
mod run;
mod steps;
mod turnstile;
mod voice;
mod warnings;
mod worker;

pub use fleet::{Options, Summary, converge};
pub(crate) use gates::surroundings;
pub(crate) use run::Run;
pub(crate) use voice::Voice;
pub(crate) use worker::Worker;
