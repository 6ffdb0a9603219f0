//! `pvesh`: the REST API on the command line.

use crate::grammar::Invocation;
use crate::node::{Call, Console, Failure, Task, TaskEnd};

/// Answers a call of the API.
#[expect(clippy::unused_async, reason = "all tools are called alike")]
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    Err(Failure::die(format!("`{} {}` is not part of the simulated node", call.inv.tool, call.inv.command)))
}

/// Writes what `pvesh` prints when a worker that it started has ended: the task's id, whatever the end.
pub(crate) fn conclude_task(console: &mut Console, inv: &Invocation, task: &Task, _end: &TaskEnd) {
    let json = inv.output.get("output-format").is_some_and(|format| format.starts_with("json"));
    console.out(&if json { format!("\"{}\"\n", task.upid) } else { format!("{}\n", task.upid) });
}
