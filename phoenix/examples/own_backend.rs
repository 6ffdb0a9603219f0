//! A backend of one's own drives the containers: here `pct`, with an account of which guest was started when.
//! `cargo run -p phoenix --example own_backend`.
#![expect(clippy::print_stdout, reason = "it is there to be watched")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino::Utf8Path;
use phoenix::host::Inside;
use phoenix::lxc::{Containers, CreateContainer, Pct};
use phoenix::prelude::*;
use phoenix::pve::{CloneGuest, ConfEdit, GuestError, Guests, ObservedGuest, Purge};
use phoenix::types::{Change, DiskSize, FirewallFile, GuestKind, SnapshotName};
use phoenix::vm::Qm;

/// `pct`, and who was started.
#[derive(Debug)]
struct Accounted {
    pct: Pct,
    told: Arc<Mutex<Vec<GuestId>>>,
}

#[async_trait::async_trait]
impl Guests for Accounted {
    fn kind(&self) -> GuestKind {
        self.pct.kind()
    }

    async fn observe(&self) -> Result<BTreeMap<GuestId, ObservedGuest>, GuestError> {
        self.pct.observe().await
    }

    async fn inspect(&self, id: GuestId) -> Result<Option<ObservedGuest>, GuestError> {
        self.pct.inspect(id).await
    }

    async fn clone_from(&self, id: GuestId, spec: &CloneGuest) -> Result<(), GuestError> {
        self.pct.clone_from(id, spec).await
    }

    async fn configure(&self, id: GuestId, change: &Change, digest: Option<&str>) -> Result<(), GuestError> {
        self.pct.configure(id, change, digest).await
    }

    async fn edit(&self, id: GuestId, edit: &ConfEdit) -> Result<(), GuestError> {
        self.pct.edit(id, edit).await
    }

    async fn write_firewall(&self, id: GuestId, file: &FirewallFile) -> Result<(), GuestError> {
        self.pct.write_firewall(id, file).await
    }

    async fn resize(&self, id: GuestId, disk: &str, size: DiskSize) -> Result<(), GuestError> {
        self.pct.resize(id, disk, size).await
    }

    async fn start(&self, id: GuestId, limit: Option<Duration>) -> Result<(), GuestError> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        self.pct.start(id, limit).await
    }

    async fn shutdown(&self, id: GuestId, timeout: Duration) -> Result<(), GuestError> {
        self.pct.shutdown(id, timeout).await
    }

    async fn stop(&self, id: GuestId) -> Result<(), GuestError> {
        self.pct.stop(id).await
    }

    async fn reboot(&self, id: GuestId, timeout: Duration) -> Result<(), GuestError> {
        self.pct.reboot(id, timeout).await
    }

    async fn snapshot(&self, id: GuestId, name: &SnapshotName, description: &str) -> Result<(), GuestError> {
        self.pct.snapshot(id, name, description).await
    }

    async fn delete_snapshot(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError> {
        self.pct.delete_snapshot(id, name).await
    }

    async fn rollback(&self, id: GuestId, name: &SnapshotName) -> Result<(), GuestError> {
        self.pct.rollback(id, name).await
    }

    async fn convert_to_template(&self, id: GuestId) -> Result<(), GuestError> {
        self.pct.convert_to_template(id).await
    }

    async fn unlock(&self, id: GuestId) -> Result<(), GuestError> {
        self.pct.unlock(id).await
    }

    async fn destroy(&self, id: GuestId, purge: Purge) -> Result<(), GuestError> {
        self.pct.destroy(id, purge).await
    }

    fn inside(&self, id: GuestId) -> Arc<dyn Inside> {
        self.pct.inside(id)
    }

    async fn push(&self, id: GuestId, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), GuestError> {
        self.pct.push(id, path, contents, mode).await
    }
}

#[async_trait::async_trait]
impl Containers for Accounted {
    async fn create(&self, id: GuestId, spec: &CreateContainer) -> Result<(), GuestError> {
        self.pct.create(id, spec).await
    }
}

pub(crate) async fn run() -> Result<(), Error> {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/step-ca");
    let fleet = Fleet::load(&folder)?;
    let started = Arc::new(Mutex::new(Vec::new()));
    let told = started.clone();
    let node = Node::simulated(World::load(folder.join("world.json"))?)?.with_backends(
        move |host| Arc::new(Accounted { pct: Pct::new(host), told: told.clone() }),
        |host| Arc::new(Qm::new(host)),
    );
    let plan = node.plan(&fleet).await?;
    assert!(node.converge(plan, |_| ()).await?.is_good());
    let started = started.lock().unwrap_or_else(PoisonError::into_inner).clone();
    println!("{started:?}");
    let place = |id: u32| started.iter().position(|guest| guest.get() == id);
    assert!(place(103) < place(101), "the authority is up before the one that needs it: {started:?}");
    Ok(())
}

#[tokio::main]
#[allow(dead_code, reason = "a test calls `run`")]
async fn main() -> Result<(), Error> {
    run().await
}
