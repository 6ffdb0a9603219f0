//! The simulated inside of a guest, and programs on the node.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use phoenix_host::Stream as Channel;
use phoenix_sim_shell::files::{Bytes, FileError, Offset};
use phoenix_sim_shell::process::{End, KILL};
use phoenix_sim_shell::streams::Stream;
use phoenix_sim_shell::system::{Invocation, Role};
use tokio::sync::mpsc;

use crate::console::Console;
use crate::ground::Node;
use crate::inside::{Dialled, Ended, Exec, Given, Inside};
use crate::machine::Machine;
use crate::network::{self, Reached};
use crate::running::AGENT;
use crate::view::View;
use crate::{facts, journal, programs, services};

/// The simulated inside of a guest.
#[derive(Debug, Clone)]
pub struct Simulated {
    node: Arc<dyn Node>,
    vmid: u32,
}

impl Simulated {
    /// The inside of a guest of a node.
    #[must_use]
    pub fn new(node: Arc<dyn Node>, vmid: u32) -> Self {
        Self { node, vmid }
    }
}

#[async_trait]
impl Inside for Simulated {
    fn started(&self) {
        services::boot(&mut *self.node.state(), self.vmid, self.node.elapsed());
    }

    fn stopped(&self) {
        let mut state = self.node.state();
        if let Some(running) = state.inside.remove(&self.vmid) {
            running.processes.kill_all();
            journal::keep(&mut *state, self.vmid, running.journal);
        }
    }

    fn agent_answers(&self) -> bool {
        let since = self.node.quiet_state().inside.get(&self.vmid).and_then(|running| running.agent);
        since.is_some_and(|since| self.node.elapsed() >= since)
    }

    fn host_name(&self) -> String {
        Machine::new(&self.node, Some(self.vmid), Arc::default()).hostname()
    }

    fn addresses(&self) -> Vec<IpAddr> {
        facts::addresses_of(&mut *self.node.quiet_state(), self.vmid)
    }

    async fn exec(&self, exec: Exec<'_>, console: &mut Console) -> Ended {
        let Some((processes, is_vm)) = self
            .node
            .quiet_state()
            .inside
            .get(&self.vmid)
            .map(|running| (Arc::clone(&running.processes), running.is_vm))
        else {
            return Ended::Signal(KILL);
        };
        let machine = Machine::new(&self.node, Some(self.vmid), processes);
        // What reaches a VM is started by its agent, and is part of that service.
        run(machine, exec, Place { folder: "/", unit: if is_vm { AGENT } else { "" } }, console).await
    }

    async fn read(&self, path: &str) -> Result<Bytes, FileError> {
        View::new(&mut *self.node.quiet_state(), Some(self.vmid)).read(path)
    }

    async fn write(&self, path: &str, bytes: &[u8], given: Given) -> Result<(), FileError> {
        let mut state = self.node.state();
        let mut view = View::new(&mut *state, Some(self.vmid));
        view.write(path, bytes, Offset::Replace, 0o644)?;
        view.change(path, |entry| {
            entry.mode = given.mode.unwrap_or(entry.mode);
            entry.uid = given.uid.unwrap_or(entry.uid);
            entry.gid = given.gid.unwrap_or(entry.gid);
        })
    }

    async fn dial(&self, port: u16) -> Dialled {
        let reached = network::knock(&*self.node, None, Some(self.vmid), port);
        dialled(&self.node, reached)
    }
}

/// Runs a program on the node itself, in virtual time.
///
/// Cancel safety: as with [`Inside::exec`].
pub async fn exec_on_node(node: &Arc<dyn Node>, exec: Exec<'_>, console: &mut Console) -> Ended {
    let machine = Machine::new(node, None, Arc::default());
    run(machine, exec, Place { folder: "/root", unit: "" }, console).await
}

/// Connects to an address and port on the node's network, from the node's side.
pub fn dial(node: &Arc<dyn Node>, address: IpAddr, port: u16) -> Dialled {
    let reached = network::reach(&**node, None, &address.to_string(), port);
    dialled(node, reached)
}

fn dialled(node: &Arc<dyn Node>, reached: Reached) -> Dialled {
    match reached {
        Reached::Open(listener) => Dialled::Open(network::converse(node, listener)),
        Reached::Refused => Dialled::Refused,
        Reached::NoAnswer | Reached::NoName => Dialled::NoAnswer,
    }
}

/// Where on a machine a command from outside begins.
struct Place {
    /// Its current folder.
    folder: &'static str,
    /// The unit that it belongs to; empty for none.
    unit: &'static str,
}

async fn run(machine: Machine, exec: Exec<'_>, place: Place, console: &mut Console) -> Ended {
    let Some(program) = exec.argv.first() else { return Ended::NotFound };
    if !programs::is_there(&machine, program) {
        return Ended::NotFound;
    }
    let process = machine.processes.start_unit(&exec.argv.join(" "), place.unit);
    let (out, mut out_chunks) = mpsc::unbounded_channel();
    let (err, mut err_chunks) = mpsc::unbounded_channel();
    let files = BTreeMap::from([
        (0, Stream::text(exec.stdin)),
        (1, Arc::new(Stream::Console(out))),
        (2, Arc::new(Stream::Console(err))),
    ]);
    let invocation = Invocation {
        argv: exec.argv.to_vec(),
        environment: exec.env.to_vec(),
        files,
        folder: place.folder.to_owned(),
        umask: 0o022,
        nesting: 0,
        parent: Arc::clone(&process),
        role: Role::Replacement,
    };
    let mut work = Box::pin(machine.processes.run(&process, programs::run(machine.clone(), invocation)));
    let end = loop {
        tokio::select! {
            biased;
            Some(bytes) = out_chunks.recv() => console.write(Channel::Stdout, &bytes),
            Some(bytes) = err_chunks.recv() => console.write(Channel::Stderr, &bytes),
            end = &mut work => break end,
        }
    };
    drop(work);
    while let Ok(bytes) = out_chunks.try_recv() {
        console.write(Channel::Stdout, &bytes);
    }
    while let Ok(bytes) = err_chunks.try_recv() {
        console.write(Channel::Stderr, &bytes);
    }
    match end {
        End::Exit(status) => Ended::Exit(status),
        End::Signal(signal) => Ended::Signal(signal),
    }
}
