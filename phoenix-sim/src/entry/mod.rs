//! The ways into the node: a command line, a host, the inside of a guest; and the folder that keeps it.

mod assumed;
mod birth;
#[cfg(test)]
mod conformance;
mod dispatch;
mod faults;
mod host;
mod inside;
#[cfg(test)]
mod inside_tests;
mod kept;
mod requests;
