//! Runs a plan: guests in parallel as the graph allows, each one's steps in order.

mod carry_out;
mod error;
mod event_sender;
mod fleet;
mod gates;
mod guest;
mod priority_semaphore;
mod record;
mod retry;
mod run;
mod steps;
mod target;
mod warnings;
mod worker;

pub(crate) use event_sender::EventSender;
pub use fleet::{Options, Summary, converge};
pub(crate) use gates::probe_context;
pub(crate) use run::Run;
pub(crate) use target::Target;
pub(crate) use worker::Worker;
