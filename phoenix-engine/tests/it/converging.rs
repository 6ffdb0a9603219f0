//! Whole runs on a simulated node, in virtual time.

use std::sync::Arc;

use camino::Utf8Path;
use phoenix_engine::{Desired, Event, Node, Options, Plan, Provision, Summary, converge, observe, plan};
use phoenix_host::{CommandRecord, Layered, Recorder};
use phoenix_sim::{SimNode, World};

#[derive(Debug, Default)]
pub(crate) struct Log(pub(crate) std::sync::Mutex<Vec<CommandRecord>>);

impl Recorder for Log {
    fn record(&self, record: CommandRecord) {
        self.0.lock().unwrap().push(record);
    }
}

pub(crate) struct Ran {
    pub(crate) plan: Plan,
    pub(crate) summary: Summary,
    pub(crate) events: Vec<Event>,
    pub(crate) commands: Vec<CommandRecord>,
}

pub(crate) async fn up(sim: &SimNode, desired: &Arc<Desired>) -> Ran {
    let log = Arc::new(Log::default());
    let node = Node::new(Layered::new(Arc::new(sim.clone())).recorded(log.clone()));
    let site = node.labelled(None, "observe");
    let observed = observe(&*site.host, &*site.containers, &*site.machines, desired).await.unwrap();
    let plan = plan(desired, &observed, Provision::WhenChanged);
    let mut events: Vec<Event> = Vec::new();
    let summary = converge(&node, desired.clone(), plan.clone(), &Options::default(), &mut [&mut events]).await;
    let commands = std::mem::take(&mut *log.0.lock().unwrap());
    Ran { plan, summary, events, commands }
}

fn example(world: &str) -> (SimNode, Arc<Desired>) {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/step-ca");
    let loaded = phoenix_config::load(&folder);
    let fleet = loaded.fleet.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let text = std::fs::read_to_string(folder.join(world)).unwrap();
    let world: World = serde_json::from_str(&text).unwrap();
    (SimNode::new(world), Arc::new(Desired::new(&fleet, None).unwrap()))
}

#[tokio::test(start_paused = true)]
async fn the_fleet_comes_up_and_stays_up() {
    let (sim, desired) = example("world.json");
    let first = up(&sim, &desired).await;
    for event in &first.events {
        eprintln!("{}", serde_json::to_string(event).unwrap());
    }
    assert!(first.summary.is_good(), "{:#?}", first.summary);
    let second = up(&sim, &desired).await;
    assert!(second.plan.is_empty(), "{:#?}", second.plan);
    assert!(second.summary.is_good(), "{:#?}", second.summary);
    assert!(
        second.commands.iter().all(|command| command.effect == phoenix_host::Effect::Read),
        "{:#?}",
        second.commands
    );
}
