//! Prints what runs of `examples/ai-lab` cost on the simulated node: the page `docs/benchmarks/runs.md`.
//!
//! ```sh
//! cargo run --locked -p phoenix-engine --example figures > docs/benchmarks/runs.md
//! ```
#![expect(clippy::print_stdout, reason = "the page goes to standard output")]

use std::sync::{Arc, Mutex, PoisonError};

use camino::Utf8Path;
use phoenix_engine::{Desired, Node, Options, Provision, Spec, converge, observe, plan};
use phoenix_host::{CommandRecord, Layered, Recorder};
use phoenix_sim::{SimNode, World};
use phoenix_types::{GuestId, MemoryMib};

type Fault = Box<dyn std::error::Error>;

#[derive(Debug, Default)]
struct Log(Mutex<Vec<CommandRecord>>);

impl Recorder for Log {
    fn record(&self, record: CommandRecord) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

/// What one run cost.
struct Cost {
    /// `pct`, `qm` and their like, and ordinary programs on the node; probes of gates not counted.
    processes: usize,
    /// Probes of gates that were a process.
    probes: usize,
    seconds: f64,
}

async fn run(sim: &SimNode, desired: &Arc<Desired>) -> Result<Cost, Fault> {
    let log = Arc::new(Log::default());
    let node = Node::new(Layered::new(Arc::new(sim.clone())).recorded(log.clone()));
    let started = tokio::time::Instant::now();
    let site = node.labelled(None, "observe");
    let observed = observe(&site, desired).await?;
    let plan = plan(desired, &observed, Provision::WhenChanged);
    let summary = converge(&node, desired.clone(), plan, &Options::default(), &mut []).await;
    if !summary.is_good() {
        return Err(format!("the run failed: {summary:?}").into());
    }
    let commands = log.0.lock().unwrap_or_else(PoisonError::into_inner);
    let probes = commands.iter().filter(|command| command.stage.as_deref() == Some("gate")).count();
    Ok(Cost { processes: commands.len() - probes, probes, seconds: started.elapsed().as_secs_f64() })
}

fn row(what: &str, cost: &Cost, before: &str) {
    println!("| {what} | {} | {} | {:.0} s | {before} |", cost.processes, cost.probes, cost.seconds);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fault> {
    tokio::time::pause();
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/ai-lab");
    let fleet = phoenix_config::load(&folder).fleet.ok_or("the example is not valid")?;
    let world: World = serde_json::from_str(&std::fs::read_to_string(folder.join("world.json"))?)?;
    let desired = Arc::new(Desired::new(&fleet, None)?);
    let sim = SimNode::new(world);
    println!("# What a run costs\n");
    println!("Made by `cargo run --locked -p phoenix-engine --example figures > docs/benchmarks/runs.md`.\n");
    println!(
        "Processes started on the node, and time on the simulated node's clock, for the {} guests of",
        desired.guests.len()
    );
    println!(
        "`examples/ai-lab`. Beside them what the bash predecessor was measured to need for a fleet of the same shape: calls of"
    );
    println!("Proxmox's tools, and seconds computed at 0.6 s a call, where the work inside the guests cost nothing.\n");
    println!("| run | processes | probes of gates | time | predecessor |");
    println!("| --- | ---: | ---: | ---: | --- |");
    row("fresh, on an empty node", &run(&sim, &desired).await?, "1038 calls, 790 s");
    row("again, nothing changed", &run(&sim, &desired).await?, "791 calls, 644 s");

    let embedder = GuestId::new(721)?;
    let mut changed = (*desired).clone();
    if let Some(Spec::Container(container)) = changed.guests.get_mut(&embedder).map(|guest| &mut guest.spec) {
        container.settings.memory = Some(MemoryMib(20_480));
    }
    let changed = Arc::new(changed);
    row("one key changed (memory of a container)", &run(&sim, &changed).await?, "-");

    let mut edited = (*changed).clone();
    if let Some(script) = edited.guests.get_mut(&embedder).and_then(|guest| guest.scripts.last_mut()) {
        let body = [&*script.body, b"# changed\n".as_slice()].concat();
        script.digest = phoenix_engine::Digest::of([body.as_slice()]);
        script.body = body.into();
    }
    row("one script changed (the last of a container)", &run(&sim, &Arc::new(edited)).await?, "-");
    Ok(())
}
