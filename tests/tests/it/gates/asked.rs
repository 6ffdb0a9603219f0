//! One guest on a simulated node, and the gates of a configuration asked of it by the engine.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use phoenix_engine::{Desired, Event, GuestHealth, Node, Options, Provision, Summary, converge, observe, plan};
use phoenix_health::{Attempt, Verdict};
use phoenix_host::{Command, Effect, Host, Layered};
use phoenix_sim::{SimNode, World};
use phoenix_types::{GuestId, GuestKind};
use serde_json::{Value, json};

use crate::program::Place;

/// A guest that runs, without any gates.
pub(crate) struct Asked {
    pub(crate) kind: GuestKind,
    pub(crate) sim: SimNode,
    /// What the gates are asked through: the simulated node, or something in front of it.
    pub(crate) host: Arc<dyn Host>,
    address: &'static str,
    /// The folder of the configuration.
    place: Place,
}

impl Asked {
    /// A guest that is up in a world where its inside is like `inside`.
    pub(crate) async fn of(kind: GuestKind, inside: &Value) -> Self {
        Self::with_address(kind, inside, "10.0.0.103/24").await
    }

    /// The same with an address that nobody knows beforehand.
    pub(crate) async fn dhcp(kind: GuestKind, inside: &Value) -> Self {
        let mut inside = inside.clone();
        inside["address"] = json!("10.0.0.103");
        Self::with_address(kind, &inside, "dhcp").await
    }

    async fn with_address(kind: GuestKind, inside: &Value, address: &'static str) -> Self {
        let world: World = serde_json::from_value(json!({"guests": {"103": inside}})).unwrap();
        let sim = SimNode::new(world);
        let asked = Self { kind, host: Arc::new(sim.clone()), sim, address, place: Place::empty() };
        let (summary, events) = asked.up(&json!([])).await;
        assert!(summary.is_good(), "{summary:#?} {events:#?}");
        asked
    }

    /// What the configuration says with these gates as its `health_check`.
    pub(crate) fn desired(&self, gates: &Value) -> Desired {
        let place = &self.place;
        let mut network = json!({"ip": self.address});
        if self.address != "dhcp" {
            network["gw"] = json!("10.0.0.1");
        }
        let mut interface = json!({"name": "eth0", "bridge": "vmbr0"});
        interface.as_object_mut().unwrap().extend(network.as_object().unwrap().clone());
        let (file, text) = match self.kind {
            GuestKind::Container => (
                "phoenix_lxc_configs.json",
                json!({"lxc_configs": {"103": {
                    "name": "guest", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs",
                    "storage_size_gb": 8, "state": "running", "health_check": gates,
                    "network_config": interface,
                }}}),
            ),
            GuestKind::Vm => (
                "phoenix_vm_configs.json",
                json!({"vms": [{
                    "vmid": 103, "name": "guest", "template_image": "debian-12-genericcloud-amd64.qcow2", "storage_pool": "local-zfs",
                    "state": "running", "network_config": network, "health_check": gates,
                }]}),
            ),
        };
        fs::write(place.config().join(file), text.to_string()).unwrap();
        fs::write(place.config().join("token"), "Bearer hunter2\n").unwrap();
        let loaded = phoenix_config::load(Utf8Path::from_path(&place.config()).unwrap());
        let fleet = loaded.fleet.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        Desired::new(&fleet, None).unwrap()
    }

    fn node(&self) -> Node {
        Node::new(Layered::new(self.host.clone()))
    }

    /// Brings the guest up with these gates.
    pub(crate) async fn up(&self, gates: &Value) -> (Summary, Vec<Event>) {
        let (node, desired) = (self.node(), Arc::new(self.desired(gates)));
        let site = node.labelled(None, "observe");
        let observed = observe(&site, &desired).await.unwrap();
        let plan = plan(&desired, &observed, Provision::WhenChanged);
        let mut events: Vec<Event> = Vec::new();
        let summary = converge(&node, desired, plan, &Options::default(), &mut [&mut events]).await;
        (summary, events)
    }

    /// What these gates say now, each asked once.
    pub(crate) async fn ask(&self, gates: &Value) -> Vec<Attempt> {
        let (node, desired) = (self.node(), self.desired(gates));
        let site = node.labelled(None, "observe");
        let observed = observe(&site, &desired).await.unwrap();
        let ids = BTreeSet::from([GuestId::new(103).unwrap()]);
        let mut health = phoenix_engine::ask(&node, &desired, &observed, &ids, Duration::MAX).await;
        let GuestHealth { gates, .. } = health.remove(0);
        gates.into_iter().map(|(_, attempt)| attempt).collect()
    }

    /// What one probe says now: its verdict and its words.
    pub(crate) async fn says(&self, probe: &Value) -> (Verdict, String) {
        let answer = self.ask(probe).await.remove(0).answer;
        (answer.verdict, answer.said)
    }

    /// Runs a command line of the node.
    pub(crate) async fn run(&self, line: &str) {
        let mut words = line.split_whitespace();
        let command = Command::new(words.next().unwrap(), Effect::Change, Duration::from_secs(600));
        let output = Host::run(&self.sim, command.args(words)).await.unwrap();
        assert!(output.succeeded(), "{line}: {}", output.stderr_text());
    }

    /// Runs a line of the shell inside; what it prints.
    pub(crate) async fn inside(&self, line: &str) -> String {
        let words: &[&str] = match self.kind {
            GuestKind::Container => &["pct", "exec", "103", "--", "sh", "-c", line],
            GuestKind::Vm => &["qm", "guest", "exec", "103", "--", "sh", "-c", line],
        };
        let command = Command::new(words[0], Effect::Change, Duration::from_secs(60)).args(&words[1..]);
        let output = Host::run(&self.sim, command).await.unwrap();
        assert!(output.succeeded(), "{line}: {}", output.stderr_text());
        let text = output.stdout_text();
        match self.kind {
            GuestKind::Container => text.into_owned(),
            GuestKind::Vm => {
                let answer: Value = serde_json::from_str(&text).unwrap();
                answer["out-data"].as_str().unwrap_or_default().to_owned()
            }
        }
    }

    /// Switches the guest off and on.
    pub(crate) async fn restart(&self) {
        self.run(&format!("{} stop 103", self.tool())).await;
        self.run(&format!("{} start 103", self.tool())).await;
    }

    /// The tool of the guest's kind.
    pub(crate) fn tool(&self) -> &'static str {
        match self.kind {
            GuestKind::Container => "pct",
            GuestKind::Vm => "qm",
        }
    }
}
