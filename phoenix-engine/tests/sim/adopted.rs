//! Fleets that come up, are described from what is on the node, lose their records, and are taken over again.

use std::fs;
use std::sync::Arc;

use camino::Utf8Path;
use phoenix_engine::{
    Desired, Node, Observed, Provision, Provisioned, export, observe, plan, plan_adoption, remaining,
};
use phoenix_host::{Host as _, Layered};
use phoenix_sim::SimNode;

use crate::harness::fleet::{Fleet, Size};
use crate::harness::folder::Folder;
use crate::harness::random::Random;
use crate::harness::run::{How, Scene};
use crate::harness::world::{self, Weather};

async fn look(node: &Node, desired: &Desired) -> Observed {
    let site = node.labelled(None, "observe");
    observe(&site, desired).await.unwrap()
}

/// Takes the records off all guests.
async fn forget(sim: &SimNode) {
    for folder in ["/etc/pve/lxc", "/etc/pve/qemu-server"] {
        for name in sim.list(folder.into()).await.unwrap() {
            let path = Utf8Path::new(folder).join(name);
            let text = String::from_utf8(sim.read(&path, 1 << 20).await.unwrap()).unwrap();
            let lines = text.lines().filter(|line| !line.contains("phoenix%3A") && !line.contains("PHOENIX_RECORD"));
            let text: String = lines.map(|line| format!("{line}\n")).collect();
            sim.write(&path, text.as_bytes(), 0o640).await.unwrap();
        }
    }
}

async fn tell(seed: u64) -> Result<usize, String> {
    let mut random = Random::new(seed);
    let fleet = Fleet::random(&mut random, Size { guests: (1, 6) });
    let folder = Folder::new();
    let desired = folder.desired(&fleet);
    let sim = SimNode::new(world::random(&mut random, &fleet, Weather::Calm));
    let scene = Scene::new(sim.clone());
    if !scene.run(&desired, How::default()).await.is_good() {
        return Ok(0);
    }
    let node = Node::new(Layered::new(Arc::new(sim.clone())));
    let seen = look(&node, &desired).await;
    let ids = seen.present.keys().copied().collect();
    let files = export(&seen, &ids);

    let written = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(written.path()).unwrap();
    for (name, text) in [("phoenix_lxc_configs.json", &files.containers), ("phoenix_vm_configs.json", &files.machines)]
    {
        if let Some(text) = text {
            fs::write(dir.join(name), text).unwrap();
        }
    }
    let loaded = phoenix_config::load(dir);
    let Some(described) = loaded.fleet else { return Err(format!("{:#?}\n{files:#?}", loaded.diagnostics)) };
    let described = Desired::new(&described, None).unwrap();
    let left = remaining(&described, &look(&node, &described).await);
    if !left.is_empty() {
        return Err(format!("{left:#?}\n{files:#?}"));
    }

    forget(&sim).await;
    let adoption = plan_adoption(&described, &look(&node, &described).await, None, Provisioned::NotYet).unwrap();
    if adoption.guests.len() != described.guests.len() {
        return Err(format!("not all are taken over: {:?}", adoption.left));
    }
    if let Some((guest, Err(error))) = adoption.carry_out(&node).await.into_iter().find(|(_, result)| result.is_err()) {
        return Err(format!("{guest}: {error}"));
    }
    let after = plan(&described, &look(&node, &described).await, Provision::WhenChanged);
    if after == adoption.then && after.is_empty() { Ok(ids.len()) } else { Err(format!("{after:#?}")) }
}

#[test]
fn what_is_described_is_what_there_is() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let mut guests = 0;
    for seed in 1..=25 {
        guests += runtime.block_on(tell(seed)).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    assert!(guests >= 60, "{guests} guests came up");
}
