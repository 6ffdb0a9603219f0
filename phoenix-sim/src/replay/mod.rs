//! `phoenix-sim replay`: recorded sessions of the real tools against a fresh simulated node.
//!
//! Each run of a session is compared in exit status, both streams and the configuration files that it left. What cannot be the
//! same twice is normalised on both sides by the named rules of [`rules`]. A run that cannot be compared is listed with the
//! reason ([`Exclusion`]), and the configuration that it left is taken over, so that the runs behind it start from there.
//!
//! ```
//! let session = r#"{"argv":["pct","status","100"],"exit":2,"stdout":"","stderr":"Configuration file 'nodes/pve/lxc/100.conf' does not exist\n"}"#;
//! let report = phoenix_sim::replay::run(session.as_bytes())?;
//! assert_eq!((report.matched, report.differing), (1, 0));
//! # Ok::<(), phoenix_sim::replay::ReplayError>(())
//! ```

mod edit;
mod exclude;
mod record;
mod recorded;
mod report;
pub mod rules;
mod session;
mod values;

pub use self::report::{Difference, Exclusion, ReplayError, ReplayReport};
pub use self::session::run;
