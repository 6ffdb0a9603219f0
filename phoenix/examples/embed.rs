//! Brings a fleet up on a simulated node and prints what happens: `cargo run -p phoenix --example embed`.
//!
//! On a real node it is `Node::local()` or `Node::ssh("root@pve1")?`; nothing else changes.
#![expect(clippy::print_stdout, reason = "it is there to be watched")]

use phoenix::prelude::*;

pub(crate) async fn run() -> Result<(), Error> {
    let folder = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/step-ca");
    let fleet = Fleet::load(&folder)?;
    let node = Node::simulated(World::load(folder.join("world.json"))?)?;
    let plan = node.plan(&fleet).await?;
    println!("{plan}");
    let summary = node.converge(plan, |event| println!("{event}")).await?;
    assert!(summary.is_good());
    assert!(node.plan(&fleet).await?.is_empty(), "a second run has nothing to do");
    Ok(())
}

#[tokio::main]
#[allow(dead_code, reason = "a test calls `run`")]
async fn main() -> Result<(), Error> {
    run().await
}
