//! The examples do what they say.
#![cfg(all(feature = "sim", feature = "lxc", feature = "vm"))]

#[path = "../examples/embed.rs"]
mod embed;
#[path = "../examples/own_backend.rs"]
mod own_backend;
#[path = "../examples/own_probe.rs"]
mod own_probe;
#[path = "../examples/own_rule.rs"]
mod own_rule;

use phoenix::prelude::*;

#[tokio::test]
async fn embedding() -> Result<(), Error> {
    embed::run().await
}

#[tokio::test]
async fn a_backend_of_ones_own() -> Result<(), Error> {
    own_backend::run().await
}

#[tokio::test]
async fn a_probe_of_ones_own() -> Result<(), Error> {
    own_probe::run().await
}

#[test]
fn a_rule_of_ones_own() -> Result<(), Error> {
    own_rule::run()
}

#[tokio::test]
async fn a_plan_that_no_longer_holds_is_not_carried_out() -> Result<(), Error> {
    let folder = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/step-ca");
    let fleet = Fleet::load(&folder)?;
    let node = Node::simulated(World::load(folder.join("world.json"))?)?;
    let plan = node.plan(&fleet).await?;
    let mut events = Vec::new();
    assert!(node.converge(plan.clone(), |event| events.push(event.seq)).await?.is_good());
    assert_eq!(events, (1..=events.len() as u64).collect::<Vec<_>>());
    assert!(matches!(node.converge(plan, |_| ()).await, Err(Error::Drifted)));
    Ok(())
}

#[test]
fn what_is_wrong_in_the_files_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = camino::Utf8Path::from_path(folder.path()).unwrap();
    std::fs::write(path.join("phoenix.yaml"), "lxc:\n  \"100\": {nme: web}\n").unwrap();
    let error = Fleet::load(path).unwrap_err().to_string();
    assert!(error.contains("phoenix.yaml:2:"), "{error}");
}
