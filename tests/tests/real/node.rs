//! A simulated node whose guests have real insides.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_host::{ByteStream, Command, Created, FileStat, Host, HostError, Output};
use phoenix_sim::{SimNode, World};
use phoenix_tests::real::{CACHE, Insides, Kind, Kinds, System};
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct RealNode {
    sim: SimNode,
    insides: Insides,
}

impl RealNode {
    /// A node on which guests with these ids are systems of these kinds, as soon as they are made.
    pub(crate) fn new(kinds: &[(u32, Kind)]) -> Self {
        let ids: Vec<String> = kinds.iter().map(|(id, _)| id.to_string()).collect();
        let folder = Path::new(CACHE).join(format!("run-{}-{}", std::process::id(), ids.join("-")));
        let kinds = Kinds::Listed(kinds.iter().copied().collect());
        Self { sim: SimNode::new(World::default()), insides: Insides::new(folder, kinds) }
    }

    /// The inside of a guest.
    pub(crate) fn system(&self, id: u32) -> System {
        self.insides.system(id)
    }
}

impl Drop for RealNode {
    fn drop(&mut self) {
        self.insides.remove();
    }
}

#[async_trait]
impl Host for RealNode {
    fn name(&self) -> String {
        "real:".to_owned()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let begun = Instant::now();
        let mut output = if let Some(answer) = self.insides.answer(&command).await {
            answer?
        } else {
            let argv = command.argv();
            self.insides.before(&argv);
            let output = Host::run(&self.sim, command).await?;
            if output.succeeded() {
                self.insides.after(&argv).await.expect("a system that boots");
            }
            output
        };
        output.elapsed = begun.elapsed();
        Ok(output)
    }

    async fn read(&self, path: &Utf8Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.sim.read(path, limit).await
    }

    async fn write(&self, path: &Utf8Path, contents: &[u8], mode: u32) -> Result<(), HostError> {
        self.sim.write(path, contents, mode).await
    }

    async fn create_new(&self, path: &Utf8Path, contents: &[u8]) -> Result<Created, HostError> {
        self.sim.create_new(path, contents).await
    }

    async fn remove(&self, path: &Utf8Path) -> Result<(), HostError> {
        self.sim.remove(path).await
    }

    async fn stat(&self, path: &Utf8Path) -> Result<Option<FileStat>, HostError> {
        self.sim.stat(path).await
    }

    async fn list(&self, path: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.sim.list(path).await
    }

    async fn dial(&self, address: &str, port: u16, deadline: Duration) -> Result<Box<dyn ByteStream>, HostError> {
        self.sim.dial(address, port, deadline).await
    }
}
