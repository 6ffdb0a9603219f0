//! A simulated node whose guests have real insides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8Path;
use phoenix_host::{ByteStream, Command, Created, FileStat, Host, HostError, Output};
use phoenix_sim::{SimNode, World};
use tokio::time::Instant;

use super::agent;
use super::system::{Kind, System};

/// How long a system may take to boot.
const BOOT: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(crate) struct RealNode {
    sim: SimNode,
    kinds: BTreeMap<u32, Kind>,
    systems: Mutex<BTreeMap<u32, Arc<System>>>,
}

impl RealNode {
    /// A node on which guests with these ids are systems of these kinds, as soon as they are made.
    pub(crate) fn new(kinds: &[(u32, Kind)]) -> Self {
        Self { sim: SimNode::new(World::default()), kinds: kinds.iter().copied().collect(), systems: Mutex::default() }
    }

    /// The inside of a guest; it is made when it is first asked for.
    pub(crate) fn system(&self, id: u32) -> Arc<System> {
        let mut systems = self.systems.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = self.kinds[&id];
        Arc::clone(systems.entry(id).or_insert_with(|| Arc::new(System::new(kind, id).expect("files for a system"))))
    }

    async fn boot(&self, id: u32) {
        let system = self.system(id);
        system.start().expect("systemd-nspawn");
        let deadline = Instant::now() + BOOT;
        while !system.is_up().await {
            assert!(Instant::now() < deadline, "{id} does not boot");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[async_trait]
impl Host for RealNode {
    fn name(&self) -> String {
        "real:".to_owned()
    }

    async fn run(&self, command: Command) -> Result<Output, HostError> {
        let begun = Instant::now();
        let argv = command.argv();
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let id = |at: usize| {
            words.get(at).and_then(|word| word.parse::<u32>().ok()).filter(|id| self.kinds.contains_key(id))
        };
        let input = command.stdin.as_ref().map(|input| input.as_bytes().to_vec());
        let mut output = match words.as_slice() {
            ["pct", "exec", ..] if let Some(id) = id(2) => {
                let inside = argv.iter().position(|word| word == "--").map_or(&[][..], |at| &argv[at + 1..]);
                let inside = inside.to_vec();
                self.system(id).enter(&inside, command).await?
            }
            ["qm", "guest", "exec", ..] if let Some(id) = id(3) => {
                agent::exec(&self.system(id).agent(), &argv[4..], input.as_deref()).await
            }
            ["qm", "guest", "exec-status", _, pid] if let Some(id) = id(3) => {
                agent::exec_status(&self.system(id).agent(), pid).await
            }
            ["qm", "guest", "cmd", _, "ping"] if let Some(id) = id(3) => agent::ping(&self.system(id).agent()).await,
            ["pct" | "qm", "start", ..] if let Some(id) = id(2) => {
                let output = Host::run(&self.sim, command).await?;
                if output.succeeded() {
                    self.boot(id).await;
                }
                output
            }
            ["pct" | "qm", "stop" | "shutdown" | "destroy", ..] if let Some(id) = id(2) => {
                self.system(id).stop();
                Host::run(&self.sim, command).await?
            }
            _ => Host::run(&self.sim, command).await?,
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
