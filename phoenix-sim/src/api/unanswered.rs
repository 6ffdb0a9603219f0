//! Calls that are not part of the simulated node.

use crate::grammar::Answer;
use crate::node::{Call, Failure};

/// A call that the node does not know how to answer.
pub(super) fn unanswered(call: &Call<'_>, path: &str) -> Failure {
    Failure::Answer(Answer {
        exit: 1,
        stdout: String::new(),
        stderr: format!("`pvesh {} {path}` is not part of the simulated node\n", call.inv.command),
    })
}
