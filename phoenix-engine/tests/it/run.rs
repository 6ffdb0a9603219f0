//! Runs on a simulated node, with everything that they leave.

use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use phoenix_engine::{Desired, Event, EventKind, Node, Options, Plan, Provision, Summary, converge, observe, plan};
use phoenix_host::{Command, CommandRecord, Effect, Layered, Recorder};
use phoenix_lxc::Pct;
use phoenix_pve::Guests as _;
use phoenix_sim::{SimNode, World};
use phoenix_types::GuestKind;
use phoenix_vm::Qm;

use crate::fleet::id;

#[derive(Debug, Default)]
struct Log(std::sync::Mutex<Vec<CommandRecord>>);

impl Recorder for Log {
    fn record(&self, record: CommandRecord) {
        self.0.lock().unwrap().push(record);
    }
}

/// Everything that a run left.
pub(crate) struct Ran {
    pub(crate) plan: Plan,
    pub(crate) summary: Summary,
    pub(crate) events: Vec<Event>,
    pub(crate) commands: Vec<CommandRecord>,
}

impl Ran {
    /// The processes that were started on the node, probes of gates not counted.
    pub(crate) fn processes(&self) -> usize {
        self.commands.iter().filter(|command| command.stage.as_deref() != Some("gate")).count()
    }

    /// When the first event of a guest that `matches` happened.
    pub(crate) fn at(&self, guest: u32, matches: impl Fn(&EventKind) -> bool) -> u64 {
        let found = self.events.iter().find(|event| event.guest == Some(id(guest)) && matches(&event.kind));
        found.unwrap_or_else(|| panic!("no such event of {guest}")).at_ms
    }
}

pub(crate) async fn up(sim: &SimNode, desired: &Arc<Desired>) -> Ran {
    up_with(sim, desired, &Options::default()).await
}

pub(crate) async fn up_with(sim: &SimNode, desired: &Arc<Desired>, options: &Options) -> Ran {
    let log = Arc::new(Log::default());
    let node = Node::new(Layered::new(Arc::new(sim.clone())).recorded(log.clone()));
    let site = node.labelled(None, "observe");
    let observed = observe(&site, desired).await.unwrap();
    let plan = plan(desired, &observed, Provision::WhenChanged).rehearsed(desired, &observed);
    let mut events: Vec<Event> = Vec::new();
    let summary = converge(&node, desired.clone(), plan.clone(), options, &mut [&mut events]).await;
    let commands = std::mem::take(&mut *log.0.lock().unwrap());
    Ran { plan, summary, events, commands }
}

/// What a shell line prints in a guest that runs.
pub(crate) async fn inside(sim: &SimNode, kind: GuestKind, guest: u32, line: &str) -> String {
    let host = Arc::new(sim.clone());
    let inside = match kind {
        GuestKind::Container => Pct::new(host).inside(id(guest)),
        GuestKind::Vm => Qm::new(host).inside(id(guest)),
    };
    let command = Command::new("sh", Effect::Read, Duration::from_secs(60)).args(["-c", line]);
    let output = inside.exec(command).await.unwrap();
    assert!(output.succeeded(), "{line}: {}", output.stderr_text());
    output.stdout_text().trim().to_owned()
}

pub(crate) fn example(name: &str, world: &str) -> (SimNode, Arc<Desired>) {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    let loaded = phoenix_config::load(&folder);
    let fleet = loaded.fleet.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let text = std::fs::read_to_string(folder.join(world)).unwrap();
    let world: World = serde_json::from_str(&text).unwrap();
    (SimNode::new(world), Arc::new(Desired::new(&fleet, None).unwrap()))
}
