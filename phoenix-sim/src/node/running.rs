//! The worker of a running command.

use super::sim_node::SimNode;
use super::tasks::{Task, TaskEnd};

/// A worker's place among those that run. One that is given up before the worker ended is that of a worker that was killed.
#[derive(Debug)]
pub(crate) struct Running {
    node: SimNode,
    upid: String,
}

impl Running {
    pub(crate) fn begin(node: &SimNode, task: &Task) -> Self {
        node.state().tasks.begin(task.clone());
        Self { node: node.clone(), upid: task.upid.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let at = self.node.unix_time();
        let mut state = self.node.state_as_it_is();
        let task = state.tasks.running().find(|task| task.upid == self.upid).cloned();
        if let Some(task) = task {
            // What the log of a worker that was killed ends with is no verdict (pve-common `Tools.pm`, `upid_read_status`).
            state.tasks.end(task, TaskEnd::Error("unexpected status".to_owned()), at);
        }
    }
}
