//! Probes, gates and their schedules: waits until a guest is healthy, within bounds, and says why when it is not.
//!
//! A [`Probe`] is one question with a yes/no answer; a [`Gate`] is a probe with a [`Schedule`]; [`wait`] asks until the gate
//! passes or a bound is reached, and then gathers [`Evidence`] from the guest. [`ask_once`] asks a gate's question once.
//!
//! Everything outside is reached through [`ProbeContext`]: any [`Host`](phoenix_host::Host) (programs, files and sockets of
//! the node), any [`Inside`](phoenix_host::Inside) (programs in the guest) and any source of the guest's address. All
//! waiting is done in tokio's time and nothing is spawned, so a dropped wait leaves nothing behind and a paused clock makes
//! every schedule exact.
//!
//! ```
//! use std::time::Duration;
//! use phoenix_health::{Gate, Outcome, Probe, Schedule, fake::FakeGuest, wait};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
//! // A certificate authority that opens its port 80 s after its start.
//! let guest = FakeGuest::new(103).opens(9000, Duration::from_secs(80));
//! let gate = Gate {
//!     name: "step-ca".to_owned(),
//!     probe: Probe::tcp(9000),
//!     schedule: Schedule { attempts: Some(30), interval: Duration::from_secs(10), ..Schedule::default() },
//! };
//! let outcome = wait(&gate, &guest.context(), &mut |_| ()).await;
//! assert!(matches!(outcome, Outcome::Passed { attempts: 9, elapsed } if elapsed == Duration::from_secs(80)));
//! # });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate does not do: it reads no configuration and starts or changes no guest.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod attempt;
mod context;
mod evidence;
pub mod fake;
mod probe;
mod seconds;
mod wait;

pub use attempt::{Attempt, Attempts, Counting};
pub use context::{
    Addresses, Agent, AskGuest, CustomProbe, CustomProbes, FixedAddress, NO_ADDRESS, ProbeContext, preferred,
};
pub use evidence::{Evidence, Section, gather_evidence};
/// The vocabulary of gates: [`Gate`], [`Schedule`], [`Probe`] and its kinds.
pub use phoenix_types::gate::*;
pub use probe::{Answer, Ask, Verdict};
pub use wait::{GateFailure, Outcome, Reason, ask_once, wait};
