//! A question of one's own holds back the guests that depend on one: `cargo run -p phoenix --example own_probe`.
#![expect(clippy::print_stdout, reason = "it is there to be watched")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use phoenix::health::{Answer, CustomProbe, Gate, Probe, ProbeContext, Schedule};
use phoenix::prelude::*;

/// Whether nobody waits in a queue any more. A real one would ask a broker.
#[derive(Debug)]
struct QueueIsEmpty {
    left: AtomicU32,
}

#[async_trait::async_trait]
impl CustomProbe for QueueIsEmpty {
    async fn ask(&self, context: &ProbeContext, _: Duration) -> Answer {
        match self.left.load(Ordering::Relaxed) {
            0 => Answer::yes(format!("the queue of guest {} is empty", context.guest)),
            left => {
                self.left.store(left - 1, Ordering::Relaxed);
                Answer::no(format!("{left} wait"))
            }
        }
    }
}

pub(crate) async fn run() -> Result<(), Error> {
    let folder = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/step-ca");
    let Ok(ca) = GuestId::new(103) else { unreachable!("103 is an id") };
    let gate =
        Gate { name: "queue".to_owned(), probe: Probe::Custom("queue".to_owned()), schedule: Schedule::default() };
    let fleet = Fleet::load(&folder)?.with_gate(ca, gate)?;
    let node = Node::simulated(World::load(folder.join("world.json"))?)?
        .with_probe("queue", Arc::new(QueueIsEmpty { left: AtomicU32::new(2) }));
    let mut attempts = Vec::new();
    let plan = node.plan(&fleet).await?;
    let summary = node
        .converge(plan, |event| {
            if let EventKind::GateAsked { gate, detail, .. } = &event.kind
                && gate == "queue"
            {
                println!("{event}");
                attempts.push(detail.clone());
            }
        })
        .await?;
    assert!(summary.is_good());
    assert_eq!(attempts, ["2 wait", "1 wait", "the queue of guest 103 is empty"]);
    Ok(())
}

#[tokio::main]
#[allow(dead_code, reason = "a test calls `run`")]
async fn main() -> Result<(), Error> {
    run().await
}
